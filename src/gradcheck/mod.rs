//! Numeric gradient testing: is this gradient the derivative of that function?
//!
//! A wrong gradient does not crash. It makes an optimiser a little worse, and nobody knows why. This module compares what
//! a gradient says with what the values do: it moves the inputs a little and looks at the slope. It works for plain
//! closures, for functions on a [`Tape`], whether their operations are this crate's or your own, and, by the command
//! `impasto gradcheck --exec`, for programs in any language (docs/gradcheck-protocol.md).
//!
//! # A plain function
//!
//! [`check_fn`] takes a function that gives a number, its gradient, and the point at which to look. Points are numbers,
//! slices, `Vec`s, arrays of the language or of `ndarray`, or several arrays in a list ([`Point`]), in f64 or f32.
//!
//! ```
//! use impasto::gradcheck::check_fn;
//!
//! let f = |x: &[f64]| (x[0] * x[1]).sin() + x[1];
//! let gradient = |x: &[f64]| vec![x[1] * (x[0] * x[1]).cos(), x[0] * (x[0] * x[1]).cos() + 1.0];
//! let report = check_fn(f, gradient, &[0.3, 1.2][..])?;
//! println!("{report}"); // 2 slopes agree, worst relative error 5.4e-13
//! # Ok::<_, impasto::gradcheck::Failure>(())
//! ```
//!
//! A function that gives an array has a Jacobian, and what is checked is a vector-Jacobian product (VJP):
//!
//! ```
//! use impasto::gradcheck::GradCheck;
//! use ndarray::{Array2, array};
//!
//! let weights = array![[0.3, 1.0], [-2.0, 0.5], [0.7, -0.1]];
//! let layer = |x: &Array2<f64>| x.dot(&weights).mapv(f64::tanh);
//! let vjp = |x: &Array2<f64>, dy: &Array2<f64>| (dy * &layer(x).mapv(|y| 1.0 - y * y)).dot(&weights.t());
//! GradCheck::new().check_vjp(layer, vjp, &array![[1.0, 2.0, -0.5], [0.4, 0.2, 3.0]])?;
//! # Ok::<_, impasto::gradcheck::Failure>(())
//! ```
//!
//! # When it is wrong
//!
//! The error lists the slopes that do not agree, the worst first:
//!
//! ```
//! use impasto::gradcheck::{Verdict, check_fn};
//! use ndarray::{Array2, array};
//!
//! let f = |x: &Array2<f64>| x[[0, 1]].powi(3) + 2.0 * x[[1, 0]];
//! let transposed = |x: &Array2<f64>| array![[0.0, 2.0], [3.0 * x[[0, 1]].powi(2), 0.0]];
//! let failure = check_fn(f, transposed, &array![[1.0, 2.0], [0.3, -0.7]]).unwrap_err();
//! assert!(failure.to_string().starts_with("wrong gradient: 2 of 4 slopes"));
//! assert_eq!(failure.verdict(), Verdict::Wrong);
//! assert_eq!(failure.entries().len(), 2);
//! ```
//!
//! # A function on the tape
//!
//! [`GradCheck::check`] looks at every operation as well, and names the one that is at fault:
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
//! # Kinks
//!
//! Where the slopes to the left and to the right differ (|x| at 0, a tie in a maximum) there is no gradient, and the
//! message is "not differentiable here", not "wrong". With [`GradCheck::subgradients`] any slope between the two is right.
//!
//! ```
//! use impasto::gradcheck::{GradCheck, Verdict, check_fn};
//!
//! let failure = check_fn(|x: &f64| x.abs(), |_: &f64| 1.0, &0.0).unwrap_err();
//! assert_eq!(failure.verdict(), Verdict::NotDifferentiable);
//! let report = GradCheck::new().subgradients(true).check_fn(|x: &f64| x.abs(), |_: &f64| 1.0, &0.0)?;
//! assert_eq!(report.subgradients.len(), 1);
//! assert!(GradCheck::new().subgradients(true).check_fn(|x: &f64| x.abs(), |_: &f64| 1.5, &0.0).is_err());
//! # Ok::<_, impasto::gradcheck::Failure>(())
//! ```
//!
//! # Without a gradient
//!
//! [`numeric_gradient`], [`numeric_jacobian`] and [`hessian_vector`] give the numbers themselves, each with an estimate of
//! its error. [`check_hessian_vector`] checks a product with the Hessian against the slope of the gradient.
//!
//! ```
//! use impasto::gradcheck::numeric_gradient;
//!
//! let found = numeric_gradient(|x: &[f64]| x[0].powi(2) * x[1], &[3.0, 0.5][..]);
//! for (value, error) in found.values.iter().zip(&found.errors) {
//!     println!("{value} ± {error:.0e}"); // 3.0000000000 ± 1e-12, 9.0000000000 ± 5e-12
//! }
//! assert!((found.values[[1]] - 9.0).abs() < 1e-9);
//! ```
//!
//! # Large functions
//!
//! Up to 20 000 entries of the Jacobian are compared one by one; of larger functions vᵀJu for eight random directions u
//! and v, in two hundred evaluations or so whatever the size ([`GradCheck::directions`], [`GradCheck::every_element`]). A
//! function that may be called from several threads at once is checked faster by [`GradCheck::parallel`], with the same
//! result to the bit.
//!
//! # What is checked
//!
//! 1. on the tape, every operation's VJP by itself (the module `nodes`): gradients have their inputs' shapes, a second
//!    call gives the same bits, a cotangent of zero gives zero, a sum of cotangents the sum of the gradients,
//!    contributions are added to those of others;
//! 2. the value is finite, and the same bits when it is evaluated again;
//! 3. the whole gradient: the shape, the same bits twice, though the function was evaluated elsewhere in between, and
//!    linear in the cotangent;
//! 4. slopes: every element of the Jacobian, or vᵀJu for random directions u and v where it is large;
//! 5. where asked for, that the gradient in f32 is that in f64 ([`GradCheck::check_with_f32`]), or that a product with a
//!    Hessian is symmetric.
//!
//! Numeric slopes are extrapolated and come with an estimate of their error (the module `slope`), so the tolerances
//! are tight: relative 1e-8 by default, of each slope's own size. A slope that seems wrong is measured once more, with
//! steps of all sizes and with the noise of the values measured (the module `noise`), before anything is said of it.
//! Where the values are rounded more coarsely than f64 rounds, the message says so and names the operation
//! ([`Verdict::Coarse`]); and where nothing can be seen for rounding it says "undecided" ([`Verdict::Undecided`]).
//! docs/testing.md has a trial of this checker, and of others, on some five hundred functions.

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
