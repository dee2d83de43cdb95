//! `--checkpoint` and `--resume`: saves the state of a run in a file, and continues from it.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use impasto::files::{check_writable, remove_left_behind};
use impasto::run::{Checkpoint, CheckpointError, Progress, Run, Stop, Watcher};
use serde_json::{Map, Value, json};

use super::error::Error;
use super::invocation::Invocation;
use super::options;
use super::ranks;
use super::record::{self, Record};

/// The default time between checkpoints.
const INTERVAL: Duration = Duration::from_secs(30);

/// The failed operation, for error messages.
const WRITE: &str = "write the checkpoint";

/// Options of checkpoints.
#[derive(Args)]
pub(super) struct CheckpointArguments {
    /// Save the run's state, to continue it with `impasto resume FILE`
    ///
    /// The state is saved every 30 seconds, after Ctrl-C, and at the end.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Save the checkpoint every N iterations instead
    #[arg(long, value_name = "N", requires = "checkpoint", value_parser = clap::value_parser!(u32).range(1..))]
    checkpoint_every: Option<u32>,

    /// Continue from the checkpoint if it exists, start otherwise
    ///
    /// `impasto resume FILE` does the same without repeating the other options.
    #[arg(long, requires = "checkpoint")]
    resume: bool,
}

impl CheckpointArguments {
    /// The file, if requested.
    pub(super) fn file(&self) -> Option<&Path> {
        self.checkpoint.as_deref()
    }

    /// A setting of the checkpoint that `--resume` continues, if there is one. The [`Keeper`] reports its errors.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let found = Checkpoint::open(self.file().filter(|_| self.resume)?).ok()?;
        found.about().get("settings")?.get(name)?.as_str().map(str::to_owned)
    }
}

/// Writes checkpoints, and restores one.
pub(super) struct Keeper {
    file: PathBuf,
    every: Option<u32>,
    /// The checkpoint to continue from.
    found: Option<Checkpoint>,
    /// The data of a checkpoint apart from the state.
    about: Map<String, Value>,
    last: Instant,
}

impl Keeper {
    /// The keeper, if a checkpoint was requested. Checks that the file can be written and is none of the other files.
    /// Reads the checkpoint to continue from.
    pub(super) fn new(
        arguments: &CheckpointArguments,
        invocation: &Invocation,
        output: &Path,
        inputs: &[&Path],
    ) -> Result<Option<Self>, Error> {
        let resumed = invocation.resumed.as_ref();
        let Some(file) = resumed.or(arguments.checkpoint.as_ref()).cloned() else { return Ok(None) };
        if !invocation.is_unicode {
            return Err(Error::Usage("with --checkpoint, all names of files must be Unicode; rename them".into()));
        }
        let failed = |why| Error::file(WRITE, &file, why);
        if ranks::writes() {
            check_writable(&file).map_err(failed)?;
        }
        let found = match Checkpoint::open(&file) {
            Ok(found) => Some(found),
            Err(CheckpointError::Read { why, .. }) if why.kind() == std::io::ErrorKind::NotFound => None,
            // Never overwrite a file that is not a checkpoint.
            Err(error) => return Err(impasto::Error::from(error).into()),
        };
        let found = found.filter(|_| arguments.resume || resumed.is_some());
        if ranks::writes() && (found.is_some() || arguments.resume) {
            // Temporary files of a run that was killed while writing.
            remove_left_behind(&file).map_err(failed)?;
            remove_left_behind(output).map_err(|why| Error::file("write the picture", output, why))?;
        }
        let inputs = inputs.iter().map(|path| hashed(path)).collect::<Result<Vec<_>, _>>()?;
        let folder = std::env::current_dir().map_err(|why| Error::file("find the folder", Path::new("."), why))?;
        let folder = seen_from(&file, &folder).unwrap_or(folder);
        let about = Map::from_iter([
            ("arguments".to_owned(), json!(invocation.words)),
            ("folder".to_owned(), json!(folder.to_str())),
            ("version".to_owned(), json!(env!("CARGO_PKG_VERSION"))),
            ("inputs".to_owned(), Value::Array(inputs)),
        ]);
        Ok(Some(Self { file, every: arguments.checkpoint_every, found, about, last: Instant::now() }))
    }

    /// Restores the checkpoint, if there is one, in the run that the record describes.
    pub(super) fn go_on(&mut self, record: &mut Record, run: &mut Run<'_>) -> Result<bool, Error> {
        self.about.insert("settings".into(), record.settings().clone().into());
        self.about.insert("weights".into(), record.weights()?.into());
        self.last = Instant::now();
        let Some(found) = self.found.take() else { return Ok(false) };
        let differences = differences(found.about(), &self.about);
        if !differences.is_empty() {
            return Err(Error::Failure(format!(
                "the checkpoint {} is of another run: {}; repeat the original arguments, or start again without --resume",
                self.file.display(),
                differences.join(", ")
            )));
        }
        let state = found.state().map_err(impasto::Error::from)?;
        run.restore(state).map_err(|why| Error::file("continue from the checkpoint", &self.file, why))?;
        Ok(true)
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Writes the run's state.
    pub(super) fn write(&mut self, run: &Run<'_>) -> Result<(), Error> {
        self.last = Instant::now();
        Checkpoint::write(&self.file, &self.about, &run.state()).map_err(|why| Error::file(WRITE, &self.file, why))
    }
}

impl Watcher for &mut Keeper {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let due = match self.every {
            Some(every) => progress.iteration.is_multiple_of(every as usize),
            None => self.last.elapsed() >= INTERVAL,
        };
        // The driver writes the end.
        if due
            && run.outcome().is_none()
            && let Err(why) = self.write(run)
        {
            return ControlFlow::Break(Stop::Failed(why.into_message().into()));
        }
        ControlFlow::Continue(())
    }
}

/// The path of a folder relative to a file within it, as in `..`, so that both can be moved and the file does not
/// reveal where it was.
fn seen_from(file: &Path, folder: &Path) -> Option<PathBuf> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (parent, folder) = (parent.canonicalize().ok()?, folder.canonicalize().ok()?);
    let below = parent.strip_prefix(folder).ok()?;
    Some(std::iter::once(Path::new(".")).chain(below.components().map(|_| Path::new(".."))).collect())
}

/// An input's path and hash.
fn hashed(path: &Path) -> Result<Value, Error> {
    let is_stream = path.exists() && !path.is_file() && !path.is_dir();
    if is_stream || path == Path::new("-") {
        let path = path.display();
        return Err(Error::Usage(format!("{path} cannot be read a second time; with --checkpoint, give a file")));
    }
    Ok(json!({"path": path.to_str(), "hash": record::hash("read", path)?}))
}

/// The differences between two runs, in words.
fn differences(then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
    let mut found = Vec::new();
    let inputs =
        |about: &Map<String, Value>| about.get("inputs").and_then(Value::as_array).cloned().unwrap_or_default();
    let (then_inputs, now_inputs) = (inputs(then), inputs(now));
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for (then, now) in then_inputs.iter().zip(&now_inputs) {
        if text(then, "hash") != text(now, "hash") {
            let (then, now) = (text(then, "path"), text(now, "path"));
            found.push(if then == now {
                format!("{now} has changed")
            } else {
                format!("{now} is not the {then} with which the run began")
            });
        }
    }
    if then_inputs.len() != now_inputs.len() {
        found.push(format!("it read {} pictures, and this command reads {}", then_inputs.len(), now_inputs.len()));
    }
    if then.get("weights") != now.get("weights") {
        found.push("the weights differ".into());
    }
    // Files were compared by hash above; their paths do not matter.
    let settings = |about: &Map<String, Value>, inputs: &[Value]| {
        let paths: Vec<String> = inputs.iter().map(|input| text(input, "path")).collect();
        let is_path = |value: &Value| value.as_str().is_some_and(|value| paths.iter().any(|path| path == value));
        let mut settings = about.get("settings").and_then(Value::as_object).cloned().unwrap_or_default();
        // Weights are compared by hash.
        settings.retain(|name, value| !options::may_change(name) && name != "weights" && !is_path(value));
        settings
    };
    let (then, now) = (settings(then, &then_inputs), settings(now, &now_inputs));
    let shown = |value: Option<&Value>| match value {
        None => "not given".to_owned(),
        Some(Value::Bool(true)) => "given".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let names = then.keys().chain(now.keys().filter(|name| !then.contains_key(*name)));
    for name in names.filter(|name| then.get(*name) != now.get(*name)) {
        found.push(format!("--{name} was {} and is {}", shown(then.get(name)), shown(now.get(name))));
    }
    found
}
