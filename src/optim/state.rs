//! The state of an optimiser as named numbers and arrays, to save and restore.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::kernels::Real;

/// Everything that the next steps of an optimiser depend on, except its options: a few numbers, and arrays of the point's size.
///
/// It borrows where it can, so that writing it to a file needs no memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<'a, T: Real> {
    /// Numbers by name.
    pub numbers: BTreeMap<String, Vec<f64>>,
    /// Arrays by name, in row-major order.
    pub arrays: BTreeMap<String, Cow<'a, [T]>>,
}

/// A state belongs to another optimiser, or to a point of another size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// An entry is missing.
    #[error("the optimiser's state has no `{name}`")]
    Missing {
        /// Its name.
        name: String,
    },
    /// An entry that the optimiser does not have.
    #[error("the optimiser's state has `{name}`, which this optimiser does not have")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// An entry has the wrong length.
    #[error("`{name}` of the optimiser's state has {found} numbers instead of {expected}")]
    Length {
        /// Its name.
        name: String,
        /// The length found.
        found: usize,
        /// The length expected.
        expected: usize,
    },
    /// A number is out of range.
    #[error("`{name}` of the optimiser's state is out of range")]
    Value {
        /// Its name.
        name: String,
    },
}

impl<'a, T: Real> State<'a, T> {
    /// The state with further numbers.
    pub fn with_numbers(mut self, name: &str, numbers: impl Into<Vec<f64>>) -> Self {
        self.numbers.insert(name.into(), numbers.into());
        self
    }

    /// The state with a further array.
    pub fn with_array(mut self, name: impl Into<String>, array: &'a [T]) -> Self {
        self.arrays.insert(name.into(), Cow::Borrowed(array));
        self
    }

    /// Whether it is empty, as before the first step.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.arrays.is_empty()
    }

    /// Removes and returns numbers, if they exist.
    ///
    /// # Errors
    /// If there are more or fewer than `N`.
    pub fn optional_numbers<const N: usize>(&mut self, name: &str) -> Result<Option<[f64; N]>, StateError> {
        let Some(numbers) = self.numbers.remove(name) else { return Ok(None) };
        let found = numbers.len();
        let numbers = numbers.try_into().map_err(|_| StateError::Length { name: name.into(), found, expected: N })?;
        Ok(Some(numbers))
    }

    /// Removes and returns numbers.
    ///
    /// # Errors
    /// If they are missing, or not `N`.
    pub fn take_numbers<const N: usize>(&mut self, name: &str) -> Result<[f64; N], StateError> {
        self.optional_numbers(name)?.ok_or_else(|| StateError::Missing { name: name.into() })
    }

    /// Removes and returns an array of finite numbers.
    ///
    /// # Errors
    /// If it is missing or has another length.
    pub fn take_array(&mut self, name: &str, len: usize) -> Result<Vec<T>, StateError> {
        let array = self.arrays.remove(name).ok_or_else(|| StateError::Missing { name: name.into() })?;
        if array.len() != len {
            return Err(StateError::Length { name: name.into(), found: array.len(), expected: len });
        }
        if array.iter().any(|value| !value.is_finite()) {
            return Err(StateError::Value { name: name.into() });
        }
        Ok(array.into_owned())
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// If something is left.
    pub fn end(self) -> Result<(), StateError> {
        match self.numbers.into_keys().chain(self.arrays.into_keys()).next() {
            Some(name) => Err(StateError::Unknown { name }),
            None => Ok(()),
        }
    }
}

/// A number that counts something.
pub(super) fn count(name: &str, number: f64) -> Result<usize, StateError> {
    let whole = (0.0..=f64::from(1 << 30)).contains(&number) && number.fract() == 0.0;
    if whole { Ok(number as usize) } else { Err(StateError::Value { name: name.into() }) }
}
