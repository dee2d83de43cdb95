//! The sum of squared differences: Gatys et al.'s content loss without the factor ½, and the inner sum of their style loss.

use ndarray::{Zip, arr0};

use crate::kernels::reduce;
use crate::tape::{Real, Var};

/// y = Σ (x − target)², a scalar; added up in f64.
///
/// VJP: dx = 2(x − target)·dy; dtarget = −dx. Keeps both.
///
/// # Panics
/// If the shapes differ.
pub fn squared_error<'t, T: Real>(x: &Var<'t, T>, target: &Var<'t, T>) -> Var<'t, T> {
    assert!(x.shape() == target.shape(), "squared_error: shapes {:?} and {:?} differ", x.shape(), target.shape());
    let square = |x, target| {
        let difference: T = x - target;
        difference * difference
    };
    let y = reduce::sum_of_pairs(x.value().elements().as_ref(), target.value().elements().as_ref(), square);
    let (kept_x, kept_target) = (x.value().clone(), target.value().clone());
    let kept = x.kept_bytes() + target.kept_bytes();
    x.tape().record("squared_error", &[x, target], arr0(T::of(y)), kept, move |dy, inputs| {
        let factor = dy[[]] + dy[[]];
        // Nothing else needs x, this is its first gradient, and the target needs none: overwrite x with the gradient.
        let free = !inputs.begun(0) && !inputs.wanted(1);
        let kept_x = match if free { kept_x.into_tensor() } else { Err(kept_x) } {
            Ok(mut x) => {
                Zip::from(&mut *x).and(&*kept_target).par_for_each(|x, &target| *x = factor * (*x - target));
                return inputs.add(0, x);
            }
            Err(kept_x) => kept_x,
        };
        for (input, factor) in [(0, factor), (1, -factor)] {
            inputs.write(input, |dx, accumulate| {
                let zip = Zip::from(dx).and(&*kept_x).and(&*kept_target);
                if accumulate {
                    zip.par_for_each(|dx, &x, &target| *dx += factor * (x - target));
                } else {
                    zip.par_for_each(|dx, &x, &target| *dx = factor * (x - target));
                }
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::add;
    use crate::tape::Tape;

    #[test]
    fn sums_squares_and_has_opposite_gradients() {
        let tape = Tape::<f64>::new();
        let (x, t) = (tape.variable(array![1.0, 5.0]), tape.variable(array![3.0, 4.0]));
        let y = squared_error(&x, &t);
        assert_eq!(y.scalar(), 5.0);
        let gradients = y.backward();
        assert_eq!(gradients.get(&x).unwrap(), &array![-4.0, 2.0].into_dyn());
        assert_eq!(gradients.get(&t).unwrap(), &array![4.0, -2.0].into_dyn());
    }

    #[test]
    fn gradients_of_several_uses_add_up() {
        let tape = Tape::<f64>::new();
        let (x, t) = (tape.variable(array![1.0, 5.0]), tape.constant(array![3.0, 4.0]));
        let gradients = add(&squared_error(&x, &t), &squared_error(&x, &t)).backward();
        assert_eq!(gradients.get(&x).unwrap(), &array![-8.0, 4.0].into_dyn());
    }

    #[test]
    fn keeps_what_needs_a_gradient() {
        let tape = Tape::<f64>::new();
        let (x, t) = (tape.variable(array![1.0, 5.0]), tape.variable(array![3.0, 4.0]));
        squared_error(&x, &t);
        assert!(tape.to_string().contains("keeping 32 B"), "{tape}");
    }

    #[test]
    #[should_panic(expected = "squared_error: shapes [2] and [1] differ")]
    fn shapes_must_agree() {
        let tape = Tape::<f64>::new();
        squared_error(&tape.variable(array![1.0, 5.0]), &tape.variable(array![3.0]));
    }
}
