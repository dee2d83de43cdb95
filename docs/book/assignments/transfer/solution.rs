//! A solution of assignment 3.

use std::collections::BTreeMap;

use impasto::optim::{Adam, Optimizer};
use impasto::tape::{Real, Tape, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19, ops};
use ndarray::{ArrayD, Axis};

/// What a painting must come near to.
pub struct Targets<T> {
    /// The photo's features by layer.
    pub content: BTreeMap<Layer, ArrayD<T>>,
    /// The painting's Gram matrices by layer.
    pub style: BTreeMap<Layer, ArrayD<T>>,
}

fn sum_of<'t, T: Real>(terms: impl Iterator<Item = Var<'t, T>>) -> Var<'t, T> {
    terms.reduce(|sum, term| sum + term).expect("a layer")
}

/// The mean squared difference of features.
pub fn content_loss<'t, T: Real>(features: &BTreeMap<Layer, Var<'t, T>>, targets: &Targets<T>) -> Var<'t, T> {
    sum_of(targets.content.iter().map(|(layer, target)| {
        let f = &features[layer];
        ops::mse(f, &f.tape().constant(target.clone()))
    }))
}

/// The relative mean squared difference of Gram matrices.
pub fn style_loss<'t, T: Real>(features: &BTreeMap<Layer, Var<'t, T>>, targets: &Targets<T>) -> Var<'t, T> {
    let sum = sum_of(targets.style.iter().map(|(layer, target)| {
        let g = ops::gram_matrix(&features[layer]);
        let target = g.tape().constant(target.clone());
        ops::mse(&g, &target) / ops::mean(&ops::square(&target))
    }));
    sum / targets.style.len() as f64
}

/// The pixels that pixel j of a row of `width` reads, with their weights.
fn taps(j: usize, width: usize) -> [(usize, f64); 3] {
    let left = if j > 0 { j - 1 } else { 1.min(width - 1) };
    let right = if j + 1 < width { j + 1 } else { width.saturating_sub(2) };
    [(left, 0.25), (j, 0.5), (right, 0.25)]
}

/// y[j] = Σ weight·x[tap]; dx[tap] += weight·dy[j].
pub fn blur<'t, T: Real>(image: &Var<'t, T>) -> Var<'t, T> {
    let width = image.shape()[1];
    let mut y = ArrayD::zeros(image.value().raw_dim());
    for j in 0..width {
        for (tap, weight) in taps(j, width) {
            y.index_axis_mut(Axis(1), j).scaled_add(T::of(weight), &image.value().index_axis(Axis(1), tap));
        }
    }
    image.tape().record("blur", &[image], y, 0, move |dy, inputs| {
        let mut dx = ArrayD::zeros(dy.raw_dim());
        for j in 0..width {
            for (tap, weight) in taps(j, width) {
                dx.index_axis_mut(Axis(1), tap).scaled_add(T::of(weight), &dy.index_axis(Axis(1), j));
            }
        }
        inputs.add(0, dx);
    })
}

/// Gradient steps on the image.
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
    let (mut image, mut adam) = (start, Adam::new(0.05));
    for _ in 0..steps {
        let tape = Tape::new();
        let x = tape.variable(image.clone());
        let seen = if blurred { blur(&x) } else { x.clone() };
        let features = network.features(&seen, targets.content.keys().chain(targets.style.keys()).copied())?;
        let loss = content_loss(&features, targets) + style_loss(&features, targets) * style;
        let value = f64::from(loss.scalar());
        let gradient = loss.backward().take(&x).expect("the loss depends on the image");
        adam.step(&mut image, value, &gradient);
    }
    Ok(image)
}
