//! The log of a run: one JSON object per line.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, LineWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use impasto::files::{check_writable, remove_left_behind};
use impasto::run::{Progress, Run, Stop, Watcher};
use serde_json::{Map, Value};

use super::error::Error;
use super::ranks;

/// The failed operation, for error messages.
const WRITE: &str = "write the log";

/// Writes a line after each iteration.
///
/// The file is created with the first line, so a refused job leaves an older log unchanged. If the log is a pipe and
/// its reader has gone, the run continues without it.
pub(super) struct Log {
    path: PathBuf,
    file: Option<LineWriter<File>>,
    /// Whether the log, if it is a pipe, still has a reader.
    has_readers: bool,
}

impl Log {
    /// A log in an existing folder.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        check_writable(path).map_err(|why| Error::file(WRITE, path, why))?;
        // A temporary file of a killed run; it stays if the folder cannot be listed.
        let _ = remove_left_behind(path);
        Ok(Self { path: path.into(), file: None, has_readers: true })
    }

    /// Continues a log: keeps its lines up to an iteration and removes later ones.
    pub(super) fn go_on_after(&mut self, iteration: usize) -> Result<(), Error> {
        let failed = |why| Error::file(WRITE, &self.path, why);
        if !self.path.is_file() {
            return Ok(());
        }
        let text = std::fs::read(&self.path).map_err(failed)?;
        let number = |line: &[u8]| serde_json::from_slice::<Value>(line).ok()?.get("iteration")?.as_u64();
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        let kept = lines.take_while(|line| number(line).is_some_and(|number| number <= iteration as u64));
        let kept: usize = kept.map(<[u8]>::len).sum();
        // Truncating leaves nothing half-written, even if the process is killed here.
        let file = OpenOptions::new().append(true).open(&self.path).map_err(failed)?;
        file.set_len(kept as u64).map_err(failed)?;
        self.file = Some(LineWriter::new(file));
        Ok(())
    }

    /// The log of one run; if there are several, each line begins with the run's number.
    pub(super) fn of<'a>(&'a mut self, number: Option<(&'a str, usize)>) -> impl Watcher + 'a {
        LogOfRun { log: self, number }
    }

    fn append(&mut self, line: &Value) -> std::io::Result<()> {
        if !self.has_readers {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                // Do not truncate a stream.
                let is_file = self.path.is_file();
                let begin = OpenOptions::new().create(true).write(true).truncate(is_file).append(!is_file).to_owned();
                none.insert(LineWriter::new(begin.open(&self.path)?))
            }
        };
        writeln!(file, "{line}")
    }
}

struct LogOfRun<'a> {
    log: &'a mut Log,
    number: Option<(&'a str, usize)>,
}

impl Watcher for LogOfRun<'_> {
    fn see(&mut self, _: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let mut line = Map::new();
        line.extend(self.number.map(|(name, number)| (name.into(), number.into())));
        line.insert("iteration".into(), progress.iteration.into());
        line.insert("scale".into(), progress.scale.side.into());
        if progress.scale.finish {
            line.insert("finish".into(), true.into());
        }
        line.insert("elapsed".into(), progress.elapsed.as_secs_f64().into());
        line.insert("total".into(), progress.total.into());
        line.extend(progress.trial.map(|trial| ("trial".to_owned(), trial.into())));
        for group in &progress.groups {
            line.insert(group.name.clone(), group.value.into());
        }
        for group in progress.groups.iter().filter(|group| group.terms.len() > 1) {
            line.extend(group.terms.iter().map(|(name, value)| (format!("{}.{name}", group.name), (*value).into())));
        }
        line.extend(ranks::sent().map(|bytes| ("sent".to_owned(), bytes.into())));
        match self.log.append(&Value::Object(line)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) if why.kind() == ErrorKind::BrokenPipe => {
                self.log.has_readers = false;
                ControlFlow::Continue(())
            }
            Err(why) => {
                let words = format!("cannot {WRITE} {}: {why}", self.log.path.display());
                ControlFlow::Break(Stop::Failed(words.into()))
            }
        }
    }
}
