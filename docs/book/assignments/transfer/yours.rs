//! Assignment 3: a style transfer. Write these functions; `checks.rs` says what they must do.

use std::collections::BTreeMap;

use impasto::tape::{Real, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19};
use ndarray::ArrayD;

/// What a painting must come near to.
pub struct Targets<T> {
    /// The photo's features by layer.
    pub content: BTreeMap<Layer, ArrayD<T>>,
    /// The painting's Gram matrices by layer, as `impasto::ops::gram_matrix` computes them.
    pub style: BTreeMap<Layer, ArrayD<T>>,
}

/// The mean squared difference of features, summed over the layers of the content.
pub fn content_loss<'t, T: Real>(features: &BTreeMap<Layer, Var<'t, T>>, targets: &Targets<T>) -> Var<'t, T> {
    todo!()
}

/// The mean squared difference of Gram matrices divided by the mean square of the target, averaged over the layers of the style.
/// Divided so, each layer counts alike, whatever the size of its features.
pub fn style_loss<'t, T: Real>(features: &BTreeMap<Layer, Var<'t, T>>, targets: &Targets<T>) -> Var<'t, T> {
    todo!()
}

/// A mean over neighbours: each pixel becomes (left + 2·pixel + right)/4. The image is (height, width, 3), and the mean goes
/// along the width. Beyond the border the image is mirrored: pixel 1 stands to the left of pixel 0, and the last but one to the
/// right of the last; an image of one column stays as it is. Record it as one operation with a VJP of your own. (A loss of the
/// blurred image cares less for single pixels. Mind the border: the VJP is not quite the same blur.)
pub fn blur<'t, T: Real>(image: &Var<'t, T>) -> Var<'t, T> {
    todo!()
}

/// The image that minimises `content_loss` + `style` · `style_loss` of its features, found by `steps` steps of Adam (learning
/// rate 0.05) from `start`. With `blurred`, the network sees `blur(image)`. Images are in the network's own units.
///
/// # Errors
/// If the network does not reach a layer.
pub fn transfer(
    network: &Vgg19<f32>,
    targets: &Targets<f32>,
    start: ArrayD<f32>,
    style: f64,
    blurred: bool,
    steps: usize,
) -> Result<ArrayD<f32>, NetworkError> {
    todo!()
}
