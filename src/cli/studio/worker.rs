//! The one thread that paints: job after job, in the order of their numbers.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use impasto::Picture;
use impasto::picture::{Format, Provenance, SaveOptions};
use impasto::run::{Ended, Progress, Run, Stop, Watcher};

use super::queue::{Frame, Point, Queue, Wish};
use super::record::State;
use crate::cli::arguments::Networks;
use crate::cli::error::Error;
use crate::cli::made::made_from;
use crate::cli::settings;

/// Pictures on the way come no closer than this.
const BETWEEN_FRAMES: Duration = Duration::from_millis(500);

/// Paints until the program is to end.
pub(super) fn work(queue: &Queue) {
    let mut networks = Networks::default();
    loop {
        let id = {
            let mut jobs = queue.jobs();
            loop {
                if jobs.ending {
                    return;
                }
                match jobs.next() {
                    Some(id) => break id,
                    None => jobs = queue.wait(jobs),
                }
            }
        };
        let begin = Instant::now();
        set(queue, id, |record| record.state = State::Running);
        let result = without_panics(|| paint(queue, id, &mut networks));
        end(queue, id, result, begin.elapsed());
    }
}

/// A panic is a job's failure, and no other job's.
fn without_panics<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(Error::Failure(format!("a fault of impasto ended the job: {}", why.unwrap_or("it is not known which"))))
    })
}

/// How the painting of a job ended, without failures.
enum Painted {
    /// The picture is written.
    Whole([usize; 2]),
    /// The picture so far is written.
    Stopped([usize; 2]),
    /// Nothing is to be kept.
    Discarded,
    /// The program ends; the job will be begun again.
    Unfinished,
}

/// Changes what is kept of a job, and tells of it.
fn set(queue: &Queue, id: u64, change: impl FnOnce(&mut super::record::Record)) {
    let mut jobs = queue.jobs();
    if let Some(job) = jobs.get_mut(id) {
        change(&mut job.record);
        if let Err(why) = job.record.save(&queue.root) {
            eprintln!("job {id} cannot be kept for the next start: {why}");
        }
        job.tell();
    }
}

fn end(queue: &Queue, id: u64, result: Result<Painted, Error>, took: Duration) {
    if let Ok(Painted::Discarded) = result {
        remove(queue, id);
        return;
    }
    let mut discard = false;
    {
        let mut jobs = queue.jobs();
        if let Some(job) = jobs.get_mut(id) {
            // Asked for after the last iteration.
            discard = job.wish.take() == Some(Wish::Discard);
            // JSON has no infinity.
            job.record.losses = job.points.iter().map(|point| point.total).filter(|total| total.is_finite()).collect();
            if let Ok(Painted::Whole(_) | Painted::Stopped(_)) = result {
                // The file is there.
                job.frame = None;
            }
        }
    }
    if discard {
        remove(queue, id);
        return;
    }
    set(queue, id, |record| {
        record.seconds = took.as_secs_f64();
        record.state = match result {
            Ok(Painted::Whole(size)) => {
                record.size = Some(size);
                State::Done
            }
            Ok(Painted::Stopped(size)) => {
                record.size = Some(size);
                State::Stopped
            }
            Ok(Painted::Discarded | Painted::Unfinished) => State::Waiting,
            Err(Error::Usage(why) | Error::Failure(why)) => {
                record.error = Some(why);
                State::Failed
            }
        };
    });
}

/// Takes a job and its files away.
pub(super) fn remove(queue: &Queue, id: u64) {
    let removed = queue.jobs().remove(id);
    if let Some(job) = removed {
        let folder = job.record.folder(&queue.root);
        if let Err(why) = std::fs::remove_dir_all(&folder) {
            eprintln!("cannot delete {}: {why}", folder.display());
        }
    }
}

/// Paints a job. A change of its settings goes on from the picture so far.
fn paint(queue: &Queue, id: u64, networks: &mut Networks) -> Result<Painted, Error> {
    let mut so_far: Option<(Picture, usize)> = None;
    loop {
        let Some(record) = queue.jobs().get(id).map(|job| job.record.clone()) else { return Ok(Painted::Discarded) };
        let words = record.words(&queue.root)?;
        let transfer = settings::parse(&words)?;
        let mut made = Provenance::new(std::iter::once("transfer".to_owned()).chain(words));
        made_from(&transfer, &record.settings, &mut made)?;
        if record.changed {
            made.settings.insert("changed-while-painted".into(), true.into());
        }
        let options = SaveOptions { provenance: Some(made), ..transfer.run_arguments().save_options() };
        let inputs = transfer.inputs()?;
        let inputs: Vec<&std::path::Path> = inputs.iter().map(std::path::PathBuf::as_path).collect();
        options.check(transfer.output(), [1, 1], &inputs)?;
        if let Some(picture) = transfer.recoloured()? {
            picture.save_with(transfer.output(), &options)?;
            return Ok(Painted::Whole([picture.width(), picture.height()]));
        }
        let mut ready = transfer.ready(networks)?;
        if let Some((picture, side)) = so_far.take() {
            ready.go_on(picture, side)?;
        }
        let in_threads = || -> Result<(Ended, Onlooker<'_>, Picture, usize), Error> {
            let mut run = ready.run()?;
            let mut onlooker = Onlooker { queue, id, last_frame: None, paused: Duration::ZERO, scale: 0, wish: None };
            let ended = run.finish(&mut onlooker)?;
            let side = onlooker.scale;
            Ok((ended, onlooker, run.finished(), side))
        };
        let (ended, onlooker, picture, side) = transfer.network_arguments().in_threads(in_threads)??;
        match onlooker.wish {
            Some(Wish::Discard) => return Ok(Painted::Discarded),
            Some(Wish::Change(new)) => {
                set(queue, id, |record| (record.settings, record.changed) = (new, true));
                so_far = Some((picture, side));
                continue;
            }
            Some(Wish::Pause) => return Ok(Painted::Unfinished),
            Some(Wish::Stop) | None => {}
        }
        picture.save_with(transfer.output(), &options)?;
        let size = [picture.width(), picture.height()];
        return match ended {
            Ended::Complete | Ended::Converged | Ended::Settled => Ok(Painted::Whole(size)),
            Ended::Stopped => Ok(Painted::Stopped(size)),
            Ended::NotFinite => Err(Error::Failure(
                "the loss or its gradient became infinite or NaN; a smaller lr or smaller weights help".into(),
            )),
        };
    }
}

/// Tells the queue of a run, and the run what the queue wishes.
struct Onlooker<'a> {
    queue: &'a Queue,
    id: u64,
    last_frame: Option<Instant>,
    /// How long the run was held.
    paused: Duration,
    /// The longer side of the size being painted.
    scale: usize,
    /// Why the run was stopped.
    wish: Option<Wish>,
}

impl Watcher for Onlooker<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let due =
            self.scale != progress.scale.side || self.last_frame.is_none_or(|last| last.elapsed() >= BETWEEN_FRAMES);
        self.scale = progress.scale.side;
        let jpeg = due.then(|| run.picture().encoded(Format::Jpeg, &SaveOptions::default()).ok()).flatten();
        if jpeg.is_some() {
            self.last_frame = Some(Instant::now());
        }
        let mut jobs = self.queue.jobs();
        let mut first = true;
        loop {
            let ending = jobs.ending;
            let Some(job) = jobs.get_mut(self.id) else {
                self.wish = Some(Wish::Discard);
                return ControlFlow::Break(Stop::Asked);
            };
            if std::mem::take(&mut first) {
                // After a change, iterations go on being counted.
                let before = job.points.last().map_or(0, |point| point.iteration);
                let offset = if before >= progress.iteration { before + 1 - progress.iteration } else { 0 };
                job.points.push(point(progress, offset, self.paused));
                if let Some(jpeg) = &jpeg {
                    let number = job.frame.as_ref().map_or(0, |frame| frame.number) + 1;
                    job.frame =
                        Some(Frame { number, iteration: progress.iteration + offset, jpeg: jpeg.clone().into() });
                }
                job.tell();
            }
            if ending {
                self.wish = Some(Wish::Pause);
                return ControlFlow::Break(Stop::Asked);
            }
            match job.wish.take() {
                None if job.record.state == State::Paused => {}
                None => return ControlFlow::Continue(()),
                Some(Wish::Pause) => {
                    job.record.state = State::Paused;
                    job.tell();
                }
                wish => {
                    self.wish = wish;
                    job.record.state = State::Running;
                    return ControlFlow::Break(Stop::Asked);
                }
            }
            let begin = Instant::now();
            jobs = self.queue.wait(jobs);
            self.paused += begin.elapsed();
        }
    }
}

fn point(progress: &Progress, offset: usize, paused: Duration) -> Point {
    let elapsed = progress.elapsed.saturating_sub(paused);
    let progress = Progress { elapsed, ..progress.clone() };
    Point {
        iteration: progress.iteration + offset,
        iterations: progress.iterations + offset,
        scale: progress.scale.side,
        done: progress.done,
        elapsed: progress.elapsed.as_secs_f64(),
        left: progress.time_left().map(|left| left.as_secs_f64()),
        total: progress.total,
        terms: progress.groups.iter().map(|group| (group.name.clone(), group.value)).collect(),
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
