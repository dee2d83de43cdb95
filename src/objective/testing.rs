//! References for the objectives' tests: features and Gram matrices by plain matrix products.

use ndarray::{Array2, Array3};

use crate::kernels::testing::random;
use crate::tape::Tape;
use crate::vgg::{Layer, Vgg19, Weights};

/// A network with random weights and few channels.
pub(super) fn network() -> Vgg19<f64> {
    Vgg19::new(Weights::random_with_widths([2, 3, 4, 5, 5], 1, None))
}

/// A random image.
pub(super) fn image(height: usize, width: usize, seed: u64) -> Array3<f64> {
    random((height, width, 3), seed)
}

/// An image's features at a layer, (positions, channels).
pub(super) fn features(image: &Array3<f64>, layer: Layer) -> Array2<f64> {
    let tape = Tape::new();
    let features = network().features(&tape.constant(image.clone()), [layer]).unwrap()[&layer].to_array();
    let channels = features.shape()[2];
    let positions = features.len() / channels;
    features.into_shape_with_order((positions, channels)).unwrap()
}

/// FᵀF.
pub(super) fn gram(features: &Array2<f64>) -> Array2<f64> {
    features.t().dot(features)
}

/// FᵀF, divided by the number of positions.
pub(super) fn mean_gram(features: &Array2<f64>) -> Array2<f64> {
    gram(features) / features.nrows() as f64
}

/// Σ of squares.
pub(super) fn size(a: &Array2<f64>) -> f64 {
    a.iter().map(|v| v * v).sum()
}
