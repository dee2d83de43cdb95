//! The natural logarithm.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Var};

/// y = ln x, element by element, for x > 0. ln 0 is −∞ and the logarithm of a negative number is NaN, as in `PyTorch`.
///
/// VJP: dx = dy/x. Keeps x.
pub fn ln<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = map(x.value(), x.tape().tensor(x.shape()), T::ln);
    let kept = x.value().clone();
    x.tape().record("ln", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, x| dy / x));
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
        let case = reference("ln");
        agrees::<f64>(&case, &["x"], |x| ln(&x[0]));
        agrees::<f32>(&case, &["x"], |x| ln(&x[0]));
    }

    #[test]
    fn has_the_reciprocal_as_its_derivative_and_no_value_below_zero() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 4.0, 0.0, -1.0]);
        let y = ln(&x);
        assert_eq!(y.value().as_slice().unwrap()[..3], [0.0, 4f64.ln(), f64::NEG_INFINITY]);
        assert!(y.value()[3].is_nan());
        let gradients = y.backward_from(array![1.0, 10.0, 1.0, 1.0]);
        assert_eq!(gradients.get(&x).unwrap(), &array![1.0, 2.5, f64::INFINITY, -1.0].into_dyn());
    }
}
