//! Multiplication by a fixed number.

use super::elementwise::map;
use crate::tape::{Real, Var};

/// y = factor·x.
///
/// VJP: dx = factor·dy.
pub fn scale<'t, T: Real>(x: &Var<'t, T>, factor: f64) -> Var<'t, T> {
    let factor = T::of(factor);
    let y = map(x.value(), x.tape().tensor(x.shape()), |x| x * factor);
    x.tape().record("scale", &[x], y, 0, move |mut dy, inputs| {
        dy.par_mapv_inplace(|dy| dy * factor);
        inputs.add(0, dy);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn scales_value_and_gradient() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(array![1.0, -2.0]);
        let y = scale(&x, 0.5);
        assert_eq!(y.value().as_slice().unwrap(), [0.5, -1.0]);
        assert_eq!(y.backward_from(array![3.0, 4.0]).get(&x).unwrap(), &array![1.5, 2.0].into_dyn());
    }
}
