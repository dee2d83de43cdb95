//! The hyperbolic tangent.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Value, Var};

/// y = tanh x = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ), element by element, between −1 and 1.
///
/// VJP: dx = dy·(1 − y²), computed as dy·(1 − y)·(1 + y), which keeps its digits where |y| is near 1. Keeps y.
pub fn tanh<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = Value::from(map(x.value(), x.tape().tensor(x.shape()), T::tanh));
    let kept = y.clone();
    x.tape().record("tanh", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, y| dy * ((T::one() - y) * (T::one() + y))));
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
        let case = reference("tanh");
        agrees::<f64>(&case, &["x"], |x| tanh(&x[0]));
        agrees::<f32>(&case, &["x"], |x| tanh(&x[0]));
    }

    #[test]
    fn is_steepest_at_zero_and_flat_far_out() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(array![0.0, 1e4, -1e4, f32::INFINITY]);
        let y = tanh(&x);
        assert_eq!(y.value().as_slice().unwrap(), [0.0, 1.0, -1.0, 1.0]);
        let gradients = y.backward_from(array![3.0, 1.0, 1.0, 1.0]);
        assert_eq!(gradients.get(&x).unwrap(), &array![3.0, 0.0, 0.0, 0.0].into_dyn());
    }
}
