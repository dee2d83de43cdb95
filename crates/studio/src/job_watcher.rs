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

/// The shortest time between intermediate pictures.
const BETWEEN_FRAMES: Duration = Duration::from_millis(500);

/// The share of a job and the seconds after which its progress measures the speed of the machine.
const TELLING: (f64, f64) = (0.05, 1.0);

/// The reason why a run was stopped early.
pub(crate) enum Break {
    /// The job was deleted.
    Gone,
    /// The program is ending.
    Ending,
    /// Keep the picture so far.
    Stop,
    /// Continue with other settings, from the scale with this longer side on.
    Change(Settings, usize),
}

/// Watches a job while it is painted with the same settings.
pub(crate) struct JobWatcher<'a> {
    queue: &'a Queue,
    id: u64,
    made: Provenance,
    keeper: Keeper,
    /// The longer side of the first scale; 0 for all scales.
    from: usize,
    begin: Instant,
    /// The seconds for which the job was painted before.
    before: f64,
    /// The time for which the run was paused.
    paused: Duration,
    last_frame: Option<Instant>,
    /// The longer side of the current scale.
    scale: usize,
    /// The reason why the run was stopped.
    why: Option<Break>,
}

impl<'a> JobWatcher<'a> {
    /// A watcher of a job with the provenance `made`, painted at scales from the longer side `from` on; work began at
    /// `begin`.
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

    /// Notes that the job begins, or continues after `iterations`, at a scale. Later iterations of the record are
    /// dropped; they will be repeated.
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

    /// Before the first iteration, shows the picture so far and handles requests. A new job makes an iteration first,
    /// unless it is paused.
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

    /// The reason why the run was stopped, if it was.
    pub(crate) fn into_break(self) -> Option<Break> {
        self.why
    }

    /// The longer side of the scale that was painted last.
    pub(crate) fn side(&self) -> usize {
        self.scale
    }

    /// Writes the checkpoint.
    pub(crate) fn keep(&mut self, run: &Run<'_>) {
        // Save the record first: iterations beyond the checkpoint are dropped later, but missing ones could not be
        // restored.
        self.queue.set(self.id, |_| {});
        let iterations = match self.queue.jobs().get(self.id) {
            Some(job) => job.record.losses.len(),
            None => return,
        };
        if let Err(why) = self.keeper.write(run, &self.made, self.from, iterations, self.paused) {
            // The folder of a deleted job does not exist.
            if self.queue.jobs().get(self.id).is_some() {
                note(format_args!("the checkpoint of job {} cannot be written: {why}", self.id));
            }
        }
    }

    /// Deletes the checkpoint.
    pub(crate) fn forget(&self) {
        self.keeper.forget();
    }

    /// Adds an iteration to the job.
    fn tell(&mut self, progress: &Progress, jpeg: Option<Bytes>) {
        let mut jobs = self.queue.jobs();
        let Some(job) = jobs.get_mut(self.id) else { return };
        // Iterations are counted on after a change of settings.
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

    /// Handles requests: waits while the job is paused, and stops the run on request.
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
