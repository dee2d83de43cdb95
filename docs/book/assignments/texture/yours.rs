//! Assignment 2: a texture like another. Write these functions; `checks.rs` says what they must do.

use std::collections::BTreeMap;

use impasto::tape::{Real, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19};
use ndarray::ArrayD;

/// The Gram matrix of a feature map (height, width, channels): G[a, b] = Σ f[i, j, a]·f[i, j, b] / (height·width), of
/// shape (channels, channels). Record it as one operation with a VJP of your own; do not call `ops::gram_matrix`.
pub fn gram<'t, T: Real>(features: &Var<'t, T>) -> Var<'t, T> {
    todo!()
}

/// Σ over layers of ‖G − G₀‖² / ‖G₀‖², divided by the number of layers.
pub fn texture_error<'t, T: Real>(
    features: &BTreeMap<Layer, Var<'t, T>>,
    targets: &BTreeMap<Layer, ArrayD<T>>,
) -> Var<'t, T> {
    todo!()
}

/// The image whose Gram matrices are near to `targets`, found by `steps` steps of Adam (learning rate 0.05) from `start`. It
/// may have another size than the example. Images are in the network's own units.
///
/// # Errors
/// If the network does not reach a layer.
pub fn synthesise(
    network: &Vgg19<f32>,
    targets: &BTreeMap<Layer, ArrayD<f32>>,
    start: ArrayD<f32>,
    steps: usize,
) -> Result<ArrayD<f32>, NetworkError> {
    todo!()
}
