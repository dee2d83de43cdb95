//! The mean of all elements.

use super::{scale, sum};
use crate::tape::{Real, Var};

/// y = (1/n)·Σ x over all n elements, a scalar.
///
/// VJP: dx = dy/n everywhere. Recorded as [`sum`] and `scale`.
///
/// # Panics
/// If there are no elements.
pub fn mean<'t, T: Real>(x: &Var<'t, T>) -> Var<'t, T> {
    assert!(!x.value().is_empty(), "mean: no elements in an array of shape {:?}", x.shape());
    scale(&sum(x), 1.0 / x.value().len() as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn is_the_sum_divided_by_the_count() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 2.0, 3.0, 6.0]);
        let y = mean(&x);
        assert_eq!(y.scalar(), 3.0);
        assert_eq!(y.backward().get(&x).unwrap(), &array![0.25, 0.25, 0.25, 0.25].into_dyn());
    }
}
