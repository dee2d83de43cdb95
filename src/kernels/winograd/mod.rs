//! Convolution by Winograd's minimal filtering, F(m×m, 3×3): 3×3 with stride 1, in 4 times fewer multiplications (m = 4), or 5
//! times (m = 6).
//!
//! After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, section 4. A tile of m×m
//! outputs Y depends on a tile of (m+2)×(m+2) inputs d, and for one input and one output channel with filter g
//!
//! Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A,
//!
//! where ⊙ is the product of elements: 36 multiplications for 16 outputs, or 64 for 36, instead of 9 for each. The matrices follow
//! from interpolation points; they are in `f4` and `f6`. The larger tile is taken where there are enough of them
//! (`Tile::of`); rounding grows with it, to some 2·10⁻⁵ of the largest value from 10⁻⁵.
//!
//! The maps G g Gᵀ, Bᵀ d B and Aᵀ m A are linear, so sums over input channels are taken between them: for each of the
//! (m+2)² points a product of matrices, M = V U, of (tiles × input channels) and (input × output channels).
//!
//! | file | holds |
//! |---|---|
//! | `f4`, `f6` | the three maps along one axis |
//! | `transforms` | a map along both axes, on vectors of channels |
//! | `filter`, `input`, `output` | what each map reads and writes: turned filters; masks and un-pooling; bias, ReLU, pooling |
//! | `product` | M = V U, accumulated in registers |
//! | `schedule` | which tiles and channels go together, and which run in parallel |
//! | `grid`, `layout` | tiles and where they lie in the image, and scratch data in memory |

#![allow(clippy::inline_always, reason = "all that takes a token must become part of the function compiled for it")]
#![allow(clippy::needless_pass_by_value, reason = "a view of an array is a handle already")]
#![allow(clippy::needless_range_loop, reason = "indices of tiles and matrices, as in the formulas")]

mod f4;
mod f6;
mod filter;
mod grid;
mod input;
mod layout;
mod output;
mod product;
mod schedule;
#[cfg(test)]
mod tests;
mod transforms;

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3};

use super::simd::InstructionSet;
use super::sink::Sink;
use super::source::{Source, with_gradient};
use super::{Gradient, Output, Padding, PaddingMode, Real, Workspace};
use filter::Taps;
use grid::Grid;
pub use grid::Tile;

pub use layout::BLOCK;
pub use product::{Depth, Left, Next, To, multiply};
pub use schedule::{Convolution, Shape, scratch_bytes};

/// y = conv(x) + bias, followed by the operation of `output`, with `padding` around x and what lies there.
///
/// `x` is (height, width, in), `weights` (out, in, 3, 3) and the result (height + top + bottom − 2, width + left +
/// right − 2, out). Weights may have any strides; their transform is fastest when channels, of either kind, are
/// contiguous.
///
/// # Panics
/// If the shapes do not fit together, or an output is not in standard layout.
pub fn forward<T: Real>(
    set: InstructionSet,
    x: ArrayView3<'_, T>,
    weights: ArrayView4<'_, T>,
    bias: Option<ArrayView1<'_, T>>,
    (padding, beyond): (Padding, PaddingMode),
    output: Output<'_, T>,
    workspace: &Workspace,
) {
    let (height, width, channels) = x.dim();
    let taps = Taps::forward(&weights);
    assert_eq!(taps.inputs, channels, "filters of {} input channels on an image of {channels}", taps.inputs);
    let y_height = (height + padding.top + padding.bottom).saturating_sub(2);
    let y_width = (width + padding.left + padding.right).saturating_sub(2);
    let x = x.as_standard_layout();
    let bias = bias.map(|bias| bias.to_vec());
    T::winograd(&Convolution {
        set,
        source: Source::new(&x.view(), beyond),
        sink: Sink::new(output, bias.as_deref(), (y_height, y_width, taps.outputs)),
        taps,
        grid: Grid::new(y_height, y_width, (-(padding.top as isize), -(padding.left as isize))),
        workspace,
    });
}

/// dx = (∂y/∂x)ᵀ dy, the gradient with respect to the input of [`forward`] with zeros around it, or dx ← dx + that if
/// `accumulate`.
///
/// It is itself such a convolution, of dy, with the filters turned by 180°, their input and output channels exchanged,
/// and 2 minus the padding. The mask of a ReLU and the positions of a pooling are applied as dy is read.
///
/// # Panics
/// If the shapes do not fit together, or `dx` is not in standard layout.
pub fn data_gradient<T: Real>(
    set: InstructionSet,
    gradient: Gradient<'_, T>,
    weights: ArrayView4<'_, T>,
    padding: Padding,
    dx: ArrayViewMut3<'_, T>,
    accumulate: bool,
    workspace: &Workspace,
) {
    let (x_height, x_width, channels) = dx.dim();
    with_gradient(gradient, |source, scale| {
        let taps = Taps::backward(&weights).scaled(scale);
        assert_eq!(
            (taps.inputs, taps.outputs),
            (source.channels, channels),
            "filters of {} output and {} input channels on a gradient of {} for {channels}",
            taps.inputs,
            taps.outputs,
            source.channels
        );
        assert_eq!(
            (source.height, source.width),
            (
                (x_height + padding.top + padding.bottom).saturating_sub(2),
                (x_width + padding.left + padding.right).saturating_sub(2)
            ),
            "a gradient of another size than the convolution's result"
        );
        let output = if accumulate { Output::Add(dx) } else { Output::Plain(dx) };
        T::winograd(&Convolution {
            set,
            source,
            sink: Sink::new(output, None, (x_height, x_width, taps.outputs)),
            taps,
            grid: Grid::new(x_height, x_width, (padding.top as isize - 2, padding.left as isize - 2)),
            workspace,
        });
    });
}
