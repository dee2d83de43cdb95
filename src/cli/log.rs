//! The log of a run: one JSON object a line.

use std::fs::File;
use std::io::{LineWriter, Write};
use std::path::{Path, PathBuf};

use impasto::studio::Progress;
use serde_json::{Map, Value};

use super::error::Error;

/// What failed, in an error's words.
const WRITE: &str = "write the log";

/// Writes a line for each iteration, as soon as it is made.
///
/// The file is made with the first line: a job that is refused leaves none, and the log from before as it was.
pub(super) struct Log {
    path: PathBuf,
    file: Option<LineWriter<File>>,
}

impl Log {
    /// A log in a folder that is there.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        Error::unless_writable(WRITE, path)?;
        Ok(Self { path: path.into(), file: None })
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
        self.append(&Value::Object(line)).map_err(|why| Error::file(WRITE, &self.path, why))
    }

    fn append(&mut self, line: &Value) -> std::io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(LineWriter::new(File::create(&self.path)?)),
        };
        writeln!(file, "{line}")
    }
}
