//! The mean along an axis.

use ndarray::Axis;

use super::{scale, sum_axis};
use crate::tape::{Real, Var};

/// y = (1/n)·Σ x along `axis` of length n; the result lacks this axis.
///
/// VJP: dx = dy/n, repeated along the axis. Recorded as [`sum_axis`] and `scale`.
///
/// # Panics
/// If x has fewer axes, or if the axis has length 0.
pub fn mean_axis<'t, T: Real>(x: &Var<'t, T>, axis: Axis) -> Var<'t, T> {
    let Axis(index) = axis;
    match x.shape().get(index) {
        None => panic!("mean_axis: axis {index} of an array of shape {:?}", x.shape()),
        Some(0) => panic!("mean_axis: no elements along axis {index} of an array of shape {:?}", x.shape()),
        Some(&length) => scale(&sum_axis(x, axis), 1.0 / length as f64),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array2, array};

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["mean_axis_0", "mean_axis_1", "mean_axis_2"] {
            let case = reference(name);
            let axis = Axis(case.number("axis") as usize);
            agrees::<f64>(&case, &["x"], |x| mean_axis(&x[0], axis));
            agrees::<f32>(&case, &["x"], |x| mean_axis(&x[0], axis));
        }
    }

    #[test]
    fn is_the_sum_divided_by_the_length() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[1.0, 3.0, 5.0, 7.0], [0.0, 0.0, 2.0, 2.0]]);
        let y = mean_axis(&x, Axis(1));
        assert_eq!(y.to_array(), array![4.0, 1.0].into_dyn());
        let gradients = y.backward_from(array![4.0, 8.0]);
        assert_eq!(gradients.get(&x).unwrap(), &array![[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]].into_dyn());
    }

    #[test]
    fn there_are_no_means_where_there_is_nothing_beside_the_axis() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array2::zeros((3, 0)));
        let y = mean_axis(&x, Axis(0));
        assert_eq!(y.backward_from(Array1::zeros(0)).get(&x).unwrap().shape(), [3, 0]);
    }

    #[test]
    #[should_panic(expected = "mean_axis: no elements along axis 0 of an array of shape [0, 3]")]
    fn a_mean_of_nothing_is_refused() {
        mean_axis(&Tape::<f64>::new().constant(Array2::zeros((0, 3))), Axis(0));
    }

    #[test]
    #[should_panic(expected = "mean_axis: axis 1 of an array of shape [2]")]
    fn the_axis_must_be_there() {
        mean_axis(&Tape::<f64>::new().constant(array![1.0, 2.0]), Axis(1));
    }
}
