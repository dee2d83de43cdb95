//! Decompositions of small symmetric matrices: by LAPACK, or with the feature `pure` by the crate faer.

use ndarray::{Array1, Array2};

/// Λ, in increasing order, and Q with orthonormal columns such that A = QΛQᵀ, for a symmetric matrix A of finite
/// numbers.
///
/// # Panics
/// If A is not square or has numbers that are not finite.
pub fn symmetric_eigen(a: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    assert!(a.is_square(), "symmetric_eigen: a matrix of shape {:?}", a.shape());
    assert!(a.iter().all(|v| v.is_finite()), "symmetric_eigen: numbers that are not finite");
    if a.is_empty() {
        return (Array1::zeros(0), Array2::zeros((0, 0)));
    }
    #[cfg(feature = "blas")]
    {
        by_lapack(a)
    }
    #[cfg(not(feature = "blas"))]
    {
        by_faer(a)
    }
}

#[cfg(feature = "blas")]
fn by_lapack(a: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    use ndarray_linalg::{Eigh, UPLO};

    super::product::one_blas_thread();
    a.eigh(UPLO::Lower).expect("LAPACK finds the eigenvalues of finite matrices")
}

#[cfg(any(test, not(feature = "blas")))]
#[cfg(feature = "pure")]
fn by_faer(a: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    use faer::{Mat, Side};

    let n = a.nrows();
    // On the calling thread only: otherwise results would depend on the number of threads.
    faer::set_global_parallelism(faer::Par::Seq);
    let matrix = Mat::from_fn(n, n, |i, j| a[[i, j]]);
    let found = matrix.self_adjoint_eigen(Side::Lower).expect("faer finds the eigenvalues of finite matrices");
    let (values, vectors) = (found.S(), found.U());
    (Array1::from_shape_fn(n, |i| values[i]), Array2::from_shape_fn((n, n), |(i, j)| vectors[(i, j)]))
}

/// L, lower triangular, with LLᵀ = A for a symmetric positive definite matrix A (Cholesky); `None` if A is not.
///
/// # Panics
/// If A is not square.
pub fn cholesky(a: &Array2<f64>) -> Option<Array2<f64>> {
    assert!(a.is_square(), "cholesky: a matrix of shape {:?}", a.shape());
    let mut l = Array2::<f64>::zeros(a.raw_dim());
    for j in 0..a.nrows() {
        for i in j..a.nrows() {
            let rest = a[[i, j]] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            l[[i, j]] = if i > j { rest / l[[j, j]] } else { rest.sqrt() };
        }
        if !(l[[j, j]] > 0.0 && l[[j, j]].is_finite()) {
            return None;
        }
    }
    Some(l)
}

/// L⁻¹ for a lower triangular matrix L without zeros on its diagonal, by forward substitution.
///
/// # Panics
/// If L is not square.
pub fn inverse_lower(l: &Array2<f64>) -> Array2<f64> {
    assert!(l.is_square(), "inverse_lower: a matrix of shape {:?}", l.shape());
    let mut inverse = Array2::<f64>::zeros(l.raw_dim());
    for column in 0..l.nrows() {
        for i in column..l.nrows() {
            let unit = if i == column { 1.0 } else { 0.0 };
            let known: f64 = (column..i).map(|k| l[[i, k]] * inverse[[k, column]]).sum();
            inverse[[i, column]] = (unit - known) / l[[i, i]];
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::kernels::testing::random;

    #[test]
    fn eigenvalues_and_vectors_give_the_matrix_back() {
        for n in [0, 1, 2, 40, 130] {
            let f: Array2<f64> = random((n + 3, n), 1);
            let a = f.t().dot(&f);
            let (values, vectors) = symmetric_eigen(&a);
            assert!(values.windows(2).into_iter().all(|pair| pair[0] <= pair[1]));
            approx::assert_abs_diff_eq!((&vectors * &values).dot(&vectors.t()), a, epsilon = 1e-11);
            approx::assert_abs_diff_eq!(vectors.t().dot(&vectors), Array2::eye(n), epsilon = 1e-12);
        }
    }

    #[test]
    fn eigenvalues_of_a_singular_matrix_are_zero_where_its_rank_ends() {
        let f: Array2<f64> = random((5, 40), 2);
        let (values, vectors) = symmetric_eigen(&f.t().dot(&f));
        assert!(values.iter().take(35).all(|v| v.abs() < 1e-12), "{values}");
        approx::assert_abs_diff_eq!(vectors.t().dot(&vectors), Array2::eye(40), epsilon = 1e-12);
    }

    /// With both: `cargo test --release --features pure --lib kernels::eigen`.
    #[cfg(all(feature = "blas", feature = "pure"))]
    #[test]
    fn faer_agrees_with_lapack() {
        for n in [1, 2, 3, 40, 130, 512] {
            let f: Array2<f64> = random((n + 3, n), 5);
            let a = f.t().dot(&f);
            let ((values, vectors), (expected, of_lapack)) = (by_faer(&a), by_lapack(&a));
            let size = expected[n - 1];
            approx::assert_abs_diff_eq!(values, expected, epsilon = 1e-13 * size);
            // An eigenvector has either sign; the gaps of a random matrix are wide enough to tell them apart.
            let same = vectors.t().dot(&of_lapack).mapv(f64::abs);
            approx::assert_abs_diff_eq!(same, Array2::eye(n), epsilon = 1e-7);
        }
    }

    #[cfg(feature = "blas")]
    #[test]
    fn cholesky_and_inverse_agree_with_lapack() {
        use ndarray_linalg::{Cholesky, Inverse, UPLO};

        for n in [1, 2, 3, 20] {
            let f: Array2<f64> = random((n + 3, n), 3);
            let a = f.t().dot(&f);
            let l = cholesky(&a).unwrap();
            approx::assert_relative_eq!(l, a.cholesky(UPLO::Lower).unwrap(), max_relative = 1e-10, epsilon = 1e-12);
            approx::assert_relative_eq!(inverse_lower(&l), l.inv().unwrap(), max_relative = 1e-9, epsilon = 1e-10);
        }
    }

    #[test]
    fn cholesky_multiplies_back_and_refuses_what_is_not_positive_definite() {
        let f: Array2<f64> = random((9, 6), 4);
        let a = f.t().dot(&f);
        let l = cholesky(&a).unwrap();
        approx::assert_abs_diff_eq!(l.dot(&l.t()), a, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(inverse_lower(&l).dot(&l), Array2::eye(6), epsilon = 1e-11);
        for bad in [array![[0.0]], array![[-1.0]], array![[1.0, 2.0], [2.0, 1.0]], array![[f64::NAN]]] {
            assert_eq!(cholesky(&bad), None);
        }
    }
}
