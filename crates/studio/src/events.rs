//! The events of a job as server-sent events: `state`, `progress` (one for each iteration, in order) and `picture`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::queue::{Point, Queue};
use crate::record::State;

/// A client that watches a job.
struct JobWatcher {
    queue: Arc<Queue>,
    id: u64,
    changes: watch::Receiver<()>,
    /// The number of iterations and the picture that were sent.
    points: usize,
    frame: u64,
    state: Option<State>,
    events: VecDeque<Event>,
    over: bool,
}

/// The stream of a job's events: those since the program started, without those up to the event `after`, and all later
/// ones. `None` if the job does not exist.
pub(crate) fn of(queue: &Arc<Queue>, id: u64, after: Option<&str>) -> Option<Response> {
    let changes = queue.jobs().get(id)?.subscribe();
    // Ignore the name of an event from an earlier start of the program.
    let after = after.and_then(|name| name.strip_prefix(queue.session.as_str())?.strip_prefix('-')?.parse().ok());
    let (queue, points, events) = (Arc::clone(queue), after.unwrap_or(0), VecDeque::new());
    let watcher = JobWatcher { queue, id, changes, points, frame: 0, state: None, events, over: false };
    Some(Sse::new(stream::unfold(watcher, next)).keep_alive(KeepAlive::default()).into_response())
}

async fn next(mut watcher: JobWatcher) -> Option<(Result<Event, Infallible>, JobWatcher)> {
    loop {
        if let Some(event) = watcher.events.pop_front() {
            return Some((Ok(event), watcher));
        }
        if watcher.over {
            return None;
        }
        watcher.changes.mark_unchanged();
        watcher.collect();
        if watcher.events.is_empty() && !watcher.over && watcher.changes.changed().await.is_err() {
            watcher.over = true;
        }
    }
}

impl JobWatcher {
    /// Collects the events that were not sent yet.
    fn collect(&mut self) {
        let jobs = self.queue.jobs();
        let Some(job) = jobs.get(self.id) else {
            self.over = true;
            return;
        };
        let state = job.record.state;
        let event = |name: &str, data: &Value| Event::default().event(name).data(data.to_string());
        for (index, point) in job.points.iter().enumerate().skip(self.points) {
            self.events.push_back(event("progress", &Point::to_json(point)).id(format!(
                "{}-{}",
                self.queue.session,
                index + 1
            )));
        }
        self.points = job.points.len();
        if let Some(frame) = job.frame.as_ref().filter(|frame| frame.number > self.frame) {
            self.frame = frame.number;
            self.events.push_back(event("picture", &json!({"frame": frame.number, "iteration": frame.iteration})));
        }
        if self.state != Some(state) {
            self.state = Some(state);
            self.events.push_back(event("state", &json!({"state": state, "error": job.record.error})));
        }
        self.over = state.is_over();
    }
}
