//! Eigenvalues and eigenvectors of symmetric matrices, by LAPACK.

use ndarray::{Array1, Array2};
use ndarray_linalg::{Eigh, UPLO};

use super::product::one_blas_thread;

/// Λ, from small to large, and Q with A = QΛQᵀ, whose columns are orthonormal, for a symmetric matrix A of finite numbers.
///
/// # Panics
/// If A is not square or has numbers that are not finite.
pub fn symmetric_eigen(a: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
    assert!(a.iter().all(|v| v.is_finite()), "symmetric_eigen: numbers that are not finite");
    if a.is_empty() {
        return (Array1::zeros(0), Array2::zeros((0, 0)));
    }
    one_blas_thread();
    a.eigh(UPLO::Lower).expect("LAPACK finds the eigenvalues of finite matrices")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;

    #[test]
    fn gives_the_matrix_back() {
        for n in [0, 1, 2, 40] {
            let f: Array2<f64> = random((n + 3, n), 1);
            let a = f.t().dot(&f);
            let (values, vectors) = symmetric_eigen(&a);
            assert!(values.windows(2).into_iter().all(|pair| pair[0] <= pair[1]));
            approx::assert_abs_diff_eq!((&vectors * &values).dot(&vectors.t()), a, epsilon = 1e-11);
            approx::assert_abs_diff_eq!(vectors.t().dot(&vectors), Array2::eye(n), epsilon = 1e-12);
        }
    }
}
