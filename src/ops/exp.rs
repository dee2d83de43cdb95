//! The exponential function.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Value, Var};

/// y = eˣ, element by element; ∞ where it overflows.
///
/// VJP: dx = dy·y. Keeps y.
pub fn exp<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = Value::from(map(x.value(), x.tape().tensor(x.shape()), T::exp));
    let kept = y.clone();
    x.tape().record("exp", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, y| dy * y));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("exp");
        agrees::<f64>(&case, &["x"], |x| exp(&x[0]));
        agrees::<f32>(&case, &["x"], |x| exp(&x[0]));
    }

    #[test]
    fn is_its_own_derivative() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![0.0, 1.0, -800.0]);
        let y = exp(&x);
        assert_eq!(y.value().as_slice().unwrap(), [1.0, 1f64.exp(), 0.0]);
        let gradients = y.backward_from(array![2.0, 10.0, 1.0]);
        assert_eq!(gradients.get(&x).unwrap(), &array![2.0, 10.0 * 1f64.exp(), 0.0].into_dyn());
    }
}
