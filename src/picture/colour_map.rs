//! A picture in another's colours by a linear map: Gatys, Bethge, Hertzmann & Shechtman 2016, "Preserving color in neural
//! artistic style transfer", section 4.1.

use ndarray::{Array1, Array2, Axis};
use strum::{Display, EnumString, VariantNames};

use super::Picture;
use crate::kernels::eigen::{cholesky, inverse_lower, symmetric_eigen};

/// The variance of rounding to 8 bits, 1/(12·255²). Directions with less variance are noise.
const LEAST: f64 = 1.3e-6;

/// The choice of the linear map x ↦ Ax + b between the colours of two pictures. Each transfers the mean and the covariance Σ of
/// the other picture: AΣAᵀ = Σ′.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, Eq, PartialEq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum ColourMap {
    /// A = Σ′^½·Σ^(−½), by principal axes (Hertzmann's Image Analogies).
    #[default]
    Pca,
    /// A = L′·L⁻¹ with Σ = LLᵀ: red is made from red alone, green from red and green, blue from all.
    Cholesky,
}

/// Mean and covariance of a picture's colours, without transparent pixels.
#[derive(Clone, Debug)]
struct Colours {
    mean: Array1<f64>,
    covariance: Array2<f64>,
}

impl Picture {
    /// This picture with the mean and the covariance of the colours of others, mixed in the given shares. Transparent
    /// pixels do not count. Colours may lie outside 0..1.
    ///
    /// # Panics
    /// If there is no other picture.
    pub fn in_colours_of(&self, others: &[(&Self, f64)], map: ColourMap) -> Self {
        let (from, to) = (Colours::of(self), Colours::mixed(others));
        let a = map.matrix(&from.covariance, &to.covariance);
        let b = to.mean - a.dot(&from.mean);
        let mut rgb = self.rgb.clone();
        for mut pixel in rgb.lanes_mut(Axis(2)) {
            let mapped = a.dot(&pixel.mapv(f64::from)) + &b;
            pixel.zip_mut_with(&mapped, |value, &mapped| *value = mapped as f32);
        }
        self.recoloured(rgb)
    }
}

impl Colours {
    fn of(picture: &Picture) -> Self {
        let rows: Vec<f64> = picture.rgb.iter().map(|&v| f64::from(v)).collect();
        let pixels = Array2::from_shape_vec((rows.len() / 3, 3), rows).expect("three for each pixel");
        let alpha = picture.alpha.as_ref().filter(|alpha| alpha.iter().any(|&a| a > 0.0));
        let weights = alpha.map_or_else(
            || Array1::ones(pixels.nrows()),
            |alpha| alpha.iter().map(|&a| f64::from(a)).collect::<Array1<f64>>(),
        );
        let sum = weights.sum();
        let mean = weights.dot(&pixels) / sum;
        let centred = pixels - &mean;
        let covariance = centred.t().dot(&(&centred * &weights.insert_axis(Axis(1)))) / sum;
        Self { mean, covariance }
    }

    /// Mean and covariance of a mixture of pictures: within the pictures and between their means.
    fn mixed(pictures: &[(&Picture, f64)]) -> Self {
        let parts: Vec<_> = pictures.iter().map(|(picture, share)| (Self::of(picture), *share)).collect();
        let sum: f64 = parts.iter().map(|(_, share)| share).sum();
        let mut mixed = Self { mean: Array1::zeros(3), covariance: Array2::zeros((3, 3)) };
        for (part, share) in &parts {
            mixed.mean.scaled_add(share / sum, &part.mean);
        }
        for (part, share) in parts {
            let apart = (part.mean - &mixed.mean).insert_axis(Axis(1));
            mixed.covariance.scaled_add(share / sum, &(part.covariance + apart.dot(&apart.t())));
        }
        mixed
    }
}

impl ColourMap {
    /// A with A·`from`·Aᵀ = `to`, for covariances; colours that `from` does not have cannot be made from it.
    fn matrix(self, from: &Array2<f64>, to: &Array2<f64>) -> Array2<f64> {
        match self {
            Self::Pca => {
                let inverse = |variance: f64| if variance > LEAST { variance.powf(-0.5) } else { 0.0 };
                spectral(to, |variance| variance.max(0.0).sqrt()).dot(&spectral(from, inverse))
            }
            Self::Cholesky => factor(to).dot(&inverse_lower(&factor(from))),
        }
    }
}

/// f of a symmetric matrix: of its eigenvalues.
fn spectral(matrix: &Array2<f64>, f: impl Fn(f64) -> f64) -> Array2<f64> {
    let (values, vectors) = symmetric_eigen(matrix);
    (&vectors * &values.mapv(f)).dot(&vectors.t())
}

/// L with LLᵀ = Σ; where Σ is singular or nearly so, of Σ with a little noise.
fn factor(covariance: &Array2<f64>) -> Array2<f64> {
    let (values, _) = symmetric_eigen(covariance);
    let noise = if values[0] > LEAST { 0.0 } else { LEAST - values[0].min(0.0) };
    cholesky(&(covariance + &(noise * Array2::<f64>::eye(3)))).expect("positive definite")
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    fn picture(height: usize, width: usize, seed: usize) -> Picture {
        let mixing = [[0.6, 0.1, 0.3], [0.2, 0.7, 0.1], [0.25, 0.25, 0.4]];
        Picture::new(Array3::from_shape_fn((height, width, 3), |(i, j, c)| {
            let own = |k: usize| ((i * 31 + j * 17 + k * (37 + seed) + seed * 7) * (k + 3) % 101) as f32 / 101.0;
            (0..3).map(|k| mixing[(c + seed) % 3][k] * own(k)).sum()
        }))
    }

    #[test]
    fn mean_and_covariance_become_the_others() {
        let (one, other) = (picture(20, 30, 1), picture(25, 17, 2));
        let expected = Colours::of(&other);
        for map in [ColourMap::Pca, ColourMap::Cholesky] {
            let a = map.matrix(&Colours::of(&one).covariance, &expected.covariance);
            let mapped = a.dot(&Colours::of(&one).covariance).dot(&a.t());
            approx::assert_abs_diff_eq!(mapped, expected.covariance, epsilon = 1e-13);
            let got = Colours::of(&one.in_colours_of(&[(&other, 1.0)], map));
            approx::assert_abs_diff_eq!(got.mean, expected.mean, epsilon = 1e-6);
            approx::assert_abs_diff_eq!(got.covariance, expected.covariance, epsilon = 1e-6);
        }
        let triangular = ColourMap::Cholesky.matrix(&Colours::of(&one).covariance, &expected.covariance);
        assert!(triangular[[0, 1]] == 0.0 && triangular[[0, 2]] == 0.0 && triangular[[1, 2]] == 0.0);
    }

    #[test]
    fn scale_is_by_standard_deviations() {
        let (from, to) = (Array2::from_diag(&array![0.01, 0.04, 0.09]), Array2::from_diag(&array![0.09, 0.01, 0.0009]));
        for map in [ColourMap::Pca, ColourMap::Cholesky] {
            approx::assert_abs_diff_eq!(
                map.matrix(&from, &to),
                Array2::from_diag(&array![3.0, 0.5, 0.1]),
                epsilon = 1e-12
            );
        }
    }

    #[test]
    fn a_picture_s_own_colours_change_nothing_and_grey_ones_are_managed() {
        let one = picture(12, 9, 3);
        let grey = Picture::new(Array3::from_shape_fn((6, 5, 3), |(i, j, _)| (i * 5 + j) as f32 / 40.0));
        let flat = Picture::new(Array3::from_elem((4, 4, 3), 0.3));
        for map in [ColourMap::Pca, ColourMap::Cholesky] {
            approx::assert_abs_diff_eq!(one.in_colours_of(&[(&one, 1.0)], map).rgb, one.rgb, epsilon = 1e-5);
            // From grey only one line of colours can be made; from colours, grey.
            let coloured = grey.in_colours_of(&[(&one, 1.0)], map);
            assert!(coloured.rgb.iter().all(|v| v.is_finite() && (-3.0..4.0).contains(v)), "{map}");
            let (got, expected) = (Colours::of(&coloured).mean, Colours::of(&one).mean);
            approx::assert_abs_diff_eq!(got, expected, epsilon = 1e-5);
            let greyed = one.in_colours_of(&[(&grey, 1.0)], map);
            let apart = |p: &Picture| p.rgb.lanes(Axis(2)).into_iter().map(|p| (p[0] - p[2]).abs()).fold(0.0, f32::max);
            assert!(apart(&greyed) < 0.02, "{map}: {}", apart(&greyed));
            let flattened = one.in_colours_of(&[(&flat, 1.0)], map);
            approx::assert_abs_diff_eq!(flattened.rgb, Array3::from_elem((12, 9, 3), 0.3), epsilon = 0.02);
            assert!(flat.in_colours_of(&[(&one, 1.0)], map).rgb.iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn transparent_pixels_do_not_count_and_several_pictures_are_mixed() {
        let (one, mut half) = (picture(12, 9, 1), picture(12, 8, 2));
        let left = Picture::new(half.rgb.slice(ndarray::s![.., ..4, ..]).to_owned());
        half.alpha = Some(Array2::from_shape_fn((12, 8), |(_, j)| f32::from(u8::from(j < 4))));
        let (hidden, cut) = (Colours::of(&half), Colours::of(&left));
        approx::assert_abs_diff_eq!(hidden.mean, cut.mean, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(hidden.covariance, cut.covariance, epsilon = 1e-12);
        // Two pictures of one size, equally, are one picture of both.
        let other = picture(12, 9, 4);
        let both = Picture::new(ndarray::concatenate![Axis(1), one.rgb, other.rgb]);
        let (mixed, whole) = (Colours::mixed(&[(&one, 0.5), (&other, 0.5)]), Colours::of(&both));
        approx::assert_abs_diff_eq!(mixed.mean, whole.mean, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(mixed.covariance, whole.covariance, epsilon = 1e-12);
    }
}
