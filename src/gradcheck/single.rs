//! Whether a gradient in single precision is the one in double precision.

use ndarray::{ArrayD, Dimension};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::check::gradient;
use super::{Function, SinglePrecision, direction};
use crate::tape::{Real, Tape, Var};

/// How many cotangents are tried. Of one alone the gradient of few elements may happen to be nearly 0, against which any
/// rounding is large.
const COTANGENTS: usize = 4;

/// The worst element of the f32 gradient for some random cotangents, in units of the input's largest element for any of them.
/// Both functions are evaluated at the inputs rounded to f32, and with cotangents that f32 holds exactly. `None` where there
/// are no elements.
pub(super) fn compare(
    double: impl Function,
    single: impl for<'t> Fn(&'t Tape<f32>, &[Var<'t, f32>]) -> Var<'t, f32>,
    inputs: &[ArrayD<f64>],
    seed: u64,
    tolerance: f64,
) -> Option<SinglePrecision> {
    let singles: Vec<ArrayD<f32>> = inputs.iter().map(|x| x.mapv(f32::of)).collect();
    let rounded: Vec<ArrayD<f64>> = singles.iter().map(|x| x.mapv(f64::from)).collect();
    let shape = {
        let tape = Tape::new();
        let constants: Vec<_> = singles.iter().map(|x| tape.constant(x.clone())).collect();
        single(&tape, &constants).shape().to_vec()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gradients = (0..COTANGENTS).map(|_| {
        let cotangent = direction(&shape, &mut rng).mapv(f32::of);
        let of_single = gradient(&single, &singles, &cotangent);
        (of_single, gradient(&double, &rounded, &cotangent.mapv(f64::from)))
    });
    let gradients: Vec<_> = gradients.collect();

    let mut worst: Option<SinglePrecision> = None;
    for input in 0..inputs.len() {
        let elements = gradients.iter().flat_map(|(_, double)| double[input].iter());
        let largest = elements.fold(0.0f64, |largest, g| largest.max(g.abs()));
        let pairs = gradients.iter().flat_map(|(single, double)| single[input].indexed_iter().zip(&double[input]));
        for ((index, &single), &double) in pairs {
            let single = f64::from(single);
            let error = (single - double).abs();
            let relative_error = match error / largest {
                _ if error == 0.0 => 0.0,
                error if error.is_nan() => f64::INFINITY,
                error => error,
            };
            if worst.as_ref().is_none_or(|worst| relative_error > worst.relative_error) {
                let index = index.slice().to_vec();
                worst = Some(SinglePrecision { input, index, double, single, relative_error, tolerance });
            }
        }
    }
    worst
}
