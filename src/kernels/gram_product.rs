//! The matrix products of Gram matrices and their gradients, with the register tile of the Winograd product: FᵀF above the
//! diagonal, and F·S, also in the place of F.

use std::ops::Range;

use ndarray::ArrayView2;
use rayon::prelude::*;

use super::simd::{InstructionSet, Kernel, MAX_LANES, MAX_ROWS, Simd, first_lanes};
use super::winograd::{self, Depth, Left, Next, To};
use super::workspace::Scratch;
use super::{Real, Workspace};

/// Positions of F that are packed at one time: two panels of columns fit into the L1 cache. A sum adds the sums over so
/// many positions.
const DEPTH: usize = 256;

/// Rows of F·S whose F is copied at one time, so that the result may take its place.
const ROWS: usize = 48;

/// Vectors of columns in a register tile.
const VECTORS: usize = 2;

/// Columns in a register tile.
fn panel_width<T: Real>(set: InstructionSet) -> usize {
    VECTORS * T::lanes(set)
}

/// Values of scratch memory for a [`Block`] of so many columns on the left and on the right.
pub fn block_scratch<T: Real>(set: InstructionSet, [left, right]: [usize; 2]) -> usize {
    let width = panel_width::<T>(set);
    DEPTH * width * (left.div_ceil(width) + right.div_ceil(width))
}

/// Values of scratch memory for [`Times`] with this number of channels.
pub fn times_scratch(channels: usize) -> usize {
    ROWS * channels.next_multiple_of(winograd::BLOCK)
}

/// A block of FᵀF, added to `product`. On the diagonal only tiles that reach above it are computed.
pub struct Block<'a, T> {
    f: &'a [T],
    channels: usize,
    left: Range<usize>,
    right: Range<usize>,
    product: &'a mut [T],
    packed: &'a mut [T],
}

impl<'a, T: Real> Block<'a, T> {
    /// Adds FᵀF of `f`, rows of `channels` values, for the columns `left` as rows and `right` as columns of `product`.
    /// `packed` has [`block_scratch`] values.
    ///
    /// # Panics
    /// If the columns do not exist or a slice has another length.
    pub fn new(
        (f, channels): (&'a [T], usize),
        [left, right]: [Range<usize>; 2],
        product: &'a mut [T],
        packed: &'a mut [T],
    ) -> Self {
        assert!(left.end <= channels && right.end <= channels && f.len().is_multiple_of(channels));
        assert_eq!(product.len(), left.len() * right.len(), "a block of another size");
        Self { f, channels, left, right, product, packed }
    }
}

impl<T: Real> Kernel<T> for Block<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { f, channels, left, right, product, packed } = self;
        let width = VECTORS * S::LANES;
        let diagonal = left == right;
        let (left_panels, right_panels) = (left.len().div_ceil(width), right.len().div_ceil(width));
        let (packed_left, packed_right) = packed.split_at_mut(left_panels * width * DEPTH);
        assert!(packed_right.len() >= right_panels * width * DEPTH);
        for f in f.chunks(DEPTH * channels) {
            let depth = f.len() / channels;
            pack(s, (f, channels), left.clone(), packed_left);
            if !diagonal {
                pack(s, (f, channels), right.clone(), packed_right);
            }
            let (from_left, from_right) = (&*packed_left, if diagonal { &*packed_left } else { &*packed_right });
            for panel in 0..right_panels {
                let columns = width.min(right.len() - panel * width);
                for row_panel in 0..if diagonal { panel + 1 } else { left_panels } {
                    let rows = width.min(left.len() - row_panel * width);
                    let groups = rows.div_ceil(S::ROWS);
                    for group in 0..groups {
                        // Groups that differ by at most one row.
                        let (begin, end) = (rows * group / groups, rows * (group + 1) / groups);
                        let row = row_panel * width + begin;
                        let to = &mut product[row * right.len() + panel * width..];
                        assert!(to.len() >= (end - begin - 1) * right.len() + columns);
                        let to = To { data: to.as_mut_ptr(), row: right.len() };
                        let left = &from_left[row_panel * width * depth..][..width * depth];
                        let right = &from_right[panel * width * depth..][..width * depth];
                        // SAFETY: both panels hold `depth` rows of `width` values, of which the left one's rows are read from
                        // `begin` to `end`; `product` has these rows and columns, as was checked.
                        unsafe {
                            let left = left.as_ptr().add(begin);
                            multiply_transposed(s, end - begin, depth, (left, right.as_ptr()), to, columns);
                        }
                    }
                }
            }
        }
    }
}

/// Copies some columns of F into panels as wide as a register tile, padded with zeros: panel, position, column.
#[inline(always)]
fn pack<T: Real, S: Simd<T>>(s: S, (f, channels): (&[T], usize), columns: Range<usize>, to: &mut [T]) {
    let width = VECTORS * S::LANES;
    let depth = f.len() / channels;
    for (panel, to) in to.chunks_exact_mut(width * depth).take(columns.len().div_ceil(width)).enumerate() {
        let first = columns.start + panel * width;
        let count = width.min(columns.end - first);
        for (f, to) in f.chunks_exact(channels).zip(to.chunks_exact_mut(width)) {
            let f = &f[first..][..count];
            for n in 0..VECTORS {
                // SAFETY: `to` has `VECTORS` vectors; of `f` only the lanes that exist are read.
                unsafe {
                    let from = f.as_ptr().wrapping_add(n * S::LANES);
                    let values = if count == width {
                        s.load(from)
                    } else {
                        s.load_lanes(from, first_lanes(count.saturating_sub(n * S::LANES).min(S::LANES)))
                    };
                    s.store(to.as_mut_ptr().add(n * S::LANES), values);
                }
            }
        }
    }
}

/// Adds leftᵀ · right to the first `columns` columns of `rows` ≤ `ROWS` rows of `to`.
///
/// # Safety
/// Both factors must have `depth` rows of `VECTORS` vectors, of which `left` begins at the first column that is read; `to` must
/// be writable as described.
#[inline(always)]
unsafe fn multiply_transposed<T: Real, S: Simd<T>>(
    s: S,
    rows: usize,
    depth: usize,
    factors: (*const T, *const T),
    to: To<T>,
    columns: usize,
) {
    macro_rules! by_rows {
        ($($rows:literal)*) => {
            match rows {
                $($rows if const { $rows <= S::ROWS } => {
                    // SAFETY: the caller's.
                    unsafe { multiply_transposed_rows::<T, S, $rows>(s, depth, factors, to, columns) }
                })*
                _ => unreachable!("more rows than the register tile has"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// [`multiply_transposed`] for `R` rows.
///
/// # Safety
/// As [`multiply_transposed`].
#[inline(always)]
unsafe fn multiply_transposed_rows<T: Real, S: Simd<T>, const R: usize>(
    s: S,
    depth: usize,
    (mut left, mut right): (*const T, *const T),
    to: To<T>,
    columns: usize,
) {
    let width = VECTORS * S::LANES;
    let mut sums = [[s.splat(T::zero()); VECTORS]; R];
    // SAFETY: the caller's.
    unsafe {
        for _ in 0..depth {
            let factors = [s.load(right), s.load(right.add(S::LANES))];
            for r in 0..R {
                let x = s.splat(left.add(r).read());
                for n in 0..VECTORS {
                    sums[r][n] = s.mul_add(x, factors[n], sums[r][n]);
                }
            }
            left = left.wrapping_add(width);
            right = right.wrapping_add(width);
        }
        for r in 0..R {
            for n in 0..VECTORS {
                let to = to.data.wrapping_add(r * to.row + n * S::LANES);
                if columns == width {
                    s.store(to, s.add(s.load(to), sums[r][n]));
                } else {
                    let lanes = first_lanes(columns.saturating_sub(n * S::LANES).min(S::LANES));
                    s.store_lanes(to, s.add(s.load_lanes(to, lanes), sums[r][n]), lanes);
                }
            }
        }
    }
}

/// A square matrix in panels of columns as wide as a register tile, padded with zeros: panel, row, column.
pub struct Panels<'a, T> {
    data: Scratch<'a, T>,
    side: usize,
}

impl<'a, T: Real> Panels<'a, T> {
    /// The panels of `matrix`.
    pub fn new(set: InstructionSet, matrix: &ArrayView2<'_, T>, workspace: &'a Workspace) -> Self {
        let (side, width) = (matrix.nrows(), panel_width::<T>(set));
        assert_eq!(side, matrix.ncols(), "a matrix that is not square");
        let matrix = matrix.as_standard_layout();
        let values = matrix.as_slice().expect("standard layout");
        let mut data = workspace.take(panels_scratch::<T>(set, side));
        data.par_chunks_mut((side * width).max(1)).enumerate().for_each(|(panel, data)| {
            let first = panel * width;
            let count = width.min(side - first);
            for (row, data) in values.chunks_exact(side).zip(data.chunks_exact_mut(width)) {
                data[..count].copy_from_slice(&row[first..][..count]);
                data[count..].fill(T::zero());
            }
        });
        Self { data, side }
    }
}

/// Values of scratch memory for [`Panels`] of a matrix of this side.
pub fn panels_scratch<T: Real>(set: InstructionSet, side: usize) -> usize {
    side * side.next_multiple_of(panel_width::<T>(set))
}

/// F·S, written or added to `out`.
pub struct Times<'a, T> {
    f: Option<&'a [T]>,
    out: &'a mut [T],
    matrix: &'a Panels<'a, T>,
    accumulate: bool,
    copy: &'a mut [T],
}

impl<'a, T: Real> Times<'a, T> {
    /// Multiplies `f`, or `out` in its place if `f` is `None`, by `matrix`; adds the product to `out` if `accumulate`.
    /// `copy` has [`times_scratch`] values.
    ///
    /// # Panics
    /// If `f` and `out` differ in length, or have no whole rows.
    pub fn new(
        f: Option<&'a [T]>,
        out: &'a mut [T],
        matrix: &'a Panels<'a, T>,
        accumulate: bool,
        copy: &'a mut [T],
    ) -> Self {
        assert!(f.is_none_or(|f| f.len() == out.len()) && out.len().is_multiple_of(matrix.side));
        assert!(copy.len() >= times_scratch(matrix.side));
        Self { f, out, matrix, accumulate, copy }
    }
}

impl<T: Real> Kernel<T> for Times<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Self { f, out, matrix, accumulate, copy } = self;
        let (channels, width) = (matrix.side, VECTORS * S::LANES);
        let depth = Depth { channels, more: false };
        for (block, out) in out.chunks_mut(ROWS * channels).enumerate() {
            let count = out.len() / channels;
            let f = f.map_or(&*out, |f| &f[block * ROWS * channels..][..out.len()]);
            for (row, f) in f.chunks_exact(channels).enumerate() {
                for (slice, f) in f.chunks(winograd::BLOCK).enumerate() {
                    copy[(slice * count + row) * winograd::BLOCK..][..f.len()].copy_from_slice(f);
                }
            }
            let left = |group: usize| copy.as_ptr().wrapping_add(group * winograd::BLOCK);
            let groups = count.div_ceil(S::ROWS);
            for (panel, right) in matrix.data.chunks_exact(channels * width).enumerate() {
                let columns = width.min(channels - panel * width);
                for group in 0..groups {
                    // Groups that differ by at most one row.
                    let (begin, end) = (count * group / groups, count * (group + 1) / groups);
                    let factor = Left { data: left(begin), block: count * winograd::BLOCK };
                    let next = Next { left: left(end), right: right.as_ptr(), lines: 0 };
                    let to = &mut out[begin * channels + panel * width..];
                    assert!(to.len() >= (end - begin - 1) * channels + columns);
                    if columns == width && !accumulate {
                        let to = To { data: to.as_mut_ptr(), row: channels };
                        // SAFETY: `copy` holds `count` rows of all channels in slices of `BLOCK`, the panel a row of two
                        // vectors for each channel, and `out` has these rows and columns, as was checked.
                        unsafe {
                            let rows = (end - begin, depth);
                            winograd::multiply::<T, S, VECTORS>(s, rows, factor, right.as_ptr(), to, next);
                        }
                        continue;
                    }
                    // What is added goes through a tile of its own, so that it has the same bits as a product that is added
                    // later, and so does a last panel that is not full.
                    let mut tile = [T::zero(); MAX_ROWS * VECTORS * MAX_LANES];
                    // SAFETY: as above; the tile has room for `MAX_ROWS` rows.
                    unsafe {
                        let (rows, tile) = ((end - begin, depth), To { data: tile.as_mut_ptr(), row: width });
                        winograd::multiply::<T, S, VECTORS>(s, rows, factor, right.as_ptr(), tile, next);
                    }
                    for (tile, to) in tile.chunks_exact(width).zip(to.chunks_mut(channels)).take(end - begin) {
                        for (to, &value) in to[..columns].iter_mut().zip(tile) {
                            *to = if accumulate { *to + value } else { value };
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, s};

    use super::*;
    use crate::kernels::testing::{instruction_sets, random};

    const SHAPES: [(usize, usize); 12] = [
        (0, 3),
        (1, 1),
        (5, 3),
        (7, 16),
        (13, 17),
        (47, 31),
        (48, 32),
        (49, 33),
        (100, 64),
        (257, 70),
        (513, 96),
        (700, 130),
    ];

    fn error<T: Real>(a: &Array2<T>, b: &Array2<f64>) -> f64 {
        let largest = b.iter().fold(1e-30_f64, |largest, b| largest.max(b.abs()));
        a.iter().zip(b).fold(0.0_f64, |error, (&a, b)| error.max((Real::to_f64(a) - b).abs())) / largest
    }

    fn tolerance<T: Real>() -> f64 {
        if T::NAME == f64::NAME { 1e-14 } else { 1e-6 }
    }

    fn blocks_are_the_product_by_definition<T: Real>() {
        let workspace = Workspace::new();
        for (positions, channels) in SHAPES {
            let f: Array2<T> = random((positions, channels), 1);
            let f64s = f.mapv(Real::to_f64);
            let expected = f64s.t().dot(&f64s);
            let elements = f.as_slice().unwrap();
            for set in instruction_sets::<T>() {
                for [left, right] in [
                    [0..channels, 0..channels],
                    [0..channels / 2, channels / 2..channels],
                    [channels / 3..channels, channels / 3..channels],
                ] {
                    let label = format!("{} {} {positions}×{channels} {left:?} {right:?}", T::NAME, set.name());
                    // Ones, to which the product is added.
                    let mut product = Array2::from_elem((left.len(), right.len()), T::one());
                    let mut packed = workspace.take(block_scratch::<T>(set, [left.len(), right.len()]));
                    let to = product.as_slice_mut().unwrap();
                    T::gram_block(
                        set,
                        Block::new((elements, channels), [left.clone(), right.clone()], to, &mut packed),
                    );
                    let mut expected = expected.slice(s![left.clone(), right.clone()]).mapv(|v| v + 1.0);
                    if left == right {
                        // Below the diagonal there may be anything.
                        for i in 0..left.len() {
                            for j in 0..i {
                                (expected[[i, j]], product[[i, j]]) = (0.0, T::zero());
                            }
                        }
                    }
                    assert!(error(&product, &expected) < tolerance::<T>(), "{label}: {}", error(&product, &expected));
                }
            }
        }
    }

    #[test]
    fn blocks_f32() {
        blocks_are_the_product_by_definition::<f32>();
    }

    #[test]
    fn blocks_f64() {
        blocks_are_the_product_by_definition::<f64>();
    }

    fn times_is_the_product_by_definition<T: Real>() {
        let workspace = Workspace::new();
        for (positions, channels) in SHAPES {
            let (f, matrix): (Array2<T>, Array2<T>) =
                (random((positions, channels), 1), random((channels, channels), 2));
            let expected = f.mapv(Real::to_f64).dot(&matrix.mapv(Real::to_f64));
            for set in instruction_sets::<T>() {
                let label = format!("{} {} {positions}×{channels}", T::NAME, set.name());
                let matrix = Panels::new(set, &matrix.view(), &workspace);
                let mut copy = workspace.take(times_scratch(channels));
                let elements = f.as_slice().unwrap();
                let mut out = Array2::from_elem(f.dim(), T::nan());
                let to = out.as_slice_mut().unwrap();
                T::gram_times(set, Times::new(Some(elements), to, &matrix, false, &mut copy));
                assert!(error(&out, &expected) < tolerance::<T>(), "{label}: {}", error(&out, &expected));
                let mut in_place = f.clone();
                let to = in_place.as_slice_mut().unwrap();
                T::gram_times(set, Times::new(None, to, &matrix, false, &mut copy));
                assert_eq!(in_place, out, "{label}");
                let to = out.as_slice_mut().unwrap();
                T::gram_times(set, Times::new(Some(elements), to, &matrix, true, &mut copy));
                let twice = &expected * 2.0;
                assert!(error(&out, &twice) < tolerance::<T>(), "{label}: {}", error(&out, &twice));
            }
        }
    }

    #[test]
    fn times_f32() {
        times_is_the_product_by_definition::<f32>();
    }

    #[test]
    fn times_f64() {
        times_is_the_product_by_definition::<f64>();
    }
}
