//! Arrays in, arrays out, no tape: the arithmetic under the operations.
//!
//! Feature maps are (height, width, channels) with the channels contiguous. Work is split by the size of the problem
//! and sums are taken in a fixed order, so that results are the same bits on any number of threads.

mod buffers;
pub mod conv;
mod direct;
pub mod gram;
mod im2col;
pub mod pooling;
pub mod product;
mod real;
pub mod reduce;
#[cfg(test)]
pub(crate) mod testing;

pub use buffers::Buffers;
pub use conv::{ConvAlgorithm, ConvGeometry};
pub use pooling::PoolGeometry;
pub use real::Real;
