//! What files say: how a picture was made, which weights there are.

use std::path::{Path, PathBuf};

use impasto::picture::Provenance;
use impasto::vgg::{FoundWeights, WeightSource, WeightsFile, WeightsOrigin};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::to_python;

/// How a picture was made, as the command records it in PNG, JPEG, WebP and TIFF.
///
/// picture is a path.
///
/// Returns
/// -------
/// dict or None
///     impasto (the version), command (which makes it again), weights (their hash) and settings, a dict by the options' names.
///     None if the picture does not say, since another program wrote it or --no-metadata left it out.
///
/// Raises
/// ------
/// OSError if it is no picture.
#[pyfunction]
pub(crate) fn show(py: Python<'_>, picture: PathBuf) -> PyResult<Option<Bound<'_, PyDict>>> {
    let made = Provenance::read(&picture).map_err(|error| to_python(error.into()))?;
    let Some(made) = made else { return Ok(None) };
    let settings = serde_json::to_string(&made.settings).expect("an object");
    let dict = PyDict::new(py);
    dict.set_item("impasto", &made.version)?;
    dict.set_item("command", made.as_command())?;
    dict.set_item("weights", &made.weights)?;
    dict.set_item("settings", py.import("json")?.call_method1("loads", (settings,))?)?;
    Ok(Some(dict))
}

fn found(chosen: Option<PathBuf>) -> PyResult<FoundWeights> {
    FoundWeights::find(chosen.map(WeightSource::File)).map_err(|error| PyValueError::new_err(error.to_string()))
}

fn file(source: &WeightSource) -> Option<&Path> {
    if let WeightSource::File(path) = source { Some(path) } else { None }
}

/// See python/impasto/weights.py.
#[pyfunction(name = "_weights_path")]
pub(crate) fn weights_path() -> PyResult<Option<String>> {
    Ok(file(&found(None)?.source).map(|path| path.display().to_string()))
}

/// See python/impasto/weights.py.
#[pyfunction(name = "_weights_info")]
#[pyo3(signature = (path=None))]
pub(crate) fn weights_info(py: Python<'_>, path: Option<PathBuf>) -> PyResult<Bound<'_, PyDict>> {
    let found = found(path)?;
    let dict = PyDict::new(py);
    let path = file(&found.source);
    dict.set_item("path", path.map(|path| path.display().to_string()))?;
    dict.set_item("trained", found.source.is_trained())?;
    dict.set_item(
        "origin",
        match found.origin {
            WeightsOrigin::Chosen => "as named",
            WeightsOrigin::Environment => "named by $IMPASTO_WEIGHTS",
            WeightsOrigin::WorkingFolder => "found below the working folder",
            WeightsOrigin::CacheFolder => "found in the user's cache folder",
            WeightsOrigin::Embedded => "no file was found",
        },
    )?;
    let Some(path) = path else { return Ok(dict) };
    let unreadable = |error: impasto::vgg::WeightsError| to_python(error.into());
    let file = WeightsFile::open(path).map_err(unreadable)?;
    let recognised = file.recognise(None).map_err(unreadable)?;
    dict.set_item("format", file.format().to_string())?;
    dict.set_item("lineage", recognised.lineage.to_string())?;
    dict.set_item("mean", recognised.mean)?;
    dict.set_item("std", recognised.std)?;
    let layers = PyDict::new(py);
    for conv in file.convolutions().map_err(unreadable)? {
        layers.set_item(conv.layer.to_string(), conv.shape)?;
    }
    dict.set_item("layers", layers)?;
    Ok(dict)
}
