//! The squared 2-Wasserstein distance between the Gaussians of features' means and covariances: Dowson & Landau 1982, "The
//! Fréchet distance between multivariate normal distributions"; as a style, crowsonkb's style-transfer-pytorch 2021.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rayon::prelude::*;

use super::{Derived, Distance, GramNorm, Moments, Seen};
use crate::kernels::eigen::symmetric_eigen;
use crate::kernels::product::matrix_product;
use crate::tape::Real;
use crate::vgg::Layer;

/// W² = ‖μ−ν‖² + tr(Σ + A − 2·(A^½·Σ·A^½)^½) for features of mean μ and covariance Σ, and given ν and A: the least mean
/// squared distance that moves one Gaussian to the other.
///
/// For [`GramNorm::Relative`], the divisor is the target's mean square tr A + ‖ν‖², or the number of channels if that is 0;
/// otherwise it is the number of channels.
///
/// The gradient is that of the optimal map T = A^½·(A^½·Σ·A^½)^(−½)·A^½: dW²/dΣ = 1 − T. It depends on the matrix under the root
/// as a whole, so equal eigenvalues need no special case. The root is not differentiable at an eigenvalue of 0 (within rounding);
/// T leaves out that direction. Rounding means that of the moments, which are f32 if the features are.
pub struct Wasserstein {
    layer: Layer,
    /// ν.
    mean: Array1<f64>,
    /// B with A = BBᵀ, (channels, rank): A^½ along the axes that exceed rounding.
    root: Array2<f64>,
    /// tr A.
    trace: f64,
    divisor: f64,
    /// The share of a channel's second moment that may be rounding.
    rounding: f64,
}

impl Wasserstein {
    /// The distance from a weighted sum of moments; weights that sum to 1 blend them.
    ///
    /// # Panics
    /// If there are none, or they differ in shape.
    pub fn new<T: Real>(layer: Layer, moments: &[(f64, Seen<'_, T>)], norm: GramNorm) -> Self {
        let target = Moments::blended(moments);
        let (values, vectors) = symmetric_eigen(&target.covariance());
        let largest = values.last().copied().unwrap_or(0.0).max(0.0);
        let first = values.iter().position(|&v| v > Moments::rounding::<T>() * largest).unwrap_or(values.len());
        let scales = values.slice(s![first..]).mapv(f64::sqrt);
        let root = &vectors.slice(s![.., first..]) * &scales;
        let trace = scales.dot(&scales);
        let size = trace + target.mean.dot(&target.mean);
        let divisor = if norm == GramNorm::Relative && size > 0.0 { size } else { target.mean.len() as f64 };
        Self { layer, mean: target.mean, root, trace, divisor, rounding: Moments::rounding::<T>() }
    }

    /// The eigenvalues of BᵀΣB, with 0 for those that may be rounding: their roots would not be small, and the inverses would be
    /// large.
    ///
    /// An error E of Σ moves the eigenvalue of q by qᵀBᵀEBq. Each eigenvalue is therefore compared with the rounding of the second
    /// moments along its own axis Bq, and with the rounding of the largest.
    fn above_rounding(&self, mut values: Array1<f64>, axes: &Array2<f64>, second: &ArrayView1<'_, f64>) -> Array1<f64> {
        let of_largest = values.len() as f64 * f64::EPSILON * values.last().copied().unwrap_or(0.0).max(0.0);
        for (value, axis) in values.iter_mut().zip(axes.columns()) {
            let of_moments = self.rounding * axis.iter().zip(second).map(|(x, s)| x * x * s).sum::<f64>();
            if *value <= of_largest.max(of_moments) {
                *value = 0.0;
            }
        }
        values
    }
}

/// Rows of a product per task.
const ROWS: usize = 64;

/// A·B, in parallel.
fn product(a: &ArrayView2<'_, f64>, b: &ArrayView2<'_, f64>) -> Array2<f64> {
    let mut result = Array2::zeros((a.nrows(), b.ncols()));
    let rows = result.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter();
    rows.zip(a.axis_chunks_iter(Axis(0), ROWS)).for_each(|(mut rows, a)| matrix_product(1.0, &a, b, 0.0, &mut rows));
    result
}

impl Distance for Wasserstein {
    fn operation(&self) -> &'static str {
        "wasserstein"
    }

    fn layer(&self) -> Layer {
        self.layer
    }

    fn derived(&self, moments: &Moments, wanted: bool) -> Derived {
        let apart = &moments.mean - &self.mean;
        let covariance = moments.covariance();
        // BᵀΣB has the nonzero eigenvalues of A^½ΣA^½.
        let inner = product(&self.root.t(), &product(&covariance.view(), &self.root.view()).view());
        let (values, vectors) = symmetric_eigen(&((&inner + &inner.t()) / 2.0));
        let axes = product(&self.root.view(), &vectors.view());
        let values = self.above_rounding(values, &axes, &moments.second.diag());
        let roots = values.mapv(f64::sqrt);
        let value =
            (apart.dot(&apart) + covariance.diag().sum() + self.trace - 2.0 * roots.sum()).max(0.0) / self.divisor;
        let channels = self.mean.len();
        if !wanted {
            return Derived { value, d_mean: Array1::zeros(channels), d_second: Array2::zeros((channels, channels)) };
        }
        // T = CCᵀ with C = B·Q·Λ^(−¼).
        let c = axes * &values.mapv(|v| if v > 0.0 { v.powf(-0.25) } else { 0.0 });
        let mut d_second = product(&c.view(), &c.t());
        d_second.mapv_inplace(|t| -t / self.divisor);
        d_second.diag_mut().mapv_inplace(|d| d + 1.0 / self.divisor);
        // Σ = E[ffᵀ] − μμᵀ.
        let d_mean = 2.0 * (apart / self.divisor - d_second.dot(&moments.mean));
        Derived { value, d_mean, d_second }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, ArrayD, arr1};

    use super::*;
    use crate::kernels::testing::random;
    use crate::objective::Term;
    use crate::tape::Tape;

    /// The observation of a given mean and covariance.
    fn seen<'t>(tape: &'t Tape<f64>, mean: &Array1<f64>, covariance: &Array2<f64>) -> Seen<'t, f64> {
        let column = mean.view().insert_axis(Axis(1));
        let second = covariance + &column.dot(&column.t());
        let rows = ndarray::concatenate![Axis(0), second, mean.view().insert_axis(Axis(0))];
        Seen { value: tape.constant(rows * 7.0), positions: 7.0 }
    }

    /// W² between two Gaussians, not divided.
    fn distance(one: (&Array1<f64>, &Array2<f64>), other: (&Array1<f64>, &Array2<f64>)) -> f64 {
        let tape = Tape::new();
        let target = seen(&tape, other.0, other.1);
        let term = Wasserstein::new(Layer::of_convolution(0).1, &[(1.0, target)], GramNorm::Mean);
        Term::<f64>::score(&term, &seen(&tape, one.0, one.1), one.0.len() as f64).scalar()
    }

    /// An orthogonal matrix.
    fn rotation(n: usize) -> Array2<f64> {
        let a: Array2<f64> = random((n, n), 3);
        symmetric_eigen(&(&a + &a.t())).1
    }

    #[test]
    fn closed_forms() {
        let (mean, other) = (arr1(&[0.5, -1.0, 2.0, 0.0]), arr1(&[1.5, 0.0, 1.0, -2.0]));
        let means = (&mean - &other).mapv(|v| v * v).sum();
        // Equal, repeated and zero eigenvalues among them.
        for (a, b) in [
            ([1.0, 4.0, 9.0, 0.25], [4.0, 1.0, 0.01, 16.0]),
            ([2.0, 2.0, 2.0, 2.0], [3.0, 3.0, 3.0, 3.0]),
            ([1.0, 1.0, 4.0, 4.0], [9.0, 9.0, 0.0, 0.0]),
            ([0.0, 0.0, 1.0, 2.0], [1.0, 0.0, 0.0, 2.0]),
            ([0.0; 4], [1.0, 2.0, 3.0, 4.0]),
            ([1.0, 2.0, 3.0, 4.0], [0.0; 4]),
        ] {
            let roots: f64 = a.iter().zip(b).map(|(a, b): (&f64, f64)| (a.sqrt() - b.sqrt()).powi(2)).sum();
            let (a, b) = (Array2::from_diag(&arr1(&a)), Array2::from_diag(&arr1(&b)));
            // Diagonal covariances, and covariances that commute.
            for q in [Array2::eye(4), rotation(4)] {
                let (a, b) = (q.dot(&a).dot(&q.t()), q.dot(&b).dot(&q.t()));
                approx::assert_abs_diff_eq!(
                    distance((&mean, &a), (&other, &b)),
                    means + roots,
                    epsilon = 1e-10 * (1.0 + means)
                );
                approx::assert_abs_diff_eq!(distance((&mean, &a), (&mean, &b)), roots, epsilon = 1e-10);
            }
        }
    }

    #[test]
    fn is_zero_between_equals_and_the_same_both_ways() {
        let covariance = |seed| {
            let f: Array2<f64> = random((9, 5), seed);
            f.t().dot(&f)
        };
        let (mean, other): (Array1<f64>, Array1<f64>) = (random(5, 1), random(5, 2));
        let (a, b) = (covariance(4), covariance(5));
        assert!(distance((&mean, &a), (&mean, &a)) < 1e-10);
        let (there, back) = (distance((&mean, &a), (&other, &b)), distance((&other, &b), (&mean, &a)));
        assert!(there > 0.1);
        approx::assert_abs_diff_eq!(there, back, epsilon = 1e-10);
    }

    #[test]
    fn equal_and_zero_eigenvalues_have_a_gradient() {
        let (tape, zero) = (Tape::<f64>::new(), Array1::zeros(3));
        let diagonal = |v: [f64; 3]| Array2::from_diag(&arr1(&v));
        // 1 − T, where T maps one Gaussian to the other; a direction without variance is left out.
        for (from, to, expected) in [
            ([2.0, 2.0, 2.0], [3.0, 3.0, 3.0], [1.0 - 1.5f64.sqrt(); 3]),
            ([2.0, 2.0, 1.0], [2.0, 2.0, 1.0], [0.0; 3]),
            ([1.0, 1.0, 0.0], [4.0, 4.0, 4.0], [-1.0, -1.0, 1.0]),
            ([1.0, 1.0, 1.0], [0.0, 4.0, 0.0], [1.0, -1.0, 1.0]),
        ] {
            let term = Wasserstein::new(
                Layer::of_convolution(0).1,
                &[(1.0, seen(&tape, &zero, &diagonal(to)))],
                GramNorm::Mean,
            );
            let moments = Moments { mean: zero.clone(), second: diagonal(from), positions: 1.0 };
            let derived = term.derived(&moments, true);
            approx::assert_abs_diff_eq!(derived.d_second * 3.0, diagonal(expected), epsilon = 1e-12);
            assert_eq!(derived.d_mean, zero);
        }
    }

    #[test]
    fn the_f32_gradient_of_features_without_full_rank_is_that_in_f64() {
        fn gradient<T: Real>(features: &Array2<f32>, target: &Array3<f64>) -> ArrayD<f64> {
            let tape = Tape::<T>::new();
            let target = tape.constant(target.mapv(T::of));
            let target = Seen { value: crate::ops::moments(&target, None), positions: 12.0 };
            let term = Wasserstein::new(Layer::of_convolution(0).1, &[(1.0, target)], GramNorm::Relative);
            let x = tape.variable(features.mapv(|x| T::of(f64::from(x))).insert_axis(Axis(0)));
            let seen = Seen { value: crate::ops::moments(&x, None), positions: 3.0 };
            term.score(&seen, 1.0).backward().take(&x).unwrap().into_array().mapv(Real::to_f64)
        }
        for seed in 0..50 {
            // Three positions have a covariance of rank 2; that of the target has rank 6.
            let features: Array2<f32> = random((3, 6), seed);
            let target: Array3<f64> = random((4, 3, 6), 1000 + seed);
            let (double, single) = (gradient::<f64>(&features, &target), gradient::<f32>(&features, &target));
            let largest = double.iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
            approx::assert_abs_diff_eq!(single, double, epsilon = 2e-5 * largest);
        }
    }

    #[test]
    fn the_gradient_moves_features_along_the_optimal_map() {
        // In one dimension: from N(μ, s²) to N(ν, t²) every x goes to ν + (x−μ)·t/s.
        let tape = Tape::<f64>::new();
        let features: Array3<f64> = random((3, 4, 1), 1);
        let x = tape.variable(features.clone());
        let target = seen(&tape, &arr1(&[2.0]), &ndarray::arr2(&[[9.0]]));
        let term = Wasserstein::new(Layer::of_convolution(0).1, &[(1.0, target)], GramNorm::Mean);
        let seen = Seen { value: crate::ops::moments(&x, None), positions: 12.0 };
        let gradient = term.score(&seen, 1.0).backward().take(&x).unwrap().into_array();
        let (mean, deviation) = (features.mean().unwrap(), features.std(0.0));
        let expected = features.mapv(|x| 2.0 / 12.0 * (x - (2.0 + (x - mean) * 3.0 / deviation)));
        approx::assert_abs_diff_eq!(gradient, expected.into_dyn(), epsilon = 1e-12);
    }
}
