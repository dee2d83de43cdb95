//! Where an optimisation starts.

use ndarray::Array3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::picture::Picture;

/// The image that an optimisation starts from.
#[derive(Clone, Debug, Default, PartialEq)]
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

/// The standard deviation of the noise that textures and transfers start from, as a share of natural colours' spread.
///
/// What the network hardly sees stays as it was at the start, the finest checkerboards above all: from noise as strong as
/// natural colours a picture ends covered in them, at the same loss. (The programs of Gatys et al. start from a standard
/// deviation of one level of 255.)
pub(super) const FAINT: f64 = 0.1;

/// Standard normal noise (height, width, 3): the same for the same seed.
pub(super) fn noise([height, width]: [usize; 2], seed: u64) -> Array3<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array3::from_shape_simple_fn((height, width, 3), || StandardNormal.sample(&mut rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_standard_normal_and_follows_from_its_seed() {
        let one = noise([100, 80], 1);
        assert_eq!(one, noise([100, 80], 1));
        assert_ne!(one, noise([100, 80], 2));
        assert!(one.mean().unwrap().abs() < 0.03 && (one.std(0.0) - 1.0).abs() < 0.03);
    }
}
