//! Normalisation of the network's input: (pixel − mean)/std, by channel.

use ndarray::{Array3, ArrayView3, Axis};

use crate::tape::Real;

/// Mean and standard deviation of the network's input, by channel, for pixels in 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalisation {
    mean: [f64; 3],
    std: [f64; 3],
}

impl Normalisation {
    /// The normalisation by these means and standard deviations.
    pub fn new(mean: [f32; 3], std: [f32; 3]) -> Self {
        Self { mean: mean.map(f64::from), std: std.map(f64::from) }
    }

    /// Mean of each channel.
    pub fn mean(&self) -> [f64; 3] {
        self.mean
    }

    /// Standard deviation of each channel.
    pub fn std(&self) -> [f64; 3] {
        self.std
    }

    /// The spread of natural colours in normalised units: 1 for torchvision's statistics, about 58 for a network whose input
    /// is in grey levels of 0..255.
    pub fn spread(&self) -> f64 {
        const TORCHVISION: f64 = (0.229 + 0.224 + 0.225) / 3.0;
        TORCHVISION * 3.0 / self.std.iter().sum::<f64>()
    }

    /// (pixel − mean)/std of an image (height, width, 3) with values in 0..1.
    pub fn apply<T: Real>(&self, rgb: &ArrayView3<'_, f32>) -> Array3<T> {
        let mut image = rgb.mapv(|v| T::of(f64::from(v)));
        for (channel, mut plane) in image.axis_iter_mut(Axis(2)).enumerate() {
            let (mean, std) = (T::of(self.mean[channel]), T::of(self.std[channel]));
            plane.mapv_inplace(|v| (v - mean) / std);
        }
        image
    }

    /// The inverse of [`apply`](Self::apply); values may lie outside 0..1.
    pub fn invert<T: Real>(&self, image: &ArrayView3<'_, T>) -> Array3<f32> {
        let mut rgb = image.mapv(|v| Real::to_f64(v) as f32);
        for (channel, mut plane) in rgb.axis_iter_mut(Axis(2)).enumerate() {
            let (mean, std) = (self.mean[channel] as f32, self.std[channel] as f32);
            plane.mapv_inplace(|v| v * std + mean);
        }
        rgb
    }
}
