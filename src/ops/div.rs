//! Division, element by element.

use ndarray::Zip;

use super::broadcast::{broadcast, sum_to_shape};
use crate::tape::{Real, Var};

/// y = a/b, element by element, broadcasting as `ndarray` does. Division by 0 gives ±∞ or NaN.
///
/// VJP: da = dy/b, db = −dy·(a/b)/b, each summed over the axes along which its input was stretched. Keeps b and, if b
/// needs a gradient, a.
///
/// # Panics
/// If the shapes do not broadcast to a common one.
pub fn div<'t, T: Real>(a: &Var<'t, T>, b: &Var<'t, T>) -> Var<'t, T> {
    let y = broadcast("div", a, b, |a, b| a / b);
    let (kept_a, a_bytes) = a.kept_if(b.needs_gradient());
    let (kept_b, b_bytes) = (b.value().clone(), b.kept_bytes());
    let shapes = [a.shape().to_vec(), b.shape().to_vec()];
    a.tape().record("div", &[a, b], y, a_bytes + b_bytes, move |mut dy, inputs| {
        if let Some(a) = kept_a {
            let mut db = inputs.tensor(dy.shape());
            let numerator = a.broadcast(dy.shape()).expect("broadcast before");
            Zip::from(&mut *db)
                .and(&*dy)
                .and(numerator)
                .and_broadcast(&*kept_b)
                .par_for_each(|db, &dy, &a, &b| *db = -dy * (a / b) / b);
            inputs.add(1, sum_to_shape(db, &shapes[1]));
        }
        if inputs.wanted(0) {
            Zip::from(&mut *dy).and_broadcast(&*kept_b).par_for_each(|dy, &b| *dy /= b);
            inputs.add(0, sum_to_shape(dy, &shapes[0]));
        }
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr0, array};

    use super::*;
    use crate::ops::testing::{agrees, kept_on, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        for name in ["div_0", "div_1", "div_2"] {
            let case = reference(name);
            agrees::<f64>(&case, &["x", "other"], |x| div(&x[0], &x[1]));
            agrees::<f32>(&case, &["x", "other"], |x| div(&x[0], &x[1]));
        }
    }

    #[test]
    fn divides_and_sums_the_gradient_of_a_stretched_divisor() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(array![6.0, 4.0]), tape.variable(arr0(2.0)));
        let y = div(&a, &b);
        assert_eq!(y.value().as_slice().unwrap(), [3.0, 2.0]);
        let gradients = y.backward_from(array![1.0, 10.0]);
        assert_eq!(gradients.get(&a).unwrap(), &array![0.5, 5.0].into_dyn());
        assert_eq!(gradients.get(&b).unwrap(), &arr0(-11.5).into_dyn());
    }

    #[test]
    fn the_square_of_the_divisor_need_not_be_in_range() {
        let tape = Tape::<f32>::new();
        for size in [1e-30, 1e30] {
            let (a, b) = (tape.constant(arr0(size)), tape.variable(arr0(size)));
            let gradients = div(&a, &b).backward();
            approx::assert_relative_eq!(gradients.get(&b).unwrap()[[]], -1.0 / size, max_relative = 1e-6);
        }
    }

    #[test]
    fn keeps_what_the_gradients_need() {
        let kept = |a: bool, b: bool| {
            let tape = Tape::<f64>::new();
            let value = |wanted: bool, x: f64| if wanted { tape.variable(arr0(x)) } else { tape.constant(arr0(x)) };
            div(&value(a, 1.0), &value(b, 2.0));
            kept_on(&tape)
        };
        assert_eq!([kept(true, true), kept(true, false), kept(false, true)], ["16 B", "0 B", "8 B"]);
    }

    #[test]
    fn of_nothing_is_nothing() {
        let tape = Tape::<f64>::new();
        let (a, b) = (tape.variable(Array2::zeros((0, 3))), tape.variable(array![1.0, 2.0, 3.0]));
        let gradients = div(&a, &b).backward_from(Array2::zeros((0, 3)));
        assert_eq!(gradients.get(&a).unwrap().shape(), [0, 3]);
        assert_eq!(gradients.get(&b).unwrap(), &array![0.0, 0.0, 0.0].into_dyn());
    }
}
