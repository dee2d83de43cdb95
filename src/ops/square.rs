//! The square of each element.

use super::elementwise::{map, map_in_place};
use crate::tape::{Real, Var};

/// y = x², element by element.
///
/// VJP: dx = 2x·dy.
pub fn square<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = map(x.value(), x.tape().tensor(x.shape()), |x| x * x);
    let kept = x.value().clone();
    x.tape().record("square", &[x], y, x.kept_bytes(), move |dy, inputs| {
        inputs.add(0, map_in_place(dy, &kept, |dy, x| dy * (x + x)));
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn squares_and_doubles() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![3.0, -2.0]);
        let y = square(&x);
        assert_eq!(y.value().as_slice().unwrap(), [9.0, 4.0]);
        assert_eq!(y.backward_from(array![1.0, 10.0]).get(&x).unwrap(), &array![6.0, -40.0].into_dyn());
    }
}
