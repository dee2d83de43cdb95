//! Ensures that a command writes none of the files that it reads, and no file twice.

use std::path::{Path, PathBuf};

use impasto::files::{Clash, first_clash};

use super::error::Error;

/// A file to write, and the option that names it.
#[derive(Clone)]
pub(super) struct Written {
    option: &'static str,
    path: PathBuf,
    is_picture: bool,
}

impl Written {
    pub(super) fn new(option: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { option, path: path.into(), is_picture: false }
    }

    /// A picture.
    pub(super) fn picture(option: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { is_picture: true, ..Self::new(option, path) }
    }
}

/// Refuses a command that would overwrite a file that it reads, or write two outputs to one file, however the paths are
/// spelt.
pub(super) fn ensure_distinct(written: &[Written], read: &[impl AsRef<Path>]) -> Result<(), Error> {
    let paths: Vec<&Path> = written.iter().map(|file| &*file.path).collect();
    let read: Vec<&Path> = read.iter().map(AsRef::as_ref).collect();
    match first_clash(&paths, &read) {
        None => Ok(()),
        Some(Clash::Read { written: index, read: other }) => {
            let (file, other) = (&written[index], read[other].display());
            let (option, path) = (file.option, file.path.display());
            Err(if file.is_picture {
                Error::Failure(format!(
                    "cannot write {path}: it is the input {other}, which would be lost; give another name"
                ))
            } else {
                Error::Usage(format!("{option} {path} would overwrite {other}; give it another name"))
            })
        }
        Some(Clash::Written { written: index, earlier }) => {
            let ([file, other], option) = ([&written[index], &written[earlier]], written[earlier].option);
            let (path, other) = (file.path.display(), other.path.display());
            Err(Error::Usage(format!(
                "{} {path} would overwrite {other} ({option}); give it another name",
                file.option
            )))
        }
    }
}
