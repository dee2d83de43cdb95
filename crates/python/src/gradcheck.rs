//! The checks.

use impasto_gradcheck::{Failure, Float, Function, GradCheck};
use ndarray::ArrayD;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::callable::{Callable, Pull};
use crate::report::{Estimate, Report, Taylor};
use crate::subject::Subject;

/// Options as numbers, of which the checker takes no wrong ones.
fn at_least_0(name: &str, value: f64) -> PyResult<f64> {
    if value >= 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(PyValueError::new_err(format!("{name} is {value}; give a number of 0 or more")))
}

fn step(eps: Option<f64>) -> PyResult<GradCheck> {
    match eps {
        None => Ok(GradCheck::new()),
        Some(eps) if eps > 0.0 && eps.is_finite() => Ok(GradCheck::new().eps(eps)),
        Some(eps) => Err(PyValueError::new_err(format!("eps is {eps}; give a step above 0, as in 1e-3"))),
    }
}

fn names_for(names: Option<Vec<String>>, inputs: usize) -> PyResult<Vec<String>> {
    match names {
        Some(names) if names.len() != inputs => {
            Err(PyValueError::new_err(format!("names has {}, and there are {inputs} inputs", names.len())))
        }
        names => Ok(names.unwrap_or_default()),
    }
}

/// Check a gradient against finite differences.
///
/// f(*inputs) gives a number and grad(*inputs) its gradient: an array in the shape of the input, or a tuple of one for
/// each of several. Of a function that gives an array, give `vjp` instead of `grad`: vjp(*inputs, dy) is the gradient of
/// sum(dy * f(*inputs)), with dy in the shape of f's value. It may stand as gradcheck(f, x, vjp=vjp).
///
/// Inputs are floats, arrays or tensors, and the functions get what was given. They may return floats, arrays, and all that
/// has `detach().numpy()` or `__array__`, as torch and jax have. An exception at a moved point means that f is not defined
/// there; one at the point itself comes out.
///
/// Parameters
/// ----------
/// rtol, atol : float
///     The error of each slope that is allowed, of its size and in any case. What rounding hides is allowed without them; f32
///     gets what f32 can tell.
/// eps : float
///     The first step; by default 1 % of the root mean square of the input.
/// seed : int
///     Of random directions and cotangents.
/// subgradients : bool
///     Accept any slope between those to both sides of a kink, as of abs at 0.
/// directions : int
///     Compare so many random directions instead of every element. Above 20 000 slopes the default is 8.
/// every_element : bool
///     Compare every element, however many.
/// sample : int
///     Compare so many elements of each input, and 8 directions.
/// nondeterminism : float
///     How far two evaluations may differ, of their size.
/// names : list of str
///     What the inputs are called in the report.
///
/// Returns
/// -------
/// Report
///     True if the gradient is right. str() is the table of the slopes that are not; .verdict, .inputs, .hints, .slopes.
///
/// Examples
/// --------
/// >>> import numpy as np, impasto
/// >>> print(impasto.gradcheck(lambda x: np.sin(x).sum(), lambda x: np.cos(x), np.array([0.3, 1.2])))
/// 2 slopes agree, worst relative error 1.6e-13
#[pyfunction]
#[pyo3(signature = (
    f, grad=None, *inputs, vjp=None, rtol=1e-8, atol=0.0, eps=None, seed=0, subgradients=false, directions=None,
    every_element=false, sample=None, nondeterminism=0.0, names=None
))]
pub(crate) fn gradcheck(
    f: &Bound<'_, PyAny>,
    grad: Option<&Bound<'_, PyAny>>,
    inputs: &Bound<'_, PyTuple>,
    vjp: Option<&Bound<'_, PyAny>>,
    rtol: f64,
    atol: f64,
    eps: Option<f64>,
    seed: u64,
    subgradients: bool,
    directions: Option<usize>,
    every_element: bool,
    sample: Option<usize>,
    nondeterminism: f64,
    names: Option<Vec<String>>,
) -> PyResult<Report> {
    let check = step(eps)?
        .rtol(at_least_0("rtol", rtol)?)
        .atol(at_least_0("atol", atol)?)
        .nondeterminism(at_least_0("nondeterminism", nondeterminism)?)
        .seed(seed)
        .subgradients(subgradients);
    let check = match (directions, every_element, sample) {
        (None, false, None) => check,
        (Some(directions @ 1..), false, None) => check.directions(directions),
        (None, true, None) => check.every_element(),
        (None, false, Some(sample @ 1..)) => check.sample(sample),
        (Some(0), ..) | (_, _, Some(0)) => return Err(PyValueError::new_err("directions and sample are 1 or more")),
        _ => return Err(PyValueError::new_err("give one of directions, every_element and sample")),
    };
    let subject = Subject::new(f, grad, inputs, vjp)?;
    let callable = subject.callable(f.py())?;
    let names = names_for(names, callable.point.len())?;
    let result = callable.run(|callable| check.check_function(callable, &callable.point))?;
    Ok(Report::new(result, &callable, names, subject, check))
}

/// Find the order of the Taylor remainder: a verdict on a gradient that needs no tolerance.
///
/// |f(x + h v) - f(x) - h <grad, v>| shrinks as h**2 for a right gradient, and as h for a wrong one. f, grad, inputs and vjp are
/// as in gradcheck; each input moves by itself along a random direction v.
///
/// Returns
/// -------
/// Taylor
///     True if the gradient is right. str() is a table of h, remainder and order; .order, .verdict, .orders, .rows.
#[pyfunction]
#[pyo3(signature = (f, grad=None, *inputs, vjp=None, seed=0, subgradients=false, nondeterminism=0.0, names=None))]
pub(crate) fn taylor(
    f: &Bound<'_, PyAny>,
    grad: Option<&Bound<'_, PyAny>>,
    inputs: &Bound<'_, PyTuple>,
    vjp: Option<&Bound<'_, PyAny>>,
    seed: u64,
    subgradients: bool,
    nondeterminism: f64,
    names: Option<Vec<String>>,
) -> PyResult<Taylor> {
    let nondeterminism = at_least_0("nondeterminism", nondeterminism)?;
    let check = GradCheck::new().seed(seed).subgradients(subgradients).nondeterminism(nondeterminism);
    let subject = Subject::new(f, grad, inputs, vjp)?;
    let names = names_for(names, subject.inputs())?;
    Taylor::of(f.py(), &subject, &check, names)
}

/// Check a product with the Hessian: that it is linear in v, symmetric, and the slope of the gradient.
///
/// grad(*inputs) is the first derivative, and product(*inputs, *vectors) the product of the Hessian with one vector in the
/// shape of each input; both return an array for each input. Options are as in gradcheck.
///
/// Returns
/// -------
/// Report
#[pyfunction]
#[pyo3(signature = (grad, product, *inputs, rtol=1e-8, atol=0.0, eps=None, seed=0, names=None))]
pub(crate) fn check_hessian_vector(
    grad: &Bound<'_, PyAny>,
    product: &Bound<'_, PyAny>,
    inputs: &Bound<'_, PyTuple>,
    rtol: f64,
    atol: f64,
    eps: Option<f64>,
    seed: u64,
    names: Option<Vec<String>>,
) -> PyResult<Report> {
    let check = step(eps)?.rtol(at_least_0("rtol", rtol)?).atol(at_least_0("atol", atol)?).seed(seed);
    if !product.is_callable() {
        return Err(PyTypeError::new_err("product is a function: product(*inputs, *vectors)"));
    }
    let subject = Subject::of_gradient(grad, inputs);
    // Of several inputs the gradient is a tuple, so it is the value of each by itself that is looked at.
    let all: Vec<_> = inputs.iter().collect();
    let callable = Callable::at_gradient(grad, &all)?;
    let names = names_for(names, callable.point.len())?;
    let result = callable.run(|callable| {
        if callable.is_single() {
            hessian::<f32>(&check, callable, grad, product)
        } else {
            hessian::<f64>(&check, callable, grad, product)
        }
    })?;
    Ok(Report::new(result, &callable, names, subject, check))
}

fn hessian<'py, T: Float>(
    check: &GradCheck,
    callable: &Callable<'py>,
    grad: &Bound<'py, PyAny>,
    product: &Bound<'py, PyAny>,
) -> Result<impasto_gradcheck::Report, Failure> {
    let double = |x: &Vec<ArrayD<T>>| x.iter().map(|x| x.mapv(Float::to_f64)).collect::<Vec<_>>();
    let point: Vec<ArrayD<T>> = callable.point.iter().map(|x| x.mapv(T::of)).collect();
    check.check_hessian_vector(
        |x: &Vec<ArrayD<T>>| callable.arrays(grad, &double(x)),
        |x: &Vec<ArrayD<T>>, v: &Vec<ArrayD<T>>| callable.arrays_of_both(product, &double(x), &double(v)),
        &point,
    )
}

/// The gradient of f at the inputs by central differences, extrapolated.
///
/// Smooth functions in f64 get some ten digits. f(*inputs) gives a number. `eps` is the first step, by default 1 % of the root
/// mean square of the input.
///
/// Returns
/// -------
/// Estimate
///     .values in the shape of the input, a tuple for several; .errors, an estimate of the absolute error of each;
///     numpy.asarray gives the values.
///
/// Examples
/// --------
/// >>> import numpy as np, impasto
/// >>> np.asarray(impasto.numeric_gradient(lambda x: (x ** 2).sum(), np.array([1.0, 3.0]))).round(9)
/// array([2., 6.])
#[pyfunction]
#[pyo3(signature = (f, *inputs, eps=None))]
pub(crate) fn numeric_gradient(
    f: &Bound<'_, PyAny>,
    inputs: &Bound<'_, PyTuple>,
    eps: Option<f64>,
) -> PyResult<Estimate> {
    let estimate = numeric_jacobian(f, inputs, eps)?;
    if estimate.is_of_number() {
        return Ok(estimate);
    }
    Err(PyTypeError::new_err("f returned an array, which has a Jacobian: numeric_jacobian(f, *inputs)"))
}

/// The Jacobian of f at the inputs by central differences, extrapolated.
///
/// f(*inputs) gives an array. The result is that of numeric_gradient; its shape is that of f's value, then that of the input.
#[pyfunction]
#[pyo3(signature = (f, *inputs, eps=None))]
pub(crate) fn numeric_jacobian(
    f: &Bound<'_, PyAny>,
    inputs: &Bound<'_, PyTuple>,
    eps: Option<f64>,
) -> PyResult<Estimate> {
    let check = step(eps)?;
    let all: Vec<_> = inputs.iter().collect();
    let callable = Callable::new(f, Pull::None, &all)?;
    let estimate = callable.run(|callable| {
        if callable.is_single() { jacobian::<f32>(&check, callable) } else { jacobian::<f64>(&check, callable) }
    })?;
    Ok(Estimate::new(estimate, &callable))
}

fn jacobian<T: Float>(check: &GradCheck, callable: &Callable<'_>) -> impasto_gradcheck::Estimate {
    let point: Vec<ArrayD<T>> = callable.point.iter().map(|x| x.mapv(T::of)).collect();
    let f = |x: &Vec<ArrayD<T>>| callable.value(&x.iter().map(|x| x.mapv(Float::to_f64)).collect::<Vec<_>>());
    check.numeric_jacobian(f, &point)
}
