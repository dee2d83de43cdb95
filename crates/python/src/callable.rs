//! Python functions as functions that the checker takes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use impasto_gradcheck::Function;
use ndarray::{ArrayD, IxDyn};
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::numbers::{Input, Numbers, to_numpy};

/// What gives gradients.
pub(crate) enum Pull<'py> {
    /// `grad(*inputs)`, of a function that gives a number.
    Gradient(Bound<'py, PyAny>),
    /// `vjp(*inputs, dy)`.
    Vjp(Bound<'py, PyAny>),
    /// Nothing: only values are asked for.
    None,
}

/// A Python function at a point.
///
/// Where it raises an exception elsewhere than at the point itself, it is not defined there, and its value is NaN. Exceptions at
/// the point, and those that mean to end the program, end the [run](Self::run).
pub(crate) struct Callable<'py> {
    py: Python<'py>,
    f: Bound<'py, PyAny>,
    pull: Pull<'py>,
    inputs: Vec<Input>,
    pub(crate) point: Vec<ArrayD<f64>>,
    /// The value at the point.
    pub(crate) value: ArrayD<f64>,
    /// Whether the value, and so cotangents, are f32.
    single_value: bool,
    /// Whether anything is f32.
    single: bool,
    error: RefCell<Option<PyErr>>,
}

/// Unwinds out of a check that an exception has ended.
struct Ended;

impl<'py> Callable<'py> {
    /// Evaluates the function at the point, and learns the shape of its value.
    ///
    /// # Errors
    /// If an input or the value is no array of real numbers, or the function raises an exception.
    pub(crate) fn new(f: &Bound<'py, PyAny>, pull: Pull<'py>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Self> {
        let mut callable = Self::unevaluated(f, pull, inputs)?;
        let value = Numbers::of(&callable.f.call1(callable.arguments(&callable.point)?)?, "what f returned")?;
        if let Pull::Gradient(_) = callable.pull
            && value.array.len() != 1
        {
            return Err(PyTypeError::new_err(format!(
                "f returned an array of shape {:?}, and only a number has a gradient: give its vector-Jacobian product instead, \
                 gradcheck(f, *inputs, vjp=vjp), where vjp(*inputs, dy) is the gradient of the sum of dy * f(*inputs)",
                value.array.shape()
            )));
        }
        (callable.value, callable.single_value) = (callable.shaped(value.array), value.single);
        callable.single |= value.single;
        Ok(callable)
    }

    /// The same for a gradient, whose value is one array for each input; call only [`arrays`](Self::arrays).
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn at_gradient(gradient: &Bound<'py, PyAny>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Self> {
        let callable = Self::unevaluated(gradient, Pull::None, inputs)?;
        callable.listed(&gradient.call1(callable.arguments(&callable.point)?)?)?;
        Ok(callable)
    }

    fn unevaluated(f: &Bound<'py, PyAny>, pull: Pull<'py>, inputs: &[Bound<'py, PyAny>]) -> PyResult<Self> {
        let py = f.py();
        let callables = [("f", Some(f)), ("grad", pull.gradient()), ("vjp", pull.vjp())];
        for (name, given) in callables {
            if let Some(given) = given.filter(|given| !given.is_callable()) {
                let kind = given.get_type().name()?.to_string();
                return Err(PyTypeError::new_err(format!("{name} is a function, not of type {kind}")));
            }
        }
        if inputs.is_empty() {
            return Err(PyTypeError::new_err(
                "there are no inputs; give the point to check at, as in gradcheck(f, grad, x)",
            ));
        }
        let inputs: Vec<_> =
            inputs.iter().enumerate().map(|(number, input)| Input::of(input, number)).collect::<PyResult<_>>()?;
        let point: Vec<_> = inputs.iter().map(|input| input.at.clone()).collect();
        let single = inputs.iter().any(Input::is_single);
        let (value, error) = (ArrayD::zeros(IxDyn(&[])), RefCell::new(None));
        Ok(Self { py, f: f.clone(), pull, inputs, point, value, single_value: false, single, error })
    }

    /// A value that has a gradient is a number, though it may come in an array of one element.
    fn shaped(&self, value: ArrayD<f64>) -> ArrayD<f64> {
        if matches!(self.pull, Pull::Gradient(_)) && value.len() == 1 {
            return ArrayD::from_elem(IxDyn(&[]), value.into_iter().next().expect("one"));
        }
        value
    }

    /// Runs a check; an exception that ended it comes out as it was raised.
    ///
    /// # Errors
    /// If a function raised an exception at the point, or one that is to end the program.
    pub(crate) fn run<T>(&self, check: impl FnOnce(&Self) -> T) -> PyResult<T> {
        catch_unwind(AssertUnwindSafe(|| check(self))).or_else(|panic| match self.error.take() {
            Some(error) if panic.is::<Ended>() => Err(error),
            _ => resume_unwind(panic),
        })
    }

    /// Whether anything is in f32.
    pub(crate) fn is_single(&self) -> bool {
        self.single
    }

    fn arguments(&self, at: &[ArrayD<f64>]) -> PyResult<Bound<'py, PyTuple>> {
        self.arguments_and(at, None)
    }

    fn arguments_and(&self, at: &[ArrayD<f64>], last: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyTuple>> {
        let inputs = self.inputs.iter().zip(at).map(|(input, numbers)| input.with(self.py, numbers));
        let all: Vec<_> = inputs.chain(last.map(Ok)).collect::<PyResult<_>>()?;
        PyTuple::new(self.py, all)
    }

    /// The result of `ask`, or NaN if the function is not defined there. Ends the run if the exception must reach the caller.
    fn unless_undefined<T>(&self, at: &[ArrayD<f64>], ask: impl FnOnce() -> PyResult<T>, nan: impl FnOnce() -> T) -> T {
        // Functions in C look at no signals themselves.
        let answer = self.py.check_signals().and_then(|()| ask());
        answer.unwrap_or_else(|error| {
            if error.is_instance_of::<PyException>(self.py) && at != self.point {
                return nan();
            }
            self.error.replace(Some(error));
            resume_unwind(Box::new(Ended))
        })
    }

    /// One array for each input.
    fn listed(&self, answer: &Bound<'py, PyAny>) -> PyResult<Vec<ArrayD<f64>>> {
        let read = |(answer, at): (&Bound<'py, PyAny>, &ArrayD<f64>)| {
            // As torch has it for an input that nothing depends on.
            if answer.is_none() {
                return Ok(ArrayD::zeros(at.raw_dim()));
            }
            Ok(Numbers::of(answer, "the gradient")?.array)
        };
        if let [at] = &self.point[..] {
            // torch.autograd.grad gives a tuple of one.
            let only = answer.cast::<PyTuple>().ok().filter(|tuple| tuple.len() == 1);
            let only = only.map(|tuple| tuple.get_item(0)).transpose()?;
            let gradient = read((only.as_ref().unwrap_or(answer), at))?;
            let is_flat = only.is_some() && gradient.ndim() == 0 && at.shape() == [1];
            return Ok(vec![if is_flat {
                gradient.into_shape_with_order(IxDyn(&[1])).expect("one")
            } else {
                gradient
            }]);
        }
        let list: Vec<_> = match (answer.cast::<PyTuple>(), answer.cast::<PyList>()) {
            (Ok(tuple), _) => tuple.iter().collect(),
            (_, Ok(list)) => list.iter().collect(),
            _ => {
                let kind = answer.get_type().name()?.to_string();
                return Err(PyTypeError::new_err(format!(
                    "the gradient of a function of {} inputs is a tuple or list with one array for each, not of type {kind}",
                    self.point.len()
                )));
            }
        };
        if list.len() != self.point.len() {
            return Err(PyTypeError::new_err(format!(
                "the gradient has {} arrays, one for each of the {} inputs is needed",
                list.len(),
                self.point.len()
            )));
        }
        list.iter().zip(&self.point).map(read).collect()
    }

    /// What `function(*inputs)` gives: one array for each input.
    pub(crate) fn arrays(&self, function: &Bound<'py, PyAny>, at: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let ask = || self.listed(&function.call1(self.arguments(at)?)?);
        self.unless_undefined(at, ask, || at.iter().map(|x| x * f64::NAN).collect())
    }

    /// What `function(*inputs, *others)` gives, where there is one of the others in the form of each input.
    pub(crate) fn arrays_of_both(
        &self,
        function: &Bound<'py, PyAny>,
        at: &[ArrayD<f64>],
        others: &[ArrayD<f64>],
    ) -> Vec<ArrayD<f64>> {
        let ask = || {
            let both = self.arguments(at)?.iter().chain(self.arguments(others)?.iter()).collect::<Vec<_>>();
            self.listed(&function.call1(PyTuple::new(self.py, both)?)?)
        };
        self.unless_undefined(at, ask, || at.iter().map(|x| x * f64::NAN).collect())
    }

    /// The value at a point.
    pub(crate) fn at(&self, at: &[ArrayD<f64>]) -> ArrayD<f64> {
        let ask = || {
            let value = Numbers::of(&self.f.call1(self.arguments(at)?)?, "what f returned")?.array;
            let value = self.shaped(value);
            if value.shape() == self.value.shape() {
                return Ok(value);
            }
            let (found, expected) = (value.shape(), self.value.shape());
            let message = format!("f returned an array of shape {found:?}, and one of shape {expected:?} at first");
            self.error.replace(Some(PyTypeError::new_err(message)));
            resume_unwind(Box::new(Ended))
        };
        self.unless_undefined(at, ask, || &self.value * f64::NAN)
    }
}

impl<'py> Pull<'py> {
    fn gradient(&self) -> Option<&Bound<'py, PyAny>> {
        if let Self::Gradient(gradient) = self { Some(gradient) } else { None }
    }

    fn vjp(&self) -> Option<&Bound<'py, PyAny>> {
        if let Self::Vjp(vjp) = self { Some(vjp) } else { None }
    }
}

impl Function for Callable<'_> {
    fn unit(&self) -> f64 {
        if self.single { f64::from(f32::EPSILON) } else { f64::EPSILON }
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        self.at(inputs)
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        match &self.pull {
            Pull::Gradient(gradient) => {
                let factor = cotangent[IxDyn(&[])];
                self.arrays(gradient, inputs).into_iter().map(|gradient| gradient * factor).collect()
            }
            Pull::Vjp(vjp) => {
                let ask = || {
                    let cotangent = to_numpy(self.py, cotangent, self.single_value);
                    self.listed(&vjp.call1(self.arguments_and(inputs, Some(cotangent))?)?)
                };
                self.unless_undefined(inputs, ask, || inputs.iter().map(|x| x * f64::NAN).collect())
            }
            Pull::None => Vec::new(),
        }
    }
}
