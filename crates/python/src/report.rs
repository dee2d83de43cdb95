//! What checks return.

use impasto_gradcheck::{Entry, Failure, GradCheck, Place, TaylorTest, Verdict};
use ndarray::{ArrayD, IxDyn};
use numpy::PyArrayDyn;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::callable::Callable;
use crate::subject::Subject;

/// What a gradient check found.
///
/// It is true if the gradient is right, and prints the table of the slopes that are not.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Report {
    result: Result<impasto_gradcheck::Report, Failure>,
    names: Vec<String>,
    inputs: usize,
    subject: Subject,
    check: GradCheck,
}

impl Report {
    pub(crate) fn new(
        result: Result<impasto_gradcheck::Report, Failure>,
        callable: &Callable<'_>,
        names: Vec<String>,
        subject: Subject,
        check: GradCheck,
    ) -> Self {
        Self { result, names, inputs: callable.point.len(), subject, check }
    }

    fn name(&self, input: usize) -> String {
        self.names.get(input).cloned().unwrap_or_else(|| format!("input {input}"))
    }

    /// What is said of one input where no slopes are listed.
    fn summary(&self, input: usize) -> String {
        let said = match &self.result {
            Ok(report) => match report.subgradients.iter().filter(|entry| entry.input == input).count() {
                0 => "right".to_owned(),
                kinks => format!("right, {kinks} at kinks"),
            },
            Err(Failure::Gradient { input: wrong, rule }) if *wrong == input => format!("its gradient {rule}"),
            Err(_) => "not compared".into(),
        };
        format!("{}: {said}", self.name(input))
    }
}

#[pymethods]
impl Report {
    /// Whether the gradient is right: the verdict is "right" or "right at a kink".
    #[getter]
    fn ok(&self) -> bool {
        self.result.is_ok()
    }

    /// "right"; "right at a kink", of a subgradient that was accepted; "wrong"; "kink", not differentiable at this point;
    /// "coarse", right within what the rounding of the values leaves, as of an f32 inside; "undecided", no step gave a slope
    /// that is worth a verdict.
    #[getter]
    fn verdict(&self) -> &'static str {
        match &self.result {
            Ok(report) if report.subgradients.is_empty() => Verdict::Agrees.word(),
            Ok(_) => Verdict::Subgradient.word(),
            Err(failure) => failure.verdict().word(),
        }
    }

    /// How many slopes were compared; 0 where the check ended before.
    #[getter]
    fn compared(&self) -> usize {
        match &self.result {
            Ok(report) => report.compared,
            Err(Failure::Slopes { compared, .. }) => *compared,
            Err(_) => 0,
        }
    }

    /// How often the function was evaluated to compare slopes; None for a gradient that is not right.
    #[getter]
    fn evaluations(&self) -> Option<usize> {
        self.result.as_ref().ok().map(|report| report.evaluations)
    }

    /// The largest relative error of a slope; None where the check ended before any was compared.
    #[getter]
    fn worst_error(&self) -> Option<f64> {
        match &self.result {
            Ok(report) => Some(report.worst.as_ref().map_or(0.0, Entry::relative_error)),
            Err(failure) => failure.entries().iter().map(Entry::relative_error).reduce(f64::max),
        }
    }

    /// One line for each input, as in "input 1: 30 of 36 elements wrong; the gradient of input 1 is transposed".
    #[getter]
    fn inputs(&self) -> Vec<String> {
        match &self.result {
            Err(failure @ Failure::Slopes { .. }) => failure.by_input(&self.names),
            _ => (0..self.inputs).map(|input| self.summary(input)).collect(),
        }
    }

    /// What the errors have in common, where that suggests a cause: a factor, a sign, a transpose.
    #[getter]
    fn hints(&self) -> Vec<String> {
        let hints = self.result.as_ref().err().map(Failure::hints).unwrap_or_default();
        hints.iter().map(|hint| hint.named(&self.names)).collect()
    }

    /// The slopes that are not right, the worst first, as dicts: input (int), element and output (tuples of int, None for
    /// a direction), direction (int or None), verdict, analytic, numeric, error, allowed.
    #[getter]
    fn slopes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let entries = self.result.as_ref().err().map(Failure::entries).unwrap_or_default();
        let slope = |entry: &Entry| {
            let (element, output, direction) = match &entry.place {
                Place::Element { input, output } => (Some(input), Some(output), None),
                Place::Joint { output, .. } => (None, Some(output), None),
                Place::Direction(number) => (None, None, Some(*number)),
            };
            let index = |index: Option<&Vec<usize>>| index.map(|index| PyTuple::new(py, index)).transpose();
            let dict = PyDict::new(py);
            dict.set_item("input", entry.input)?;
            dict.set_item("element", index(element)?)?;
            dict.set_item("output", index(output)?)?;
            dict.set_item("direction", direction)?;
            dict.set_item("verdict", entry.verdict.word())?;
            dict.set_item("analytic", entry.analytic)?;
            dict.set_item("numeric", entry.numeric)?;
            dict.set_item("error", entry.absolute_error())?;
            dict.set_item("allowed", entry.tolerance)?;
            Ok(dict)
        };
        entries.iter().map(slope).collect()
    }

    /// The order of the Taylor remainder at the same point: a verdict without tolerances.
    ///
    /// Returns a `Taylor`; see `impasto.taylor`.
    fn taylor(&self, py: Python<'_>) -> PyResult<Taylor> {
        Taylor::of(py, &self.subject, &self.check, self.names.clone())
    }

    fn __bool__(&self) -> bool {
        self.ok()
    }

    fn __str__(&self) -> String {
        match &self.result {
            Ok(report) => report.to_string(),
            Err(failure) => failure.named(&self.names),
        }
    }

    fn __repr__(&self) -> String {
        format!("<impasto.Report: {}>", self.__str__().lines().next().unwrap_or_default())
    }
}

/// The order of a Taylor remainder.
///
/// It is true if the gradient is right, and prints the tables of remainders.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Taylor {
    result: Result<TaylorTest, Failure>,
    names: Vec<String>,
}

impl Taylor {
    /// Tests a function at its point.
    pub(crate) fn of(py: Python<'_>, subject: &Subject, check: &GradCheck, names: Vec<String>) -> PyResult<Self> {
        let callable = subject.callable(py)?;
        let result = callable.run(|callable| check.taylor(callable, &callable.point))?;
        Ok(Self { result, names })
    }

    fn worst(&self) -> Verdict {
        self.result.as_ref().map_or_else(Failure::verdict, TaylorTest::verdict)
    }
}

#[pymethods]
impl Taylor {
    /// Whether the gradient is right: the remainder is of order 2 or more for each input.
    #[getter]
    fn ok(&self) -> bool {
        self.worst() <= Verdict::Subgradient
    }

    /// "right", "right at a kink", "wrong", "kink" or "undecided", as of `Report`.
    #[getter]
    fn verdict(&self) -> &'static str {
        self.worst().word()
    }

    /// The lowest order among the inputs: 2 for a right gradient, 1 for a wrong one. None where rounding is all that is left.
    #[getter]
    fn order(&self) -> Option<f64> {
        self.result.as_ref().ok().and_then(TaylorTest::order)
    }

    /// The order of each input.
    #[getter]
    fn orders(&self) -> Vec<Option<f64>> {
        self.result.as_ref().map_or_else(|_| Vec::new(), |test| test.tables.iter().map(|table| table.order).collect())
    }

    /// For each input a list of rows (h, remainder, order), from large steps to small; order is None where a remainder is
    /// not clear of rounding.
    #[getter]
    fn rows(&self) -> Vec<Vec<(f64, f64, Option<f64>)>> {
        let Ok(test) = &self.result else { return Vec::new() };
        let rows = test.tables.iter().map(|table| &table.rows);
        rows.map(|rows| rows.iter().map(|row| (row.step, row.remainder, row.order)).collect()).collect()
    }

    fn __bool__(&self) -> bool {
        self.ok()
    }

    fn __str__(&self) -> String {
        match &self.result {
            Ok(test) => test.named(&self.names),
            Err(failure) => failure.named(&self.names),
        }
    }

    fn __repr__(&self) -> String {
        format!("<impasto.Taylor: {}>", self.__str__().lines().next().unwrap_or_default())
    }
}

/// A derivative by differences, with an estimate of its error. `numpy.asarray` gives the values.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Estimate {
    found: impasto_gradcheck::Estimate,
    /// The shapes of the inputs; a derivative of several of them is one list for each output.
    shapes: Vec<Vec<usize>>,
    output: Vec<usize>,
}

impl Estimate {
    pub(crate) fn new(found: impasto_gradcheck::Estimate, callable: &Callable<'_>) -> Self {
        let shapes = callable.point.iter().map(|x| x.shape().to_vec()).collect();
        Self { found, shapes, output: callable.value.shape().to_vec() }
    }

    /// Whether it is of a function that gives a number, if in an array of one element.
    pub(crate) fn is_of_number(&self) -> bool {
        self.output.iter().product::<usize>() == 1
    }

    /// One array for each input, the output's axes first.
    fn parts<'py>(&self, py: Python<'py>, all: &ArrayD<f64>) -> PyResult<Bound<'py, PyAny>> {
        if self.shapes.len() == 1 {
            return Ok(PyArrayDyn::from_array(py, all).into_any());
        }
        let columns: usize = self.shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
        let flat: Vec<f64> = all.iter().copied().collect();
        let mut first = 0;
        let parts = self.shapes.iter().map(|shape| {
            let width: usize = shape.iter().product();
            let numbers =
                flat.chunks(columns.max(1)).flat_map(|row| row[first..first + width].iter().copied()).collect();
            first += width;
            let shape: Vec<usize> = self.output.iter().chain(shape).copied().collect();
            PyArrayDyn::from_owned_array(py, ArrayD::from_shape_vec(IxDyn(&shape), numbers).expect("as many"))
        });
        Ok(PyTuple::new(py, parts.collect::<Vec<_>>())?.into_any())
    }
}

#[pymethods]
impl Estimate {
    /// The values: an array in the shape of the output followed by that of the input; a tuple of them for several inputs. NaN
    /// where no step gave a finite slope.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.parts(py, &self.found.values)
    }

    /// For each value an estimate of its absolute error. At a kink it is half the jump of the slope.
    #[getter]
    fn errors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.parts(py, &self.found.errors)
    }

    /// How often the function was evaluated.
    #[getter]
    fn evaluations(&self) -> usize {
        self.found.evaluations
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        &self,
        py: Python<'py>,
        dtype: Option<Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // Always a new array, which `copy=False` would forbid, and numpy itself does not mind.
        let _ = copy;
        let values = self.values(py)?;
        match dtype {
            Some(dtype) => values.call_method1("astype", (dtype,)),
            None => Ok(values),
        }
    }

    fn __repr__(&self) -> String {
        let worst = self.found.errors.iter().copied().fold(0.0, f64::max);
        format!("<impasto.Estimate of {} numbers, errors up to {worst:.0e}>", self.found.values.len())
    }
}
