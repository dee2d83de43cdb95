//! The sum along an axis.

use ndarray::{Array1, ArrayView2, Axis, Zip};
use rayon::prelude::*;

use crate::kernels::{gram, reduce};
use crate::tape::{Real, Tensor, Var};

/// y = Σ x along `axis`; the result lacks this axis: (2, 3, 4) summed along `Axis(1)` is (2, 4). Sums in f64. The sum along an
/// axis of length 0 is 0.
///
/// VJP: dx = dy, repeated along the axis. Keeps nothing.
///
/// # Panics
/// If x has fewer axes.
pub fn sum_axis<'t, T: Real>(x: &Var<'t, T>, axis: Axis) -> Var<'t, T> {
    let y = sums("sum_axis", x, axis);
    let shape = x.shape().to_vec();
    x.tape().record("sum_axis", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&shape);
        let dy = dy.view().insert_axis(axis);
        Zip::from(&mut *dx).and_broadcast(dy).par_for_each(|dx, &dy| *dx = dy);
        inputs.add(0, dx);
    })
}

/// The sums along an axis of x. It treats x as an array of three axes: all axes before this one, this one, and all after it.
fn sums<T: Real>(operation: &str, x: &Var<'_, T>, axis: Axis) -> Tensor<T> {
    let Axis(index) = axis;
    let rank = x.shape().len();
    assert!(index < rank, "{operation}: axis {index} of an array of shape {:?}", x.shape());
    let (length, behind) = (x.shape()[index], x.shape()[index + 1..].iter().product::<usize>());
    let mut shape = x.shape().to_vec();
    shape.remove(index);
    let mut y = x.tape().tensor(&shape);
    if x.value().is_empty() {
        y.fill(T::zero());
        return y;
    }
    let x = x.value().elements();
    let blocks = x.par_chunks(length * behind).zip(y.elements_mut().par_chunks_mut(behind));
    blocks.for_each(|(x, y)| {
        if let [y] = y {
            *y = T::of(reduce::sum_of(x, |x| x));
        } else {
            let rows = ArrayView2::from_shape((length, behind), x).expect("a block of rows");
            let sums: Array1<T> = gram::row_sums(&rows, None);
            y.copy_from_slice(sums.as_slice().expect("row-major"));
        }
    });
    y
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, Array3, array};

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["sum_axis_0", "sum_axis_1", "sum_axis_2"] {
            let case = reference(name);
            let axis = Axis(case.number("axis") as usize);
            agrees::<f64>(&case, &["x"], |x| sum_axis(&x[0], axis));
            agrees::<f32>(&case, &["x"], |x| sum_axis(&x[0], axis));
        }
    }

    #[test]
    fn adds_up_along_every_axis_as_ndarray_does() {
        for shape in [[3, 5, 7], [2000, 3, 2], [2, 3000, 1], [1, 1, 40_000], [4, 1, 1]] {
            let x: Array3<f64> = random(shape, 1);
            for axis in [0, 1, 2].map(Axis) {
                let tape = Tape::new();
                let y = sum_axis(&tape.constant(x.clone()), axis).to_array();
                approx::assert_abs_diff_eq!(y, x.sum_axis(axis).into_dyn(), epsilon = 1e-10);
            }
        }
    }

    #[test]
    fn many_small_numbers_keep_their_digits_in_single_precision() {
        let tape = Tape::new();
        let x = tape.constant(Array2::from_elem((2, 1 << 20), 0.1f32));
        let exact = f64::from(0.1f32) * f64::from(1 << 20);
        for y in [sum_axis(&x, Axis(1)), sum_axis(&crate::ops::transpose(&x), Axis(0))] {
            assert!(y.value().iter().all(|&y| (f64::from(y) / exact - 1.0).abs() < 1e-6), "{y:?}");
        }
    }

    #[test]
    fn repeats_the_gradient_along_the_axis_in_any_memory_order() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]].reversed_axes());
        let y = sum_axis(&x, Axis(1));
        assert_eq!(y.to_array(), array![6.0, 15.0].into_dyn());
        let gradients = y.backward_from(array![1.0, 10.0]);
        assert_eq!(gradients.get(&x).unwrap(), &array![[1.0, 1.0, 1.0], [10.0, 10.0, 10.0]].into_dyn());
    }

    #[test]
    fn a_sum_of_nothing_is_zero() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array2::zeros((0, 3)));
        let y = sum_axis(&x, Axis(0));
        assert_eq!(y.to_array(), array![0.0, 0.0, 0.0].into_dyn());
        assert_eq!(y.backward_from(array![1.0, 2.0, 3.0]).get(&x).unwrap().shape(), [0, 3]);
        let y = sum_axis(&x, Axis(1));
        assert_eq!(y.backward_from(Array1::zeros(0)).get(&x).unwrap().shape(), [0, 3]);
    }

    #[test]
    #[should_panic(expected = "sum_axis: axis 2 of an array of shape [1, 2]")]
    fn the_axis_must_be_there() {
        sum_axis(&Tape::<f64>::new().constant(array![[1.0, 2.0]]), Axis(2));
    }

    #[test]
    #[should_panic(expected = "sum_axis: axis 0 of an array of shape []")]
    fn a_number_has_no_axis() {
        sum_axis(&Tape::<f64>::new().constant(ndarray::arr0(1.0)), Axis(0));
    }
}
