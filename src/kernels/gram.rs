//! Gram matrices: FᵀF for a (positions × channels) matrix F, and the product that is their gradient.

use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::product::matrix_product;
use super::{Buffers, Real};

/// The most positions whose products are summed by BLAS in one go; the sums of such runs are added in their order.
const RUN: usize = 4096;

/// Positions of a run: fewer where there are few, so that all cores have some.
fn positions_of_run(positions: usize) -> usize {
    positions.div_ceil(4).clamp(512, RUN)
}

/// Channels in a block of the matrix: blocks below the diagonal are copied from those above.
const BLOCK: usize = 128;

/// Rows that a task multiplies by a small matrix: fewer where there are few, so that all cores have some.
fn rows_of_task(rows: usize) -> usize {
    (rows / 8).clamp(32, RUN / 4)
}

/// G = FᵀF (channels × channels) for F (positions × channels). The symmetric half is computed once.
pub fn gram<T: Real>(f: &ArrayView2<'_, T>) -> Array2<T> {
    let channels = f.ncols();
    let blocks: Vec<_> = blocks(channels).collect();
    let runs: Vec<_> = f.axis_chunks_iter(Axis(0), positions_of_run(f.nrows())).collect();
    let products: Vec<Array2<T>> = (0..runs.len() * blocks.len())
        .into_par_iter()
        .map(|task| {
            let (run, (i, j)) = (&runs[task / blocks.len()], &blocks[task % blocks.len()]);
            let mut product = Array2::zeros((i.len(), j.len()));
            let (left, right) = (run.slice(s![.., i.clone()]), run.slice(s![.., j.clone()]));
            matrix_product(T::one(), &left.t(), &right, T::zero(), &mut product.view_mut());
            product
        })
        .collect();
    let mut gram = Array2::zeros((channels, channels));
    for (task, product) in products.iter().enumerate() {
        let (i, j) = &blocks[task % blocks.len()];
        gram.slice_mut(s![i.clone(), j.clone()]).zip_mut_with(product, |sum, &product| *sum += product);
    }
    for (i, j) in blocks.iter().filter(|(i, j)| i != j) {
        let (upper, mut lower) = gram.multi_slice_mut((s![i.clone(), j.clone()], s![j.clone(), i.clone()]));
        lower.assign(&upper.t());
    }
    // Within a diagonal block BLAS computes both halves, which may differ in the last bit.
    for i in 0..channels {
        for j in 0..i {
            gram[[i, j]] = gram[[j, i]];
        }
    }
    gram
}

/// F·S for F (positions × channels), S (channels × channels): added to `out` or written over it.
pub fn times<T: Real>(f: &ArrayView2<'_, T>, s: &ArrayView2<'_, T>, out: &mut ArrayViewMut2<'_, T>, accumulate: bool) {
    let beta = if accumulate { T::one() } else { T::zero() };
    let task = rows_of_task(f.nrows());
    let rows = out.axis_chunks_iter_mut(Axis(0), task).into_par_iter();
    rows.zip(f.axis_chunks_iter(Axis(0), task))
        .for_each(|(mut out, f)| matrix_product(T::one(), &f, s, beta, &mut out));
}

/// F ← F·S where F lies: for when F is needed no more.
///
/// # Panics
/// If the shapes do not fit.
pub fn times_in_place<T: Real>(f: &mut ArrayViewMut2<'_, T>, s: &ArrayView2<'_, T>, buffers: &Buffers<T>) {
    let task = rows_of_task(f.nrows());
    f.axis_chunks_iter_mut(Axis(0), task).into_par_iter().for_each(|mut f| {
        let mut copy = buffers.workspace().take::<T>(f.len());
        let mut copy = ArrayViewMut2::from_shape(f.dim(), &mut copy).expect("as long");
        copy.assign(&f);
        matrix_product(T::one(), &copy.view(), s, T::zero(), &mut f);
    });
}

/// The blocks on and above the diagonal.
fn blocks(channels: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
    let range = move |start: usize| start..(start + BLOCK).min(channels);
    let starts = move |from: usize| (from..channels).step_by(BLOCK);
    starts(0).flat_map(move |i| starts(i).map(move |j| (range(i), range(j))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;

    #[test]
    fn agrees_with_the_plain_product_and_is_symmetric_to_the_bit() {
        for shape in [(1, 1), (7, 3), (5000, 5), (300, 129), (90, 300)] {
            let f: Array2<f64> = random(shape, 1);
            let gram = gram(&f.view());
            approx::assert_abs_diff_eq!(gram, f.t().dot(&f), epsilon = 1e-10);
            assert_eq!(gram, gram.t());
        }
    }

    #[test]
    fn times_writes_or_adds() {
        let (f, s): (Array2<f64>, Array2<f64>) = (random((3000, 4), 1), random((4, 4), 2));
        let mut out = Array2::from_elem((3000, 4), f64::NAN);
        times(&f.view(), &s.view(), &mut out.view_mut(), false);
        approx::assert_abs_diff_eq!(out, f.dot(&s), epsilon = 1e-13);
        times(&f.view(), &s.view(), &mut out.view_mut(), true);
        approx::assert_abs_diff_eq!(out, f.dot(&s) * 2.0, epsilon = 1e-13);
        let mut in_place = f.clone();
        times_in_place(&mut in_place.view_mut(), &s.view(), &Buffers::new());
        approx::assert_abs_diff_eq!(in_place, f.dot(&s), epsilon = 1e-13);
    }
}
