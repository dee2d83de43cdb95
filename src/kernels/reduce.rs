//! Sums that are accurate, fast, and the same bits on any number of threads.

use rayon::prelude::*;

use super::Real;

/// Elements per task; independent of the number of threads.
pub const BLOCK: usize = 1 << 14;

/// Elements summed in the array's precision before the sum continues in f64.
const RUN: usize = 1 << 8;

/// Lanes, which the compiler keeps in vector registers.
const LANES: usize = 16;

/// Σ f(xᵢ): short runs in `T`, their sums in f64.
pub fn sum_of<T: Real>(x: &[T], f: impl Fn(T) -> T + Sync) -> f64 {
    let sum = |x: &[T]| x.chunks(RUN).map(|x| run(x.len(), |i| f(x[i]))).sum::<f64>();
    total(&x.par_chunks(BLOCK).map(sum).collect::<Vec<f64>>())
}

/// Σ f(xᵢ, yᵢ) over two arrays of equal length.
///
/// # Panics
/// If the lengths differ.
pub fn sum_of_pairs<T: Real>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Sync) -> f64 {
    total(&block_sums_of_pairs(x, y, f))
}

/// The sums of [`sum_of_pairs`] over each [`BLOCK`] of elements, which are its [`total`].
///
/// # Panics
/// If the lengths differ.
pub fn block_sums_of_pairs<T: Real>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<f64> {
    assert_eq!(x.len(), y.len(), "sum_of_pairs: arrays of different lengths");
    let pairs = x.par_chunks(BLOCK).zip(y.par_chunks(BLOCK));
    let sum = |(x, y): (&[T], &[T])| {
        x.chunks(RUN).zip(y.chunks(RUN)).map(|(x, y)| run(x.len().min(y.len()), |i| f(x[i], y[i]))).sum::<f64>()
    };
    pairs.map(sum).collect()
}

/// Adds the blocks' sums in their order.
pub fn total(sums: &[f64]) -> f64 {
    sums.iter().sum()
}

fn run<T: Real>(len: usize, term: impl Fn(usize) -> T) -> f64 {
    let mut lanes = [T::zero(); LANES];
    let whole = len - len % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest = (whole..len).map(term).fold(0.0, |sum: f64, t| sum + Real::to_f64(t));
    lanes.iter().fold(rest, |sum, &t| sum + Real::to_f64(t))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_small_numbers_keep_their_digits_in_single_precision() {
        let x = vec![0.1f32; 1_000_003];
        let exact = f64::from(0.1f32) * 1_000_003.0;
        assert!((sum_of(&x, |x| x) / exact - 1.0).abs() < 1e-6);
        assert!((sum_of_pairs(&x, &x, |x, y| x * y) / (exact * f64::from(0.1f32)) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn every_element_counts_once() {
        for len in [0, 1, 15, 16, 17, 255, 257, 16_384, 16_385, 50_001] {
            let x: Vec<f64> = (0..len).map(f64::from).collect();
            let n = f64::from(len);
            assert_eq!(sum_of(&x, |x| x), n * (n - 1.0).max(0.0) / 2.0, "{len}");
            assert_eq!(sum_of_pairs(&x, &x, |x, y| 2.0 * x - y), n * (n - 1.0).max(0.0) / 2.0, "{len}");
        }
    }
}
