//! The matrix product.

use ndarray::{ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::kernels::product::matrix_product;
use crate::tape::{Cotangents, Real, Value, Var};

/// Elements of the result that a task computes, in whole rows. Never depends on the number of threads.
const TASK: usize = 1 << 14;

/// Y = A·B for A (m × k) and B (k × n): `Y(i,j) = Σ over l of A(i,l)·B(l,j)`, m × n. A vector on the left acts as a row, one on
/// the right as a column, and the result lacks that axis, as with `ndarray`'s `dot`: the product of two vectors is a scalar.
///
/// VJP: dA = dY·Bᵀ, dB = Aᵀ·dY. Keeps each factor for the other's gradient.
///
/// # Panics
/// If a factor is neither a matrix nor a vector, or if A's columns and B's rows differ in number.
pub fn matmul<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let fit = [a, b].iter().all(|x| [1, 2].contains(&x.shape().len())) && a.shape().last() == b.shape().first();
    assert!(fit, "matmul: shapes {:?} and {:?} do not fit", a.shape(), b.shape());
    let (rows, columns) = (&a.shape()[..a.shape().len() - 1], &b.shape()[1..]);
    let mut y = a.tape().tensor(&[rows, columns].concat());
    let size = |axes: &[usize]| axes.iter().product::<usize>();
    let dim = (size(rows), size(columns));
    let result = ArrayViewMut2::from_shape(dim, y.elements_mut()).expect("as many");
    product(&row_matrix(a.value()), &column_matrix(b.value()), result, false);
    let (kept_a, a_bytes) = a.kept_if(b.needs_gradient());
    let (kept_b, b_bytes) = b.kept_if(a.needs_gradient());
    a.tape().record("matmul", &[a, b], y, a_bytes + b_bytes, move |dy, inputs| {
        let dy = dy.view().into_shape_with_order(dim).expect("row-major");
        if let Some(b) = &kept_b {
            write_product(inputs, 0, &dy, &column_matrix(b).t());
        }
        if let Some(a) = &kept_a {
            write_product(inputs, 1, &row_matrix(a).t(), &dy);
        }
    })
}

/// The left factor as a matrix; a vector is its only row.
fn row_matrix<T: Real>(a: &Value<T>) -> ArrayView2<'_, T> {
    let a = if a.ndim() == 1 { a.view().insert_axis(Axis(0)) } else { a.view() };
    a.into_dimensionality().expect("a matrix")
}

/// The right factor as a matrix; a vector is its only column.
fn column_matrix<T: Real>(b: &Value<T>) -> ArrayView2<'_, T> {
    let b = if b.ndim() == 1 { b.view().insert_axis(Axis(1)) } else { b.view() };
    b.into_dimensionality().expect("a matrix")
}

/// Writes A·B as the gradient of an input, or adds it to the gradient that is there.
fn write_product<T: Real>(inputs: &mut Cotangents<'_, T>, input: usize, a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>) {
    inputs.write(input, |gradient, accumulate| {
        let gradient = gradient.into_shape_with_order((a.nrows(), b.ncols())).expect("row-major");
        product(a, b, gradient, accumulate);
    });
}

/// Y ← A·B, or Y ← Y + A·B. A task computes some rows, each with its whole sum, so the result does not depend on threads.
fn product<T: Real>(a: &ArrayView2<'_, T>, b: &ArrayView2<'_, T>, mut y: ArrayViewMut2<'_, T>, accumulate: bool) {
    let beta = if accumulate { T::one() } else { T::zero() };
    let rows = TASK.div_ceil(y.ncols().max(1));
    let parts = y.axis_chunks_iter_mut(Axis(0), rows).into_par_iter().zip(a.axis_chunks_iter(Axis(0), rows));
    parts.for_each(|(mut y, a)| matrix_product(T::one(), &a, b, beta, &mut y));
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, arr0, array};

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::testing::{agrees, reference};
    use crate::ops::{add, scale, sum};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["matmul_0", "matmul_1", "matmul_2", "matmul_3", "matmul_4"] {
            let case = reference(name);
            agrees::<f64>(&case, &["x", "other"], |x| matmul(&x[0], &x[1]));
            agrees::<f32>(&case, &["x", "other"], |x| matmul(&x[0], &x[1]));
        }
    }

    #[test]
    fn agrees_with_ndarray_over_several_tasks_and_in_any_memory_order() {
        for (m, k, n) in [(1, 1, 1), (300, 40, 200), (5, 1000, 70), (40_000, 2, 1)] {
            let (a, b): (Array2<f64>, Array2<f64>) = (random((m, k), 1), random((k, n), 2));
            let dy: Array2<f64> = random((m, n), 3);
            for (a, b) in [
                (a.clone(), b.clone()),
                (
                    a.t().as_standard_layout().into_owned().reversed_axes(),
                    b.t().as_standard_layout().into_owned().reversed_axes(),
                ),
            ] {
                let tape = Tape::new();
                let (x, w) = (tape.variable(a.clone()), tape.variable(b.clone()));
                let y = matmul(&x, &w);
                approx::assert_abs_diff_eq!(y.to_array(), a.dot(&b).into_dyn(), epsilon = 1e-10);
                let gradients = y.backward_from(dy.clone());
                approx::assert_abs_diff_eq!(gradients.get(&x).unwrap(), &dy.dot(&b.t()).into_dyn(), epsilon = 1e-10);
                approx::assert_abs_diff_eq!(gradients.get(&w).unwrap(), &a.t().dot(&dy).into_dyn(), epsilon = 1e-10);
            }
        }
    }

    #[test]
    fn has_the_same_bits_on_any_number_of_threads() {
        let (a, b): (Array2<f32>, Array2<f32>) = (random((700, 130), 1), random((130, 90), 2));
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let tape = Tape::new();
                let (x, w) = (tape.variable(a.clone()), tape.variable(b.clone()));
                let y = matmul(&x, &w);
                let mut gradients = sum(&crate::ops::square(&y)).backward();
                let mut gradient = |x| gradients.take(x).unwrap().into_array();
                [y.to_array(), gradient(&x), gradient(&w)]
            })
        };
        let one = on(1);
        assert!([2, 3, 5].into_iter().all(|threads| on(threads) == one));
    }

    #[test]
    fn gradients_of_several_uses_add_up() {
        let tape = Tape::<f64>::new();
        let a = tape.variable(array![[1.0, 2.0], [3.0, 4.0]]);
        let y = add(&matmul(&a, &a), &scale(&matmul(&a, &a), 2.0));
        let (dy, value) = (array![[1.0, 0.0], [0.5, -1.0]], array![[1.0, 2.0], [3.0, 4.0]]);
        let expected = (dy.dot(&value.t()) + value.t().dot(&dy)) * 3.0;
        assert_eq!(y.backward_from(dy).get(&a).unwrap(), &expected.into_dyn());
    }

    #[test]
    fn products_over_an_axis_of_length_0_are_zero() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(Array2::zeros((2, 0))), tape.variable(Array2::zeros((0, 3))));
        let y = matmul(&a, &b);
        assert_eq!(y.to_array(), Array2::<f64>::zeros((2, 3)).into_dyn());
        let gradients = y.backward_from(Array2::ones((2, 3)));
        assert_eq!(
            (gradients.get(&a).unwrap().shape(), gradients.get(&b).unwrap().shape()),
            (&[2, 0][..], &[0, 3][..])
        );
        let (a, b) = (tape.variable(Array2::zeros((0, 2))), tape.variable(array![1.0, 2.0]));
        let y = matmul(&a, &b);
        let gradients = y.backward_from(Array1::zeros(0));
        assert_eq!(gradients.get(&a).unwrap().shape(), [0, 2]);
        assert_eq!(gradients.get(&b).unwrap(), &array![0.0, 0.0].into_dyn());
        let y = matmul(&tape.constant(Array1::zeros(0)), &tape.constant(Array1::zeros(0)));
        assert_eq!(y.to_array(), arr0(0.0).into_dyn());
    }

    #[test]
    fn keeps_each_factor_for_the_other() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![[1.0, 2.0]]), tape.constant(array![[1.0], [2.0]]));
        matmul(&a, &b);
        assert!(tape.to_string().contains("keeping 0 B"), "{tape}");
        matmul(&a, &tape.variable(array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]));
        assert!(tape.to_string().contains("keeping 64 B"), "{tape}");
    }

    #[test]
    #[should_panic(expected = "matmul: shapes [2, 3] and [2, 3] do not fit")]
    fn inner_axes_must_agree() {
        let x = Tape::<f64>::new();
        let x = x.constant(Array2::zeros((2, 3)));
        matmul(&x, &x);
    }

    #[test]
    #[should_panic(expected = "matmul: shapes [] and [2] do not fit")]
    fn a_number_is_no_matrix() {
        let tape = Tape::<f64>::new();
        matmul(&tape.constant(arr0(1.0)), &tape.constant(array![1.0, 2.0]));
    }
}
