//! Whether a gradient in single precision is the one in double precision.

use ndarray::{ArrayD, Dimension};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::linear::{largest, rounding};
use crate::{Function, SinglePrecision, direction};

/// How many cotangents are tried. Of one alone the gradient of few elements may happen to be nearly 0, against which any
/// rounding is large.
const COTANGENTS: usize = 4;

/// The worst element of the f32 gradient for some random cotangents, in units of the input's largest element for any of them;
/// where terms cancel and that is nothing but their rounding, in units of the terms. Both functions are evaluated at the inputs
/// rounded to f32, and with cotangents that f32 holds exactly. `None` where there are no elements.
pub(crate) fn compare(
    double: &dyn Function,
    single: &dyn Function,
    inputs: &[ArrayD<f64>],
    seed: u64,
    tolerance: f64,
) -> Option<SinglePrecision> {
    let to_f32 = |x: &ArrayD<f64>| x.mapv(|x| f64::from(x as f32));
    let inputs: Vec<ArrayD<f64>> = inputs.iter().map(to_f32).collect();
    let shape = single.value(&inputs).shape().to_vec();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let gradients = (0..COTANGENTS).map(|_| {
        let cotangent = to_f32(&direction(&shape, &mut rng));
        let of_single = single.pull_back(&inputs, &cotangent);
        let of_double = double.pull_back(&inputs, &cotangent);
        (cotangent, of_single, of_double)
    });
    let gradients: Vec<_> = gradients.collect();

    let mut worst: Option<SinglePrecision> = None;
    for input in 0..inputs.len() {
        let pairs =
            || gradients.iter().flat_map(|(_, single, double)| single[input].indexed_iter().zip(&double[input]));
        let largest = gradients.iter().map(|(_, _, double)| largest(&double[input])).fold(0.0, f64::max);
        let is_off = pairs().any(|((_, &single), &double)| (single - double).abs() > tolerance * largest);
        let known = || gradients.iter().map(|(cotangent, _, double)| (cotangent, &double[input]));
        let of_double = |cotangent: &ArrayD<f64>| double.pull_back(&inputs, cotangent).swap_remove(input);
        let unit = if is_off && largest <= rounding(of_double, known()) {
            let of_single = |cotangent: &ArrayD<f64>| single.pull_back(&inputs, &to_f32(cotangent)).swap_remove(input);
            let known: Vec<_> = known().map(|(cotangent, _)| (cotangent, of_single(cotangent))).collect();
            rounding(of_single, known.iter().map(|(cotangent, single)| (*cotangent, single))) / f64::from(f32::EPSILON)
        } else {
            largest
        };
        for ((index, &single), &double) in pairs() {
            let error = (single - double).abs();
            let relative_error = match error / unit {
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
