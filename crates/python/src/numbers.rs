//! Numbers, arrays and tensors of Python as arrays in f64, and back.

use ndarray::{ArrayD, IxDyn};
use numpy::{PyArrayDescrMethods, PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyInt, PyTuple};

/// An array, and whether its numbers are f32.
pub(crate) struct Numbers {
    pub(crate) array: ArrayD<f64>,
    pub(crate) single: bool,
}

/// `numpy.asarray`.
fn as_array<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static AS_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    AS_ARRAY.import(object.py(), "numpy", "asarray")?.call1((object,))
}

impl Numbers {
    /// The numbers in a float, an array, a tensor of torch (by `detach` and `numpy`), or anything that `numpy.asarray` takes.
    /// Whole numbers become floats. `what` names the object in errors.
    pub(crate) fn of(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        // A numpy.float64 is a float too.
        if let Ok(number) = object.cast::<PyFloat>() {
            return Ok(Self { array: ArrayD::from_elem(IxDyn(&[]), number.value()), single: false });
        }
        if let Some(numbers) = Self::of_array(object)? {
            return Ok(numbers);
        }
        let (py, mut object) = (object.py(), object.clone());
        if object.hasattr(intern!(py, "detach"))? {
            object = object.call_method0(intern!(py, "detach"))?;
            if object.hasattr(intern!(py, "cpu"))? {
                object = object.call_method0(intern!(py, "cpu"))?;
            }
            object = object.call_method0(intern!(py, "numpy"))?;
        }
        let array = as_array(&object)?;
        if let Some(numbers) = Self::of_array(&array)? {
            return Ok(numbers);
        }
        let dtype = array.cast::<PyUntypedArray>()?.dtype();
        // Whole numbers, and floats in the other byte order.
        let native = match (dtype.kind(), dtype.itemsize()) {
            (b'b' | b'i' | b'u', _) | (b'f', 8) => Some("float64"),
            (b'f', 4) => Some("float32"),
            _ => None,
        };
        match native {
            Some(native) => {
                let array = array.call_method1(intern!(py, "astype"), (native,))?;
                Ok(Self::of_array(&array)?.expect("floats now"))
            }
            None => Err(PyTypeError::new_err(format!(
                "{what} has dtype {dtype}; gradients are checked in float64 or float32"
            ))),
        }
    }

    /// The numbers of an array of f64 or f32.
    fn of_array(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if let Ok(array) = object.cast::<PyArrayDyn<f64>>() {
            let array = array.try_readonly()?.as_array().as_standard_layout().into_owned();
            return Ok(Some(Self { array, single: false }));
        }
        if let Ok(array) = object.cast::<PyArrayDyn<f32>>() {
            let array = array.try_readonly()?.as_array().as_standard_layout().mapv(f64::from);
            return Ok(Some(Self { array, single: true }));
        }
        Ok(None)
    }
}

/// An input of a function: where it is, and as what the function gets it.
pub(crate) struct Input {
    pub(crate) at: ArrayD<f64>,
    single: bool,
    form: Form,
}

/// As what a function gets its input.
enum Form {
    /// A float.
    Float,
    /// A scalar of numpy.
    Scalar,
    /// An array of numpy.
    Array,
    /// A tensor of torch, made by the `new_tensor` of this one.
    Tensor(Py<PyAny>),
}

impl Input {
    /// Input `number` of a function.
    ///
    /// # Errors
    /// If it is no array of real numbers, or one of them is NaN or infinite.
    pub(crate) fn of(object: &Bound<'_, PyAny>, number: usize) -> PyResult<Self> {
        let py = object.py();
        if object.is_callable() {
            return Err(PyTypeError::new_err(format!(
                "input {number} is a function; the order is gradcheck(f, grad, *inputs), or gradcheck(f, *inputs, vjp=vjp)"
            )));
        }
        let Numbers { array: at, single } = Numbers::of(object, &format!("input {number}"))?;
        if let Some((index, value)) = at.indexed_iter().find(|(_, value)| !value.is_finite()) {
            let index = ndarray::Dimension::slice(&index).to_vec();
            return Err(PyValueError::new_err(format!(
                "input {number} is {value} at {index:?}; a point is made of numbers"
            )));
        }
        let form = if object.is_exact_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>() {
            Form::Float
        } else if object.hasattr(intern!(py, "new_tensor"))? {
            Form::Tensor(object.clone().unbind())
        } else if at.ndim() == 0 && object.cast::<PyUntypedArray>().is_err() {
            Form::Scalar
        } else {
            Form::Array
        };
        Ok(Self { at, single, form })
    }

    /// Whether the function gets f32.
    pub(crate) fn is_single(&self) -> bool {
        self.single
    }

    /// Numbers in the form in which the function gets the input.
    pub(crate) fn with<'py>(&self, py: Python<'py>, numbers: &ArrayD<f64>) -> PyResult<Bound<'py, PyAny>> {
        if let Form::Float = self.form {
            return Ok(PyFloat::new(py, numbers[IxDyn(&[])]).into_any());
        }
        let array = to_numpy(py, numbers, self.single);
        match &self.form {
            Form::Scalar => array.get_item(PyTuple::empty(py)),
            Form::Tensor(like) => {
                let tensor = like.bind(py).call_method1(intern!(py, "new_tensor"), (array,))?;
                if like.bind(py).getattr(intern!(py, "requires_grad"))?.is_truthy()? {
                    tensor.call_method1(intern!(py, "requires_grad_"), (true,))?;
                }
                Ok(tensor)
            }
            Form::Float | Form::Array => Ok(array),
        }
    }
}

/// A new array of numpy, of float32 or float64.
pub(crate) fn to_numpy<'py>(py: Python<'py>, numbers: &ArrayD<f64>, single: bool) -> Bound<'py, PyAny> {
    if single {
        PyArrayDyn::from_owned_array(py, numbers.mapv(|x| x as f32)).into_any()
    } else {
        PyArrayDyn::from_array(py, numbers).into_any()
    }
}
