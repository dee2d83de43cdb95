//! Numeric gradient testing: [`impasto_gradcheck`], and with it functions on the [`Tape`](crate::tape::Tape).
//!
//! The book explains it in [chapter 4](../../../book/html/04-is-it-right.html) (`docs/book/src/04-is-it-right.md`).
//!
//! That crate checks plain functions, whose names are here too: [`check_fn`], [`GradCheck::check_vjp`] and the rest. This module
//! adds [`TapeCheck`], and [`registry`]: every operation and objective of impasto with the cases that its gradient is
//! checked in.
//!
//! # A function on the tape
//!
//! [`TapeCheck::check`] looks at every operation as well, and names the one that is at fault:
//!
//! ```
//! use impasto::{gradcheck::{GradCheck, TapeCheck}, ops, tape::{Tape, Var}};
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
//! # What is checked
//!
//! Beside all that is checked of plain functions, every operation's VJP by itself: gradients have their inputs' shapes, a
//! second call gives the same bits, a cotangent of zero gives zero, a sum of cotangents the sum of the gradients, and
//! contributions are added to those of others. If the gradient as a whole is right, each VJP is also compared with its own
//! operation's slope along two random directions: one that is wrong is named ([`Failure::Hidden`]) even if its result is
//! multiplied by 0, dropped, or behind a rectifier that is off.

mod nodes;
mod on_tape;
pub mod registry;
#[cfg(test)]
mod tests;

pub use impasto_gradcheck::{
    Culprit, Entry, Estimate, Estimated, Failure, Fate, Fault, Float, Function, GradCheck, Hint, Numbers, Parallel,
    Place, Point, Report, Row, Rule, SinglePrecision, TaylorRow, TaylorTable, TaylorTest, Verdict, check_fn,
    check_hessian_vector, check_jvp, hessian_vector, numeric_gradient, numeric_jacobian,
};
pub use on_tape::TapeCheck;
