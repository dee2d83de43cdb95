//! Arrays in, arrays out, no tape: the arithmetic under the operations.

mod real;

pub use real::Real;
