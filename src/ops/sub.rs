//! Subtraction.

use super::broadcast::{broadcast, sum_to_shape};
use crate::tape::{Real, Tensor, Var};

/// y = a − b, broadcasting as `ndarray` does.
///
/// VJP: da = dy, db = −dy, each summed over the axes along which its input was stretched.
///
/// # Panics
/// If the shapes do not broadcast to a common one.
pub fn sub<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let y = broadcast("sub", a, b, |a, b| a - b);
    let shapes = [a.shape().to_vec(), b.shape().to_vec()];
    a.tape().record("sub", &[a, b], y, 0, move |dy, inputs| {
        if inputs.wanted(1) {
            inputs.add(1, sum_to_shape(Tensor::from(dy.mapv(|dy| -dy)), &shapes[1]));
        }
        inputs.add(0, sum_to_shape(dy, &shapes[0]));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn subtracts_and_negates_the_second_gradient() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![1.0, 2.0]), tape.variable(array![[10.0, 20.0], [30.0, 40.0]]));
        let y = sub(&a, &b);
        assert_eq!(&**y.value(), &array![[-9.0, -18.0], [-29.0, -38.0]].into_dyn());
        let gradients = y.backward_from(array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(gradients.get(&a).unwrap(), &array![4.0, 6.0].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &array![[-1.0, -2.0], [-3.0, -4.0]].into_dyn());
    }
}
