//! The thread that paints the jobs, in the order of their numbers.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Instant;

use impasto::Picture;
use impasto::files::remove_left_behind;
use impasto::picture::SaveOptions;
use impasto::run::Outcome;

use crate::error::Error;
use crate::job_watcher::{Break, JobWatcher};
use crate::keep::Keeper;
use crate::note::note;
use crate::painter::{Painting, Settings, Start};
use crate::queue::Queue;
use crate::record::{Record, State};

/// Paints until the program ends.
pub(crate) fn work(queue: &Queue) {
    load_meanwhile(queue);
    while let Some(id) = queue.next() {
        if let Err(error) = without_panics(|| paint(queue, id)) {
            let why = error.to_string();
            queue.set(id, |record| (record.state, record.error) = (State::Failed, Some(why.clone())));
        }
        if queue.jobs().get(id).is_some_and(|job| job.record.state.is_over()) {
            Keeper::new(&Record::folder_of(&queue.root, id)).forget();
        }
    }
}

/// Loads the default network in advance. The first job will report errors.
fn load_meanwhile(queue: &Queue) {
    let _ = without_panics(|| queue.painter.load());
}

/// Turns a panic into a failure of this job only.
pub(crate) fn without_panics<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(Error::Other(format!("an internal error ended the job: {}", why.unwrap_or("unknown"))))
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
                let end = |record: &mut Record| (record.state, record.size) = (state, Some(size));
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
    let words = record.words(&queue.root, &*queue.painter)?;
    let mut settings = record.settings.clone();
    if record.changed {
        settings.insert("changed-while-painted".into(), true.into());
    }
    let output = record.folder(&queue.root).join(&record.picture);
    // A temporary file of a killed program.
    let _ = remove_left_behind(&output);
    let prepared = queue.painter.prepare(words, settings)?;
    let (made, saving) = (prepared.made, prepared.saving);
    let paint = match prepared.painting {
        Painting::Ready(paint) => paint,
        Painting::Finished(picture) => {
            save(&picture, &output, &saving)?;
            let side = picture.width().max(picture.height());
            return Ok(Segment::Painted { picture, side, state: State::Done });
        }
    };
    let keeper = Keeper::new(&record.folder(&queue.root));
    let (is_change, mut found, mut start) = (matches!(beginning, Beginning::From(..)), None, Start::default());
    match beginning {
        Beginning::Restart => {}
        Beginning::Kept => {
            found = keeper.find(&made);
            start.side = found.as_ref().map_or(0, |found| found.from);
        }
        Beginning::From(picture, side) => start = Start { picture: Some(picture), side },
    }
    let mut watcher = JobWatcher::new(queue, id, made, keeper, start.side, begin);
    let mut painted = None;
    paint.run(start, &mut |mut run| {
        match found.take() {
            Some(found) => {
                let (iterations, scale) = (found.iterations, found.state.scale);
                if let Err(why) = run.restore(found.state) {
                    note(format_args!("job {id} starts again: {why}"));
                    watcher.forget();
                    return Ok(());
                }
                watcher.go_on_after(iterations, run.scales()[scale].side);
            }
            // Keep the picture so far.
            None if is_change => watcher.keep(&run),
            None => watcher.go_on_after(0, 0),
        }
        let go = watcher.begin(&run).is_continue();
        let ended = if go { run.finish(&mut watcher).map_err(other)? } else { Outcome::Stopped };
        painted = Some((ended, run.finished()));
        Ok(())
    })?;
    let Some((ended, picture)) = painted else { return Ok(Segment::Misfit) };
    let side = watcher.side();
    match watcher.into_break() {
        Some(Break::Gone | Break::Ending) => return Ok(Segment::Left),
        Some(Break::Change(settings, side)) => return Ok(Segment::Changed(settings, picture, side)),
        Some(Break::Stop) | None => {}
    }
    save(&picture, &output, &saving)?;
    match ended {
        Outcome::Complete | Outcome::Converged | Outcome::Settled => {
            Ok(Segment::Painted { picture, side, state: State::Done })
        }
        Outcome::Stopped => Ok(Segment::Painted { picture, side, state: State::Stopped }),
        Outcome::NotFinite => Err(Error::Other(
            "the loss or its gradient became infinite or NaN; a smaller lr or smaller weights help".into(),
        )),
    }
}

fn save(picture: &Picture, output: &Path, saving: &SaveOptions) -> Result<(), Error> {
    picture.save_with(output, saving).map_err(other)
}

fn other(why: impl Display) -> Error {
    Error::Other(why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_the_jobs_failure() {
        let Err(Error::Other(words)) = without_panics::<()>(|| panic!("index {}", 3)) else { panic!("no failure") };
        assert!(words.ends_with("ended the job: index 3"), "{words}");
        assert!(matches!(without_panics(|| Ok(3)), Ok(3)));
    }
}
