//! Convolution 3×3 with stride 1 of images with few channels: a network's first layer.
//!
//! Three channels are too few for Winograd's transforms to pay. A patch has 27 numbers, and the patches of neighbouring
//! positions overlap, so the matrix product of `im2col` can read them in place: a register tile of positions × output
//! channels is summed over the three runs of memory that a position's patch consists of.
//!
//! The gradient with respect to the image is the transposed product: a register tile computes the 27 contributions of
//! each position, which are then added to its patch.

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3};
use rayon::prelude::*;

use super::simd::{InstructionSet, Kernel, MAX_ROWS, Simd, first_lanes};
use super::sink::Sink;
use super::source::{Source, read_bits, with_gradient};
use super::{Gradient, Output, Padding, PaddingMode, Real, Workspace};

/// Side of the filters.
const SIDE: usize = 3;

/// The largest number of input channels: a patch then has at most 63 numbers.
pub const MOST_CHANNELS: usize = 7;

/// Vectors of output channels in a register tile.
const VECTORS: usize = 2;

/// A matrix in panels of columns as wide as a register tile, padded with zeros: panel, row, column.
struct Panels<T> {
    data: Vec<T>,
    rows: usize,
    width: usize,
}

impl<T: Real> Panels<T> {
    fn new(set: InstructionSet, rows: usize, columns: usize, value: impl Fn(usize, usize) -> T) -> Self {
        let width = VECTORS * T::lanes(set);
        let mut data = vec![T::zero(); columns.div_ceil(width) * rows * width];
        for column in 0..columns {
            for row in 0..rows {
                data[(column / width * rows + row) * width + column % width] = value(row, column);
            }
        }
        Self { data, rows, width }
    }

    fn count(&self) -> usize {
        self.data.len() / (self.rows * self.width)
    }

    fn panel(&self, index: usize) -> *const T {
        self.data[index * self.rows * self.width..].as_ptr()
    }
}

/// `sums` += left · right for a register tile: row r of `left` begins at r · `stride`, `right` has rows of `VECTORS`
/// vectors.
///
/// # Safety
/// `depth` values of each of the `R` rows of `left`, and `depth` rows of `right`, must be readable.
#[inline(always)]
unsafe fn accumulate<T: Real, S: Simd<T>>(
    s: S,
    sums: &mut [[S::V; VECTORS]; MAX_ROWS],
    (left, stride): (*const T, usize),
    right: *const T,
    depth: usize,
) {
    for k in 0..depth {
        // SAFETY: the caller's.
        unsafe {
            let right = right.add(k * VECTORS * S::LANES);
            let factors = [s.load(right), s.load(right.add(S::LANES))];
            // Constant bounds and plain indices, so that the sums are registers.
            for r in 0..S::ROWS {
                let x = s.splat(left.add(r * stride + k).read());
                for n in 0..VECTORS {
                    sums[r][n] = s.mul_add(x, factors[n], sums[r][n]);
                }
            }
        }
    }
}

/// y = conv(x) + bias, followed by the operation of `output`, which must not pool. Otherwise as `winograd::forward`.
///
/// # Panics
/// If the shapes do not fit together, or the output is not in standard layout.
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
    let outputs = weights.dim().0;
    let y_height = (height + padding.top + padding.bottom).saturating_sub(SIDE - 1);
    let y_width = (width + padding.left + padding.right).saturating_sub(SIDE - 1);
    let x = x.as_standard_layout();
    let bias = bias.map(|bias| bias.to_vec());
    // A row of the matrix for each number of a patch, (kernel row, kernel column, channel).
    let patch = |k: usize| (k / (SIDE * channels), k / channels % SIDE, k % channels);
    let weight = |k: usize, n: usize| {
        let (u, v, c) = patch(k);
        weights[[n, c, u, v]]
    };
    let rows = Forward {
        x: x.as_slice().expect("standard layout"),
        size: (height, width, channels),
        weights: Panels::new(set, SIDE * SIDE * channels, outputs, weight),
        bias: Panels::new(set, 1, outputs, |_, n| bias.as_ref().map_or(T::zero(), |bias| bias[n])),
        padding,
        beyond,
        sink: Sink::new(output, None, (y_height, y_width, outputs)),
        workspace,
    };
    // SAFETY: each task has a row of its own.
    (0..y_height).into_par_iter().for_each(|y| T::narrow_forward(set, unsafe { Row::new(&rows, y) }));
}

/// The parameters common to all rows of a result.
pub struct Forward<'a, T> {
    x: &'a [T],
    size: (usize, usize, usize),
    weights: Panels<T>,
    bias: Panels<T>,
    padding: Padding,
    beyond: PaddingMode,
    sink: Sink<'a, T>,
    workspace: &'a Workspace,
}

/// One row of a result.
pub struct Row<'a, T> {
    of: &'a Forward<'a, T>,
    y: usize,
}

impl<'a, T: Real> Row<'a, T> {
    /// Row `y` of the result.
    ///
    /// # Safety
    /// The row must exist, and no other thread may access it while it is computed.
    unsafe fn new(of: &'a Forward<'a, T>, y: usize) -> Self {
        debug_assert!(y < of.sink.height);
        Self { of, y }
    }
}

impl<T: Real> Kernel<T> for Row<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Forward { x, size: (height, width, channels), weights, bias, padding, beyond, sink, workspace } = self.of;
        let (height, width, channels) = (*height, *width, *channels);
        // The three rows of the image with their padding, followed by space that the last register tile may read.
        let len = (sink.width.next_multiple_of(S::ROWS) + SIDE) * channels;
        let mut strip = workspace.take::<T>(SIDE * len);
        strip.fill(T::zero());
        for (u, line) in strip.chunks_exact_mut(len).enumerate() {
            let row = match beyond {
                PaddingMode::Zeros => (self.y + u).checked_sub(padding.top).filter(|row| *row < height),
                PaddingMode::Replicate => Some((self.y + u).saturating_sub(padding.top).min(height - 1)),
            };
            let Some(row) = row else { continue };
            let row = &x[row * width * channels..][..width * channels];
            let (left, line) = line.split_at_mut(padding.left * channels);
            let (inside, right) = line.split_at_mut(row.len());
            inside.copy_from_slice(row);
            if *beyond == PaddingMode::Replicate {
                let (first, last) = (&row[..channels], &row[row.len() - channels..]);
                left.chunks_exact_mut(channels).for_each(|copy| copy.copy_from_slice(first));
                right.chunks_exact_mut(channels).take(padding.right).for_each(|copy| copy.copy_from_slice(last));
            }
        }
        for first in (0..sink.width).step_by(S::ROWS) {
            for panel in 0..weights.count() {
                let channel = panel * weights.width;
                // SAFETY: panels have rows of `VECTORS` vectors; the strip has room for a whole tile; what is written
                // are channels that exist of positions that exist.
                unsafe {
                    let bias = bias.panel(panel);
                    let bias = [s.load(bias), s.load(bias.add(S::LANES))];
                    let mut sums = [[s.splat(T::zero()); VECTORS]; MAX_ROWS];
                    for u in 0..SIDE {
                        let left = strip.as_ptr().add(u * len + first * channels);
                        let right = weights.panel(panel).add(u * SIDE * channels * weights.width);
                        accumulate(s, &mut sums, (left, channels), right, SIDE * channels);
                    }
                    for (r, sums) in sums.iter().enumerate().take(S::ROWS.min(sink.width - first)) {
                        for (vector, &sum) in sums.iter().enumerate() {
                            let sum = s.add(sum, bias[vector]);
                            let channel = channel + vector * S::LANES;
                            let count = sink.channels.saturating_sub(channel).min(S::LANES);
                            if count == S::LANES {
                                sink.write_pixel::<S, true>(s, (self.y, first + r), channel, count, sum);
                            } else if count > 0 {
                                sink.write_pixel::<S, false>(s, (self.y, first + r), channel, count, sum);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// dx = (∂y/∂x)ᵀ dy, the gradient with respect to the input of [`forward`], or dx ← dx + that if `accumulate`. As
/// `winograd::data_gradient`.
///
/// # Panics
/// If the shapes do not fit together, or `dx` is not in standard layout.
pub fn data_gradient<T: Real>(
    set: InstructionSet,
    gradient: Gradient<'_, T>,
    weights: ArrayView4<'_, T>,
    padding: Padding,
    mut dx: ArrayViewMut3<'_, T>,
    accumulate: bool,
    workspace: &Workspace,
) {
    let (x_height, x_width, channels) = dx.dim();
    let outputs = weights.dim().0;
    with_gradient(gradient, |dy, scale| {
        assert_eq!(
            (dy.height + SIDE - 1, dy.width + SIDE - 1, dy.channels),
            (x_height + padding.top + padding.bottom, x_width + padding.left + padding.right, outputs),
            "a gradient that does not fit the convolution's result"
        );
        // A column of the matrix for each number of a patch, (kernel row, kernel column, channel).
        let weight =
            |n: usize, k: usize| weights[[n, k % channels, k / (SIDE * channels), k / channels % SIDE]] * scale;
        let weights = Panels::new(set, outputs, SIDE * SIDE * channels, weight);
        // A task computes one row more on each side than it owns: few enough, and few tasks only for small images.
        let owned = (x_height / 16).clamp(4, 32);
        let to = dx.as_slice_mut().expect("standard layout").par_chunks_mut((owned * x_width * channels).max(1));
        to.enumerate().for_each(|(task, to)| {
            let own = (task * owned, (task * owned + owned).min(x_height));
            let size = (x_width, channels);
            let rows = Rows { dy: &dy, weights: &weights, size, padding, own, to, accumulate, workspace };
            T::narrow_backward(set, rows);
        });
    });
}

/// The gradient of some rows of the image.
pub struct Rows<'a, T> {
    dy: &'a Source<'a, T>,
    weights: &'a Panels<T>,
    /// Width and channels of the image.
    size: (usize, usize),
    padding: Padding,
    /// The first row and the one after the last.
    own: (usize, usize),
    to: &'a mut [T],
    accumulate: bool,
    workspace: &'a Workspace,
}

impl<T: Real> Kernel<T> for Rows<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (x_width, channels) = self.size;
        let (dy, run) = (self.dy, SIDE * channels);
        // The owned rows with their padding, and room for the overhang of the last register tile.
        let len = (dy.width.next_multiple_of(S::ROWS) + SIDE) * channels;
        let mut sums = self.workspace.take::<T>((self.own.1 - self.own.0) * len);
        sums.fill(T::zero());
        let mut left = self.workspace.take::<T>(S::ROWS * dy.channels);
        let width = self.weights.count() * self.weights.width;
        let mut shares = self.workspace.take::<T>(S::ROWS * width);
        // Row i of dy reaches the rows i − top … i − top + 2 of the image.
        let begin = (self.own.0 + self.padding.top).saturating_sub(SIDE - 1);
        let end = (self.own.1 + self.padding.top).min(dy.height);
        for i in begin..end {
            for first in (0..dy.width).step_by(S::ROWS) {
                self.copy_gradient(s, (i, first), &mut left);
                for panel in 0..self.weights.count() {
                    let mut products = [[s.splat(T::zero()); VECTORS]; MAX_ROWS];
                    // SAFETY: `left` has `ROWS` rows of all channels of dy, the panel as many rows as those, and
                    // `shares` has `ROWS` rows as wide as all panels.
                    unsafe {
                        let left = (left.as_ptr(), dy.channels);
                        accumulate(s, &mut products, left, self.weights.panel(panel), dy.channels);
                        for (r, products) in products.iter().enumerate().take(S::ROWS) {
                            let to = shares.as_mut_ptr().add(r * width + panel * self.weights.width);
                            s.store(to, products[0]);
                            s.store(to.add(S::LANES), products[1]);
                        }
                    }
                }
                for u in 0..SIDE {
                    let row = (i + u).checked_sub(self.padding.top + self.own.0);
                    let Some(row) = row.filter(|row| *row < self.own.1 - self.own.0) else { continue };
                    let line = &mut sums[row * len..][..len];
                    for r in 0..S::ROWS {
                        let shares = &shares[r * width + u * run..][..run];
                        let to = &mut line[(first + r) * channels..][..run];
                        to.iter_mut().zip(shares).for_each(|(to, &share)| *to += share);
                    }
                }
            }
        }
        for (row, line) in sums.chunks_exact(len).enumerate() {
            let line = &line[self.padding.left * channels..][..x_width * channels];
            let to = &mut self.to[row * line.len()..][..line.len()];
            if self.accumulate {
                to.iter_mut().zip(line).for_each(|(to, &sum)| *to += sum);
            } else {
                to.copy_from_slice(line);
            }
        }
    }
}

impl<T: Real> Rows<'_, T> {
    /// Copies dy of `ROWS` positions of a row, with zeros where its mask has them and beyond the row's end.
    #[inline(always)]
    fn copy_gradient<S: Simd<T>>(&self, s: S, (i, first): (usize, usize), to: &mut [T]) {
        let channels = self.dy.channels;
        for (r, to) in to.chunks_exact_mut(channels).enumerate() {
            let Some((data, mask)) = self.dy.pixel(i as isize, (first + r) as isize) else {
                to.fill(T::zero());
                continue;
            };
            for c in (0..channels).step_by(S::LANES) {
                let count = (channels - c).min(S::LANES);
                let lanes = first_lanes(count);
                // SAFETY: the pixel has these channels, and so has `to`.
                unsafe {
                    let lanes = if mask.is_null() { lanes } else { lanes & read_bits::<T, S>(mask, c, count) };
                    let value = s.load_lanes(data.add(c), lanes);
                    // Masked stores are slow on some processors.
                    if count == S::LANES {
                        s.store(to.as_mut_ptr().add(c), value);
                    } else {
                        s.store_lanes(to.as_mut_ptr().add(c), value, first_lanes(count));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::AbsDiffEq;
    use ndarray::{Array1, Array3, Array4};

    use super::*;
    use crate::kernels::testing::{instruction_sets, random};
    use crate::kernels::{BitMask, winograd};

    const PADDINGS: [(Padding, PaddingMode); 5] = [
        (Padding::same(1), PaddingMode::Zeros),
        (Padding::same(0), PaddingMode::Zeros),
        (Padding { top: 2, left: 0, bottom: 1, right: 2 }, PaddingMode::Zeros),
        (Padding::same(1), PaddingMode::Replicate),
        (Padding { top: 0, left: 1, bottom: 1, right: 1 }, PaddingMode::Replicate),
    ];

    /// Calls `check` for every instruction set, number of channels, padding and several sizes, with the shape of the
    /// image and of the result.
    fn everywhere<T: Real>(
        check: impl Fn(InstructionSet, (Padding, PaddingMode), (usize, usize, usize), (usize, usize, usize)),
    ) {
        for set in instruction_sets::<T>() {
            for channels in 1..=MOST_CHANNELS {
                for (height, width, outputs) in [(3, 3, 1), (5, 29, 20), (37, 14, 64), (70, 33, 9)] {
                    for (padding, beyond) in PADDINGS {
                        let result =
                            (height + padding.top + padding.bottom - 2, width + padding.left + padding.right - 2);
                        check(set, (padding, beyond), (height, width, channels), (result.0, result.1, outputs));
                    }
                }
            }
        }
    }

    fn forward_is_what_winograd_computes<T: Real>(epsilon: f64) {
        everywhere::<T>(|set, padding, image, result| {
            let x: Array3<T> = random(image, 1);
            let w: Array4<T> = random((result.2, image.2, 3, 3), 2);
            let b: Array1<T> = random(result.2, 3);
            let (x64, w64, b64) = (x.mapv(Real::to_f64), w.mapv(Real::to_f64), b.mapv(Real::to_f64));
            let workspace = Workspace::new();
            let (mut y, mut expected) = (Array3::<T>::zeros(result), Array3::<f64>::zeros(result));
            let mut mask = BitMask::new(y.dim().0, y.dim().1, y.dim().2);
            let to = Output::Relu { y: y.view_mut(), mask: Some(mask.view_mut()) };
            forward(set, x.view(), w.view(), Some(b.view()), padding, to, &workspace);
            let to = Output::Relu { y: expected.view_mut(), mask: None };
            winograd::forward(set, x64.view(), w64.view(), Some(b64.view()), padding, to, &workspace);
            approx::assert_abs_diff_eq!(y.mapv(Real::to_f64), expected, epsilon = epsilon);
            assert!(y.indexed_iter().all(|((i, j, c), &v)| mask.get(i, j, c) == (v > T::zero())));
            forward(set, x.view(), w.view(), None, padding, Output::Add(y.view_mut()), &workspace);
            let to = Output::Add(expected.view_mut());
            winograd::forward(set, x64.view(), w64.view(), None, padding, to, &workspace);
            approx::assert_abs_diff_eq!(y.mapv(Real::to_f64), expected, epsilon = epsilon);
        });
    }

    fn the_gradient_is_what_winograd_computes<T: Real + AbsDiffEq<Epsilon = T>>(epsilon: f64) {
        everywhere::<T>(|set, (padding, _), image, result| {
            let w: Array4<T> = random((result.2, image.2, 3, 3), 2);
            let dy: Array3<T> = random(result, 3);
            let pooled: Array3<T> = random((result.0 / 2, result.1 / 2, result.2), 4);
            let (mut mask, mut pool_mask) =
                (BitMask::new(result.0, result.1, result.2), BitMask::new(result.0, result.1, result.2));
            for ((i, j, c), &v) in dy.indexed_iter() {
                mask.set(i, j, c, v > T::of(0.1));
                pool_mask.set(i, j, c, v > T::of(0.1) && i / 2 < pooled.dim().0 && j / 2 < pooled.dim().1);
            }
            let gradient = |kind| match kind {
                0 => Gradient::Plain(dy.view()),
                1 => Gradient::Masked { dy: dy.view(), mask: mask.view() },
                2 => Gradient::MaxPooled { dy: pooled.view(), mask: pool_mask.view() },
                _ => Gradient::AveragePooled { dy: pooled.view(), mask: pool_mask.view() },
            };
            let workspace = Workspace::new();
            for kind in 0..4 {
                let accumulate = kind % 2 == 1;
                let (mut dx, mut expected) = (Array3::ones(image), Array3::ones(image));
                data_gradient(set, gradient(kind), w.view(), padding, dx.view_mut(), accumulate, &workspace);
                winograd::data_gradient(
                    set,
                    gradient(kind),
                    w.view(),
                    padding,
                    expected.view_mut(),
                    accumulate,
                    &workspace,
                );
                approx::assert_abs_diff_eq!(dx, expected, epsilon = T::of(epsilon));
            }
        });
    }

    #[test]
    fn forward_is_what_winograd_computes_in_either_precision() {
        forward_is_what_winograd_computes::<f64>(1e-12);
        forward_is_what_winograd_computes::<f32>(2e-5);
    }

    #[test]
    fn the_gradient_of_each_kind_is_what_winograd_computes_in_either_precision() {
        the_gradient_is_what_winograd_computes::<f64>(1e-11);
        the_gradient_is_what_winograd_computes::<f32>(1e-3);
    }
}
