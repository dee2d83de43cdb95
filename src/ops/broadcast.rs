//! Broadcasting by `ndarray`'s rules, and its gradient.

use ndarray::{ArrayD, Axis, Zip};

use crate::tape::{Real, Tensor, Var};

/// f(a, b) with both broadcast to their common shape: trailing axes are matched, axes of length 1 stretched.
///
/// # Panics
/// If the shapes have no common shape; the message names `operation` and both shapes.
pub(super) fn broadcast<T: Real>(
    operation: &str,
    a: &Var<'_, T>,
    b: &Var<'_, T>,
    f: impl Fn(T, T) -> T + Sync + Send,
) -> Tensor<T> {
    let shape = common_shape(a.shape(), b.shape())
        .unwrap_or_else(|| panic!("{operation}: shapes {:?} and {:?} do not broadcast", a.shape(), b.shape()));
    let mut y = a.tape().tensor(&shape);
    let stretched = "a common shape broadcasts";
    let a = a.value().broadcast(&shape[..]).expect(stretched);
    let b = b.value().broadcast(&shape[..]).expect(stretched);
    Zip::from(&mut *y).and(a).and(b).par_for_each(|y, &a, &b| *y = f(a, b));
    y
}

/// The gradient of broadcasting: `gradient` summed over the axes that were stretched to reach it from `shape`.
pub(super) fn sum_to_shape<T: Real>(gradient: Tensor<T>, shape: &[usize]) -> Tensor<T> {
    if gradient.shape() == shape {
        return gradient;
    }
    let mut sum: ArrayD<T> = gradient.into_array();
    while sum.ndim() > shape.len() {
        sum = sum.sum_axis(Axis(0));
    }
    for (axis, &len) in shape.iter().enumerate() {
        if len == 1 && sum.shape()[axis] != 1 {
            sum = sum.sum_axis(Axis(axis)).insert_axis(Axis(axis));
        }
    }
    sum.into()
}

fn common_shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let axis = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).map_or(1, |i| shape[i]);
    (0..rank)
        .map(|i| match (axis(a, i), axis(b, i)) {
            (m, n) if m == n || n == 1 => Some(m),
            (1, n) => Some(n),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, array};

    use super::*;
    use crate::ops::{add, mul, sum};
    use crate::tape::Tape;

    #[test]
    fn shapes_meet_as_in_ndarray() {
        assert_eq!(common_shape(&[2, 3], &[3]), Some(vec![2, 3]));
        assert_eq!(common_shape(&[2, 1], &[4, 1, 3]), Some(vec![4, 2, 3]));
        assert_eq!(common_shape(&[], &[2]), Some(vec![2]));
        assert_eq!(common_shape(&[2], &[3]), None);
    }

    #[test]
    fn gradients_are_summed_over_stretched_axes() {
        let tape = Tape::<f64>::new();
        let a = tape.variable(array![[1.0], [2.0]]);
        let b = tape.variable(array![10.0, 20.0, 30.0]);
        let c = tape.variable(Array::from_elem((), 2.0));
        let y = mul(&mul(&a, &b), &c);
        assert_eq!(y.shape(), [2, 3]);
        let gradients = sum(&y).backward();
        assert_eq!(gradients.get(&a).unwrap(), &array![[120.0], [120.0]].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &array![6.0, 6.0, 6.0].into_dyn());
        assert_eq!(gradients.get(&c).unwrap(), &ndarray::arr0(180.0).into_dyn());
    }

    #[test]
    #[should_panic(expected = "add: shapes [2] and [3] do not broadcast")]
    fn shapes_that_do_not_meet_are_named() {
        let tape = Tape::<f32>::new();
        add(&tape.constant(array![1.0, 2.0]), &tape.constant(array![1.0, 2.0, 3.0]));
    }
}
