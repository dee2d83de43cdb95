//! Addition.

use super::broadcast::{broadcast, sum_to_shape};
use crate::tape::{Real, Tensor, Var};

/// y = a + b, broadcasting as `ndarray` does.
///
/// VJP: da = dy, db = dy, each summed over the axes along which its input was stretched.
///
/// # Panics
/// If the shapes do not broadcast to a common one.
pub fn add<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let y = broadcast("add", a, b, |a, b| a + b);
    let shapes = [a.shape().to_vec(), b.shape().to_vec()];
    a.tape().record("add", &[a, b], y, 0, move |dy, inputs| {
        if inputs.wanted(1) {
            inputs.add(1, sum_to_shape(Tensor::from(dy.clone()), &shapes[1]));
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
    fn adds_and_passes_the_gradient_to_both() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![1.0, 2.0]), tape.variable(array![10.0, 20.0]));
        let y = add(&a, &b);
        assert_eq!(y.value().as_slice().unwrap(), [11.0, 22.0]);
        let gradients = y.backward_from(array![3.0, 4.0]);
        for x in [&a, &b] {
            assert_eq!(gradients.get(x).unwrap(), &array![3.0, 4.0].into_dyn());
        }
    }
}
