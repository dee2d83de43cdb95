//! The thread that paints the jobs, in the order of their numbers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use impasto::Picture;
use impasto::files::remove_left_behind;
use impasto::run::Outcome;

use super::job_watcher::{Break, JobWatcher};
use super::keep::Keeper;
use super::queue::Queue;
use super::record::{self, State};
use crate::error::Error;
use crate::job::JobCommand;
use crate::print::note;
use crate::record::Record;
use crate::settings::{self, Settings};

/// Paints until the program ends.
pub(super) fn work(queue: &Queue) {
    load_meanwhile(queue);
    while let Some(id) = queue.next() {
        if let Err(error) = without_panics(|| paint(queue, id)) {
            let why = error.into_message();
            queue.set(id, |record| (record.state, record.error) = (State::Failed, Some(why.clone())));
        }
        if queue.jobs().get(id).is_some_and(|job| job.record.state.is_over()) {
            Keeper::new(&record::Record::folder_of(&queue.root, id)).forget();
        }
    }
}

/// Loads the default network in advance. The first job will report errors.
fn load_meanwhile(queue: &Queue) {
    let words = ["content.png", "style.png", "-o", "picture.png"];
    let _ = without_panics(|| settings::parse(words)?.load(&queue.networks));
}

/// Turns a panic into a failure of this job only.
pub(super) fn without_panics<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(Error::Failure(format!("an internal error ended the job: {}", why.unwrap_or("unknown"))))
    })
}

/// The beginning of a segment of a job.
#[expect(clippy::large_enum_variant, reason = "a job has one of it")]
enum Beginning {
    /// The checkpoint from the last start of the program, if any.
    Kept,
    /// The photograph.
    Restart,
    /// A picture, at a scale.
    From(Picture, usize),
}

/// The outcome of a segment of a job, which has constant settings.
enum Segment {
    /// The picture was written, finished or stopped early; `side` is the scale at which it was painted last.
    Painted { picture: Picture, side: usize, state: State },
    /// Continue with other settings from the picture at a scale.
    Changed(Settings, Picture, usize),
    /// The checkpoint does not fit.
    Misfit,
    /// The job was deleted, or continues at the next start of the program.
    Left,
}

/// Paints a job. Continues from its checkpoint, and after a change of settings from the picture so far.
fn paint(queue: &Queue, id: u64) -> Result<(), Error> {
    let mut beginning = Beginning::Kept;
    loop {
        let (settings, picture, side) = match paint_segment(queue, id, beginning)? {
            Segment::Painted { picture, side, state } => {
                let size = [picture.width(), picture.height()];
                let end = |record: &mut record::Record| (record.state, record.size) = (state, Some(size));
                match queue.finish(id, end) {
                    Some(settings) => (settings, picture, side),
                    None => return Ok(()),
                }
            }
            Segment::Changed(settings, picture, side) => (settings, picture, side),
            Segment::Misfit => {
                beginning = Beginning::Restart;
                continue;
            }
            Segment::Left => return Ok(()),
        };
        queue.set(id, |record| (record.settings, record.changed) = (settings.clone(), true));
        beginning = Beginning::From(picture, side);
    }
}

/// Paints a job until it is done or its settings change.
fn paint_segment(queue: &Queue, id: u64, beginning: Beginning) -> Result<Segment, Error> {
    let begin = Instant::now();
    let Some(record) = queue.jobs().get(id).map(|job| job.record.clone()) else { return Ok(Segment::Left) };
    let words = record.words(&queue.root)?;
    let transfer = settings::parse(&words)?;
    let mut settings = record.settings.clone();
    if record.changed {
        settings.insert("changed-while-painted".into(), true.into());
    }
    let inputs = transfer.inputs()?;
    let weights = transfer.common().network.find(true)?.source;
    let mut made = Record::of_transfer(words, settings, &inputs, &weights)?;
    let mut options = transfer.common().run.save_options();
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    options.check(transfer.common().output(), [1, 1], &inputs)?;
    // A temporary file of a killed program.
    let _ = remove_left_behind(transfer.common().output());
    if let Some(picture) = transfer.recoloured()? {
        options.provenance = Some(made.provenance()?);
        picture.save_with(transfer.common().output(), &options)?;
        let side = picture.width().max(picture.height());
        return Ok(Segment::Painted { picture, side, state: State::Done });
    }
    let mut ready = transfer.ready(&queue.networks)?;
    let made = made.provenance()?;
    options.provenance = Some(made.clone());
    let keeper = Keeper::new(&record.folder(&queue.root));
    let (is_change, mut found, mut from) = (matches!(beginning, Beginning::From(..)), None, 0);
    match beginning {
        Beginning::Restart => {}
        Beginning::Kept => {
            found = keeper.find(&made);
            from = found.as_ref().map_or(0, |found| found.from);
            if from > 0 {
                ready.go_on(None, from)?;
            }
        }
        Beginning::From(picture, side) => {
            from = side;
            ready.go_on(Some(picture), from)?;
        }
    }
    let in_threads = || -> Result<Option<(Outcome, JobWatcher<'_>, Picture)>, Error> {
        let mut run = ready.run()?;
        transfer.common().run.finish().apply(&mut run);
        let mut watcher = JobWatcher::new(queue, id, made, keeper, from, begin);
        match found {
            Some(found) => {
                let (iterations, scale) = (found.iterations, found.state.scale);
                if let Err(why) = run.restore(found.state) {
                    note(format_args!("job {id} starts again: {why}"));
                    watcher.forget();
                    return Ok(None);
                }
                watcher.go_on_after(iterations, run.scales()[scale].side);
            }
            // Keep the picture so far.
            None if is_change => watcher.keep(&run),
            None => watcher.go_on_after(0, 0),
        }
        let ended = if watcher.begin(&run).is_continue() { run.finish(&mut watcher)? } else { Outcome::Stopped };
        Ok(Some((ended, watcher, run.finished())))
    };
    let Some((ended, watcher, picture)) = transfer.common().network.in_threads(in_threads)?? else {
        return Ok(Segment::Misfit);
    };
    let side = watcher.side();
    match watcher.into_break() {
        Some(Break::Gone | Break::Ending) => return Ok(Segment::Left),
        Some(Break::Change(settings, side)) => return Ok(Segment::Changed(settings, picture, side)),
        Some(Break::Stop) | None => {}
    }
    picture.save_with(transfer.common().output(), &options)?;
    match ended {
        Outcome::Complete | Outcome::Converged | Outcome::Settled => {
            Ok(Segment::Painted { picture, side, state: State::Done })
        }
        Outcome::Stopped => Ok(Segment::Painted { picture, side, state: State::Stopped }),
        Outcome::NotFinite => Err(Error::Failure(
            "the loss or its gradient became infinite or NaN; a smaller lr or smaller weights help".into(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_jobs_failure() {
        let Err(Error::Failure(words)) = without_panics::<()>(|| panic!("index {}", 3)) else { panic!("no failure") };
        assert!(words.ends_with("ended the job: index 3"), "{words}");
        assert!(matches!(without_panics(|| Ok(3)), Ok(3)));
    }
}
