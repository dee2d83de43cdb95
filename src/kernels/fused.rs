//! Operations before and after a convolution that are fused with it.

use ndarray::{ArrayView3, ArrayViewMut3};

use super::{MaskView, MaskViewMut, Pooling};

/// The operation applied to a convolution's result before it is written.
///
/// The arrays are (height, width, channels) in standard layout. The masks are rows of a mask, of the shape
/// of the convolution's result, (H, W, C). Pooling is 2×2 with stride 2; the last row or column of an odd height or
/// width is dropped.
pub enum Output<'a, T> {
    /// y = conv(x) + bias
    Plain(ArrayViewMut3<'a, T>),
    /// y ← y + conv(x) + bias
    Add(ArrayViewMut3<'a, T>),
    /// y = max(0, conv(x) + bias); mask: y > 0.
    Relu {
        /// (H, W, C)
        y: ArrayViewMut3<'a, T>,
        /// Where a gradient passes back.
        mask: Option<MaskViewMut<'a>>,
    },
    /// ReLU, then the maximum of each window; mask: the element is the first maximum of its window, and positive.
    ReluMaxPool {
        /// (⌊H/2⌋, ⌊W/2⌋, C)
        y: ArrayViewMut3<'a, T>,
        /// Where a gradient passes back.
        mask: Option<MaskViewMut<'a>>,
    },
    /// ReLU, then the mean of each window; mask: the element lies in a window and is positive.
    ReluAveragePool {
        /// (⌊H/2⌋, ⌊W/2⌋, C)
        y: ArrayViewMut3<'a, T>,
        /// Where a gradient passes back.
        mask: Option<MaskViewMut<'a>>,
    },
}

impl<'a, T> Output<'a, T> {
    /// ReLU and a pooling of this kind.
    pub fn pooled(pooling: Pooling, y: ArrayViewMut3<'a, T>, mask: Option<MaskViewMut<'a>>) -> Self {
        match pooling {
            Pooling::Max => Self::ReluMaxPool { y, mask },
            Pooling::Average => Self::ReluAveragePool { y, mask },
        }
    }
}

/// The source of the gradient with respect to a convolution's result, (H, W, C): the [`Output`] through which it passes back.
#[derive(Clone, Copy)]
pub enum Gradient<'a, T> {
    /// The gradient itself, (H, W, C).
    Plain(ArrayView3<'a, T>),
    /// Back through [`Output::Relu`].
    Masked {
        /// The gradient with respect to the rectified result, (H, W, C).
        dy: ArrayView3<'a, T>,
        /// (H, W, C)
        mask: MaskView<'a>,
    },
    /// Back through [`Output::ReluMaxPool`].
    MaxPooled {
        /// The gradient with respect to the pooled result, (⌊H/2⌋, ⌊W/2⌋, C).
        dy: ArrayView3<'a, T>,
        /// (H, W, C)
        mask: MaskView<'a>,
    },
    /// Back through [`Output::ReluAveragePool`].
    AveragePooled {
        /// The gradient with respect to the pooled result, (⌊H/2⌋, ⌊W/2⌋, C).
        dy: ArrayView3<'a, T>,
        /// (H, W, C)
        mask: MaskView<'a>,
    },
}

impl<'a, T> Gradient<'a, T> {
    /// Back through ReLU and a pooling of this kind.
    pub fn pooled(pooling: Pooling, dy: ArrayView3<'a, T>, mask: MaskView<'a>) -> Self {
        match pooling {
            Pooling::Max => Self::MaxPooled { dy, mask },
            Pooling::Average => Self::AveragePooled { dy, mask },
        }
    }

    /// The shape of the convolution's result, (H, W, C).
    pub fn dim(&self) -> (usize, usize, usize) {
        match self {
            Self::Plain(dy) => dy.dim(),
            Self::Masked { mask, .. } | Self::MaxPooled { mask, .. } | Self::AveragePooled { mask, .. } => mask.dim(),
        }
    }
}
