//! The distance of Gram matrices, means and standard deviations: Galerne, Raad, Lezama & Morel 2024, "Scaling painting style
//! transfer", section 3.2.

use ndarray::{Array1, Zip};

use super::{Derived, Distance, GramNorm, Moments, Seen};
use crate::tape::Real;
use crate::vgg::Layer;

/// ‖E(ffᵀ)−E₀‖²/a + ‖μ−μ₀‖²/b + ‖σ−σ₀‖²/c, with means E over positions and the standard deviation σ of each channel; E₀, μ₀ and
/// σ₀ are given.
///
/// The divisors a, b, c are ‖E₀‖², ‖μ₀‖² and ‖σ₀‖² for [`GramNorm::Relative`], or the number of elements if such a norm is 0; for [`GramNorm::Mean`] they are 4N², N and N for N channels; for [`GramNorm::Sum`] N³/M, N and N for M positions.
pub struct MomentsError {
    layer: Layer,
    norm: GramNorm,
    target: Moments,
    deviation: Array1<f64>,
    /// The share of a channel's second moment that may be rounding.
    rounding: f64,
}

impl MomentsError {
    /// The error from a weighted sum of moments; weights that sum to 1 blend them.
    ///
    /// # Panics
    /// If there are none, or they differ in shape.
    pub fn new<T: Real>(layer: Layer, moments: &[(f64, Seen<'_, T>)], norm: GramNorm) -> Self {
        let (target, rounding) = (Moments::blended(moments), Moments::rounding::<T>());
        Self { layer, norm, deviation: deviation(&target, rounding), target, rounding }
    }

    /// The divisors of the three parts.
    fn divisors(&self, positions: f64) -> [f64; 3] {
        let channels = self.target.mean.len() as f64;
        let size = |sum: f64, elements: f64| if sum > 0.0 { sum } else { elements };
        let squares = |v: &Array1<f64>| v.dot(v);
        match self.norm {
            GramNorm::Relative => [
                size(self.target.second.iter().map(|v| v * v).sum(), channels * channels),
                size(squares(&self.target.mean), channels),
                size(squares(&self.deviation), channels),
            ],
            GramNorm::Mean => [4.0 * channels.powi(2), channels, channels],
            GramNorm::Sum => [channels.powi(3) / positions, channels, channels],
        }
    }
}

/// σ of each channel; 0 if the variance may be nothing but rounding.
fn deviation(moments: &Moments, rounding: f64) -> Array1<f64> {
    Zip::from(moments.second.diag()).and(&moments.mean).map_collect(|second, mean| {
        let variance = second - mean * mean;
        if variance > rounding * second { variance.sqrt() } else { 0.0 }
    })
}

impl Distance for MomentsError {
    fn operation(&self) -> &'static str {
        "moments_error"
    }

    fn layer(&self) -> Layer {
        self.layer
    }

    fn derived(&self, moments: &Moments, _: bool) -> Derived {
        let sigma = deviation(moments, self.rounding);
        let [a, b, c] = self.divisors(moments.positions);
        let second = &moments.second - &self.target.second;
        let mean = &moments.mean - &self.target.mean;
        let apart = &sigma - &self.deviation;
        let value = second.iter().map(|v| v * v).sum::<f64>() / a + mean.dot(&mean) / b + apart.dot(&apart) / c;
        // σ² = E[f²] − μ²; the derivative at σ = 0 is set to 0.
        let d_variance = Zip::from(&apart).and(&sigma).map_collect(
            |apart, &sigma| {
                if sigma > 0.0 { apart / (c * sigma) } else { 0.0 }
            },
        );
        let mut d_second = second * (2.0 / a);
        d_second.diag_mut().zip_mut_with(&d_variance, |d, v| *d += v);
        let d_mean = mean * (2.0 / b) - 2.0 * &moments.mean * &d_variance;
        Derived { value, d_mean, d_second }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::kernels::testing::random;
    use crate::objective::Term;
    use crate::ops::moments;
    use crate::tape::Tape;

    #[test]
    fn is_computed_as_it_is_defined() {
        let layer = Layer::of_convolution(0).1;
        let (f, p): (Array2<f64>, Array2<f64>) = (random((12, 3), 1), random((20, 3), 2));
        let tape = Tape::new();
        let seen = |f: &Array2<f64>| {
            let map = f.clone().into_shape_with_order((f.nrows() / 4, 4, 3)).unwrap();
            Seen { value: moments(&tape.constant(map), None), positions: f.nrows() as f64 }
        };
        let second = |f: &Array2<f64>| f.t().dot(f) / f.nrows() as f64;
        let mean = |f: &Array2<f64>| f.mean_axis(ndarray::Axis(0)).unwrap();
        let std = |f: &Array2<f64>| f.std_axis(ndarray::Axis(0), 0.0);
        let apart = |a: &Array1<f64>, b: &Array1<f64>| (a - b).mapv(|v| v * v).sum();
        let size = |a: &Array1<f64>| a.mapv(|v| v * v).sum();
        let (g, a) = (second(&f), second(&p));
        let gram = (&g - &a).mapv(|v| v * v).sum();
        let (means, stds) = (apart(&mean(&f), &mean(&p)), apart(&std(&f), &std(&p)));
        for (norm, expected) in [
            (GramNorm::Relative, gram / a.mapv(|v| v * v).sum() + means / size(&mean(&p)) + stds / size(&std(&p))),
            (GramNorm::Mean, gram / 36.0 + means / 3.0 + stds / 3.0),
            (GramNorm::Sum, gram * 12.0 / 27.0 + means / 3.0 + stds / 3.0),
        ] {
            let term = MomentsError::new(layer, &[(1.0, seen(&p))], norm);
            let value = |f: &Array2<f64>| Term::<f64>::score(&term, &seen(f), 2.0).scalar();
            approx::assert_relative_eq!(value(&f), 2.0 * expected, max_relative = 1e-12);
            assert!(value(&p) < 1e-25);
        }
    }
}
