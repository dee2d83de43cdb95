//! Convolution as a matrix product: `im2col` copies the patch of each output position into a row of a matrix, and BLAS
//! multiplies it by the weights (Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for Document
//! Processing"). Each task builds one tile of the matrix; the whole matrix never exists.
//!
//! A row holds (kernel row, kernel column, channel), the memory order of a feature map, so a row of a patch is contiguous.

use ndarray::{
    Array2, ArrayView1, ArrayView2, ArrayView3, ArrayView4, ArrayViewMut2, ArrayViewMut3, ArrayViewMut4, CowArray, Ix2,
    s,
};
use rayon::prelude::*;

use super::product::matrix_product;
use super::{Buffers, ConvGeometry, MaskViewMut, Padding, PaddingMode, Real};

/// Elements of a tile, which fits a core's cache.
const TILE: usize = 1 << 18;

/// The smallest number of positions in a tile: BLAS packs the weights for each product, which must pay off.
const POSITIONS: usize = 512;

/// Output positions in a tile of patches of `patch` elements.
fn tile_positions(positions: usize, patch: usize) -> usize {
    let most = (TILE / patch).clamp(POSITIONS, 8 * POSITIONS);
    // Tiles of equal size, so that the last is not tiny and there is more than one.
    positions.div_ceil(positions.div_ceil(most).next_multiple_of(2)).max(1)
}

/// See [`super::conv::forward`].
pub fn forward<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    y: &mut ArrayViewMut3<'_, T>,
    buffers: &Buffers<T>,
) {
    forward_and(geometry, x, weight, bias, y, Finish::Nothing, buffers);
}

/// See [`super::conv::forward_fused`], for a ReLU.
pub fn forward_relu<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    y: &mut ArrayViewMut3<'_, T>,
    mask: Option<MaskViewMut<'_>>,
    buffers: &Buffers<T>,
) {
    forward_and(geometry, x, weight, bias, y, Finish::Relu(mask), buffers);
}

fn forward_and<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    y: &mut ArrayViewMut3<'_, T>,
    finish: Finish<'_>,
    buffers: &Buffers<T>,
) {
    let x = x.as_standard_layout();
    let matrix = patch_by_output(weight);
    let begin = |tile: &mut ArrayViewMut2<'_, T>| match bias {
        Some(bias) => {
            tile.assign(bias);
            T::one()
        }
        None => T::zero(),
    };
    let kernel = [weight.dim().2, weight.dim().3];
    with_row_major(y, buffers, |y| {
        convolve(geometry, &x.view(), kernel, &matrix.view(), y, (begin, finish), buffers);
    });
}

/// See [`super::conv::backward_data`].
///
/// With stride 1 and zeros around the input the transposed convolution is itself a convolution, with the kernel turned by 180° and
/// input and output channels exchanged. Otherwise, and for images with few channels, the rows dy·Wᵀ are added at the
/// positions from which `im2col` took them.
pub fn backward_data<T: Real>(
    geometry: &ConvGeometry,
    dy: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    let kernel = [weight.dim().2, weight.dim().3];
    let dy = dy.as_standard_layout();
    // Compare the lengths of contiguous runs: the image's channels when adding rows back, dy's channels in patches.
    let short = 4 * weight.dim().1 <= weight.dim().0;
    let Some(transposed) = transposed_geometry(geometry, kernel).filter(|_| !short) else {
        return col2im(geometry, &dy.view(), weight, dx, accumulate, buffers);
    };
    let turned = weight.slice(s![.., .., ..;-1, ..;-1]).permuted_axes([1, 0, 2, 3]);
    let matrix = patch_by_output(&turned);
    with_row_major(dx, buffers, |dx| {
        // With uneven padding or a stride that leaves a remainder, the kernel may not reach the last rows.
        let begin = |_: &mut ArrayViewMut2<'_, T>| if accumulate { T::one() } else { T::zero() };
        convolve(&transposed, &dy.view(), kernel, &matrix.view(), dx, (begin, Finish::Nothing), buffers);
    });
}

/// See [`super::conv::backward_weight`].
pub fn backward_weight<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    dy: &ArrayView3<'_, T>,
    dw: &mut ArrayViewMut4<'_, T>,
    buffers: &Buffers<T>,
) {
    let (outputs, inputs, kernel_height, kernel_width) = dw.dim();
    let (x, dy) = (x.as_standard_layout(), dy.as_standard_layout());
    let (height, width, _) = dy.dim();
    let patch = kernel_height * kernel_width * inputs;
    let dy = dy.to_shape((height * width, outputs)).expect("row-major");
    let tile = tile_positions(height * width, patch);
    // A few partial sums, as many as the size of the problem determines, added in order.
    let run = (height * width).div_ceil(8).next_multiple_of(tile);
    let partial: Vec<Array2<T>> = (0..(height * width).div_ceil(run))
        .into_par_iter()
        .map(|part| {
            let mut sum = Array2::zeros((patch, outputs));
            let end = ((part + 1) * run).min(height * width);
            for first in (part * run..end).step_by(tile) {
                let positions = first..(first + tile).min(end);
                let mut columns = buffers.take(positions.len() * patch);
                im2col(geometry, &x.view(), [kernel_height, kernel_width], width, positions.clone(), &mut columns);
                let columns_view = ArrayView2::from_shape((positions.len(), patch), &columns).expect("a tile");
                let dy = dy.slice(s![positions, ..]);
                matrix_product(T::one(), &columns_view.t(), &dy, T::one(), &mut sum.view_mut());
                buffers.put(columns);
            }
            sum
        })
        .collect();
    let sum = partial.into_iter().reduce(|a, b| a + b).unwrap_or_else(|| Array2::zeros((patch, outputs)));
    let sum = sum.into_shape_with_order((kernel_height, kernel_width, inputs, outputs)).expect("as made");
    dw.assign(&sum.permuted_axes([3, 2, 0, 1]));
}

/// The weights as a matrix (kernel row · kernel column · in, out); no copy where memory has that order.
fn patch_by_output<'w, T: Real>(weight: &'w ArrayView4<'_, T>) -> CowArray<'w, T, Ix2> {
    let (outputs, inputs, kernel_height, kernel_width) = weight.dim();
    let by_patch = weight.view().permuted_axes([2, 3, 1, 0]);
    let shape = (kernel_height * kernel_width * inputs, outputs);
    if by_patch.is_standard_layout() {
        by_patch.into_shape_with_order(shape).expect("row-major").into()
    } else {
        by_patch.as_standard_layout().into_owned().into_shape_with_order(shape).expect("row-major").into()
    }
}

/// Calls `write` with the positions × channels matrix of `map`, which goes through a copy if it is not row-major.
fn with_row_major<T: Real>(
    map: &mut ArrayViewMut3<'_, T>,
    buffers: &Buffers<T>,
    write: impl FnOnce(&mut ArrayViewMut3<'_, T>),
) {
    if map.is_standard_layout() {
        return write(map);
    }
    let mut copy = buffers.take(map.len());
    let mut view = ArrayViewMut3::from_shape(map.dim(), &mut copy).expect("as long");
    view.assign(map);
    write(&mut view);
    map.assign(&view);
    buffers.put(copy);
}

/// The operation on a tile of the output while it is in the cache.
enum Finish<'m> {
    Nothing,
    /// max(0, y); mask: y > 0.
    Relu(Option<MaskViewMut<'m>>),
}

/// The convolution itself: `begin` prepares a tile of the output and returns the factor by which to multiply it before
/// the product is added.
fn convolve<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    kernel: [usize; 2],
    matrix: &ArrayView2<'_, T>,
    y: &mut ArrayViewMut3<'_, T>,
    (begin, finish): (impl Fn(&mut ArrayViewMut2<'_, T>) -> T + Sync, Finish<'_>),
    buffers: &Buffers<T>,
) {
    let (height, width, outputs) = y.dim();
    let patch = matrix.nrows();
    let tile = tile_positions(height * width, patch);
    let (relu, bits) = match finish {
        Finish::Nothing => (false, None),
        Finish::Relu(mask) => (true, mask),
    };
    let bits: Vec<&mut [u8]> = match bits {
        Some(mask) => {
            assert_eq!(mask.dim(), (height, width, outputs), "a mask of the wrong shape");
            mask.cleared().chunks_mut(tile * outputs.div_ceil(8)).collect()
        }
        None => std::iter::repeat_with(Default::default).take((height * width).div_ceil(tile)).collect(),
    };
    let y = y.as_slice_mut().expect("row-major");
    y.par_chunks_mut(tile * outputs).zip(bits).enumerate().for_each(|(index, (y, bits))| {
        let first = index * tile;
        let positions = first..first + y.len() / outputs;
        let mut view = ArrayViewMut2::from_shape((positions.len(), outputs), &mut *y).expect("a tile");
        let mut columns = buffers.take(positions.len() * patch);
        im2col(geometry, x, kernel, width, positions.clone(), &mut columns);
        let columns_view = ArrayView2::from_shape((positions.len(), patch), &columns).expect("a tile");
        let beta = begin(&mut view);
        matrix_product(T::one(), &columns_view, matrix, beta, &mut view);
        buffers.put(columns);
        if relu {
            rectify(y, outputs, bits);
        }
    });
}

/// Rectifies positions and writes the bits of their mask, if there is one.
fn rectify<T: Real>(y: &mut [T], channels: usize, bits: &mut [u8]) {
    // NaN stays NaN.
    for y in y.iter_mut().filter(|y| **y <= T::zero()) {
        *y = T::zero();
    }
    /// Eight bytes of 0 or 1, multiplied by this, give these bits in the highest byte, the first byte's lowest.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    for (y, bits) in y.chunks_exact(channels).zip(bits.chunks_exact_mut(channels.div_ceil(8))) {
        for (y, byte) in y.chunks(8).zip(bits) {
            let mut positive = [0; 8];
            positive.iter_mut().zip(y).for_each(|(positive, &y)| *positive = u8::from(y > T::zero()));
            *byte = (u64::from_le_bytes(positive).wrapping_mul(GATHER) >> 56) as u8;
        }
    }
}

/// Copies the patches of `positions` of an output `width` wide, one row each.
fn im2col<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    kernel: [usize; 2],
    width: usize,
    positions: std::ops::Range<usize>,
    columns: &mut [T],
) {
    let (input_height, input_width, channels) = x.dim();
    let x = x.as_slice().expect("row-major");
    let run = kernel[1] * channels;
    for (position, row) in positions.zip(columns.chunks_exact_mut(kernel[0] * run)) {
        let (i, j) = (position / width, position % width);
        for (u, row) in row.chunks_exact_mut(run).enumerate() {
            let Some(r) = geometry.source(0, i, u, input_height) else {
                row.fill(T::zero());
                continue;
            };
            let line = &x[r * input_width * channels..][..input_width * channels];
            let left = (j * geometry.stride[1]).checked_sub(geometry.padding.left);
            if geometry.dilation[1] == 1
                && let Some(left) = left
                && left + kernel[1] <= input_width
            {
                row.copy_from_slice(&line[left * channels..][..run]);
                continue;
            }
            for (v, cell) in row.chunks_exact_mut(channels).enumerate() {
                match geometry.source(1, j, v, input_width) {
                    Some(s) => cell.copy_from_slice(&line[s * channels..][..channels]),
                    None => cell.fill(T::zero()),
                }
            }
        }
    }
}

/// The geometry of the transposed convolution, if it is a convolution: stride 1, and zeros around the input, fewer than the kernel is
/// wide.
fn transposed_geometry(geometry: &ConvGeometry, kernel: [usize; 2]) -> Option<ConvGeometry> {
    let reach = |axis: usize| geometry.dilation[axis] * (kernel[axis] - 1);
    let Padding { top, left, bottom, right } = geometry.padding;
    let padding = Padding {
        top: reach(0).checked_sub(top)?,
        left: reach(1).checked_sub(left)?,
        bottom: reach(0).checked_sub(bottom)?,
        right: reach(1).checked_sub(right)?,
    };
    (geometry.stride == [1, 1] && geometry.mode == PaddingMode::Zeros).then_some(ConvGeometry { padding, ..*geometry })
}

/// The transposed convolution for any stride: each task owns some rows of the input and gathers their contributions.
fn col2im<T: Real>(
    geometry: &ConvGeometry,
    dy: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    let (_, channels, kernel_height, kernel_width) = weight.dim();
    let (height, width, _) = dx.dim();
    let (dy_width, run) = (dy.dim().1, kernel_width * channels);
    let matrix = patch_by_output(weight);
    // Both tasks multiply the rows at their border.
    let owned = (16 * geometry.stride[0] + kernel_height).min(height).max(1);
    with_row_major(dx, buffers, |dx| {
        let dx = dx.as_slice_mut().expect("row-major");
        dx.par_chunks_mut(owned * width * channels).enumerate().for_each(|(chunk, dx)| {
            if !accumulate {
                dx.fill(T::zero());
            }
            let mut patches = buffers.take(dy_width * kernel_height * run);
            let own = chunk * owned..chunk * owned + dx.len() / (width * channels);
            for (i, dy) in dy.outer_iter().enumerate() {
                let touched = |u: usize| geometry.source(0, i, u, height).filter(|r| own.contains(r));
                if !(0..kernel_height).any(|u| touched(u).is_some()) {
                    continue;
                }
                let shape = (dy_width, kernel_height * run);
                let mut view = ArrayViewMut2::from_shape(shape, &mut patches).expect("as long");
                matrix_product(T::one(), &dy, &matrix.t(), T::zero(), &mut view);
                for u in 0..kernel_height {
                    let Some(r) = touched(u) else { continue };
                    let row = &mut dx[(r - own.start) * width * channels..][..width * channels];
                    for (j, patch) in patches.chunks_exact(kernel_height * run).enumerate() {
                        for v in 0..kernel_width {
                            let Some(s) = geometry.source(1, j, v, width) else { continue };
                            let share = &patch[u * run + v * channels..][..channels];
                            let sum = &mut row[s * channels..][..channels];
                            sum.iter_mut().zip(share).for_each(|(sum, &share)| *sum += share);
                        }
                    }
                }
            }
            buffers.put(patches);
        });
    });
}
