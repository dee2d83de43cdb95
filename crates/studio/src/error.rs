//! Why something cannot be done, in one sentence.

use std::fmt::Display;
use std::path::Path;

use thiserror::Error;

/// What went wrong, in words for the user.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The page cannot be served at an address.
    #[error("{0}")]
    Listen(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// An error of the file system.
    pub(crate) fn file(what: &str, path: &Path, why: impl Display) -> Self {
        Self::Other(format!("cannot {what} {}: {why}", path.display()))
    }
}
