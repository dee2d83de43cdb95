//! Numeric gradient testing: is this gradient the derivative of that function?
//!
//! A wrong vector-Jacobian product (VJP) does not crash. It makes an optimiser a little worse, and nobody knows why.
//! [`GradCheck`] compares what the tape says with what the values do: it moves the inputs a little, in f64, and looks
//! at the slope. It works for any function on a [`Tape`], whether its operations are this crate's or your own.
//!
//! ```
//! use impasto::{gradcheck::GradCheck, ops};
//! use ndarray::array;
//!
//! let x = array![[1.0, -2.0], [0.5, 3.0]].into_dyn();
//! let report = GradCheck::new().check(|_, inputs| ops::square(&inputs[0]), &[x])?;
//! assert_eq!(report.compared, 16); // every entry of the 4×4 Jacobian
//! # Ok::<_, impasto::gradcheck::Failure>(())
//! ```
//!
//! A wrong gradient is an error that names the operation:
//!
//! ```
//! use impasto::{gradcheck::GradCheck, ops, tape::{Tape, Var}};
//!
//! fn cos<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
//!     let kept = x.value().clone();
//!     x.tape().record("cos", &[x], x.value().mapv(f64::cos), kept.bytes(), move |dy, inputs| {
//!         inputs.add(0, &*dy * &kept.mapv(f64::sin)); // should be −sin
//!     })
//! }
//! let x = ndarray::array![0.3, 1.2].into_dyn();
//! let failure = GradCheck::new().check(|_, x| ops::sum(&cos(&x[0])), &[x]).unwrap_err();
//! assert_eq!(failure.operations(), ["cos"]);
//! assert!(failure.to_string().contains("the VJP of `cos` (node 1, for input 0)"));
//! assert!(failure.to_string().contains("the sign is wrong"));
//! ```
//!
//! What is checked, in this order:
//!
//! 1. every operation's VJP by itself (the module `nodes`): gradients have their inputs' shapes, a second call gives
//!    the same bits, a cotangent of zero gives zero, a sum of cotangents the sum of the gradients, contributions are
//!    added to those of others; and the function's value is finite and the same bits when it is evaluated again;
//! 2. the whole gradient: the same bits twice, and linear;
//! 3. slopes: every element of the Jacobian, or vᵀJu for random directions u and v where it is large;
//! 4. where asked for, that the gradient in f32 is that in f64.
//!
//! Numeric slopes are extrapolated and come with an estimate of their error (the module `slope`), so the tolerances
//! are tight: relative 1e-8 by default, of each slope's own size. A slope that seems wrong is measured once more, with
//! steps of all sizes and with the noise of the values measured (the module `noise`), before anything is said of it.
//! Where the slopes to the left and to the right differ (`ReLU` at 0, a tie in a maximum), the message is "not
//! differentiable here", and where; where the values are rounded more coarsely than f64 rounds, it says so and names
//! the operation ([`Verdict::Coarse`]); and where nothing can be seen for rounding it says "undecided".

mod check;
mod compare;
mod nodes;
mod noise;
mod numeric;
mod plain;
pub mod registry;
mod report;
mod single;
mod slope;
mod subject;
#[cfg(test)]
mod tests;

use ndarray::{ArrayD, IxDyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

pub use check::GradCheck;
pub use numeric::{Estimate, hessian_vector, numeric_gradient, numeric_jacobian};
pub use plain::{Numbers, Parallel, Point, check_fn, check_hessian_vector};
pub use report::{Culprit, Entry, Failure, Fault, Place, Report, Rule, SinglePrecision, Verdict};

use crate::tape::{Tape, Var};

/// What can be checked: a function from arrays, given as variables on a tape, to one array.
trait Function: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64> {}

impl<F> Function for F where F: for<'t> Fn(&'t Tape<f64>, &[Var<'t, f64>]) -> Var<'t, f64> {}

/// A random array whose elements have a root mean square of 1.
fn direction(shape: &[usize], rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    let drawn = ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.sample::<f64, _>(StandardNormal));
    let size = slope::root_mean_square(drawn.iter().copied());
    if size > 0.0 { drawn / size } else { drawn }
}

/// Σ aᵢ·bᵢ.
fn dot(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
