//! What is checked: a function of arrays with its vector-Jacobian product.

use ndarray::ArrayD;

/// A function from arrays to one array, and its vector-Jacobian product (VJP).
pub trait Function {
    /// The rounding unit of the function's own numbers: 2⁻⁵² for f64, 2⁻²³ for f32.
    const UNIT: f64 = f64::EPSILON;

    /// Whether these are f32.
    const SINGLE: bool = Self::UNIT > f64::EPSILON;

    /// The value at `inputs`, always of the same shape.
    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64>;

    /// The gradients of ⟨`cotangent`, value⟩ for all inputs, in the inputs' shapes.
    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>>;

    /// `job` for all numbers below `count`, in order; at the same time, where the function may be called so.
    fn each<T: Send>(&self, count: usize, job: impl Fn(&Self, usize) -> T + Sync) -> Vec<T> {
        (0..count).map(|number| job(self, number)).collect()
    }
}
