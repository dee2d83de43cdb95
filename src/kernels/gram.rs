//! Gram matrices, FᵀF for a (positions × channels) matrix F, and the product that computes their gradient.

use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::conv::ALIGNMENT;
use super::gram_product::{self, Block, Panels, Times};
use super::product::matrix_product;
use super::simd::InstructionSet;
use super::{Buffers, Real, Workspace};

/// The largest number of positions of a cell.
const RUN: usize = 4096;

/// The number of positions below which a cell gets more rows.
const FEW: usize = 256;

/// The largest number of channels in a block of the matrix: blocks below the diagonal are copied from those above.
const BLOCK: usize = 128;

/// The number of cells below which blocks have half as many channels.
const FEW_CELLS: usize = 24;

/// Whether `gram_product` computes the products, or BLAS: measured with AVX2 and AVX-512, whose vectors have eight numbers or more.
fn by_own_kernels<T: Real>() -> bool {
    T::lanes(InstructionSet::best()) >= 8
}

/// Tasks of F·S, if there are enough positions.
const TASKS: usize = 64;

/// The smallest number of positions of such a task.
const FEWEST: usize = 12;

/// Elements of products held at one time before they are added to the sum.
const PENDING: usize = 1 << 22;

/// A cell is a number of rows of a map: a divisor of [`ALIGNMENT`], or that times a power of two. Sums over a map add its cells in
/// order, so they have the same bits for a whole map and for bands that begin at cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    rows: usize,
    width: usize,
    /// Channels in a block of the matrix.
    block: usize,
}

impl Cells {
    /// The cells of a map of this height and width; they, or the blocks of the matrix, are smaller if there are few positions, so that
    /// all cores get some.
    pub fn of(height: usize, width: usize) -> Self {
        let positions = (height * width).div_ceil(4).clamp(512, RUN);
        let most = (positions / width.max(1)).max(1);
        let mut rows = (1..=ALIGNMENT.min(most)).rfind(|rows| ALIGNMENT.is_multiple_of(*rows)).unwrap_or(1);
        while rows * width < FEW && rows * 2 <= most {
            rows *= 2;
        }
        let block = if height.div_ceil(rows) < FEW_CELLS { BLOCK / 2 } else { BLOCK };
        Self { rows, width, block }
    }

    /// The blocks on and above the diagonal.
    fn blocks(self, channels: usize) -> Vec<(Range<usize>, Range<usize>)> {
        let range = |start: usize| start..(start + self.block).min(channels);
        let starts = |from: usize| (from..channels).step_by(self.block);
        starts(0).flat_map(|i| starts(i).map(move |j| (range(i), range(j)))).collect()
    }

    /// Rows of a cell.
    pub fn rows(self) -> usize {
        self.rows
    }

    /// Positions of a cell.
    fn positions(self) -> usize {
        (self.rows * self.width).max(1)
    }

    /// Positions per task of a product with a small matrix; each cell is divided separately.
    fn part(self) -> usize {
        self.positions().div_ceil(4).clamp(32, RUN / 4)
    }
}

/// G = FᵀF (channels × channels) for F (positions × channels), summed as F arrives. The symmetric half is computed
/// once.
pub struct GramSum<T> {
    cells: Cells,
    sum: Array2<T>,
}

impl<T: Real> GramSum<T> {
    /// An empty sum.
    pub fn new(channels: usize, cells: Cells) -> Self {
        Self { cells, sum: Array2::zeros((channels, channels)) }
    }

    /// Adds positions: whole cells, except that the last one may be incomplete.
    pub fn add(&mut self, f: &ArrayView2<'_, T>, buffers: &Buffers<T>) {
        let blocks = self.cells.blocks(f.ncols());
        products(f, self.cells, buffers.workspace(), |products| {
            for (task, product) in products.iter().enumerate() {
                let (i, j) = &blocks[task % blocks.len()];
                self.sum.slice_mut(s![i.clone(), j.clone()]).zip_mut_with(product, |sum, &product| *sum += product);
            }
        });
    }

    /// The matrix.
    pub fn finish(self) -> Array2<T> {
        let mut gram = self.sum;
        let (diagonal, others): (Vec<_>, Vec<_>) =
            self.cells.blocks(gram.ncols()).into_iter().partition(|(i, j)| i == j);
        for (i, j) in others {
            let (upper, mut lower) = gram.multi_slice_mut((s![i.clone(), j.clone()], s![j.clone(), i.clone()]));
            lower.assign(&upper.t());
        }
        // Within a diagonal block the lower half is not computed, or by BLAS, with other last bits.
        for (block, _) in diagonal {
            for i in block.clone() {
                for j in block.start..i {
                    gram[[i, j]] = gram[[j, i]];
                }
            }
        }
        gram
    }
}

/// The products of some cells of a sum whose other cells belong to other ranks.
pub struct GramCells<T> {
    cells: Cells,
    channels: usize,
    products: Vec<Array2<T>>,
}

impl<T: Real> GramCells<T> {
    /// The products of positions: whole cells, except that the last one may be incomplete; there may be none.
    pub fn of(f: &ArrayView2<'_, T>, cells: Cells, buffers: &Buffers<T>) -> Self {
        let mut all = Vec::new();
        products(f, cells, buffers.workspace(), |products| all.extend(products));
        Self { cells, channels: f.ncols(), products: all }
    }

    /// The sum up to these cells. Block by block, `receive` fills in the sum of the previous cells, these are added,
    /// and `send` gets the result. At the last cells, the matrix has the bits of a [`GramSum`].
    pub fn sum(self, mut receive: impl FnMut(&mut [T]), mut send: impl FnMut(&[T])) -> Array2<T> {
        let mut gram = GramSum::new(self.channels, self.cells);
        let blocks = self.cells.blocks(self.channels);
        for (block, (i, j)) in blocks.iter().enumerate() {
            let mut sum = Array2::zeros((i.len(), j.len()));
            receive(sum.as_slice_mut().expect("row-major"));
            for product in self.products.iter().skip(block).step_by(blocks.len()) {
                sum.zip_mut_with(product, |sum, &product| *sum += product);
            }
            send(sum.as_slice().expect("row-major"));
            gram.sum.slice_mut(s![i.clone(), j.clone()]).assign(&sum);
        }
        gram.finish()
    }
}

/// Passes the products of cells to `take`, a few cells at a time, in order: all blocks of one cell, then those of the
/// next. Of blocks on the diagonal, the part below it is unspecified.
fn products<T: Real>(f: &ArrayView2<'_, T>, cells: Cells, workspace: &Workspace, mut take: impl FnMut(Vec<Array2<T>>)) {
    let (channels, set) = (f.ncols(), InstructionSet::best());
    let f = f.as_standard_layout();
    let blocks = cells.blocks(channels);
    let runs: Vec<_> = f.axis_chunks_iter(Axis(0), cells.positions()).collect();
    for runs in runs.chunks((PENDING / (channels * channels).max(1)).clamp(8, 256)) {
        let product = |task: usize| {
            let (run, (i, j)) = (&runs[task / blocks.len()], &blocks[task % blocks.len()]);
            let mut product = Array2::zeros((i.len(), j.len()));
            if by_own_kernels::<T>() {
                let mut packed = workspace.take(gram_product::block_scratch::<T>(set, [i.len(), j.len()]));
                let (f, to) = (run.to_slice().expect("row-major"), product.as_slice_mut().expect("row-major"));
                T::gram_block(set, Block::new((f, channels), [i.clone(), j.clone()], to, &mut packed));
            } else {
                let (left, right) = (run.slice(s![.., i.clone()]), run.slice(s![.., j.clone()]));
                matrix_product(T::one(), &left.t(), &right, T::zero(), &mut product.view_mut());
            }
            product
        };
        take((0..runs.len() * blocks.len()).into_par_iter().map(product).collect());
    }
}

/// M + Mᵀ, in parallel: with M = ∂L/∂G, F times this is the gradient with respect to F.
pub fn symmetric<T: Real>(matrix: &ArrayView2<'_, T>) -> Array2<T> {
    // So many rows at a time that a cache line of the transpose is used as a whole.
    const ROWS: usize = 16;
    let mut sum = matrix.to_owned();
    sum.axis_chunks_iter_mut(Axis(0), ROWS).into_par_iter().enumerate().for_each(|(index, mut rows)| {
        let first = index * ROWS;
        rows += &matrix.slice(s![.., first..first + rows.nrows()]).t();
    });
    sum
}

/// F·S for F (positions × channels) and S (channels × channels), written to `out` or added to it. Both begin at a cell.
///
/// # Panics
/// If the shapes do not fit.
pub fn times<T: Real>(
    f: &[T],
    s: &ArrayView2<'_, T>,
    out: &mut [T],
    cells: Cells,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    assert_eq!(f.len(), out.len(), "F and its product have the same shape");
    let mut rest = f;
    let mut next = |count: usize| {
        let (f, others) = rest.split_at(count);
        rest = others;
        f
    };
    let parts = parts(out, s.nrows(), cells).into_iter().map(|out| (Some(next(out.len())), out)).collect();
    multiply(parts, s, accumulate, buffers.workspace());
}

/// F ← F·S in place, for when F is no longer needed. The same bits as [`times`].
///
/// # Panics
/// If the shapes do not fit.
pub fn times_in_place<T: Real>(f: &mut [T], s: &ArrayView2<'_, T>, cells: Cells, buffers: &Buffers<T>) {
    let parts = parts(f, s.nrows(), cells).into_iter().map(|f| (None, f)).collect();
    multiply(parts, s, false, buffers.workspace());
}

/// Parts of F·S for the tasks. BLAS gets the same parts of each cell, since its bits may depend on them; ours do not.
fn parts<T: Real>(out: &mut [T], channels: usize, cells: Cells) -> Vec<&mut [T]> {
    if channels == 0 {
        return Vec::new();
    }
    if by_own_kernels::<T>() {
        let rows = (out.len() / channels).div_ceil(TASKS).clamp(FEWEST, RUN / 4);
        return out.chunks_mut(rows * channels).collect();
    }
    let (cell, part) = (cells.positions() * channels, cells.part() * channels);
    out.chunks_mut(cell).flat_map(|out| out.chunks_mut(part)).collect()
}

/// Multiplies parts of F, each in parallel, into parts of `out`, which themselves are F where there is no other.
fn multiply<T: Real>(
    parts: Vec<(Option<&[T]>, &mut [T])>,
    s: &ArrayView2<'_, T>,
    accumulate: bool,
    workspace: &Workspace,
) {
    let (channels, set) = (s.nrows(), InstructionSet::best());
    if by_own_kernels::<T>() {
        let matrix = Panels::new(set, s, workspace);
        parts.into_par_iter().for_each(|(f, out)| {
            let mut copy = workspace.take(gram_product::times_scratch(channels));
            T::gram_times(set, Times::new(f, out, &matrix, accumulate, &mut copy));
        });
        return;
    }
    let beta = if accumulate { T::one() } else { T::zero() };
    parts.into_par_iter().for_each(|(f, out)| {
        let shape = (out.len() / channels, channels);
        let mut copy = workspace.take::<T>(if f.is_none() { out.len() } else { 0 });
        let f = f.unwrap_or_else(|| {
            copy.copy_from_slice(out);
            &copy
        });
        let f = ArrayView2::from_shape(shape, f).expect("whole positions");
        let mut out = ArrayViewMut2::from_shape(shape, out).expect("as long as F");
        matrix_product(T::one(), &f, s, beta, &mut out);
    });
}

/// Bytes of scratch memory for a Gram matrix and for [`times_in_place`] on `threads` threads.
pub fn scratch_bytes<T: Real>(channels: usize, cells: Cells, threads: usize) -> usize {
    let set = InstructionSet::best();
    let values = if by_own_kernels::<T>() {
        let block = gram_product::block_scratch::<T>(set, [channels.min(cells.block); 2]);
        let times = gram_product::times_scratch(channels);
        (threads * block).max(threads * times + gram_product::panels_scratch::<T>(set, channels))
    } else {
        threads * cells.part() * channels
    };
    values * size_of::<T>()
}

/// Rows that are summed in the elements' own precision before they enter a sum in f64.
const SUMMED: usize = 64;

/// Rows that a task sums or adds to: a multiple of `SUMMED`.
const TASK: usize = 1024;

/// rᵀF (channels) for F (positions × channels) and a number r for each position, or 1: the sums of F's columns.
pub fn row_sums<T: Real>(f: &ArrayView2<'_, T>, r: Option<&[T]>) -> Array1<T> {
    let tasks: Vec<_> = f.axis_chunks_iter(Axis(0), TASK).collect();
    let sum_of_task = |(index, rows): (usize, ArrayView2<'_, T>)| {
        let mut sum = Array1::<f64>::zeros(rows.ncols());
        let mut run = Array1::<T>::zeros(rows.ncols());
        for (start, rows) in rows.axis_chunks_iter(Axis(0), SUMMED).enumerate() {
            run.fill(T::zero());
            for (row, f) in rows.outer_iter().enumerate() {
                match r {
                    Some(r) => run.scaled_add(r[index * TASK + start * SUMMED + row], &f),
                    None => run += &f,
                }
            }
            sum.zip_mut_with(&run, |sum, &run| *sum += run.to_f64());
        }
        sum
    };
    let sums: Vec<Array1<f64>> = tasks.into_par_iter().enumerate().map(sum_of_task).collect();
    let sum = sums.into_iter().reduce(|sum, next| sum + next);
    sum.map_or_else(|| Array1::zeros(f.ncols()), |sum| sum.mapv(T::of))
}

/// F ← F + r·sᵀ for F (positions × channels), a number r for each position, or 1, and s (channels).
pub fn add_to_rows<T: Real>(f: &mut [T], s: &ArrayView1<'_, T>, r: Option<&[T]>) {
    let channels = s.len();
    f.par_chunks_mut(TASK * channels).enumerate().for_each(|(index, rows)| {
        for (row, f) in rows.chunks_mut(channels).enumerate() {
            let mut f = ArrayViewMut1::from(f);
            match r {
                Some(r) => f.scaled_add(r[index * TASK + row], s),
                None => f += s,
            }
        }
    });
}

/// F ← r·F for F (positions × channels) and a number r for each position.
pub fn scale_rows<T: Real>(f: &mut [T], r: &[T]) {
    let channels = f.len() / r.len().max(1);
    f.par_chunks_mut((TASK * channels).max(1)).zip(r.par_chunks(TASK)).for_each(|(rows, r)| {
        for (f, &r) in rows.chunks_mut(channels).zip(r) {
            ArrayViewMut1::from(f).mapv_inplace(|f| f * r);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;

    #[test]
    fn sums_of_rows_and_what_is_added_to_them() {
        for positions in [0, 1, 63, 700, 5000] {
            let f: Array2<f64> = random((positions, 3), 1);
            let r: Array1<f64> = random(positions, 2);
            let weights = r.as_slice().unwrap();
            approx::assert_abs_diff_eq!(row_sums(&f.view(), None), f.sum_axis(Axis(0)), epsilon = 1e-11);
            approx::assert_abs_diff_eq!(row_sums(&f.view(), Some(weights)), r.dot(&f), epsilon = 1e-11);
            let s = ndarray::arr1(&[1.0, -2.0, 0.5]);
            let (mut one, mut weighted) = (f.clone(), f.clone());
            add_to_rows(one.as_slice_mut().unwrap(), &s.view(), None);
            add_to_rows(weighted.as_slice_mut().unwrap(), &s.view(), Some(weights));
            approx::assert_abs_diff_eq!(one, &f + &s, epsilon = 1e-14);
            approx::assert_abs_diff_eq!(weighted, &f + &r.insert_axis(Axis(1)) * &s, epsilon = 1e-14);
        }
        // A million equal numbers keep their digits in single precision.
        let f = Array2::<f32>::from_elem((1 << 20, 1), 0.1);
        assert!((f64::from(row_sums(&f.view(), None)[0]) / f64::from(0.1f32) / f64::from(1 << 20) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn agrees_with_the_plain_product_and_is_symmetric_to_the_bit() {
        for ((height, width), channels) in [((1, 1), 1), ((1, 7), 3), ((50, 100), 5), ((20, 15), 129), ((9, 10), 300)] {
            let f: Array2<f64> = random((height * width, channels), 1);
            let mut sum = GramSum::new(channels, Cells::of(height, width));
            sum.add(&f.view(), &Buffers::new());
            let gram = sum.finish();
            approx::assert_abs_diff_eq!(gram, f.t().dot(&f), epsilon = 1e-10);
            assert_eq!(gram, gram.t());
        }
    }

    #[test]
    fn in_single_precision_it_and_its_gradient_are_the_plain_products() {
        for ((height, width), channels) in [((1, 7), 3), ((50, 100), 16), ((20, 15), 129), ((70, 90), 300)] {
            let cells = Cells::of(height, width);
            let f: Array2<f32> = random((height * width, channels), 1);
            let exact = f.mapv(f64::from);
            let buffers = Buffers::new();
            let mut sum = GramSum::new(channels, cells);
            sum.add(&f.view(), &buffers);
            let gram = sum.finish();
            assert_eq!(gram, gram.t());
            let positions = (height * width) as f64;
            approx::assert_abs_diff_eq!(gram.mapv(f64::from), exact.t().dot(&exact), epsilon = 1e-6 * positions);
            let s: Array2<f32> = random((channels, channels), 2);
            let (mut beside, mut in_place) = (f.clone(), f.clone());
            let to = beside.as_slice_mut().unwrap();
            times(f.as_slice().unwrap(), &s.view(), to, cells, false, &buffers);
            times_in_place(in_place.as_slice_mut().unwrap(), &s.view(), cells, &buffers);
            assert_eq!(in_place, beside);
            let expected = exact.dot(&s.mapv(f64::from));
            approx::assert_abs_diff_eq!(beside.mapv(f64::from), expected, epsilon = 1e-6 * channels as f64);
        }
    }

    #[test]
    fn has_the_same_bits_in_bands_that_begin_at_cells() {
        let (height, width, channels) = (301, 47, 17);
        let cells = Cells::of(height, width);
        let f: Array2<f32> = random((height * width, channels), 1);
        let buffers = Buffers::new();
        let in_bands = |rows: usize| {
            let mut sum = GramSum::new(channels, cells);
            f.axis_chunks_iter(Axis(0), rows * width).for_each(|band| sum.add(&band, &buffers));
            sum.finish()
        };
        let whole = in_bands(height);
        for bands in [1, 2, 5] {
            assert_eq!(in_bands(bands * cells.rows()), whole);
        }
    }

    #[test]
    fn has_the_same_bits_as_cells_that_are_added_by_one_after_the_other() {
        let (height, width) = (301, 47);
        let cells = Cells::of(height, width);
        for channels in [17, 150] {
            let f: Array2<f32> = random((height * width, channels), 1);
            let mut whole = GramSum::new(channels, cells);
            whole.add(&f.view(), &Buffers::new());
            let ends = [0, 2, 2, 3].map(|count| count * cells.rows() * width).into_iter().chain([f.nrows()]);
            let ends: Vec<usize> = ends.collect();
            let (mut passed, mut last): (Vec<Vec<f32>>, _) = (Vec::new(), None);
            for (index, ends) in ends.windows(2).enumerate() {
                let (mut before, mut after) = (std::mem::take(&mut passed).into_iter(), Vec::new());
                let receive = |sum: &mut [f32]| {
                    if index > 0 {
                        sum.copy_from_slice(&before.next().unwrap());
                    }
                };
                let own = GramCells::of(&f.slice(s![ends[0]..ends[1], ..]), cells, &Buffers::new());
                last = Some(own.sum(receive, |sum| after.push(sum.to_vec())));
                passed = after;
            }
            assert_eq!(last.unwrap(), whole.finish());
        }
    }

    #[test]
    fn cells_are_some_thousand_positions_and_fit_bands_that_are_aligned() {
        let rows = |height, width| Cells::of(height, width).rows();
        assert_eq!([rows(512, 512), rows(128, 128), rows(32, 32), rows(8192, 8192)], [6, 12, 12, 1]);
        assert_eq!([rows(300, 700), rows(16, 16), rows(5000, 1), rows(1, 1), rows(0, 0)], [4, 24, 384, 384, 384]);
        for (height, width) in (1..200).flat_map(|side| [(side, 7), (side, side), (8 * side, 4 * side)]) {
            let rows = rows(height, width);
            assert!(
                ALIGNMENT.is_multiple_of(rows) || rows.is_multiple_of(ALIGNMENT),
                "{rows} rows of {height}×{width}"
            );
        }
    }

    /// The maps of VGG19's style layers.
    #[test]
    fn there_are_tasks_for_many_threads_in_small_maps_too() {
        let tasks = |side: usize, channels: usize| {
            let cells = Cells::of(side, side);
            side.div_ceil(cells.rows()) * cells.blocks(channels).len()
        };
        for (level, channels) in [64, 128, 256, 512, 512].into_iter().enumerate() {
            assert!(
                [256, 512, 1024, 2048].iter().all(|side| tasks(side >> level, channels) >= 22),
                "{channels} channels"
            );
            assert!(tasks(128 >> level, channels) >= 11, "{channels} channels at 128²");
        }
    }

    #[test]
    fn symmetric_is_the_sum_with_the_transpose() {
        for channels in [0, 1, 15, 16, 40] {
            let matrix: Array2<f64> = random((channels, channels), 1);
            assert_eq!(symmetric(&matrix.view()), &matrix + &matrix.t());
        }
    }

    #[test]
    fn times_writes_or_adds_over_several_cells() {
        let cells = Cells::of(100, 60);
        let (f, s): (Array2<f64>, Array2<f64>) = (random((6000, 4), 1), random((4, 4), 2));
        let mut out = Array2::from_elem((6000, 4), f64::NAN);
        let elements = f.as_slice().unwrap();
        times(elements, &s.view(), out.as_slice_mut().unwrap(), cells, false, &Buffers::new());
        approx::assert_abs_diff_eq!(out, f.dot(&s), epsilon = 1e-13);
        let mut in_place = f.clone();
        times_in_place(in_place.as_slice_mut().unwrap(), &s.view(), cells, &Buffers::new());
        assert_eq!(in_place, out);
        times(elements, &s.view(), out.as_slice_mut().unwrap(), cells, true, &Buffers::new());
        approx::assert_abs_diff_eq!(out, f.dot(&s) * 2.0, epsilon = 1e-13);
    }
}
