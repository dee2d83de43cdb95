//! What is checked: a function of arrays with its vector-Jacobian product, on a tape or not.

use ndarray::ArrayD;

use super::Function;
use super::check::gradient;
use crate::tape::Tape;

/// A function from arrays to one array, and its vector-Jacobian product (VJP).
pub(super) trait Subject {
    /// The rounding unit of the function's own numbers.
    const UNIT: f64 = f64::EPSILON;

    /// Whether these are f32.
    const SINGLE: bool = Self::UNIT > f64::EPSILON;

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64>;

    /// The gradients of ⟨`cotangent`, value⟩ for all inputs, in the inputs' shapes.
    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>>;

    /// `job` for all numbers below `count`, in order; at the same time, where the function may be called so.
    fn each<T: Send>(&self, count: usize, job: impl Fn(&Self, usize) -> T + Sync) -> Vec<T> {
        (0..count).map(|number| job(self, number)).collect()
    }
}

/// A function on the tape.
pub(super) struct OnTape<'a, F>(pub(super) &'a F);

impl<F: Function> Subject for OnTape<'_, F> {
    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        let tape = Tape::new();
        let constants: Vec<_> = inputs.iter().map(|input| tape.constant(input.clone())).collect();
        (self.0)(&tape, &constants).to_array()
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        gradient(self.0, inputs, cotangent)
    }
}
