//! Kernels that are compiled once, in this crate.

use super::simd::{InstructionSet, SimdReal};
use super::{gram_product, narrow, replicate, winograd};

/// Float types for which the large kernels are compiled once. Otherwise every crate that calls a generic function (the command,
/// each test, each bench) compiles its own copy.
pub trait Compiled: Sized {
    /// Computes a convolution.
    fn winograd(convolution: &winograd::Convolution<'_, Self>);
    /// Computes a block of a Gram matrix.
    fn gram_block(set: InstructionSet, block: gram_product::Block<'_, Self>);
    /// Multiplies features by a matrix.
    fn gram_times(set: InstructionSet, times: gram_product::Times<'_, Self>);
    /// Computes a row of a convolution of few channels.
    fn narrow_forward(set: InstructionSet, row: narrow::Row<'_, Self>);
    /// Computes some rows of the gradient of a convolution of few channels.
    fn narrow_backward(set: InstructionSet, rows: narrow::Rows<'_, Self>);
    /// Computes a block of the gradient of repeated edges.
    fn replicated_gradient(set: InstructionSet, block: replicate::Block<'_, Self>);
}

macro_rules! compiled {
    ($type:ty) => {
        impl Compiled for $type {
            fn winograd(convolution: &winograd::Convolution<'_, Self>) {
                convolution.run();
            }

            fn gram_block(set: InstructionSet, block: gram_product::Block<'_, Self>) {
                Self::dispatch(set, block);
            }

            fn gram_times(set: InstructionSet, times: gram_product::Times<'_, Self>) {
                Self::dispatch(set, times);
            }

            fn narrow_forward(set: InstructionSet, row: narrow::Row<'_, Self>) {
                Self::dispatch(set, row);
            }

            fn narrow_backward(set: InstructionSet, rows: narrow::Rows<'_, Self>) {
                Self::dispatch(set, rows);
            }

            fn replicated_gradient(set: InstructionSet, block: replicate::Block<'_, Self>) {
                Self::dispatch(set, block);
            }
        }
    };
}

compiled!(f32);
compiled!(f64);
