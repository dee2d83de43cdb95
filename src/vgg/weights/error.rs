//! Errors in weight files.

use std::io;
use std::path::{Path, PathBuf};

use super::InvalidEnvironment;

/// A file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The environment variable `IMPASTO_WEIGHTS` is invalid.
    #[error(transparent)]
    Environment(InvalidEnvironment),
    /// The file cannot be opened or read.
    #[error("the weights file `{}` cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file does not hold weights, or is damaged.
    #[error("the weights file `{}` {problem}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What the file seems to be, and what to do.
        problem: String,
    },
    /// The arrays' names do not make up a network.
    #[error("the weights file `{}` {problem}", path.display())]
    Names {
        /// The file.
        path: PathBuf,
        /// Which names are missing, duplicate or unknown.
        problem: String,
    },
    /// One array is damaged or does not fit.
    #[error("the array `{array}` in the weights file `{}` {problem}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl WeightsError {
    /// What is wrong, without the file's name.
    pub fn problem(&self) -> String {
        match self {
            Self::Environment(error) => error.to_string(),
            Self::Read { source, .. } => format!("cannot be read: {source}"),
            Self::Foreign { problem, .. } | Self::Names { problem, .. } => format!("the file {problem}"),
            Self::Array { array, problem, .. } => format!("the array `{array}` {problem}"),
        }
    }

    pub(super) fn array(path: &Path, array: &str, problem: impl Into<String>) -> Self {
        Self::Array { path: path.into(), array: array.into(), problem: problem.into() }
    }

    pub(super) fn names(path: &Path, problem: impl Into<String>) -> Self {
        Self::Names { path: path.into(), problem: problem.into() }
    }

    pub(super) fn foreign(path: &Path, problem: impl Into<String>) -> Self {
        Self::Foreign { path: path.into(), problem: problem.into() }
    }
}
