//! The checkpoint in a job's folder, from which a job continues after the program's end. The result is bit-identical.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use impasto::Error as Failure;
use impasto::files::remove_left_behind;
use impasto::picture::Provenance;
use impasto::run::{Checkpoint, CheckpointError, Run, State};
use serde_json::{Map, Value, json};

use crate::note::note;

/// The name of the file. Names of uploads do not begin with a dot.
const FILE: &str = ".checkpoint";

/// The shortest time between checkpoints of a job.
const BETWEEN: Duration = Duration::from_secs(5);

/// The shortest time between checkpoints as a multiple of the time that the last one took to write.
const SPARSE: u32 = 25;

/// Writes and reads a job's checkpoint.
pub(crate) struct Keeper {
    file: PathBuf,
    last: Instant,
    /// The time that the last checkpoint took to write.
    took: Duration,
}

/// A job's checkpoint.
pub(crate) struct Found {
    pub(crate) state: State<'static>,
    /// The longer side of the first scale painted with these settings; 0 for all scales.
    pub(crate) from: usize,
    /// The number of iterations in all, including those before the last change of settings.
    pub(crate) iterations: usize,
}

impl Keeper {
    /// The keeper for the job in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { file: folder.join(FILE), last: Instant::now(), took: Duration::ZERO }
    }

    /// The checkpoint of a job with this provenance; `None` if there is none. Reports an unusable checkpoint on
    /// standard error.
    pub(crate) fn find(&self, made: &Provenance) -> Option<Found> {
        // A temporary file of a killed program.
        let _ = remove_left_behind(&self.file);
        let read = || -> Result<Option<Found>, CheckpointError> {
            let checkpoint = match Checkpoint::open(&self.file) {
                Err(CheckpointError::Read { why, .. }) if why.kind() == std::io::ErrorKind::NotFound => {
                    return Ok(None);
                }
                checkpoint => checkpoint?,
            };
            let about = checkpoint.about();
            if about.get("made") != Some(&told(made)) {
                note(format_args!(
                    "{} belongs to other settings, weights or pictures; the job starts again",
                    self.file.display()
                ));
                return Ok(None);
            }
            let number = |name: &str| about.get(name).and_then(Value::as_u64).unwrap_or(0) as usize;
            Ok(Some(Found { state: checkpoint.state()?, from: number("from"), iterations: number("iterations") }))
        };
        read().unwrap_or_else(|why| {
            note(format_args!("{}; the job starts again", Failure::from(why)));
            None
        })
    }

    /// Whether it is time for another checkpoint.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= BETWEEN.max(self.took * SPARSE)
    }

    /// Writes the state of a job that is painted at scales from the longer side `from` on. `paused` is the time for
    /// which its run was paused.
    pub(crate) fn write(
        &mut self,
        run: &Run<'_>,
        made: &Provenance,
        from: usize,
        iterations: usize,
        paused: Duration,
    ) -> std::io::Result<()> {
        let begin = Instant::now();
        let about = Map::from_iter([
            ("made".to_owned(), told(made)),
            ("from".to_owned(), from.into()),
            ("iterations".to_owned(), iterations.into()),
        ]);
        let mut state = run.state();
        state.elapsed = state.elapsed.saturating_sub(paused);
        let written = Checkpoint::write(&self.file, &about, &state);
        (self.last, self.took) = (Instant::now(), begin.elapsed());
        written
    }

    /// Deletes the checkpoint, because the job is over or starts again.
    pub(crate) fn forget(&self) {
        // A leftover checkpoint does no harm.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// What must be unchanged for a job to continue.
fn told(made: &Provenance) -> Value {
    json!({"version": made.version, "settings": made.settings, "weights": made.weights})
}
