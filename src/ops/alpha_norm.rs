//! The α-norm prior: keeps pixels within the range of natural images (Mahendran & Vedaldi 2014, section 3.1).

use ndarray::arr0;

use super::elementwise::map;
use crate::kernels::reduce;
use crate::tape::{Real, Var};

/// y = Σ |x|^α, a scalar: `R_α(x)` of Mahendran & Vedaldi 2014 (there α = 6, on a mean-subtracted image).
///
/// VJP: dx = α·|x|^(α−1)·sign(x)·dy; at x = 0 it is 0.
///
/// # Panics
/// If α < 1.
pub fn alpha_norm<'t, T: Real>(x: &Var<'t, T>, alpha: f64) -> Var<'t, T> {
    assert!(alpha >= 1.0, "alpha_norm: α = {alpha}, but a norm has α ≥ 1");
    let y = reduce::sum_of(x.value().elements().as_ref(), |x| power(x.abs(), alpha));
    let kept = x.value().clone();
    x.tape().record("alpha_norm", &[x], arr0(T::of(y)), x.kept_bytes(), move |dy, inputs| {
        let factor = T::of(alpha) * dy[[]];
        let slope = |x: T| {
            if x == T::zero() { T::zero() } else { factor * power(x.abs(), alpha - 1.0) * x.signum() }
        };
        let dx = map(&kept, inputs.tensor(kept.shape()), slope);
        inputs.add(0, dx);
    })
}

/// x^p; by multiplication where p is a small whole number.
fn power<T: Real>(x: T, p: f64) -> T {
    if p.fract() == 0.0 && p <= 16.0 { x.powi(p as i32) } else { x.powf(T::of(p)) }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("alpha_norm");
        let alpha = case.number("alpha");
        agrees::<f64>(&case, &["x"], |x| alpha_norm(&x[0], alpha));
        agrees::<f32>(&case, &["x"], |x| alpha_norm(&x[0], alpha));
    }

    #[test]
    fn takes_odd_and_fractional_powers_of_either_sign() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![-2.0, 0.0, 4.0]);
        let y = alpha_norm(&x, 1.5);
        approx::assert_relative_eq!(y.scalar(), 8.0f64.sqrt() + 8.0);
        let expected = array![-1.5 * 2.0f64.sqrt(), 0.0, 3.0].into_dyn();
        approx::assert_relative_eq!(*y.backward().get(&x).unwrap(), expected, epsilon = 1e-14);
        let y = alpha_norm(&x, 1.0);
        assert_eq!(y.scalar(), 6.0);
        assert_eq!(y.backward().get(&x).unwrap(), &array![-1.0, 0.0, 1.0].into_dyn());
    }

    #[test]
    #[should_panic(expected = "alpha_norm: α = 0.5, but a norm has α ≥ 1")]
    fn less_than_one_is_no_norm() {
        alpha_norm(&Tape::<f64>::new().constant(array![1.0]), 0.5);
    }
}
