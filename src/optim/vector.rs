//! Vector operations of the optimisers: parallel, without allocation, the same bits on any number of threads.
//!
//! Vectors are divided into blocks of a fixed length, independent of the number of threads. Sums use `f64`: within a block
//! [`LANES`] interleaved partial sums, over blocks a binary tree that depends only on the length.

use rayon::prelude::*;

use crate::kernels::Real;

/// Elements of one task: 64 KiB in `f64`, which fits any cache and outweighs the cost of a task.
pub(super) const BLOCK: usize = 8192;

/// Partial sums kept side by side, so that the compiler can vectorise a sum without changing its order.
const LANES: usize = 16;

/// Σ aᵢbᵢ.
pub(super) fn dot<T: Real>(a: &[T], b: &[T]) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    if a.len() > BLOCK {
        let middle = a.len().div_ceil(BLOCK) / 2 * BLOCK;
        let (left, right) = rayon::join(|| dot(&a[..middle], &b[..middle]), || dot(&a[middle..], &b[middle..]));
        return left + right;
    }
    let mut lanes = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += Real::to_f64(*a) * Real::to_f64(*b);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(a_rest).zip(b_rest) {
        *lane += Real::to_f64(*a) * Real::to_f64(*b);
    }
    lanes.iter().sum()
}

/// max |aᵢ|, ignoring NaN.
pub(super) fn max_abs<T: Real>(a: &[T]) -> f64 {
    let max = |a: &[T]| a.iter().fold(T::zero(), |max, a| if a.abs() > max { a.abs() } else { max });
    a.par_chunks(BLOCK).map(max).reduce(T::zero, |a, b| if a > b { a } else { b }).to_f64()
}

/// Whether every element is neither NaN nor infinite.
pub(super) fn all_finite<T: Real>(a: &[T]) -> bool {
    // Zero times a finite number is zero, times NaN or infinity NaN: a sum needs no branch per element.
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

/// yᵢ ← 0 wherever sᵢ = 0.
pub(super) fn clear_where_zero<T: Real>(y: &mut [T], s: &[T]) {
    y.par_chunks_mut(BLOCK).zip(s.par_chunks(BLOCK)).for_each(|(y, s)| {
        for (y, &s) in y.iter_mut().zip(s) {
            *y = if s == T::zero() { T::zero() } else { *y };
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around the edges of lanes and blocks.
    const LENGTHS: [usize; 9] =
        [0, 1, LANES - 1, LANES, LANES + 1, BLOCK, BLOCK + 1, 2 * BLOCK + LANES + 3, 5 * BLOCK - 1];

    fn ramp(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i % 97) as f32 - 48.0).collect()
    }

    #[test]
    fn sums_are_exact_on_small_integers() {
        for n in LENGTHS {
            let a = ramp(n);
            let b: Vec<f32> = a.iter().map(|a| a + 1.0).collect();
            let expected: i64 = a.iter().map(|&a| a as i64 * (a as i64 + 1)).sum();
            assert_eq!(dot(&a, &b), expected as f64, "{n}");
            assert_eq!(max_abs(&a), a.iter().map(|a| f64::from(a.abs())).fold(0.0, f64::max), "{n}");
        }
    }

    #[test]
    fn sums_are_in_f64() {
        let ones = vec![1.0_f32; 3 * BLOCK];
        let tenths = vec![0.1_f32; 3 * BLOCK];
        let error = dot(&ones, &tenths) - f64::from(0.1_f32) * (3 * BLOCK) as f64;
        assert!(error.abs() < 1e-9, "{error}");
    }

    #[test]
    fn elementwise_operations() {
        for n in LENGTHS {
            let a = ramp(n);
            let mut y = a.clone();
            add_scaled(&mut y, 2.0, &a);
            assert!(y.iter().zip(&a).all(|(y, a)| *y == 3.0 * a), "{n}");
            scale(&mut y, -1.0);
            assert!(y.iter().zip(&a).all(|(y, a)| *y == -3.0 * a), "{n}");
            let mut out = vec![0.0; n];
            combine(&mut out, &y, 2.0, &a);
            assert!(out.iter().zip(&a).all(|(out, a)| *out == -a), "{n}");
            copy(&mut out, &a);
            assert_eq!(out, a);
            let mut ones = vec![1.0; n];
            clear_where_zero(&mut ones, &a);
            assert!(ones.iter().zip(&a).all(|(&one, &a)| one == if a == 0.0 { 0.0 } else { 1.0 }), "{n}");
        }
    }

    #[test]
    fn not_finite_is_found_anywhere() {
        for n in LENGTHS.into_iter().filter(|&n| n > 0) {
            for place in [0, n / 2, n - 1] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut a = ramp(n);
                    assert!(all_finite(&a));
                    a[place] = bad;
                    assert!(!all_finite(&a), "{bad} at {place} of {n}");
                }
            }
        }
    }
}
