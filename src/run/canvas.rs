//! The picture under optimisation: its values, units, bounds and start.

use ndarray::{Array3, ArrayD, Axis, Ix3, IxDyn, arr1, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::ops::{mul, slice};
use crate::optim::Bounds;
use crate::picture::{self, Picture};
use crate::tape::Var;
use crate::vgg::Vgg19;

/// The start of a style transfer.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "a job has one of it")]
pub enum Start {
    /// The content image.
    #[default]
    Content,
    /// Faint normal noise around the mean of the network's input: a tenth of the spread of natural colours.
    Noise,
    /// The style image, resized to the content's size.
    Style,
    /// Any picture, resized to the content's size.
    Picture(Picture),
}

/// The standard deviation of the initial noise of textures and transfers, as a share of the spread of natural colours.
///
/// The network hardly sees the finest checkerboards, so they stay as they were at the start: noise as strong as natural colours
/// would leave the picture covered in them, at the same loss. (The programs of Gatys et al. start from a standard deviation of
/// one level of 255.)
pub const FAINT: f64 = 0.1;

/// The units of a canvas's values. In both, 0 is the network's mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Units of the network's input, (pixel − mean)/std.
    Input,
    /// Levels of 0..255, as x in Mahendran & Vedaldi 2014.
    Levels,
}

/// A picture as an optimiser sees it: an array of unbounded numbers around 0.
///
/// A canvas may have a margin. The network then sees a window of it, which can move (jitter); the margin does not belong to the
/// picture.
#[derive(Clone)]
pub struct Canvas {
    values: ArrayD<f32>,
    units: Units,
    margin: usize,
    network: Vgg19<f32>,
}

impl Canvas {
    /// A canvas that shows a picture, in units of the network's input.
    pub fn of(picture: &Picture, network: &Vgg19<f32>) -> Self {
        Self::painted(picture.clone(), [picture.height(), picture.width()], network, Units::Input, 0)
    }

    /// A canvas of the given height and width plus a margin, in pixels for both sides together; it shows a picture
    /// resized to cover both.
    pub fn painted(
        picture: Picture,
        [height, width]: [usize; 2],
        network: &Vgg19<f32>,
        units: Units,
        margin: usize,
    ) -> Self {
        let mut canvas = Self { values: ArrayD::zeros(vec![0; 3]), units, margin, network: network.clone() };
        let picture = picture.resized(height + margin, width + margin);
        let input = network.normalise(&picture.rgb.view());
        canvas.values = match units {
            Units::Input => input.into_dyn(),
            Units::Levels => per_channel(input, canvas.levels()).into_dyn(),
        };
        canvas
    }

    /// A canvas of faint noise, in the units of the network's input.
    pub fn noise(size: [usize; 2], network: &Vgg19<f32>, seed: u64) -> Self {
        let values = noise(size, seed) * (FAINT * network.spread()) as f32;
        Self { values: values.into_dyn(), units: Units::Input, margin: 0, network: network.clone() }
    }

    /// A canvas of normal noise with the given norm, in levels, for a picture of the given size plus a margin.
    pub fn noise_of_norm(
        [height, width]: [usize; 2],
        margin: usize,
        norm: f64,
        network: &Vgg19<f32>,
        seed: u64,
    ) -> Self {
        let noise = noise([height + margin, width + margin], seed);
        let own = noise.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        let values = noise * (norm / own) as f32;
        Self { values: values.into_dyn(), units: Units::Levels, margin, network: network.clone() }
    }

    /// Height and width of the picture, without the margin.
    pub fn size(&self) -> [usize; 2] {
        [self.values.shape()[0] - self.margin, self.values.shape()[1] - self.margin]
    }

    /// The values (height, width, 3), including the margin.
    pub fn values(&self) -> &ArrayD<f32> {
        &self.values
    }

    /// The values, mutable.
    pub fn values_mut(&mut self) -> &mut ArrayD<f32> {
        &mut self.values
    }

    /// The same with other values.
    pub(super) fn with_values(&self, values: ArrayD<f32>) -> Self {
        Self { values, units: self.units, margin: self.margin, network: self.network.clone() }
    }

    /// The box of values whose pixels lie in 0..1.
    pub fn bounds(&self) -> Bounds {
        let (mean, std) = (self.network.mean(), self.network.std());
        let level = |pixel: f64| match self.units {
            Units::Input => (0..3).map(|c| (pixel - mean[c]) / std[c]).collect(),
            Units::Levels => mean.map(|mean| 255.0 * (pixel - mean)).to_vec(),
        };
        Bounds::new(level(0.0), level(1.0))
    }

    /// The network's input for values on a tape: the window of the picture's size whose first row and column are
    /// `corner`.
    ///
    /// # Panics
    /// If the window exceeds the canvas.
    pub fn input<'t>(&self, values: &Var<'t, f32>, [top, left]: [usize; 2]) -> Var<'t, f32> {
        let [height, width] = self.size();
        let window =
            if self.margin == 0 { values.clone() } else { slice(values, top..top + height, left..left + width, 0..3) };
        match self.units {
            Units::Input => window,
            Units::Levels => {
                let factors = arr1(&self.network.std().map(|std| (1.0 / (255.0 * std)) as f32));
                mul(&window, &values.tape().constant(factors))
            }
        }
    }

    /// The picture that values of this canvas's shape stand for, in red, green and blue that may lie outside 0..1. A
    /// margin is cropped around the middle.
    ///
    /// # Panics
    /// If the shape differs.
    pub fn rgb(&self, values: &ArrayD<f32>) -> Array3<f32> {
        let values = values.view().into_dimensionality::<Ix3>().expect("height, width, 3");
        let ([height, width], start) = (self.size(), self.margin / 2);
        let window = values.slice_move(s![start..start + height, start..start + width, ..]);
        match self.units {
            Units::Input => self.network.denormalise(&window),
            Units::Levels => {
                let image = per_channel(window.to_owned(), self.levels().map(f32::recip));
                self.network.denormalise(&image.view())
            }
        }
    }

    /// The canvas with its picture resized, pixels clamped to 0..1.
    pub fn resized(&self, size: [usize; 2]) -> Self {
        let rgb = self.rgb(&self.values).mapv_into(|v| v.clamp(0.0, 1.0));
        Self::painted(Picture::new(rgb), size, &self.network, self.units, self.margin)
    }

    /// The number of levels of 0..255 in one unit of the network's input, by channel.
    fn levels(&self) -> [f32; 3] {
        self.network.std().map(|std| (255.0 * std) as f32)
    }
}

/// An array (height, width, 3) of any numbers, resized by linear interpolation.
pub(super) fn resampled(values: &ArrayD<f32>, shape: &IxDyn) -> ArrayD<f32> {
    let (least, most) = values.iter().fold((f32::MAX, f32::MIN), |(least, most), &v| (least.min(v), most.max(v)));
    let range = (most - least).max(f32::MIN_POSITIVE);
    // The filter clamps to 0..1.
    let unit = values.mapv(|v| (v - least) / range).into_dimensionality::<Ix3>().expect("height, width, 3");
    let resized = picture::resize_linear(&unit, [shape[0], shape[1]]);
    resized.mapv_into(|v| v * range + least).into_dyn()
}

/// Multiplies each channel by its factor.
fn per_channel(mut image: Array3<f32>, factors: [f32; 3]) -> Array3<f32> {
    for mut pixel in image.lanes_mut(Axis(2)) {
        pixel.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
    }
    image
}

/// Standard normal noise (height, width, 3): the same for the same seed.
fn noise([height, width]: [usize; 2], seed: u64) -> Array3<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array3::from_shape_simple_fn((height, width, 3), || StandardNormal.sample(&mut rng))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Tape;
    use crate::vgg::Weights;

    fn network() -> Vgg19<f32> {
        Vgg19::new(Weights::random_with_widths([1; 5], 1, Some("relu1_1".parse().unwrap())))
    }

    fn picture() -> Picture {
        Picture::new(Array3::from_shape_fn((4, 5, 3), |(i, j, c)| (i * 5 + j + c) as f32 / 30.0))
    }

    #[test]
    fn noise_is_standard_normal_and_follows_from_its_seed() {
        let one = noise([100, 80], 1);
        assert_eq!(one, noise([100, 80], 1));
        assert_ne!(one, noise([100, 80], 2));
        assert!(one.mean().unwrap().abs() < 0.03 && (one.std(0.0) - 1.0).abs() < 0.03);
    }

    #[test]
    fn what_is_painted_is_shown_and_seen_in_either_unit() {
        let (network, picture) = (network(), picture());
        let expected = network.normalise(&picture.rgb.view());
        for units in [Units::Input, Units::Levels] {
            let canvas = Canvas::painted(picture.clone(), [4, 5], &network, units, 0);
            approx::assert_abs_diff_eq!(canvas.rgb(canvas.values()), picture.rgb, epsilon = 1e-6);
            let tape = Tape::new();
            let input = canvas.input(&tape.constant(canvas.values().clone()), [0, 0]).to_array();
            approx::assert_abs_diff_eq!(input, expected.clone().into_dyn(), epsilon = 1e-5);
            let bounds = canvas.bounds();
            let mut white = Canvas::painted(Picture::new(picture.rgb.mapv(|_| 2.0)), [4, 5], &network, units, 0);
            let mut adam = crate::optim::Adam::new(0.0).bounds(bounds);
            let zero = ArrayD::zeros(white.values().shape());
            crate::optim::Optimizer::step(&mut adam, white.values_mut(), 0.0, &zero);
            approx::assert_abs_diff_eq!(white.rgb(white.values()), picture.rgb.mapv(|_| 1.0), epsilon = 1e-5);
        }
    }

    #[test]
    fn a_margin_is_no_part_of_the_picture_and_the_window_moves_in_it() {
        let network = network();
        let canvas = Canvas::painted(picture(), [4, 5], &network, Units::Levels, 3);
        assert_eq!((canvas.size(), canvas.values().shape()), ([4, 5], &[7, 8, 3][..]));
        let tape = Tape::new();
        let values = tape.constant(canvas.values().clone());
        let window = canvas.input(&values, [2, 1]).to_array();
        let whole = canvas.input(&values, [0, 0]).to_array();
        assert_eq!(window.shape(), [4, 5, 3]);
        assert_eq!(window[[0, 0, 0]], whole[[2, 1, 0]]);
        assert_eq!(canvas.rgb(canvas.values()).dim(), (4, 5, 3));
    }

    #[test]
    fn a_resized_canvas_shows_the_same_within_black_and_white() {
        let network = network();
        let mut canvas = Canvas::of(&Picture::new(Array3::from_elem((4, 6, 3), 0.25)), &network);
        canvas.values_mut()[[0, 0, 0]] = 1e3;
        let larger = canvas.resized([8, 12]);
        let rgb = larger.rgb(larger.values());
        assert_eq!(rgb.dim(), (8, 12, 3));
        approx::assert_abs_diff_eq!(rgb[[7, 11, 1]], 0.25, epsilon = 1e-5);
        assert!(rgb.iter().all(|v| *v < 1.5));
    }
}
