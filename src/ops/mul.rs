//! Multiplication, element by element.

use super::broadcast::{broadcast, sum_to_shape};
use crate::tape::{Real, Tensor, Var};

/// y = a·b, element by element, broadcasting as `ndarray` does.
///
/// VJP: da = dy·b, db = dy·a, each summed over the axes along which its input was stretched.
///
/// # Panics
/// If the shapes do not broadcast to a common one.
pub fn mul<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let y = broadcast("mul", a, b, |a, b| a * b);
    // Only the other factor's gradient needs a factor.
    let (kept_a, a_bytes) = a.kept_if(b.needs_gradient());
    let (kept_b, b_bytes) = b.kept_if(a.needs_gradient());
    let shapes = [a.shape().to_vec(), b.shape().to_vec()];
    a.tape().record("mul", &[a, b], y, a_bytes + b_bytes, move |dy, inputs| {
        for (input, other) in [(0, &kept_b), (1, &kept_a)] {
            if let Some(other) = other {
                inputs.add(input, sum_to_shape(Tensor::from(&*dy * &**other), &shapes[input]));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn keeps_each_factor_for_the_other() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![2.0, 3.0]), tape.variable(array![[10.0], [20.0], [30.0]]));
        mul(&a, &b);
        assert!(tape.to_string().contains("keeping 40 B"), "{tape}");
    }

    #[test]
    fn multiplies_and_exchanges_the_factors_in_the_gradient() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![2.0, 3.0]), tape.variable(array![10.0, 20.0]));
        let y = mul(&a, &b);
        assert_eq!(y.value().as_slice().unwrap(), [20.0, 60.0]);
        let gradients = y.backward_from(array![1.0, 2.0]);
        assert_eq!(gradients.get(&a).unwrap(), &array![10.0, 40.0].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &array![2.0, 6.0].into_dyn());
    }
}
