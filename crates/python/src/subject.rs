//! What is checked, as Python gave it.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::callable::{Callable, Pull};

/// The functions of a check as they were given, to check them once more.
pub(crate) struct Subject {
    f: Py<PyAny>,
    pull: Derivative,
    inputs: Vec<Py<PyAny>>,
}

/// What was given beside the function.
enum Derivative {
    Gradient(Py<PyAny>),
    Vjp(Py<PyAny>),
    /// A product with the Hessian, of which the function is the gradient.
    Product,
}

impl Subject {
    /// The functions in the order in which Python gives them: without `grad` the first input stands in its place.
    ///
    /// # Errors
    /// If neither a gradient nor a VJP is given, or both are.
    pub(crate) fn new(
        f: &Bound<'_, PyAny>,
        grad: Option<&Bound<'_, PyAny>>,
        inputs: &Bound<'_, PyTuple>,
        vjp: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let mut all: Vec<_> = inputs.iter().map(Bound::unbind).collect();
        let pull = match (grad, vjp) {
            (Some(grad), None) => Derivative::Gradient(grad.clone().unbind()),
            (Some(grad), Some(_)) if grad.is_callable() => {
                return Err(PyTypeError::new_err("give grad or vjp, not both"));
            }
            // Without grad its place is that of the first input.
            (first, Some(vjp)) => {
                if let Some(first) = first {
                    all.insert(0, first.clone().unbind());
                }
                Derivative::Vjp(vjp.clone().unbind())
            }
            (None, None) => {
                return Err(PyTypeError::new_err("give the gradient, as in gradcheck(f, grad, x), or vjp=…"));
            }
        };
        Ok(Self { f: f.clone().unbind(), pull, inputs: all })
    }

    /// A gradient, of which the product with its Jacobian is checked.
    pub(crate) fn of_gradient(gradient: &Bound<'_, PyAny>, inputs: &Bound<'_, PyTuple>) -> Self {
        let inputs = inputs.iter().map(Bound::unbind).collect();
        Self { f: gradient.clone().unbind(), pull: Derivative::Product, inputs }
    }

    /// How many inputs there are.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// The function at its point.
    ///
    /// # Errors
    /// If it is not defined there, or anything has not the type that it must have.
    pub(crate) fn callable<'py>(&self, py: Python<'py>) -> PyResult<Callable<'py>> {
        let pull = match &self.pull {
            Derivative::Gradient(gradient) => Pull::Gradient(gradient.bind(py).clone()),
            Derivative::Vjp(vjp) => Pull::Vjp(vjp.bind(py).clone()),
            Derivative::Product => {
                return Err(PyTypeError::new_err(
                    "taylor is of gradients and vector-Jacobian products, not of Hessians",
                ));
            }
        };
        let inputs: Vec<_> = self.inputs.iter().map(|input| input.bind(py).clone()).collect();
        Callable::new(self.f.bind(py), pull, &inputs)
    }
}
