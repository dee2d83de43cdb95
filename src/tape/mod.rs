//! Reverse-mode automatic differentiation on a Wengert list.
//!
//! The book explains it in [chapter 2](../../../book/html/02-tape.html) (`docs/book/src/02-tape.md`).
//!
//! Operations are appended to a [`Tape`] as they are computed, so the list is already in topological order. A [`Var`] is a
//! value together with its node on the tape. Each recorded operation keeps one closure, its **vector-Jacobian product**
//! (VJP): given the gradient of a scalar with respect to the operation's output (the *cotangent*), it adds to the gradients
//! with respect to the inputs. [`Var::backward`] walks the list from the end and calls each closure once (Griewank & Walther
//! 2008, chapter 3.2).
//!
//! ```
//! use impasto::{ops, tape::Tape};
//! use ndarray::array;
//!
//! let tape = Tape::<f64>::new();
//! let x = tape.variable(array![1.0, 2.0, 3.0]);
//! let y = ops::sum(&ops::square(&x));                   // y = Σ x²
//! let gradients = y.backward();
//! assert_eq!(gradients.get(&x).unwrap(), &array![2.0, 4.0, 6.0].into_dyn());
//! println!("{tape}");
//! ```
//!
//! Values belong to their handles, not to the tape: dropping the last [`Var`] of an intermediate array frees its memory for
//! reuse, unless a VJP keeps it. Printing the tape lists the bytes that each VJP keeps.

mod backward;
mod display;
mod inspect;
mod record;
mod several;
mod tensor;

pub use crate::kernels::Real;
pub use backward::{Cotangents, Gradients};
pub use inspect::Operation;
pub use record::{Tape, Var};
pub use tensor::{Tensor, Value};
