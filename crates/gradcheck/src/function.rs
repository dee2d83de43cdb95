//! What is checked: a function of arrays with its vector-Jacobian product.

use ndarray::ArrayD;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// A function from arrays to one array, and its vector-Jacobian product (VJP). The checker is compiled once for all of them.
pub trait Function {
    /// The rounding unit of the function's own numbers: 2⁻⁵² for f64, 2⁻²³ for f32.
    fn unit(&self) -> f64 {
        f64::EPSILON
    }

    /// The value at `inputs`, always of the same shape. NaN stands for "not defined here".
    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64>;

    /// The gradients of ⟨`cotangent`, value⟩ for all inputs, in the inputs' shapes.
    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>>;

    /// How many points [`Function::values`] takes at once: more than 1 where one call is cheaper than many.
    fn batch(&self) -> usize {
        1
    }

    /// The values at several points, in their order.
    fn values(&self, points: &[Vec<ArrayD<f64>>]) -> Vec<ArrayD<f64>> {
        points.iter().map(|inputs| self.value(inputs)).collect()
    }

    /// The same function, if it may be called from several threads at once.
    fn shared(&self) -> Option<&(dyn Function + Sync)> {
        None
    }

    /// Called with the number of lines (elements or directions of all inputs) measured so far and the expected total, which
    /// grows when a doubtful line is measured again.
    fn progress(&self, _done: usize, _all: usize) {}
}

/// Whether a function of this rounding unit computes in f32.
pub(crate) fn is_single(unit: f64) -> bool {
    unit > f64::EPSILON
}

/// `job` for all numbers below `count`, in order; at the same time, where the function may be called so.
pub(crate) fn each<T: Send>(f: &dyn Function, count: usize, job: impl Fn(&dyn Function, usize) -> T + Sync) -> Vec<T> {
    match f.shared() {
        Some(f) => (0..count).into_par_iter().map(|number| job(f, number)).collect(),
        None => (0..count).map(|number| job(f, number)).collect(),
    }
}
