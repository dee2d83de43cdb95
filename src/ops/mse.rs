//! The mean squared error: the content loss of the preset `notebook`.

use super::{scale, squared_error};
use crate::tape::{Real, Var};

/// y = (1/n)·Σ (x − target)² over all n elements, a scalar.
///
/// VJP: dx = (2/n)·(x − target)·dy. Recorded as `squared_error` and `scale`.
///
/// # Panics
/// If the shapes differ or there are no elements.
pub fn mse<'t, T: Real>(x: &Var<'t, T>, target: &Var<'t, T>) -> Var<'t, T> {
    assert!(!x.value().is_empty(), "mse: no elements in an array of shape {:?}", x.shape());
    scale(&squared_error(x, target), 1.0 / x.value().len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("mse");
        agrees::<f64>(&case, &["x"], |x| mse(&x[0], &x[0].tape().constant(case.array("target"))));
        agrees::<f32>(&case, &["x"], |x| mse(&x[0], &x[0].tape().constant(case.array("target"))));
    }
}
