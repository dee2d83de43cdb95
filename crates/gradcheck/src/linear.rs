//! Whether a vector-Jacobian product (VJP) is linear in its cotangent, as every one must be.
//!
//! VJP(a·c + b·d) is compared with a·VJP(c) + b·VJP(d), in units of the gradient's largest element. That is enough but
//! where the terms of a gradient cancel and nothing is left of it but their rounding: two numbers, less their mean and
//! divided by their standard deviation, are ±1 whatever they are, and a VJP of them gives some 1e-17. Rounding is told from an
//! error by what it cannot touch. Rounding to nearest commutes with powers of two and with signs, so what is linear gives for
//! twice the cotangent twice the gradient to the bit, however it rounds; and of what does that, the gradients of other
//! multiples of a cotangent say how much it rounds.

use ndarray::ArrayD;

/// What two cotangents are combined with, to see whether a VJP is linear: mixed signs, and large and small ones.
pub const COMBINATIONS: [(f64, f64); 3] = [(-1.7, 0.6), (4096.3, -1311.1), (-3e-4, 2e-4)];

/// What rounding in f32 inside a VJP does not reach.
pub const NONLINEAR: f64 = 3e-6;

/// Multiples of a cotangent that no rounding tells apart.
const EXACT: [f64; 4] = [-1.0, 2.0, 4096.0, 1.0 / 4096.0];

/// Multiples that are rounded otherwise.
const ROUNDED: [f64; 5] = [1.234_567, 0.777, -1.618, 0.1, 5.7];

/// What rounding may do beyond the most that was seen of it.
const UNSEEN: f64 = 16.0;

/// How far VJP(a·c + b·d) is from a·VJP(c) + b·VJP(d), in units of its largest element; `terms` are (a, VJP(c)) and
/// (b, VJP(d)). What [`rounding`] explains counts as nothing.
pub fn nonlinearity(terms: [(f64, &ArrayD<f64>); 2], of_both: &ArrayD<f64>, rounding: f64) -> f64 {
    let [(a, of_c), (b, of_d)] = terms;
    let size = (a * largest(of_c)).abs() + (b * largest(of_d)).abs();
    let off = largest(&(of_c * a + of_d * b - of_both));
    if off <= rounding * (a.abs() + b.abs()) || !off.is_finite() || !size.is_finite() { 0.0 } else { off / size }
}

/// How far rounding may move the gradients that a VJP gives of cotangents such as those in `known`, which come with their
/// gradients. 0 of a VJP that is not linear, as far as powers of two tell.
pub fn rounding<'a>(
    pull: impl Fn(&ArrayD<f64>) -> ArrayD<f64>,
    known: impl IntoIterator<Item = (&'a ArrayD<f64>, &'a ArrayD<f64>)>,
) -> f64 {
    let mut most = 0.0f64;
    for (cotangent, gradient) in known {
        let off = |factor: f64| largest(&(pull(&(cotangent * factor)) / factor - gradient));
        // Numbers below the normal ones round by themselves.
        if EXACT.into_iter().any(|factor| off(factor) >= f64::MIN_POSITIVE) {
            return 0.0;
        }
        most = ROUNDED.into_iter().fold(most, |most, factor| most.max(off(factor)));
    }
    UNSEEN * most
}

/// The size of the largest element; NaN counts as none.
pub(crate) fn largest(gradient: &ArrayD<f64>) -> f64 {
    gradient.iter().fold(0.0f64, |largest, g| largest.max(g.abs()))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn cotangents() -> [ArrayD<f64>; 2] {
        [array![0.3, -1.1, 0.8].into_dyn(), array![1.2, 0.1, -0.7].into_dyn()]
    }

    /// What is said of VJP(a·c + b·d), with and without its rounding.
    fn said(vjp: impl Fn(&ArrayD<f64>) -> ArrayD<f64>, [a, b]: [f64; 2]) -> [f64; 2] {
        let [c, d] = cotangents();
        let (of_c, of_d, of_both) = (vjp(&c), vjp(&d), vjp(&(&c * a + &d * b)));
        let rounding = rounding(&vjp, [(&c, &of_c), (&d, &of_d)]);
        [0.0, rounding].map(|rounding| nonlinearity([(a, &of_c), (b, &of_d)], &of_both, rounding))
    }

    #[test]
    fn what_is_linear_is_linear_and_what_is_not_is_off_by_its_size() {
        for (a, b) in COMBINATIONS {
            assert!(said(|dy| dy * 3.0, [a, b]).iter().all(|&off| off < 1e-15));
            for vjp in [|dy: f64| dy * dy, f64::abs, |dy: f64| dy.clamp(-50.0, 50.0), |dy: f64| dy + 0.5] {
                let [off, with_rounding] = said(|dy| dy.mapv(vjp), [a, b]);
                assert_eq!(off, with_rounding);
            }
            assert!(said(|dy| dy * dy, [a, b])[0] > 1e-2);
        }
        // 1·1.21 + 2·0.49 against (1.1 + 2·0.7)², in units of 1·1.21 + 2·1.44.
        let off = nonlinearity(
            [(1.0, &array![1.21, 0.0].into_dyn()), (-2.0, &array![-0.49, 1.44].into_dyn())],
            &array![6.25, -2.88].into_dyn(),
            0.0,
        );
        assert!((off - (6.25 - 2.19) / (1.21 + 2.88)).abs() < 1e-12, "{off}");
    }

    #[test]
    fn rounding_is_told_from_an_error() {
        // Nothing is left of these terms but their rounding.
        let cancels = |dy: &ArrayD<f64>| dy * 0.1 * 7.0 / 3.0 - dy * 7.0 / 30.0;
        for (a, b) in COMBINATIONS {
            let [off, with_rounding] = said(cancels, [a, b]);
            assert!(off > NONLINEAR && with_rounding == 0.0, "{off}, {with_rounding}");
            // As large, and not linear.
            for wrong in [|dy: f64| 1e-15 * dy * dy, |dy: f64| 1e-15 * dy.abs()] {
                let [off, with_rounding] = said(|dy| cancels(dy) + dy.mapv(wrong), [a, b]);
                assert!(off > NONLINEAR && with_rounding == off, "{off}, {with_rounding}");
            }
        }
        let [c, _] = cotangents();
        let most = rounding(cancels, [(&c, &cancels(&c))]);
        assert!((1e-16..1e-14).contains(&most), "{most:e}");
        // Numbers below the normal ones round whatever is done to them.
        let tiny = |dy: &ArrayD<f64>| dy * 3e-321;
        assert!(rounding(tiny, [(&c, &tiny(&c))]) < f64::MIN_POSITIVE);
    }
}
