//! The square root.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Value, Var};

/// y = √x, element by element, for x ≥ 0; the root of a negative number is NaN.
///
/// VJP: dx = dy/(2y). Keeps y. At x = 0 the gradient is infinite, as in `PyTorch`; add a small number to x if it can be
/// 0.
pub fn sqrt<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = Value::from(map(x.value(), x.tape().tensor(x.shape()), T::sqrt));
    let kept = y.clone();
    x.tape().record("sqrt", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, y| dy / (y + y)));
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
        let case = reference("sqrt");
        agrees::<f64>(&case, &["x"], |x| sqrt(&x[0]));
        agrees::<f32>(&case, &["x"], |x| sqrt(&x[0]));
    }

    #[test]
    fn takes_roots_and_is_infinitely_steep_at_zero() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![4.0, 0.25, 0.0, -1.0]);
        let y = sqrt(&x);
        assert_eq!(y.value().as_slice().unwrap()[..3], [2.0, 0.5, 0.0]);
        assert!(y.value()[3].is_nan());
        let gradients = y.backward_from(array![1.0, 10.0, 1.0, 1.0]);
        let gradient = gradients.get(&x).unwrap().as_slice().unwrap();
        assert_eq!(gradient[..3], [0.25, 10.0, f64::INFINITY]);
        assert!(gradient[3].is_nan());
    }
}
