//! Differentiable operations. Each file holds one operation: the forward computation, its vector-Jacobian product (VJP) and
//! its tests.
//!
//! The book explains it in [chapter 3](../../../book/html/03-arrays.html) (`docs/book/src/03-arrays.md`).
//!
//! Feature maps are (height, width, channels). Where an operation is not differentiable (ReLU at 0, a tie in a maximum), it
//! uses `PyTorch`'s subgradient, which its docstring states. VJPs receive `dy`, the gradient with respect to the output y, and
//! compute dx for each input x. "Keeps x" means that the tape holds x until the backward pass.

mod add;
mod alpha_norm;
mod avg_pool2d;
mod broadcast;
mod centred_cosine;
mod circular_pad;
mod conv2d;
mod conv2d_relu;
mod cosine;
mod div;
mod elementwise;
mod exp;
mod gather;
mod gram_matrix;
mod hypercolumns;
mod laplacian_pyramid;
mod linear;
mod ln;
mod matmul;
mod max_pool2d;
mod mean;
mod mean_axis;
mod moments;
mod mse;
mod mul;
mod operators;
mod relu;
mod reshape;
mod resize_bilinear;
mod scale;
mod sigmoid;
mod slice;
mod sqrt;
mod square;
mod squared_error;
mod sub;
mod sum;
mod sum_axis;
mod tanh;
#[cfg(test)]
mod testing;
mod total_variation;
mod transpose;

pub(crate) use add::add;
pub(crate) use alpha_norm::alpha_norm;
pub use avg_pool2d::avg_pool2d;
pub(crate) use centred_cosine::LEAST_LENGTH;
pub(crate) use centred_cosine::centred_cosine;
pub(crate) use circular_pad::circular_pad;
pub use conv2d::conv2d;
pub(crate) use conv2d_relu::conv2d_relu;
pub(crate) use cosine::cosine;
pub(crate) use div::div;
pub use exp::exp;
pub(crate) use gather::gather;
pub use gram_matrix::gram_matrix;
pub(crate) use gram_matrix::weighted_gram_matrix;
pub(crate) use hypercolumns::hypercolumns;
pub(crate) use laplacian_pyramid::{from_laplacian_pyramid, laplacian_pyramid};
pub use linear::linear;
pub use ln::ln;
pub use matmul::matmul;
pub use max_pool2d::max_pool2d;
pub use mean::mean;
pub use mean_axis::mean_axis;
pub(crate) use moments::moments;
pub use mse::mse;
pub(crate) use mul::mul;
pub use relu::relu;
pub use reshape::reshape;
pub use resize_bilinear::resize_bilinear;
pub(crate) use scale::scale;
pub use sigmoid::sigmoid;
pub use slice::slice;
pub use sqrt::sqrt;
pub use square::square;
pub(crate) use squared_error::squared_error;
pub(crate) use sub::sub;
pub use sum::sum;
pub use sum_axis::sum_axis;
pub use tanh::tanh;
pub use total_variation::total_variation;
pub use transpose::transpose;

pub use crate::kernels::{ConvAlgorithm, ConvGeometry, Padding, PaddingMode, PoolGeometry, Pooling};
use ndarray::{ArrayView3, ArrayViewMut3, Ix3};

use crate::tape::{Real, Tensor};

/// A tensor of three axes as a view of that rank.
pub(crate) fn feature_map<T: Real>(tensor: &Tensor<T>) -> ArrayView3<'_, T> {
    tensor.view().into_dimensionality::<Ix3>().expect("three axes")
}

/// A tensor of three axes as a mutable view of that rank.
pub(crate) fn feature_map_mut<T: Real>(tensor: &mut Tensor<T>) -> ArrayViewMut3<'_, T> {
    tensor.view_mut().into_dimensionality::<Ix3>().expect("three axes")
}

fn pooled_size(operation: &str, geometry: &PoolGeometry, [height, width]: [usize; 2]) -> [usize; 2] {
    geometry
        .output_size([height, width])
        .unwrap_or_else(|| panic!("{operation}: no window of {geometry:?} fits into {height}×{width}"))
}
