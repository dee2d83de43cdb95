//! The few vector operations of the optimisers: parallel, without allocation, the same bits on any number of threads.
//!
//! Vectors are cut into blocks of a fixed length, whatever the number of threads. Sums run in `f64`, within a block over
//! [`LANES`] interleaved partial sums, over blocks as a binary tree that depends on the length alone.

use rayon::prelude::*;

use crate::kernels::Real;

/// Elements that one task works on: 64 KiB in `f64`, small beside any cache, large beside the cost of a task.
pub(super) const BLOCK: usize = 8192;

/// Partial sums kept side by side, so that the compiler can vectorise a sum without changing its order.
const LANES: usize = 16;

/// Σ aᵢbᵢ.
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    sum_products(a, b, |a, b| a.to_f64() * b.to_f64())
}

/// Σ |aᵢ|.
#[cfg(test)]
pub(super) fn norm1<T: Real>(a: &[T]) -> f64 {
    sum_products(a, a, |a, _| a.to_f64().abs())
}

/// Σ term(aᵢ, bᵢ) in the order described above.
fn sum_products<T: Real>(a: &[T], b: &[T], term: impl Fn(T, T) -> f64 + Copy + Sync) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    if a.len() > BLOCK {
        let middle = (a.len().div_ceil(BLOCK) / 2) * BLOCK;
        let (left, right) = rayon::join(
            || sum_products(&a[..middle], &b[..middle], term),
            || sum_products(&a[middle..], &b[middle..], term),
        );
        return left + right;
    }
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((lane, &a), &b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += term(a, b);
        }
    }
    for ((lane, &a), &b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += term(a, b);
    }
    lanes.iter().sum()
}

/// max |aᵢ|, NaN elements passed over.
pub(super) fn max_abs<T: Real>(a: &[T]) -> f64 {
    let max = |a: &[T]| a.iter().fold(T::zero(), |max, a| if a.abs() > max { a.abs() } else { max });
    a.par_chunks(BLOCK).map(max).reduce(T::zero, |a, b| if a > b { a } else { b }).to_f64()
}

/// Whether every element is neither NaN nor infinite.
pub(super) fn all_finite<T: Real>(a: &[T]) -> bool {
    // Zero times anything finite is zero, times NaN or infinity NaN; a sum needs no branch per element.
    a.par_chunks(BLOCK).all(|a| a.iter().fold(T::zero(), |sum, &a| sum + a * T::zero()) == T::zero())
}

/// y ← y + αx.
pub(super) fn add_scaled<T: Real>(y: &mut [T], alpha: f64, x: &[T]) {
    let alpha = T::of(alpha);
    y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y += alpha * x;
        }
    });
}

/// out ← a + αb.
pub(super) fn combine<T: Real>(out: &mut [T], a: &[T], alpha: f64, b: &[T]) {
    let alpha = T::of(alpha);
    out.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).zip(b.par_chunks(BLOCK)).for_each(|((out, a), b)| {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            *out = a + alpha * b;
        }
    });
}

/// y ← αy.
pub(super) fn scale<T: Real>(y: &mut [T], alpha: f64) {
    let alpha = T::of(alpha);
    y.par_chunks_mut(BLOCK).for_each(|y| y.iter_mut().for_each(|y| *y *= alpha));
}

/// out ← a.
pub(super) fn copy<T: Real>(out: &mut [T], a: &[T]) {
    out.par_chunks_mut(BLOCK).zip(a.par_chunks(BLOCK)).for_each(|(out, a)| out.copy_from_slice(a));
}
