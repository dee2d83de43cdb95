//! Convolution by Winograd's minimal filtering, F(4×4, 3×3): 3×3, stride 1, 4 times fewer multiplications.
//!
//! TODO docs

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
use super::{Gradient, Output, Padding, Real, Workspace};
use filter::Taps;
use grid::Grid;
use input::Source;
use output::Sink;
use schedule::Convolution;

/// y = conv(x) + bias, then what `output` says.
///
/// `x` is (height, width, in), `weights` (out, in, 3, 3) and the result (height + top + bottom − 2, width + left +
/// right − 2, out). Weights may have any strides; their transform is fastest when channels, of either kind, are
/// contiguous.
///
/// # Panics
/// If the shapes do not fit together, or an output is not in standard layout.
pub fn forward<T: Real>(
    x: ArrayView3<'_, T>,
    weights: ArrayView4<'_, T>,
    bias: Option<ArrayView1<'_, T>>,
    padding: Padding,
    output: Output<'_, T>,
    workspace: &Workspace,
) {
    forward_with(InstructionSet::best(), x, weights, bias, padding, output, workspace);
}

fn forward_with<T: Real>(
    set: InstructionSet,
    x: ArrayView3<'_, T>,
    weights: ArrayView4<'_, T>,
    bias: Option<ArrayView1<'_, T>>,
    padding: Padding,
    output: Output<'_, T>,
    workspace: &Workspace,
) {
    let (height, width, channels) = x.dim();
    let taps = Taps::forward(weights);
    assert_eq!(taps.inputs, channels, "filters of {} input channels on an image of {channels}", taps.inputs);
    let y_height = (height + padding.top + padding.bottom).saturating_sub(2);
    let y_width = (width + padding.left + padding.right).saturating_sub(2);
    let x = x.as_standard_layout();
    let bias = bias.map(|bias| bias.to_vec());
    Convolution {
        set,
        source: Source { data: x.as_ptr(), mask: std::ptr::null(), height, width, channels, shift: 0 },
        sink: Sink::new(output, bias.as_deref(), (y_height, y_width, taps.outputs)),
        taps,
        grid: Grid::new(y_height, y_width, (-(padding.top as isize), -(padding.left as isize))),
        workspace,
    }
    .run();
}

/// dx = (∂y/∂x)ᵀ dy, the gradient with respect to the input of [`forward`], or dx ← dx + that if `accumulate`.
///
/// It is itself such a convolution, of dy, with the filters turned by 180°, their input and output channels exchanged,
/// and 2 minus the padding. The mask of a ReLU and the positions of a pooling are applied as dy is read.
///
/// # Panics
/// If the shapes do not fit together, or `dx` is not in standard layout.
pub fn data_gradient<T: Real>(
    gradient: Gradient<'_, T>,
    weights: ArrayView4<'_, T>,
    padding: Padding,
    dx: ArrayViewMut3<'_, T>,
    accumulate: bool,
    workspace: &Workspace,
) {
    data_gradient_with(InstructionSet::best(), gradient, weights, padding, dx, accumulate, workspace);
}

fn data_gradient_with<T: Real>(
    set: InstructionSet,
    gradient: Gradient<'_, T>,
    weights: ArrayView4<'_, T>,
    padding: Padding,
    dx: ArrayViewMut3<'_, T>,
    accumulate: bool,
    workspace: &Workspace,
) {
    let (height, width, channels) = gradient.dim();
    let mut taps = Taps::backward(weights);
    assert_eq!(taps.inputs, channels, "filters of {} output channels, a gradient of {channels}", taps.inputs);
    let (x_height, x_width, _) = dx.dim();
    assert_eq!(
        (height, width),
        (
            (x_height + padding.top + padding.bottom).saturating_sub(2),
            (x_width + padding.left + padding.right).saturating_sub(2)
        ),
        "a gradient of another size than the convolution's result"
    );
    let (dy, mask, shift) = match gradient {
        Gradient::Plain(dy) => (dy, None, 0),
        Gradient::Masked { dy, mask } => (dy, Some(mask), 0),
        Gradient::MaxPooled { dy, mask } => (dy, Some(mask), 1),
        Gradient::AveragePooled { dy, mask } => {
            taps.scale = T::of(0.25);
            (dy, Some(mask), 1)
        }
    };
    assert_eq!(dy.dim(), (height >> shift, width >> shift, channels), "a gradient and a mask that do not fit together");
    let dy = dy.as_standard_layout();
    let mask = mask.map_or(std::ptr::null(), |mask| mask.as_bytes().as_ptr());
    let output = if accumulate { Output::Add(dx) } else { Output::Plain(dx) };
    Convolution {
        set,
        source: Source { data: dy.as_ptr(), mask, height, width, channels, shift },
        sink: Sink::new(output, None, (x_height, x_width, taps.outputs)),
        taps,
        grid: Grid::new(x_height, x_width, (padding.top as isize - 2, padding.left as isize - 2)),
        workspace,
    }
    .run();
}
