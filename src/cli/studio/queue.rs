//! The jobs: what the server shows of them and the worker does with them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::record::{Record, State};
use crate::cli::settings::Settings;

/// All jobs, in a folder.
pub(super) struct Queue {
    /// The folder.
    pub(super) root: PathBuf,
    jobs: Mutex<Jobs>,
    /// Wakes the worker.
    news: Condvar,
}

#[derive(Default)]
pub(super) struct Jobs {
    by_id: BTreeMap<u64, Job>,
    last_id: u64,
    /// Whether the program is to end.
    pub(super) ending: bool,
}

/// A job and what is told of it while it is painted.
pub(super) struct Job {
    pub(super) record: Record,
    /// One for each iteration since the program started.
    pub(super) points: Vec<Point>,
    /// The latest picture on the way.
    pub(super) frame: Option<Frame>,
    /// What the worker is to do with it.
    pub(super) wish: Option<Wish>,
    /// Tells those who look on that there is something new.
    changed: watch::Sender<()>,
}

/// One iteration.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub(super) iteration: usize,
    pub(super) iterations: usize,
    /// Longer side in pixels.
    pub(super) scale: usize,
    /// The share of the work that is done.
    pub(super) done: f64,
    /// Seconds.
    pub(super) elapsed: f64,
    /// Seconds.
    pub(super) left: Option<f64>,
    pub(super) total: f64,
    /// Groups of terms by name.
    pub(super) terms: Vec<(String, f64)>,
}

/// A picture on the way.
#[derive(Clone)]
pub(super) struct Frame {
    /// Which one, from 1.
    pub(super) number: u64,
    /// The iteration that it shows.
    pub(super) iteration: usize,
    pub(super) jpeg: Bytes,
}

/// What is asked of a job that is being painted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    Pause,
    /// Keep the picture so far.
    Stop,
    /// Keep nothing.
    Discard,
    /// Go on from the picture so far with other settings.
    Change(Settings),
}

impl Point {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "iteration": self.iteration,
            "iterations": self.iterations,
            "scale": self.scale,
            "done": self.done,
            "elapsed": self.elapsed,
            "left": self.left,
            "total": self.total,
            "terms": self.terms.iter().map(|(name, value)| (name.clone(), Value::from(*value))).collect::<Settings>(),
        })
    }
}

impl Job {
    fn new(record: Record) -> Self {
        Self { record, points: Vec::new(), frame: None, wish: None, changed: watch::Sender::new(()) }
    }

    /// For those who look on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells those who look on.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// The job as the interface shows it.
    pub(super) fn to_json(&self, queue: &Queue) -> Value {
        let Record { id, state, content, styles, settings, created, seconds, size, error, changed, .. } = &self.record;
        let command = self.record.words(&queue.root).map(|words| {
            impasto::picture::Provenance::new(std::iter::once("transfer".to_owned()).chain(words)).as_command()
        });
        json!({
            "id": id,
            "state": state,
            "content": content,
            "styles": styles,
            "settings": settings,
            "command": command.ok(),
            "created": created,
            "seconds": seconds,
            "size": size,
            "error": error,
            "changed": changed,
            "picture": size.is_some() || self.frame.is_some(),
            "name": self.record.picture,
            "progress": self.points.last().map(Point::to_json),
        })
    }
}

impl Queue {
    /// The queue of a folder, and what in it cannot be read.
    pub(super) fn open(root: PathBuf) -> (Self, Vec<String>) {
        let (records, wrong) = Record::load_all(&root);
        let last_id = records.last().map_or(0, |record| record.id);
        let by_id = records.into_iter().map(|record| (record.id, Job::new(record))).collect();
        let jobs = Mutex::new(Jobs { by_id, last_id, ending: false });
        (Self { root, jobs, news: Condvar::new() }, wrong)
    }

    /// The jobs. Whoever holds them must not wait for anything else.
    pub(super) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // Nobody leaves them half changed.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the worker.
    pub(super) fn wake(&self) {
        self.news.notify_all();
    }

    /// Lets go of the jobs until somebody wakes the worker.
    pub(super) fn wait<'a>(&self, jobs: MutexGuard<'a, Jobs>) -> MutexGuard<'a, Jobs> {
        self.news.wait(jobs).unwrap_or_else(PoisonError::into_inner)
    }

    /// A new number, and the folder for it.
    pub(super) fn reserve(&self) -> std::io::Result<(u64, PathBuf)> {
        loop {
            let id = {
                let mut jobs = self.jobs();
                jobs.last_id += 1;
                jobs.last_id
            };
            let folder = Record::folder_of(&self.root, id);
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok((id, folder)),
                // Somebody else's, or left behind.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Adds a job whose files are in its folder.
    pub(super) fn add(&self, record: Record) -> std::io::Result<()> {
        record.save(&self.root)?;
        self.jobs().by_id.insert(record.id, Job::new(record));
        self.wake();
        Ok(())
    }
}

impl Jobs {
    pub(super) fn get(&self, id: u64) -> Option<&Job> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.by_id.values()
    }

    /// Takes a job away. Those who look on see their stream end.
    pub(super) fn remove(&mut self, id: u64) -> Option<Job> {
        self.by_id.remove(&id)
    }

    /// The job that waits longest.
    pub(super) fn next(&self) -> Option<u64> {
        self.all().find(|job| job.record.state == State::Waiting).map(|job| job.record.id)
    }
}
