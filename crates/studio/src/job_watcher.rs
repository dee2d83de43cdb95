//! Watches a job: reports to the queue, writes its checkpoint, and handles requests to pause, stop or change it.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bytes::Bytes;
use impasto::picture::{Format, Provenance, SaveOptions};
use impasto::run::{Progress, Run, Stop, Watcher};

use crate::keep::Keeper;
use crate::note::note;
use crate::painter::Settings;
use crate::queue::{Point, Queue};
use crate::record::State;

/// The least time between intermediate pictures.
const BETWEEN_FRAMES: Duration = Duration::from_millis(500);

/// From this share of a job and this time on, it says how fast the machine is.
const TELLING: (f64, f64) = (0.05, 1.0);

/// Why a run was stopped before its end.
pub(crate) enum Break {
    /// The job was taken away.
    Gone,
    /// The program ends.
    Ending,
    /// Keep the picture so far.
    Stop,
    /// Other settings are wanted, from the size on whose longer side this is.
    Change(Settings, usize),
}

/// Watches a job while it is painted with the same settings.
pub(crate) struct JobWatcher<'a> {
    queue: &'a Queue,
    id: u64,
    made: Provenance,
    keeper: Keeper,
    /// The longer side of the first size, 0 for all sizes.
    from: usize,
    begin: Instant,
    /// How long the job was painted before, in seconds.
    before: f64,
    /// How long the run was held.
    paused: Duration,
    last_frame: Option<Instant>,
    /// The longer side of the size being painted.
    scale: usize,
    /// Why the run was stopped.
    why: Option<Break>,
}

impl<'a> JobWatcher<'a> {
    /// Of a job whose picture is `made` so, in sizes `from` a longer side on, for which work began at `begin`.
    pub(crate) fn new(
        queue: &'a Queue,
        id: u64,
        made: Provenance,
        keeper: Keeper,
        from: usize,
        begin: Instant,
    ) -> Self {
        let before = queue.jobs().get(id).map_or(0.0, |job| job.record.seconds);
        let (paused, last_frame, scale, why) = (Duration::ZERO, None, from, None);
        Self { queue, id, made, keeper, from, begin, before, paused, last_frame, scale, why }
    }

    /// The job begins, or goes on after so many iterations, at a size: what it was said to have done beyond them, it does
    /// again.
    pub(crate) fn go_on_after(&mut self, iterations: usize, side: usize) {
        self.scale = side;
        if let Some(job) = self.queue.jobs().get_mut(self.id) {
            job.record.losses.truncate(iterations);
            job.points.retain(|point| point.iteration <= iterations);
            if iterations == 0 {
                job.record.seconds = 0.0;
            }
            self.before = job.record.seconds;
        }
    }

    /// Before the first iteration: shows what there is, and handles requests. A job without a picture starts first, unless
    /// it is paused.
    pub(crate) fn begin(&mut self, run: &Run<'_>) -> ControlFlow<Stop> {
        let is_something = run.iterations() > 0 || self.from > 0;
        if is_something && let Some(jpeg) = jpeg(run) {
            let mut jobs = self.queue.jobs();
            if let Some(job) = jobs.get_mut(self.id) {
                job.show(job.record.losses.len(), jpeg);
            }
        }
        let held = self.queue.jobs().get(self.id).is_some_and(|job| job.record.state == State::Paused);
        if is_something || held { self.obey(run) } else { ControlFlow::Continue(()) }
    }

    /// Why the run was stopped, if it was.
    pub(crate) fn into_break(self) -> Option<Break> {
        self.why
    }

    /// The longer side of the size that was painted last.
    pub(crate) fn side(&self) -> usize {
        self.scale
    }

    /// Writes the checkpoint.
    pub(crate) fn keep(&mut self, run: &Run<'_>) {
        // Before it: what is said to have been done beyond the checkpoint is left out later, what is missing would be missed.
        self.queue.set(self.id, |_| {});
        let iterations = match self.queue.jobs().get(self.id) {
            Some(job) => job.record.losses.len(),
            None => return,
        };
        if let Err(why) = self.keeper.write(run, &self.made, self.from, iterations, self.paused) {
            // Of a job that was taken away meanwhile there is no folder.
            if self.queue.jobs().get(self.id).is_some() {
                note(format_args!("the checkpoint of job {} cannot be written: {why}", self.id));
            }
        }
    }

    /// The checkpoint is of no use.
    pub(crate) fn forget(&self) {
        self.keeper.forget();
    }

    /// Tells of an iteration.
    fn tell(&mut self, progress: &Progress, jpeg: Option<Bytes>) {
        let mut jobs = self.queue.jobs();
        let Some(job) = jobs.get_mut(self.id) else { return };
        // After a change, iterations go on being counted.
        let before = job.points.last().map_or(job.record.losses.len(), |point| point.iteration);
        let offset = if before >= progress.iteration { before + 1 - progress.iteration } else { 0 };
        let point = point(progress, offset, self.paused);
        // JSON has no infinity.
        job.record.losses.extend(Some(point.total).filter(|total| total.is_finite()));
        let painted = self.begin.elapsed().saturating_sub(self.paused);
        job.record.seconds = self.before + painted.as_secs_f64();
        if let Some(jpeg) = jpeg {
            job.show(point.iteration, jpeg);
        }
        job.points.push(point);
        job.tell();
    }

    /// Handles requests: waits while the job is paused, and stops the run where one asks for it.
    fn obey(&mut self, run: &Run<'_>) -> ControlFlow<Stop> {
        let mut jobs = self.queue.jobs();
        loop {
            let ending = jobs.ending;
            let Some(job) = jobs.get_mut(self.id) else { return self.stop(Break::Gone) };
            if job.requests.stop {
                return self.stop(Break::Stop);
            }
            if ending {
                drop(jobs);
                self.keep(run);
                return self.stop(Break::Ending);
            }
            if let Some(settings) = job.requests.change.take() {
                if job.record.state == State::Paused {
                    job.record.state = State::Running;
                }
                return self.stop(Break::Change(settings, self.scale));
            }
            if job.requests.pause {
                // Once the page shows the job as paused, the program may end at any time.
                drop(jobs);
                self.keep(run);
                self.queue.set_paused(self.id);
                jobs = self.queue.jobs();
            } else if job.record.state == State::Paused {
                let begin = Instant::now();
                jobs = self.queue.wait(jobs);
                self.paused += begin.elapsed();
            } else {
                return ControlFlow::Continue(());
            }
        }
    }

    fn stop(&mut self, why: Break) -> ControlFlow<Stop> {
        self.why = Some(why);
        ControlFlow::Break(Stop::Asked)
    }
}

impl Watcher for JobWatcher<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        let due =
            self.scale != progress.scale.side || self.last_frame.is_none_or(|last| last.elapsed() >= BETWEEN_FRAMES);
        self.scale = progress.scale.side;
        let jpeg = due.then(|| jpeg(run)).flatten();
        if jpeg.is_some() {
            self.last_frame = Some(Instant::now());
        }
        self.tell(progress, jpeg);
        let (share, seconds) = TELLING;
        let painted = progress.elapsed.saturating_sub(self.paused);
        if progress.done >= share && painted.as_secs_f64() >= seconds {
            self.queue.learn(run.forecast().speed(progress.done, painted));
        }
        if self.keeper.is_due() && run.outcome().is_none() {
            self.keep(run);
        }
        self.obey(run)
    }
}

/// The picture so far, for the page.
fn jpeg(run: &Run<'_>) -> Option<Bytes> {
    run.picture().encoded(Format::Jpeg, &SaveOptions::default()).ok().map(Bytes::from)
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
