//! Assignment 1: what does a layer keep? Write these functions; `checks.rs` says what they must do.

use impasto::tape::{Real, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19};
use ndarray::ArrayD;

/// ‖f − f₀‖² / ‖f₀‖² for features f and their target f₀: 0 if they are equal, 1 if f is zero. A tape is `f.tape()`;
/// operations are in `impasto::ops`, and `+ - * /` take `Var`s and numbers.
pub fn features_error<'t, T: Real>(features: &Var<'t, T>, target: &Var<'t, T>) -> Var<'t, T> {
    todo!()
}

/// Σ x⁶, the prior that keeps colours in range (Mahendran & Vedaldi's α-norm with α = 6). Record it as one operation
/// with a VJP of your own, by `x.tape().record(…)` as in chapter 3; do not put it together from `ops`.
pub fn sixth_powers<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    todo!()
}

/// The image whose features at `layer` are near to `target`, found by `steps` steps of Adam (`impasto::optim::Adam`,
/// learning rate 0.05) from `start`. It minimises `features_error` plus `prior` times the mean sixth power of the pixels.
/// Images are in the network's own units (`Vgg19::normalise`).
///
/// # Errors
/// If the network does not reach the layer.
pub fn invert(
    network: &Vgg19<f32>,
    layer: Layer,
    target: &ArrayD<f32>,
    start: ArrayD<f32>,
    prior: f32,
    steps: usize,
) -> Result<ArrayD<f32>, NetworkError> {
    todo!()
}
