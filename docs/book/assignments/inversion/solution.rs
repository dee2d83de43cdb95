//! A solution of assignment 1.

use impasto::optim::{Adam, Optimizer};
use impasto::tape::{Real, Tape, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19, ops};
use ndarray::{ArrayD, arr0};

/// ‖f − f₀‖² / ‖f₀‖².
pub fn features_error<'t, T: Real>(features: &Var<'t, T>, target: &Var<'t, T>) -> Var<'t, T> {
    ops::sum(&ops::square(&(features - target))) / ops::sum(&ops::square(target))
}

/// Σ x⁶; dx = 6·x⁵·dy.
pub fn sixth_powers<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let sum = x.value().iter().map(|x| x.powi(6)).fold(T::zero(), |sum, power| sum + power);
    let kept = x.value().clone();
    x.tape().record("sixth_powers", &[x], arr0(sum), x.kept_bytes(), move |dy, inputs| {
        let six_dy = T::of(6.0) * dy[[]];
        inputs.add(0, kept.mapv(|x| six_dy * x.powi(5)));
    })
}

/// Gradient steps on the image.
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
    let (mut image, mut adam) = (start, Adam::new(0.05));
    for _ in 0..steps {
        let tape = Tape::new();
        let x = tape.variable(image.clone());
        let features = &network.features(&x, [layer])?[&layer];
        let error = features_error(features, &tape.constant(target.clone()));
        let loss = error + sixth_powers(&x) * (f64::from(prior) / image.len() as f64);
        let value = f64::from(loss.scalar());
        let gradient = loss.backward().take(&x).expect("the loss depends on the image");
        adam.step(&mut image, value, &gradient);
    }
    Ok(image)
}
