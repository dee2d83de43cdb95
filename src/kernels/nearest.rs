//! Nearest neighbours by inner product: for each row of one matrix, the most similar row of another.

use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::Real;
use super::product::matrix_product;

/// Rows of the queries that one task compares. Never depends on the number of threads.
const QUERIES: usize = 128;

/// Rows of the candidates that are compared at a time: with [`QUERIES`] a block of products that stays in the cache.
const CANDIDATES: usize = 512;

/// For each row q of `queries` (n, channels) the number j of the row s of `candidates` (m, channels) with the largest inner
/// product ⟨q, s⟩; of equal ones the first. If the candidates are unit vectors, this is the nearest neighbour by cosine
/// for any length of q.
///
/// A blocked matrix product with a running maximum: a thread holds at most [`QUERIES`]·[`CANDIDATES`] products.
///
/// # Panics
/// If there are no candidates, or the channels differ.
pub fn nearest_rows<T: Real>(queries: &ArrayView2<'_, T>, candidates: &ArrayView2<'_, T>) -> Vec<usize> {
    assert!(candidates.nrows() > 0, "nearest_rows: no candidates");
    assert_eq!(queries.ncols(), candidates.ncols(), "nearest_rows: rows of different lengths");
    let mut nearest = vec![0; queries.nrows()];
    nearest.par_chunks_mut(QUERIES).zip(queries.axis_chunks_iter(Axis(0), QUERIES).into_par_iter()).for_each_init(
        || vec![T::zero(); QUERIES * CANDIDATES],
        |products, (nearest, queries)| {
            let mut largest = [T::neg_infinity(); QUERIES];
            for (block, candidates) in candidates.axis_chunks_iter(Axis(0), CANDIDATES).enumerate() {
                let shape = (queries.nrows(), candidates.nrows());
                let products = &mut products[..shape.0 * shape.1];
                let mut products = ArrayViewMut2::from_shape(shape, products).expect("as long as its shape says");
                matrix_product(T::one(), &queries.view(), &candidates.t(), T::zero(), &mut products);
                for ((products, nearest), largest) in products.outer_iter().zip(&mut *nearest).zip(&mut largest) {
                    for (index, &product) in products.iter().enumerate() {
                        if product > *largest {
                            (*largest, *nearest) = (product, block * CANDIDATES + index);
                        }
                    }
                }
            }
        },
    );
    nearest
}

/// Subtracts the mean of all rows from each row and divides it by its length, or by `floor` if that is larger. Returns
/// the lengths.
pub fn centre_and_normalise<T: Real>(rows: &mut ArrayViewMut2<'_, T>, floor: T) -> Vec<T> {
    let mean = mean_row(&rows.view());
    let mut lengths = vec![T::zero(); rows.nrows()];
    rows.axis_iter_mut(Axis(0)).into_par_iter().zip(&mut lengths).for_each(|(mut row, length)| {
        row.zip_mut_with(&mean, |v, &mean| *v -= mean);
        *length = T::of(row.iter().map(|&v| Real::to_f64(v).powi(2)).sum::<f64>().sqrt()).max(floor);
        row.mapv_inplace(|v| v / *length);
    });
    lengths
}

/// The mean of all rows, summed in f64 in blocks of a fixed length.
pub fn mean_row<T: Real>(rows: &ArrayView2<'_, T>) -> ndarray::Array1<T> {
    const BLOCK: usize = 256;
    let blocks: Vec<Vec<f64>> = rows
        .axis_chunks_iter(Axis(0), BLOCK)
        .into_par_iter()
        .map(|block| {
            let mut sum = vec![0.0; block.ncols()];
            for row in block.outer_iter() {
                sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += Real::to_f64(v));
            }
            sum
        })
        .collect();
    let count = rows.nrows().max(1) as f64;
    (0..rows.ncols()).map(|c| T::of(blocks.iter().map(|block| block[c]).sum::<f64>() / count)).collect()
}

/// Copies the rows with these numbers, in this order, to `gathered` (numbers, channels).
///
/// # Panics
/// If there is no row with one of the numbers.
pub fn gather_rows<T: Real>(rows: &ArrayView2<'_, T>, numbers: &[usize], gathered: &mut ArrayViewMut2<'_, T>) {
    gathered
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .zip(numbers)
        .for_each(|(mut to, &number)| to.assign(&rows.slice(s![number, ..])));
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Ix2, array};

    use super::*;
    use crate::kernels::testing::random;

    /// By the definition, one product after the other.
    fn plain(queries: &Array2<f64>, candidates: &Array2<f64>) -> Vec<usize> {
        let best = |q: ndarray::ArrayView1<'_, f64>| {
            let mut best = (f64::NEG_INFINITY, 0);
            for (index, candidate) in candidates.outer_iter().enumerate() {
                if q.dot(&candidate) > best.0 {
                    best = (q.dot(&candidate), index);
                }
            }
            best.1
        };
        queries.outer_iter().map(best).collect()
    }

    #[test]
    fn are_the_largest_products_across_blocks() {
        for (n, m, channels, seed) in
            [(1, 1, 1, 1), (3, 7, 2, 2), (130, 513, 5, 3), (257, 1030, 16, 4), (5, 2000, 3, 5)]
        {
            // Whole numbers: products are exact in any order of summation, and many are equal.
            let whole = |shape, seed| random::<f64, Ix2, (usize, usize)>(shape, seed).mapv(|v| (v * 3.0).round());
            let (queries, candidates) = (whole((n, channels), seed), whole((m, channels), seed + 100));
            let expected = plain(&queries, &candidates);
            assert_eq!(nearest_rows(&queries.view(), &candidates.view()), expected, "{n} {m} {channels}");
            let (queries, candidates) = (queries.mapv(|v| v as f32), candidates.mapv(|v| v as f32));
            assert_eq!(nearest_rows(&queries.view(), &candidates.view()), expected, "{n} {m} {channels} in f32");
        }
    }

    #[test]
    fn of_equal_candidates_the_first_is_taken() {
        let mut candidates = Array2::<f32>::zeros((1500, 2));
        for index in [3, 600, 1400] {
            candidates[[index, 0]] = 1.0;
        }
        assert_eq!(nearest_rows(&array![[2.0, 0.0], [0.0, 1.0], [-1.0, 0.0]].view(), &candidates.view()), [3, 0, 0]);
    }

    #[test]
    fn each_candidate_of_each_block_is_looked_at() {
        for m in [1, 2, 511, 512, 513, 1024, 1030] {
            for best in [0, 1, m / 2, 510, 511, 512, 1023, m - 1].into_iter().filter(|&best| best < m) {
                let candidates = Array2::from_shape_fn((m, 1), |(j, _)| if j == best { 1.0 } else { 0.5 });
                assert_eq!(nearest_rows(&array![[1.0]].view(), &candidates.view()), [best], "of {m}");
            }
        }
    }

    #[test]
    fn the_least_unlike_is_taken_where_nothing_is_alike() {
        let candidates = array![[-3.0], [-1.0], [-2.0]];
        assert_eq!(nearest_rows(&array![[1.0], [0.5]].view(), &candidates.view()), [1, 1]);
    }

    #[test]
    #[should_panic(expected = "no candidates")]
    fn there_must_be_candidates() {
        nearest_rows(&array![[1.0]].view(), &Array2::zeros((0, 1)).view());
    }

    #[test]
    #[should_panic(expected = "rows of different lengths")]
    fn rows_must_be_of_one_length() {
        nearest_rows(&array![[1.0]].view(), &array![[1.0, 2.0]].view());
    }

    #[test]
    fn same_bits_on_any_number_of_threads() {
        // In f64, where another order of summation would show.
        let (queries, candidates) = (random::<f64, Ix2, _>((700, 33), 1), random::<f64, Ix2, _>((900, 33), 2));
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut rows = queries.clone();
                let lengths = centre_and_normalise(&mut rows.view_mut(), 1e-4);
                (nearest_rows(&rows.view(), &candidates.view()), rows, lengths)
            })
        };
        let one = run(1);
        assert!([2, 5].into_iter().all(|threads| run(threads) == one));
    }

    #[test]
    fn rows_are_centred_and_of_length_one() {
        let mut rows: Array2<f64> = random((300, 4), 1);
        let plain = &rows - &rows.mean_axis(Axis(0)).unwrap();
        let lengths = centre_and_normalise(&mut rows.view_mut(), 1e-4);
        for ((row, plain), length) in rows.outer_iter().zip(plain.outer_iter()).zip(lengths) {
            approx::assert_relative_eq!(length, plain.dot(&plain).sqrt(), max_relative = 1e-12);
            approx::assert_abs_diff_eq!(row.to_owned(), &plain / length, epsilon = 1e-12);
        }
        let mut equal = Array2::<f64>::ones((3, 2));
        assert_eq!(centre_and_normalise(&mut equal.view_mut(), 0.5), [0.5; 3]);
        assert_eq!(equal, Array2::<f64>::zeros((3, 2)));
    }

    #[test]
    fn rows_are_gathered_in_any_order() {
        let rows = array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
        let mut gathered = Array2::<f64>::ones((4, 2));
        gather_rows(&rows.view(), &[2, 0, 2, 1], &mut gathered.view_mut());
        assert_eq!(gathered, array![[5.0, 6.0], [1.0, 2.0], [5.0, 6.0], [3.0, 4.0]]);
    }
}
