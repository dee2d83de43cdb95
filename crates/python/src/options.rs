//! Keywords of Python by the names and with the values that the command's options have.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyTuple};
use strum::VariantNames;

/// Keywords that were given, and the names of those that were asked for.
pub(crate) struct Options<'py> {
    function: &'static str,
    given: BTreeMap<String, Bound<'py, PyAny>>,
    known: Vec<&'static str>,
}

impl<'py> Options<'py> {
    /// Those of a function, of which `known` are taken elsewhere. None stands for an option that is not given.
    pub(crate) fn new(
        function: &'static str,
        given: Option<&Bound<'py, PyDict>>,
        known: &[&'static str],
    ) -> PyResult<Self> {
        let mut all = BTreeMap::new();
        for (name, value) in given.into_iter().flatten() {
            if !value.is_none() {
                all.insert(name.extract()?, value);
            }
        }
        Ok(Self { function, given: all, known: known.to_vec() })
    }

    /// The object that was given.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<Bound<'py, PyAny>> {
        self.known.push(name);
        self.given.remove(name)
    }

    /// A value, parsed as the command parses it.
    ///
    /// # Errors
    /// If it is none that the option can have.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> PyResult<Option<T>> {
        let Some(value) = self.object(name) else { return Ok(None) };
        let text = text(&value)?;
        parse(&text).map(Some).map_err(|why| PyValueError::new_err(format!("{name} is {text}: {why}")))
    }

    /// One of a list of names.
    pub(crate) fn named<T: FromStr + VariantNames>(&mut self, name: &'static str) -> PyResult<Option<T>> {
        self.parsed(name, |text| text.parse().map_err(|_| format!("give {}", T::VARIANTS.join(", "))))
    }

    /// A number in a range.
    pub(crate) fn number<T: FromStr>(
        &mut self,
        name: &'static str,
        is_right: impl FnOnce(&T) -> bool,
        meaning: &str,
    ) -> PyResult<Option<T>> {
        self.parsed(name, |text| text.parse().ok().filter(is_right).ok_or_else(|| format!("give {meaning}")))
    }

    /// True or False.
    pub(crate) fn flag(&mut self, name: &'static str) -> PyResult<Option<bool>> {
        let Some(value) = self.object(name) else { return Ok(None) };
        match value.cast::<PyBool>() {
            Ok(flag) => Ok(Some(flag.is_true())),
            Err(_) => Err(PyTypeError::new_err(format!("{name} is {value}: give True or False"))),
        }
    }

    /// Refuses what nobody asked for.
    ///
    /// # Errors
    /// If anything is left; the error names the most similar option.
    pub(crate) fn end(self) -> PyResult<()> {
        let Some(name) = self.given.keys().next() else { return Ok(()) };
        let near = self.known.iter().map(|known| (strsim::jaro_winkler(known, name), known));
        let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(near, _)| *near > 0.7);
        let hint = near.map(|(_, known)| format!(". Did you mean {known}?")).unwrap_or_default();
        Err(PyTypeError::new_err(format!("{}() has no option {name}{hint}", self.function)))
    }
}

/// A value as it stands on a command line: lists joined by commas, dicts as `name=value`.
fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    let joined = |items: Vec<Bound<'_, PyAny>>| {
        items.iter().map(text).collect::<PyResult<Vec<_>>>().map(|texts| texts.join(","))
    };
    if let Ok(list) = value.cast::<PyList>() {
        return joined(list.iter().collect());
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return joined(tuple.iter().collect());
    }
    if let Ok(dict) = value.cast::<PyDict>() {
        let pairs = dict.iter().map(|(name, value)| Ok(format!("{}={}", text(&name)?, text(&value)?)));
        return pairs.collect::<PyResult<Vec<_>>>().map(|pairs| pairs.join(","));
    }
    Ok(value.str()?.to_string())
}
