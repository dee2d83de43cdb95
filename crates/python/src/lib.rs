//! The Python module `impasto`, a thin layer over [`impasto_gradcheck`] and `impasto`.
//!
//! | file | subject |
//! |---|---|
//! | `numbers` | numbers, arrays and tensors of Python as arrays in f64, and back |
//! | `callable` | Python functions as [`impasto_gradcheck::Function`]s |
//! | `gradcheck` | the functions `gradcheck`, `taylor`, `check_hessian_vector`, `numeric_gradient`, `numeric_jacobian` |
//! | `subject` | what is checked, as it was given |
//! | `report` | what they return |
//! | `jobs` | the functions `transfer`, `texture`, `invert` |
//! | `options`, `settings` | keywords with the names and values of the command's options |
//! | `running` | threads, callbacks and Ctrl-C of a job |
//! | `network` | the classes `Network` and `Objective` |
//! | `files` | the function `show`, and what `weights.py` asks for |
//! | `pictures`, `errors` | pictures and errors between Python and the library |

mod callable;
#[cfg(feature = "transfer")]
mod errors;
#[cfg(feature = "transfer")]
mod files;
mod gradcheck;
#[cfg(feature = "transfer")]
mod jobs;
#[cfg(feature = "transfer")]
mod network;
mod numbers;
#[cfg(feature = "transfer")]
mod options;
#[cfg(feature = "transfer")]
mod pictures;
mod report;
#[cfg(feature = "transfer")]
mod running;
#[cfg(feature = "transfer")]
mod settings;
mod subject;

use pyo3::prelude::*;

/// What `python/impasto/__init__.py` exports.
#[pymodule]
mod _impasto {
    #[cfg(feature = "transfer")]
    #[pymodule_export]
    use super::files::{show, weights_info, weights_path};
    #[pymodule_export]
    use super::gradcheck::{check_hessian_vector, gradcheck, numeric_gradient, numeric_jacobian, taylor};
    #[cfg(feature = "transfer")]
    #[pymodule_export]
    use super::jobs::{invert, texture, transfer};
    #[cfg(feature = "transfer")]
    #[pymodule_export]
    use super::network::{Network, Objective};
    #[cfg(feature = "transfer")]
    #[pymodule_export]
    use super::pictures::png;
    #[pymodule_export]
    use super::report::{Estimate, Report, Taylor};
    #[cfg(feature = "transfer")]
    #[pymodule_export]
    use super::running::Progress;
    use super::{Bound, PyModule, PyModuleMethods, PyResult};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
