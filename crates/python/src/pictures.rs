//! Pictures from Python: paths, arrays, and pictures of PIL.

use std::path::PathBuf;

use impasto::Picture;
use impasto::picture::{Dimensions, Format, SaveOptions};
use impasto::run::{Work, largest_side};
use ndarray::{Array2, Array3, ArrayView3, Axis, Slice};
use numpy::{PyArray3, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::errors::to_python;

/// Modes of PIL that become RGB without loss of depth.
const CONVERTED: [&str; 9] = ["1", "L", "P", "CMYK", "YCbCr", "LAB", "HSV", "LA", "PA"];

/// A picture that was given, before its size is decided.
pub(crate) enum Given {
    /// One in a file, which is not read yet.
    File(PathBuf),
    /// An array or a picture of PIL.
    Picture(Picture),
}

impl Given {
    /// Reads an array or a picture of PIL. `what` names it in errors.
    ///
    /// # Errors
    /// If an array is no picture.
    pub(crate) fn new(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        let is_path = object.is_instance_of::<PyString>() || object.hasattr(intern!(object.py(), "__fspath__"))?;
        if is_path {
            Ok(Self::File(object.extract()?))
        } else {
            Ok(Self::Picture(of_array(&in_rgb(object, what)?, what)?))
        }
    }

    /// Its own size.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn dimensions(&self) -> PyResult<Dimensions> {
        match self {
            Self::File(path) => Dimensions::read(path).map_err(|error| to_python(error.into())),
            Self::Picture(picture) => Ok(picture.into()),
        }
    }

    /// The largest longer side up to its own at which a job, whose work `at` gives, fits into the memory; its own if none does.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn largest(
        &self,
        memory: usize,
        at: impl Fn(Dimensions) -> Result<Work, impasto::Error>,
    ) -> PyResult<usize> {
        let own = self.dimensions()?;
        let found = largest_side(own.longest(), memory, |side| at(own.fitted(side)));
        Ok(found.unwrap_or(own.longest()))
    }

    /// The picture, at the size at which its longer side is `longest` pixels if that is given.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(crate) fn at(self, longest: Option<usize>) -> PyResult<Picture> {
        let opened = match (self, longest) {
            (Self::Picture(picture), Some(longest)) => return Ok(picture.fitted(longest)),
            (Self::Picture(picture), None) => return Ok(picture),
            (Self::File(path), Some(longest)) => Picture::open_fitted(path, longest),
            (Self::File(path), None) => Picture::open(path),
        };
        opened.map_err(|error| to_python(error.into()))
    }
}

/// A picture, at the size at which its longer side is `longest` pixels if that is given. `what` names it in errors.
///
/// # Errors
/// As [`Given::new`] and [`Given::at`].
pub(crate) fn open(object: &Bound<'_, PyAny>, longest: Option<usize>, what: &str) -> PyResult<Picture> {
    Given::new(object, what)?.at(longest)
}

/// A picture in a PNG, for python/impasto/_display.py.
#[pyfunction(name = "_png")]
pub(crate) fn png<'py>(py: Python<'py>, picture: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    let encoded = open(picture, None, "picture")?.encoded(Format::Png, &SaveOptions::default())?;
    Ok(PyBytes::new(py, &encoded))
}

/// A picture of PIL in RGB or RGBA; anything else as it is.
fn in_rgb<'py>(object: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if !(object.hasattr(intern!(py, "mode"))? && object.hasattr(intern!(py, "convert"))?) {
        return Ok(object.clone());
    }
    let mode: String = object.getattr(intern!(py, "mode"))?.extract()?;
    match mode.as_str() {
        "RGB" | "RGBA" => Ok(object.clone()),
        "LA" | "PA" => object.call_method1(intern!(py, "convert"), ("RGBA",)),
        mode if CONVERTED.contains(&mode) => {
            let transparent = object.getattr(intern!(py, "info"))?.contains("transparency")?;
            object.call_method1(intern!(py, "convert"), (if transparent { "RGBA" } else { "RGB" },))
        }
        mode => {
            Err(PyValueError::new_err(format!("{what} is a picture of PIL in mode {mode}; convert it to RGB first")))
        }
    }
}

fn of_array(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Picture> {
    let py = object.py();
    let array = py.import(intern!(py, "numpy"))?.call_method1(intern!(py, "asarray"), (object,))?;
    let untyped = array.cast::<PyUntypedArray>()?;
    let (shape, dtype) = (untyped.shape().to_vec(), untyped.dtype().to_string());
    if !matches!(shape[..], [height, width, 3 | 4] if height > 0 && width > 0) {
        return Err(PyValueError::new_err(format!(
            "{what} is an array of shape {shape:?}; a picture has height, width, and 3 channels (or 4, with opacity)"
        )));
    }
    if let Ok(bytes) = array.cast::<PyArray3<u8>>() {
        return Ok(of_rgb(&bytes.try_readonly()?.as_array(), |byte| f32::from(*byte) / 255.0));
    }
    let numbers = match dtype.as_str() {
        "float16" | "float32" | "float64" => array.call_method1(intern!(py, "astype"), (intern!(py, "float32"),))?,
        _ => {
            return Err(PyTypeError::new_err(format!(
                "{what} has dtype {dtype}; a picture has uint8 from 0 to 255, or floats from 0 to 1"
            )));
        }
    };
    let numbers = numbers.cast::<PyArray3<f32>>()?.try_readonly()?;
    let view = numbers.as_array();
    if let Some(wrong) = view.iter().find(|value| !(0.0..=1.0).contains(*value)) {
        return Err(PyValueError::new_err(format!(
            "{what} has a value of {wrong}; floats are from 0 to 1, and uint8 from 0 to 255"
        )));
    }
    Ok(of_rgb(&view, |value| *value))
}

/// Colours, and opacity if there is a fourth channel.
fn of_rgb<T>(view: &ArrayView3<'_, T>, value: impl Fn(&T) -> f32) -> Picture {
    let rgb = view.slice_axis(Axis(2), Slice::from(..3)).map(&value).as_standard_layout().into_owned();
    let alpha = (view.dim().2 == 4).then(|| view.index_axis(Axis(2), 3).map(&value).as_standard_layout().into_owned());
    let alpha: Option<Array2<f32>> = alpha;
    Picture { alpha, ..Picture::new(rgb) }
}

/// Colours as bytes, rounded as in files with 8 bits a channel.
pub(crate) fn to_bytes(rgb: &Array3<f32>) -> Array3<u8> {
    rgb.map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).as_standard_layout().into_owned()
}
