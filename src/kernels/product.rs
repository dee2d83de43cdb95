//! Matrix products by BLAS on the calling thread; rayon parallelises one level above.

use std::sync::Once;

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::Real;

/// C ← α·A·B + β·C. With β = 0 the old contents of C do not matter.
///
/// # Panics
/// If the shapes do not match.
pub fn matrix_product<T: Real>(
    alpha: T,
    a: &ArrayView2<'_, T>,
    b: &ArrayView2<'_, T>,
    beta: T,
    c: &mut ArrayViewMut2<'_, T>,
) {
    one_blas_thread();
    general_mat_mul(alpha, a, b, beta, c);
}

/// Limits `OpenBLAS` to one thread. Otherwise it starts its own threads within each of rayon's, and results depend on
/// their number.
pub(super) fn one_blas_thread() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(feature = "openblas")]
        openblas_set_num_threads(1);
    });
}

// SAFETY: the signature is that of OpenBLAS's cblas.h; the function stores a number and takes any.
#[cfg(feature = "openblas")]
unsafe extern "C" {
    safe fn openblas_set_num_threads(threads: std::ffi::c_int);
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn scales_accumulates_and_ignores_what_beta_0_overwrites() {
        let (a, b) = (array![[1.0, 2.0], [3.0, 4.0]], array![[5.0, 6.0], [7.0, 8.0]]);
        let mut c = Array2::from_elem((2, 2), f64::NAN);
        matrix_product(2.0, &a.view(), &b.view(), 0.0, &mut c.view_mut());
        assert_eq!(c, array![[38.0, 44.0], [86.0, 100.0]]);
        matrix_product(1.0, &a.view(), &b.view(), 0.5, &mut c.view_mut());
        assert_eq!(c, array![[38.0, 44.0], [86.0, 100.0]]);
    }

    /// Meaningful only if `OPENBLAS_NUM_THREADS` is not 1.
    #[cfg(feature = "openblas")]
    #[test]
    fn openblas_starts_no_threads() {
        // SAFETY: the signature is that of OpenBLAS's cblas.h; the function reads a number.
        unsafe extern "C" {
            safe fn openblas_get_num_threads() -> std::ffi::c_int;
        }
        let one = Array2::<f32>::ones((1, 1));
        matrix_product(1.0, &one.view(), &one.view(), 0.0, &mut one.clone().view_mut());
        assert_eq!(openblas_get_num_threads(), 1);
    }

    #[test]
    fn large_products_by_blas_ignore_what_beta_0_overwrites_too() {
        let a = Array2::<f32>::ones((65, 33));
        let mut c = Array2::from_elem((65, 65), f32::NAN);
        matrix_product(1.0, &a.view(), &a.t(), 0.0, &mut c.view_mut());
        assert!(c.iter().all(|&v| v == 33.0));
    }
}
