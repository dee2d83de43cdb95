//! What the copies beyond the edges add to the gradient of a convolution whose padding repeats the edges.
//!
//! A 3×3 convolution with replicated padding of one pixel reads each pixel of the edge once more for every copy of it. So its
//! gradient with respect to the image is the one with zeros beyond the edges, plus what the ring of copies receives, each added to the
//! pixel that it is a copy of. A copy is reached by one row or one column of the filter only, from the outermost row or
//! column of the result: a product of a strip of dy, three positions at a time, and three taps.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut3, s};
use rayon::prelude::*;

use super::simd::{InstructionSet, Kernel, MAX_LANES, Simd, first_lanes};
use super::source::{Source, with_gradient};
use super::workspace::Scratch;
use super::{Gradient, Real, Workspace};

/// Copies and input channels of a task.
const CELLS: usize = 48;
const CHANNELS: usize = 16;

/// Copies and input channels of a register tile.
const ROWS: usize = 3;
const COLUMNS: usize = 4;

/// dx ← dx + the gradient of the copies beyond the edges.
///
/// `weights` is (out, in, 3, 3), fastest where the output channels are contiguous. `dx` holds whole rows of the image; the first
/// is row `above` of the gradient. `ends` says whether the image ends above and below these rows.
///
/// # Panics
/// If the shapes do not fit together.
pub fn add_gradient<T: Real>(
    set: InstructionSet,
    gradient: Gradient<'_, T>,
    weights: &ArrayView4<'_, T>,
    (above, ends): (usize, [bool; 2]),
    dx: &mut ArrayViewMut3<'_, T>,
    workspace: &Workspace,
) {
    let (height, width, inputs) = dx.dim();
    let outputs = weights.dim().0;
    assert_eq!(weights.dim(), (outputs, inputs, 3, 3), "filters that do not fit {inputs} channels");
    // (row, column, in, out); no copy where memory has that order.
    let taps = weights.view().permuted_axes([2, 3, 1, 0]);
    let taps = taps.as_standard_layout();
    let taps = taps.as_slice().expect("standard layout");
    with_gradient(gradient, |dy, scale| {
        assert!(
            dy.width == width && dy.channels == outputs && above + height <= dy.height,
            "a gradient that does not fit the rows of the image"
        );
        let sides = Side::all((height, width), above, ends);
        let mut strips = workspace.take::<T>(sides.iter().map(|side| (side.cells + 2) * outputs).sum());
        let mut rest = &mut strips[..];
        for side in &sides {
            let (strip, behind) = rest.split_at_mut((side.cells + 2) * outputs);
            side.copy_gradient(&dy, scale, strip);
            rest = behind;
        }
        let mut sums = workspace.take::<T>(sides.iter().map(|side| side.cells * inputs).sum());
        let (mut strip, mut rest) = (&strips[..], &mut sums[..]);
        let mut tasks = Vec::new();
        for side in &sides {
            let (own, behind) = strip.split_at((side.cells + 2) * outputs);
            strip = behind;
            for (cells, channels) in blocks(side.cells, inputs) {
                let (to, behind) = rest.split_at_mut(cells.len() * channels.len());
                rest = behind;
                let taps = side.taps.map(|(u, v)| &taps[(u * 3 + v) * inputs * outputs..][..inputs * outputs]);
                tasks.push(Block { strip: own, taps, outputs, cells, channels, to });
            }
        }
        tasks.into_par_iter().for_each(|task| T::replicated_gradient(set, task));
        let mut rest = &sums[..];
        for side in &sides {
            for (cells, channels) in blocks(side.cells, inputs) {
                let (block, behind) = rest.split_at(cells.len() * channels.len());
                rest = behind;
                for (cell, sums) in cells.zip(block.chunks_exact(channels.len())) {
                    let (y, x) = side.origin(cell, (height, width));
                    let mut pixel = dx.slice_mut(s![y, x, channels.clone()]);
                    pixel.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum);
                }
            }
        }
    });
}

/// The pixels that have copies, row by row.
fn edge((height, width, _): (usize, usize, usize), [top, bottom]: [bool; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..height).flat_map(move |y| {
        let whole = top && y == 0 || bottom && y + 1 == height;
        let step = if whole { 1 } else { width.saturating_sub(1).max(1) };
        (0..width).step_by(step).map(move |x| (y, x))
    })
}

/// Takes the values of the pixels that have copies, and leaves zeros in their place.
pub fn take_edge<'w, T: Real>(
    dx: &mut ArrayViewMut3<'_, T>,
    ends: [bool; 2],
    workspace: &'w Workspace,
) -> Scratch<'w, T> {
    let channels = dx.dim().2;
    let mut taken = workspace.take::<T>(edge(dx.dim(), ends).count() * channels);
    for ((y, x), taken) in edge(dx.dim(), ends).zip(taken.chunks_exact_mut(channels)) {
        let mut pixel = dx.slice_mut(s![y, x, ..]);
        pixel.iter_mut().zip(taken).for_each(|(value, taken)| *taken = std::mem::replace(value, T::zero()));
    }
    taken
}

/// Adds values to the pixels that have copies.
pub fn add_to_edge<T: Real>(dx: &mut ArrayViewMut3<'_, T>, ends: [bool; 2], values: &[T]) {
    let channels = dx.dim().2;
    for ((y, x), values) in edge(dx.dim(), ends).zip(values.chunks_exact(channels)) {
        let mut pixel = dx.slice_mut(s![y, x, ..]);
        pixel.iter_mut().zip(values).for_each(|(to, &value)| *to += value);
    }
}

/// The blocks of cells and channels of a side's tasks, in order.
fn blocks(cells: usize, channels: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let ranges = |len: usize, step: usize| (0..len).step_by(step).map(move |first| first..(first + step).min(len));
    ranges(cells, CELLS)
        .flat_map(move |cells| ranges(channels, CHANNELS).map(move |channels| (cells.clone(), channels)))
}

/// The copies along one side of the image.
struct Side {
    /// Their number.
    cells: usize,
    /// The first copy, (row, column) in dx, and the first position of the strip of dy, from which the copies are reached.
    first: (isize, isize),
    strip: (isize, isize),
    /// From one copy, and one position of the strip, to the next.
    step: (isize, isize),
    /// The taps, (row, column), for the three positions of the strip that reach a copy, in their order.
    taps: [(usize, usize); 3],
}

impl Side {
    /// The sides at which the image ends: above, below, left, right. The corners belong to the first two.
    fn all((height, width): (usize, usize), above: usize, [top, bottom]: [bool; 2]) -> Vec<Self> {
        let (last_row, last_column) = (height as isize - 1, width as isize - 1);
        let above = above as isize;
        let row = |row: isize, u: usize| Self {
            cells: width + 2,
            first: (row, -1),
            strip: (above + row, -2),
            step: (0, 1),
            taps: [(u, 2), (u, 1), (u, 0)],
        };
        let column = |column: isize, v: usize| Self {
            cells: height,
            first: (0, column),
            strip: (above - 1, column),
            step: (1, 0),
            taps: [(2, v), (1, v), (0, v)],
        };
        let rows =
            [(top, row(0, 0)), (bottom, row(last_row, 2))].into_iter().filter_map(|(end, side)| end.then_some(side));
        rows.chain([column(0, 0), column(last_column, 2)]).collect()
    }

    /// The pixel of which cell `cell` is a copy.
    fn origin(&self, cell: usize, (height, width): (usize, usize)) -> (usize, usize) {
        let along = |first: isize, step: isize, len: usize| (first + cell as isize * step).clamp(0, len as isize - 1);
        (along(self.first.0, self.step.0, height) as usize, along(self.first.1, self.step.1, width) as usize)
    }

    /// Copies the strip of dy, times `scale`, with zeros where the mask has them and beyond the edges.
    fn copy_gradient<T: Real>(&self, dy: &Source<'_, T>, scale: T, strip: &mut [T]) {
        for (place, to) in strip.chunks_exact_mut(dy.channels).enumerate() {
            let (y, x) = (self.strip.0 + place as isize * self.step.0, self.strip.1 + place as isize * self.step.1);
            dy.copy_pixel(y, x, to);
            for value in to {
                *value *= scale;
            }
        }
    }
}

/// A block of the sums over three taps and all output channels.
pub struct Block<'a, T> {
    /// dy along the side.
    strip: &'a [T],
    /// Three taps, (in, out) each.
    taps: [&'a [T]; 3],
    outputs: usize,
    cells: Range<usize>,
    channels: Range<usize>,
    /// (cells, channels)
    to: &'a mut [T],
}

impl<T: Real> Kernel<T> for Block<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { strip, taps, outputs, cells, channels, to } = self;
        assert!(to.len() == cells.len() * channels.len() && strip.len() >= (cells.end + 2) * outputs);
        assert!(taps.iter().all(|taps| taps.len() >= channels.end * outputs));
        for column in (0..channels.len()).step_by(COLUMNS) {
            for row in (0..cells.len()).step_by(ROWS) {
                // A last tile computes its last row and column several times.
                let rows: [usize; ROWS] = std::array::from_fn(|r| (row + r).min(cells.len() - 1));
                let columns: [usize; COLUMNS] = std::array::from_fn(|n| (column + n).min(channels.len() - 1));
                let mut sums = [[s.splat(T::zero()); COLUMNS]; ROWS];
                for tap in 0..3 {
                    let mut k = 0;
                    while k < outputs {
                        let lanes = first_lanes((outputs - k).min(S::LANES));
                        let whole = k + S::LANES <= outputs;
                        let load = |from: &[T], place: usize| {
                            let from = &raw const from[place * outputs + k];
                            // SAFETY: the place has so many channels from k on, as was checked above.
                            unsafe { if whole { s.load(from) } else { s.load_lanes(from, lanes) } }
                        };
                        let mut left = [s.splat(T::zero()); ROWS];
                        for r in 0..ROWS {
                            left[r] = load(strip, cells.start + rows[r] + tap);
                        }
                        for n in 0..COLUMNS {
                            let right = load(taps[tap], channels.start + columns[n]);
                            for r in 0..ROWS {
                                sums[r][n] = s.mul_add(left[r], right, sums[r][n]);
                            }
                        }
                        k += S::LANES;
                    }
                }
                for r in 0..ROWS {
                    for n in 0..COLUMNS {
                        let mut lanes = [T::zero(); MAX_LANES];
                        // SAFETY: there is room for the most lanes.
                        unsafe { s.store(lanes.as_mut_ptr(), sums[r][n]) };
                        to[rows[r] * channels.len() + columns[n]] =
                            lanes[..S::LANES].iter().fold(T::zero(), |sum, &lane| sum + lane);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use approx::AbsDiffEq;
    use ndarray::{Array3, Array4};

    use super::*;
    use crate::kernels::testing::{instruction_sets, random};
    use crate::kernels::{BitMask, ConvGeometry, PaddingMode, direct};

    /// Height, width, input channels and output channels: around the sizes of blocks, register tiles and vectors.
    const SIZES: [(usize, usize, usize, usize); 6] =
        [(1, 1, 1, 1), (1, 9, 3, 17), (6, 2, 16, 8), (13, 50, 5, 33), (47, 7, 17, 31), (10, 100, 33, 16)];

    /// What the copies add to the gradient, by the definition.
    fn expected<T: Real>(dy: &Array3<T>, w: &Array4<T>) -> Array3<T> {
        let by = |mode| {
            let geometry = ConvGeometry { mode, ..ConvGeometry::padded(1) };
            let mut dx = Array3::zeros((dy.dim().0, dy.dim().1, w.dim().1));
            direct::backward_data(&geometry, &dy.view(), &w.view(), &mut dx.view_mut(), false);
            dx
        };
        by(PaddingMode::Replicate) - by(PaddingMode::Zeros)
    }

    fn is_the_difference_by_the_definition<T: Real + AbsDiffEq<Epsilon = T>>(epsilon: f64) {
        let workspace = Workspace::new();
        for set in instruction_sets::<T>() {
            for (height, width, inputs, outputs) in SIZES {
                let w: Array4<T> = random((outputs, inputs, 3, 3), 1);
                let full: Array3<T> = random((height, width, outputs), 2);
                let pooled: Array3<T> = random((height / 2, width / 2, outputs), 3);
                let mut mask = BitMask::new(height, width, outputs);
                let mut pool_mask = BitMask::new(height, width, outputs);
                for ((y, x, c), &value) in full.indexed_iter() {
                    mask.set(y, x, c, value > T::of(0.1));
                    pool_mask.set(y, x, c, value > T::of(0.1) && y / 2 < height / 2 && x / 2 < width / 2);
                }
                let of = |mask: &BitMask, value: &dyn Fn(usize, usize, usize) -> T| {
                    let at = |(y, x, c)| if mask.get(y, x, c) { value(y, x, c) } else { T::zero() };
                    Array3::from_shape_fn((height, width, outputs), at)
                };
                let un_pooled = |share: f64| of(&pool_mask, &|y, x, c| pooled[[y / 2, x / 2, c]] * T::of(share));
                let cases = [
                    (Gradient::Plain(full.view()), full.clone()),
                    (Gradient::Masked { dy: full.view(), mask: mask.view() }, of(&mask, &|y, x, c| full[[y, x, c]])),
                    (Gradient::MaxPooled { dy: pooled.view(), mask: pool_mask.view() }, un_pooled(1.0)),
                    (Gradient::AveragePooled { dy: pooled.view(), mask: pool_mask.view() }, un_pooled(0.25)),
                ];
                for (gradient, dy) in cases {
                    let mut dx = Array3::ones((height, width, inputs));
                    add_gradient(set, gradient, &w.view(), (0, [true; 2]), &mut dx.view_mut(), &workspace);
                    approx::assert_abs_diff_eq!(dx - T::one(), expected(&dy, &w), epsilon = T::of(epsilon));
                }
            }
        }
    }

    #[test]
    fn is_the_difference_by_the_definition_in_either_precision() {
        is_the_difference_by_the_definition::<f64>(1e-12);
        is_the_difference_by_the_definition::<f32>(1e-4);
    }

    #[test]
    fn bands_of_rows_have_the_bits_of_the_whole() {
        let (w, dy): (Array4<f32>, Array3<f32>) = (random((19, 21, 3, 3), 1), random((60, 23, 19), 2));
        let workspace = Workspace::new();
        let set = InstructionSet::best();
        let mut whole = Array3::zeros((60, 23, 21));
        add_gradient(set, Gradient::Plain(dy.view()), &w.view(), (0, [true; 2]), &mut whole.view_mut(), &workspace);
        assert!(whole.slice(s![1..59, 1..22, ..]).iter().all(|&v| v == 0.0), "only pixels of the edge have copies");
        let mut bands = Array3::zeros(whole.dim());
        for (first, end) in [(0, 12), (12, 36), (36, 37), (37, 60)] {
            // Two rows more on each side, where there are some.
            let start = first.max(2) - 2;
            let dy = dy.slice(s![start..(end + 2).min(60), .., ..]);
            let place = (first - start, [first == 0, end == 60]);
            let mut dx = bands.slice_mut(s![first..end, .., ..]);
            add_gradient(set, Gradient::Plain(dy), &w.view(), place, &mut dx, &workspace);
        }
        assert_eq!(bands, whole);
    }
}
