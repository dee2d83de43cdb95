//! Another shape for the same elements.

use crate::tape::{Real, Var};

/// y = the elements of x in row-major order, under the given shape.
///
/// VJP: dx = dy in x's shape. Keeps nothing.
///
/// # Panics
/// If the shape does not have as many elements as x.
pub fn reshape<'t, T: Real>(x: &Var<'t, T>, shape: &[usize]) -> Var<'t, T> {
    assert!(shape.iter().product::<usize>() == x.value().len(), "reshape: {:?} cannot become {shape:?}", x.shape());
    let mut y = x.tape().tensor(shape);
    y.elements_mut().copy_from_slice(&x.value().elements());
    let from = x.shape().to_vec();
    x.tape().record("reshape", &[x], y, 0, move |dy, inputs| inputs.add(0, dy.reshaped(&from)))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr0, array};

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::ops::transpose;
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("reshape");
        agrees::<f64>(&case, &["x"], |x| reshape(&x[0], &[4, 6]));
        agrees::<f32>(&case, &["x"], |x| reshape(&x[0], &[4, 6]));
    }

    #[test]
    fn elements_keep_their_row_major_order_in_any_memory_order() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]].reversed_axes());
        let y = reshape(&x, &[3, 2]);
        assert_eq!(y.to_array(), array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]].into_dyn());
        let gradients = y.backward_from(array![[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]]);
        assert_eq!(gradients.get(&x).unwrap(), &array![[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]].into_dyn());
    }

    #[test]
    fn a_cotangent_in_any_memory_order_goes_back() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 2.0, 3.0, 4.0]);
        let dy = array![[1.0, 2.0], [3.0, 4.0]].reversed_axes();
        let gradients = reshape(&x, &[2, 2]).backward_from(dy);
        assert_eq!(gradients.get(&x).unwrap(), &array![1.0, 3.0, 2.0, 4.0].into_dyn());
        let gradients = transpose(&reshape(&x, &[2, 2])).backward_from(array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(gradients.get(&x).unwrap(), &array![1.0, 3.0, 2.0, 4.0].into_dyn());
    }

    #[test]
    fn a_number_is_an_array_of_one_and_nothing_has_many_shapes() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(arr0(3.0));
        let y = reshape(&x, &[1, 1]);
        assert_eq!(y.backward_from(array![[2.0]]).get(&x).unwrap(), &arr0(2.0).into_dyn());
        let x = tape.variable(Array2::zeros((0, 3)));
        assert_eq!(reshape(&x, &[2, 0]).backward_from(Array2::zeros((2, 0))).get(&x).unwrap().shape(), [0, 3]);
    }

    #[test]
    #[should_panic(expected = "reshape: [2, 1] cannot become [3]")]
    fn the_number_of_elements_stays() {
        reshape(&Tape::<f64>::new().constant(array![[1.0], [2.0]]), &[3]);
    }
}
