//! The log of a run: one JSON object a line.

use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::{Path, PathBuf};

use impasto::studio::Progress;
use serde_json::{Map, Value};

use super::error::Error;

/// Writes a line for each iteration, as soon as it is made.
pub(super) struct Log {
    path: PathBuf,
    file: LineWriter<File>,
}

impl Log {
    pub(super) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(|why| Error::file("write the log", path, why))?;
        Ok(Self { path: path.into(), file: LineWriter::new(file) })
    }

    pub(super) fn write(&mut self, progress: &Progress<'_>) -> Result<(), Error> {
        self.write_numbered(progress, None)
    }

    /// The same, with a number of the run before all else where there are several.
    pub(super) fn write_numbered(
        &mut self,
        progress: &Progress<'_>,
        number: Option<(&str, usize)>,
    ) -> Result<(), Error> {
        let mut line = Map::new();
        line.extend(number.map(|(name, number)| (name.into(), number.into())));
        line.insert("iteration".into(), progress.iteration.into());
        line.insert("elapsed".into(), progress.elapsed.as_secs_f64().into());
        line.insert("total".into(), progress.total.into());
        line.extend(progress.terms.iter().map(|&(name, value)| (name.into(), value.into())));
        let written = writeln!(self.file, "{}", Value::Object(line));
        written.map_err(|why| Error::file("write the log", &self.path, why))
    }
}
