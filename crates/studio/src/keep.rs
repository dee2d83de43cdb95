//! The checkpoint in a job's folder: from it a job goes on that was interrupted by the program's end, to the same bits.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use impasto::Error as Failure;
use impasto::files::remove_left_behind;
use impasto::picture::Provenance;
use impasto::run::{Checkpoint, CheckpointError, Run, State};
use serde_json::{Map, Value, json};

use crate::note::note;

/// The name of the file. Those that are sent do not begin with a dot.
const FILE: &str = ".checkpoint";

/// A job's checkpoints come no closer than this.
const BETWEEN: Duration = Duration::from_secs(5);

/// How many times as long as the last took to be written.
const SPARSE: u32 = 25;

/// Keeps where a job stands.
pub(crate) struct Keeper {
    file: PathBuf,
    last: Instant,
    /// How long the last took to be written.
    took: Duration,
}

/// Where a job stood.
pub(crate) struct Found {
    pub(crate) state: State<'static>,
    /// The longer side of the first size that was painted with these settings; 0 for all sizes.
    pub(crate) from: usize,
    /// How many iterations were made in all, those before the last change of settings too.
    pub(crate) iterations: usize,
}

impl Keeper {
    /// The keeper of the job in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { file: folder.join(FILE), last: Instant::now(), took: Duration::ZERO }
    }

    /// Where a job that is made so stood; `None` if that is not known. Says on standard error why a checkpoint is of no use.
    pub(crate) fn find(&self, made: &Provenance) -> Option<Found> {
        // A file that is there only half, of a program that was killed.
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

    /// Whether it is time for another.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= BETWEEN.max(self.took * SPARSE)
    }

    /// Writes where a job stands that is painted in sizes `from` a longer side on. `paused` is how long its run was held.
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

    /// Deletes the checkpoint: the job is over, or starts again.
    pub(crate) fn forget(&self) {
        // If it stays it does no harm.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// What must be the same for a job to go on.
fn told(made: &Provenance) -> Value {
    json!({"version": made.version, "settings": made.settings, "weights": made.weights})
}
