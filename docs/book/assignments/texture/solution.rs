//! A solution of assignment 2.

use std::collections::BTreeMap;

use impasto::optim::{Adam, Optimizer};
use impasto::tape::{Real, Tape, Var};
use impasto::vgg::NetworkError;
use impasto::{Layer, Vgg19, ops};
use ndarray::{Array2, ArrayD};

/// G = FᵀF/M with a row of F for each of the M positions; dF = F·(dG + dGᵀ)/M.
pub fn gram<'t, T: Real>(features: &Var<'t, T>) -> Var<'t, T> {
    let shape = features.shape().to_vec();
    let rows = |map: &ArrayD<T>| -> Array2<T> {
        Array2::from_shape_vec((shape[0] * shape[1], shape[2]), map.iter().copied().collect()).expect("as many")
    };
    let f = rows(features.value());
    let per_position = T::of(1.0 / f.nrows() as f64);
    let g = f.t().dot(&f) * per_position;
    features.tape().record("gram", &[features], g.into_dyn(), features.kept_bytes(), move |dy, inputs| {
        let dg = dy.to_owned().into_dimensionality::<ndarray::Ix2>().expect("a matrix");
        let df = f.dot(&(&dg + &dg.t())) * per_position;
        inputs.add(0, df.into_shape_with_order(shape).expect("as many"));
    })
}

/// The mean over layers of the relative squared distance of Gram matrices.
pub fn texture_error<'t, T: Real>(
    features: &BTreeMap<Layer, Var<'t, T>>,
    targets: &BTreeMap<Layer, ArrayD<T>>,
) -> Var<'t, T> {
    let errors = targets.iter().map(|(layer, target)| {
        let g = gram(&features[layer]);
        let target = g.tape().constant(target.clone());
        ops::sum(&ops::square(&(g - &target))) / ops::sum(&ops::square(&target))
    });
    errors.reduce(|sum, error| sum + error).expect("a layer") / targets.len() as f64
}

/// Gradient steps on the image.
///
/// # Errors
/// If the network does not reach a layer.
pub fn synthesise(
    network: &Vgg19<f32>,
    targets: &BTreeMap<Layer, ArrayD<f32>>,
    start: ArrayD<f32>,
    steps: usize,
) -> Result<ArrayD<f32>, NetworkError> {
    let (mut image, mut adam) = (start, Adam::new(0.05));
    for _ in 0..steps {
        let tape = Tape::new();
        let x = tape.variable(image.clone());
        let loss = texture_error(&network.features(&x, targets.keys().copied())?, targets);
        let value = f64::from(loss.scalar());
        let gradient = loss.backward().take(&x).expect("the loss depends on the image");
        adam.step(&mut image, value, &gradient);
    }
    Ok(image)
}
