//! The logistic sigmoid.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Value, Var};

/// y = 1/(1 + e⁻ˣ), element by element, between 0 and 1. For negative x it is computed as eˣ/(1 + eˣ), so that no
/// exponential overflows and small values keep their digits.
///
/// VJP: dx = dy·y·(1 − y). Keeps y.
pub fn sigmoid<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = Value::from(map(x.value(), x.tape().tensor(x.shape()), logistic));
    let kept = y.clone();
    x.tape().record("sigmoid", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, y| dy * (y * (T::one() - y))));
    })
}

fn logistic<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    if x < T::zero() { e / (T::one() + e) } else { T::one() / (T::one() + e) }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("sigmoid");
        agrees::<f64>(&case, &["x"], |x| sigmoid(&x[0]));
        agrees::<f32>(&case, &["x"], |x| sigmoid(&x[0]));
    }

    #[test]
    fn is_exact_far_out_on_both_sides_and_does_not_hide_nan() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(array![0.0, 1000.0, -1000.0, -87.0, f32::NEG_INFINITY, f32::NAN]);
        let y = sigmoid(&x);
        let small = (-87f32).exp();
        assert_eq!(y.value().as_slice().unwrap()[..5], [0.5, 1.0, 0.0, small, 0.0]);
        assert!(y.value()[5].is_nan());
        let gradients = y.backward_from(array![4.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        let gradient = gradients.get(&x).unwrap().as_slice().unwrap();
        assert_eq!(gradient[..5], [1.0, 0.0, 0.0, small, 0.0]);
        assert!(gradient[5].is_nan());
    }
}
