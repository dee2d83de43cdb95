//! The arithmetic of the operations, on arrays and without the tape.
//!
//! The book explains it in [chapter 5](../../../book/html/05-convolution.html) (`docs/book/src/05-convolution.md`).
//!
//! Feature maps are (height, width, channels) with the channels contiguous. Work is split by the size of the problem
//! and sums are taken in a fixed order, so that results are the same bits on any number of threads.

mod aligned;
pub mod bilinear;
mod bitmask;
mod buffers;
mod compiled;
pub mod conv;
mod direct;
pub mod eigen;
mod fused;
pub mod gram;
mod gram_product;
mod im2col;
mod narrow;
pub mod nearest;
pub mod pooling;
pub mod product;
pub mod pyramid;
mod real;
pub mod reduce;
mod replicate;
mod shared;
mod simd;
mod sink;
mod source;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod unsafe_list;
mod winograd;
mod workspace;

pub(crate) use aligned::by_cache_lines;
pub use bitmask::{BitMask, MaskView, MaskViewMut};
#[doc(hidden)] // for the benches
pub use buffers::Buffers;
pub use conv::{ConvAlgorithm, ConvGeometry, Padding, PaddingMode};
pub use fused::{Gradient, Output};
pub use pooling::{PoolGeometry, Pooling};
pub use real::Real;
#[doc(hidden)] // for the benches
pub use simd::InstructionSet;
use workspace::Workspace;
