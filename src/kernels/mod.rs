//! Arrays in, arrays out, no tape: the arithmetic under the operations.

mod bitmask;
mod real;
pub mod simd;
mod stages;
pub mod winograd;
mod workspace;

pub use bitmask::BitMask;
pub use real::Real;
pub use stages::{Gradient, Output, Padding};
pub use workspace::Workspace;
