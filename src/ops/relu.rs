//! The rectified linear unit.

use rayon::prelude::*;

use super::elementwise::map;
use crate::tape::{Real, Var};

/// y = max(x, 0), element by element; NaN stays NaN.
///
/// VJP: dx = dy where x > 0, else 0 (also at x = 0, as in `PyTorch`). Keeps one bit per element.
pub fn relu<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    let y = map(x.value(), x.tape().tensor(x.shape()), |x| if x <= T::zero() { T::zero() } else { x });
    if !x.needs_gradient() {
        return x.tape().constant(y);
    }
    let positive: Vec<u64> = y
        .as_slice()
        .expect("row-major")
        .par_chunks(64)
        .map(|y| y.iter().rev().fold(0, |word, &y| word << 1 | u64::from(y > T::zero())))
        .collect();
    let kept = size_of_val(&positive[..]);
    x.tape().record("relu", &[x], y, kept, move |mut dy, inputs| {
        let words = dy.elements_mut().par_chunks_mut(64).zip(&positive);
        words.for_each(|(dy, &word)| {
            for (i, dy) in dy.iter_mut().enumerate() {
                *dy = if word >> i & 1 == 1 { *dy } else { T::zero() };
            }
        });
        inputs.add(0, dy);
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
        let case = reference("relu");
        agrees::<f64>(&case, &["x"], |x| relu(&x[0]));
        agrees::<f32>(&case, &["x"], |x| relu(&x[0]));
    }

    #[test]
    fn the_gradient_at_zero_is_zero_and_nan_is_not_hidden() {
        let tape = Tape::<f32>::new();
        let x = tape.variable(array![0.0, -0.0, 1.0, f32::NAN]);
        let y = relu(&x);
        assert!(y.value()[3].is_nan());
        assert_eq!(
            y.backward_from(array![1.0, 1.0, 1.0, 1.0]).get(&x).unwrap(),
            &array![0.0, 0.0, 1.0, 0.0].into_dyn()
        );
    }
}
