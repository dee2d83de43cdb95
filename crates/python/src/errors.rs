//! The library's errors as Python's.

use impasto::Error;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;

/// OSError for files, MemoryError where memory is short, ValueError for all that does not go together.
pub(crate) fn to_python(error: Error) -> PyErr {
    let message = error.to_string();
    match error {
        Error::Picture(_) | Error::Weights(_) => PyOSError::new_err(message),
        Error::Memory(_) => PyMemoryError::new_err(message),
        _ => PyValueError::new_err(message),
    }
}
