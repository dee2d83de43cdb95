//! Numeric gradient testing: is this gradient the derivative of that function?
//!
//! A wrong gradient does not crash; it makes an optimiser a little worse, and nobody knows why. This module moves the
//! inputs a little and compares the change of the values with the gradient.
//!
//! The book explains it in [chapter 4](../../book/html/04-is-it-right.html) (`docs/book/src/04-is-it-right.md`).
//!
//! | you have | call |
//! |---|---|
//! | f, which returns a number, and its gradient | [`check_fn`] |
//! | f, which returns an array, and its vector-Jacobian product (VJP) | [`GradCheck::check_vjp`] |
//! | f, and its Jacobian-vector product (JVP) | [`check_jvp`] |
//! | f of a matrix that is symmetric, positive definite or a rotation | [`GradCheck::check_fn_on`] |
//! | a gradient, and a product with the Hessian | [`check_hessian_vector`] |
//! | no gradient, but need one | [`numeric_gradient`], [`numeric_jacobian`], [`hessian_vector`] |
//! | no tolerance to choose, but the order of the Taylor remainder | [`GradCheck::taylor_fn`], [`GradCheck::taylor`] |
//! | a program in another language | the command `impasto gradcheck --exec` (docs/gradcheck-protocol.md) |
//!
//! The free functions use the default options; [`GradCheck`] has the same functions as methods, with options of your
//! own.
//!
//! # A plain function
//!
//! [`check_fn`] takes a function that returns a number, its gradient, and the point at which to check. Points are
//! numbers, slices, `Vec`s, arrays of Rust or of `ndarray`, or several arrays in a list ([`Point`]), in f64 or f32.
//!
//! ```
//! use impasto_gradcheck::check_fn;
//!
//! let f = |x: &[f64]| (x[0] * x[1]).sin() + x[1];
//! let gradient = |x: &[f64]| vec![x[1] * (x[0] * x[1]).cos(), x[0] * (x[0] * x[1]).cos() + 1.0];
//! let report = check_fn(f, gradient, &[0.3, 1.2][..])?;
//! println!("{report}"); // 2 slopes agree, worst relative error 5.4e-13
//! # Ok::<_, impasto_gradcheck::Failure>(())
//! ```
//!
//! In a test, `check_fn(f, gradient, &x).unwrap()` is enough: the panic prints what is wrong.
//!
//! A function that returns an array has a Jacobian; its vector-Jacobian product is checked: `vjp(x, dy)` is the
//! gradient of ⟨dy, f(x)⟩ by x.
//!
//! ```
//! use impasto_gradcheck::GradCheck;
//! use ndarray::{Array2, array};
//!
//! let weights = array![[0.3, 1.0], [-2.0, 0.5], [0.7, -0.1]];
//! let layer = |x: &Array2<f64>| x.dot(&weights).mapv(f64::tanh);
//! let vjp = |x: &Array2<f64>, dy: &Array2<f64>| (dy * &layer(x).mapv(|y| 1.0 - y * y)).dot(&weights.t());
//! GradCheck::new().check_vjp(layer, vjp, &array![[1.0, 2.0, -0.5], [0.4, 0.2, 3.0]])?;
//! # Ok::<_, impasto_gradcheck::Failure>(())
//! ```
//!
//! # When it is wrong
//!
//! The error is a [`Failure`]. It prints as a table of the slopes that do not agree, the worst first:
//!
//! ```
//! use impasto_gradcheck::{Verdict, check_fn};
//! use ndarray::{Array2, array};
//!
//! let f = |x: &Array2<f64>| x[[0, 1]].powi(3) + 2.0 * x[[1, 0]];
//! let transposed = |x: &Array2<f64>| array![[0.0, 2.0], [3.0 * x[[0, 1]].powi(2), 0.0]];
//! let failure = check_fn(f, transposed, &array![[1.0, 2.0], [0.3, -0.7]]).unwrap_err();
//! println!("{failure}");
//! // wrong gradient: 2 of 4 slopes
//! //   where                        analytic        numeric     error   allowed
//! //   input 0[0,1]              2.0000000e0    1.2000000e1     1.0e1    1.2e-7
//! //   input 0[1,0]              1.2000000e1    2.0000000e0     1.0e1    1.2e-7
//! assert!(failure.to_string().starts_with("wrong gradient: 2 of 4 slopes\n  where "));
//! // For programs:
//! assert_eq!((failure.verdict(), failure.entries().len()), (Verdict::Wrong, 2));
//! ```
//!
//! # Verdicts, and what to do
//!
//! | [`Verdict`] | what it means | what to do |
//! |---|---|---|
//! | [`Agrees`](Verdict::Agrees) | both slopes are equal within the tolerance and rounding | |
//! | [`Wrong`](Verdict::Wrong) | the slopes differ | correct the gradient |
//! | [`NotDifferentiable`](Verdict::NotDifferentiable) | a kink, with the gradient between the slopes to the left and to the right | move the point, or accept it as below |
//! | [`Subgradient`](Verdict::Subgradient) | a kink that was accepted | |
//! | [`Coarse`](Verdict::Coarse) | an f32 inside: right within the rounding of the values | compute in f64, or loosen [`GradCheck::rtol`] |
//! | [`Undecided`](Verdict::Undecided) | no step gives a slope precise enough for a verdict | another point, [`GradCheck::eps`], or a looser tolerance |
//!
//! All but `Agrees` and `Subgradient` make a check fail, so that an undecided gradient does not pass as right.
//!
//! A kink is a place without a gradient: |x| at 0, a tie in a maximum. With [`GradCheck::subgradients`] any slope between the
//! two sides is right there:
//!
//! ```
//! use impasto_gradcheck::{GradCheck, Verdict, check_fn};
//!
//! let failure = check_fn(|x: &f64| x.abs(), |_: &f64| 1.0, &0.0).unwrap_err();
//! assert_eq!(failure.verdict(), Verdict::NotDifferentiable);
//! let report = GradCheck::new().subgradients(true).check_fn(|x: &f64| x.abs(), |_: &f64| 1.0, &0.0)?;
//! assert_eq!(report.subgradients.len(), 1);
//! assert!(GradCheck::new().subgradients(true).check_fn(|x: &f64| x.abs(), |_: &f64| 1.5, &0.0).is_err());
//! # Ok::<_, impasto_gradcheck::Failure>(())
//! ```
//!
//! # Functions in f32
//!
//! They are checked to the precision of differences in f32, some four digits:
//!
//! ```
//! use impasto_gradcheck::check_fn;
//!
//! check_fn(|x: &[f32]| x[0].sin() * x[1], |x: &[f32]| vec![x[0].cos() * x[1], x[0].sin()], &[0.3, 1.2][..])?;
//! # Ok::<_, impasto_gradcheck::Failure>(())
//! ```
//!
//! If the function is generic over the type, check it in f64, and check that f32 gives the same
//! ([`GradCheck::compare_with_f32`]).
//!
//! # Without a gradient
//!
//! [`numeric_gradient`], [`numeric_jacobian`] and [`hessian_vector`] return the numbers, each with an estimate of its
//! error. [`check_hessian_vector`] checks a product with the Hessian against the slope of the gradient.
//!
//! ```
//! use impasto_gradcheck::numeric_gradient;
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
//! and v, with about two hundred evaluations for any size ([`GradCheck::directions`], [`GradCheck::every_element`]).
//! [`GradCheck::parallel`] is faster for functions that may be called from several threads; the result is
//! bit-identical.
//!
//! # What is checked
//!
//! 1. The value is finite, and the same bits when it is evaluated again.
//! 2. The whole gradient: its shape, the same bits twice even if the function was evaluated elsewhere in between, and
//!    linearity in the cotangent.
//! 3. Slopes: every element of the Jacobian, or vᵀJu for random directions u and v if it is large.
//! 4. On request, that the gradients in f32 and f64 agree, or that a product with a Hessian is symmetric.
//!
//! Numeric slopes are central differences at steps that shrink, extrapolated (Ridders 1982), with an estimate of their
//! error, so the tolerances are tight: relative 1e-8 by default, of each slope's own size. A slope that seems wrong is
//! measured again, with steps of all sizes and with the noise of the values (Moré & Wild 2011), before it is reported.
//! If all terms of a gradient cancel, only rounding is left; its size is measured by calling the gradient with other
//! multiples of the same cotangent.
//!
//! docs/testing.md has a trial of this checker, and of others, on some five hundred functions.

mod check;
mod compare;
mod float;
mod function;
mod hints;
mod jvp;
mod linear;
mod noise;
mod numeric;
mod plain;
mod report;
mod single;
mod slope;
mod taylor;

use ndarray::{Array1, ArrayD, IxDyn};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

pub use check::{Estimated, GradCheck};
pub use float::Float;
pub use function::Function;
pub use hints::Hint;
pub use jvp::check_jvp;
pub use numeric::{Estimate, hessian_vector, numeric_gradient, numeric_jacobian};
pub use plain::{Numbers, Parallel, Point, check_fn, check_hessian_vector};
pub use report::{Culprit, Entry, Failure, Fault, Place, Report, Rule, SinglePrecision, Verdict};
pub use slope::{Fate, Row};
pub use taylor::{TaylorRow, TaylorTable, TaylorTest};

/// Parts of a check, for checkers of graphs of operations.
pub mod parts {
    pub use crate::linear::{COMBINATIONS, NONLINEAR, nonlinearity, rounding};
    pub use crate::noise::COARSE;
    pub use crate::slope::{Found, Precision, Slope, Steps, careful, quick};
    pub use crate::{direction, dot, same_bits};
}

/// A random array whose elements have a root mean square of 1.
pub fn direction(shape: &[usize], rng: &mut ChaCha8Rng) -> ArrayD<f64> {
    let drawn = ArrayD::from_shape_simple_fn(IxDyn(shape), || rng.sample::<f64, _>(StandardNormal));
    let size = slope::root_mean_square(drawn.iter().copied());
    if size > 0.0 { drawn / size } else { drawn }
}

/// Σ aᵢ·bᵢ.
pub fn dot(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Whether two arrays have the same shape and the same bits.
pub fn same_bits(one: &ArrayD<f64>, other: &ArrayD<f64>) -> bool {
    one.shape() == other.shape() && one.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// One array as it is; several as one list.
fn joined(mut arrays: Vec<ArrayD<f64>>) -> ArrayD<f64> {
    if arrays.len() == 1 {
        return arrays.remove(0);
    }
    arrays.into_iter().flatten().collect::<Array1<f64>>().into_dyn()
}
