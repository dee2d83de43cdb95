//! The jobs: what the server shows of them and the worker does with them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use impasto::run::Speed;
use rand::RngExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use super::record::{Record, State};
use crate::arguments::Networks;
use crate::settings::Settings;

/// All jobs, in a folder.
pub(super) struct Queue {
    /// The folder.
    pub(super) root: PathBuf,
    jobs: Mutex<Jobs>,
    /// Wakes the worker.
    news: Condvar,
    /// The network, for painting and for forecasts.
    pub(super) networks: Networks,
    /// How fast this machine was last, once that is known.
    pub(super) speed: Mutex<Option<Speed>>,
    /// Of this start of the program alone: events have it in their names.
    pub(super) session: String,
}

/// How the folders begin that are not, or no longer, jobs.
const COMING: &str = ".coming-";
const GOING: &str = ".going-";

/// The jobs by their numbers.
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
    pub(super) wishes: Wishes,
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

/// What is asked of a job that is being painted, until the worker has done it. One wish does not make it forget another.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// Hold before the next iteration.
    pub(super) pause: bool,
    /// Keep the picture so far, and be done.
    pub(super) stop: bool,
    /// Go on from the picture so far with other settings.
    pub(super) change: Option<Settings>,
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
        Self { record, points: Vec::new(), frame: None, wishes: Wishes::default(), changed: watch::Sender::new(()) }
    }

    /// For those who look on.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells those who look on.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Shows a picture on the way, after so many iterations.
    pub(super) fn show(&mut self, iteration: usize, jpeg: Bytes) {
        let number = self.frame.as_ref().map_or(0, |frame| frame.number) + 1;
        self.frame = Some(Frame { number, iteration, jpeg });
        self.tell();
    }

    /// Keeps the record for the next start, and tells of it.
    pub(super) fn keep(&self, root: &Path) {
        if let Err(why) = self.record.save(root) {
            eprintln!("job {} cannot be kept for the next start: {why}", self.record.id);
        }
        self.tell();
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
        sweep(&root);
        let (records, wrong) = Record::load_all(&root);
        let last_id = records.last().map_or(0, |record| record.id);
        let by_id = records.into_iter().map(|record| (record.id, Job::new(record))).collect();
        let jobs = Mutex::new(Jobs { by_id, last_id, ending: false });
        let (networks, speed) = (Networks::default(), Mutex::new(None));
        let session = format!("{:x}", rand::rng().random::<u32>());
        (Self { root, jobs, news: Condvar::new(), networks, speed, session }, wrong)
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

    /// Changes what is kept of a job, and tells of it.
    pub(super) fn set(&self, id: u64, change: impl FnOnce(&mut Record)) {
        if let Some(job) = self.jobs().get_mut(id) {
            change(&mut job.record);
            job.keep(&self.root);
        }
    }

    /// A job is paused, if that is still wished.
    pub(super) fn set_paused(&self, id: u64) {
        if let Some(job) = self.jobs().get_mut(id).filter(|job| job.wishes.pause) {
            job.wishes.pause = false;
            job.record.state = State::Paused;
            job.keep(&self.root);
        }
    }

    /// Ends a job, unless it is to go on with the settings that are then given back.
    pub(super) fn finish(&self, id: u64, end: impl FnOnce(&mut Record)) -> Option<Settings> {
        let mut jobs = self.jobs();
        let job = jobs.get_mut(id)?;
        let change = job.wishes.change.take().filter(|_| !job.wishes.stop);
        if change.is_none() {
            end(&mut job.record);
            if job.record.size.is_some() {
                // The file is there.
                job.frame = None;
            }
            job.keep(&self.root);
        }
        change
    }

    /// Notes how fast the machine is, if that is known.
    pub(super) fn learn(&self, speed: Option<Speed>) {
        // Who is just finding out need not be waited for.
        if let Ok(mut known) = self.speed.try_lock() {
            *known = speed.or(*known);
        }
    }

    /// A folder for the files of a job that is not there yet. It goes when it is dropped.
    pub(super) fn folder_of_coming(&self) -> io::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(COMING);
        #[cfg(unix)]
        {
            // As any other new folder: readable by whom the user's umask allows.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o777));
        }
        builder.tempdir_in(&self.root)
    }

    /// Adds a job whose files are in the folder, and gives it a number.
    pub(super) fn add(&self, mut record: Record, folder: TempDir) -> io::Result<u64> {
        let id = loop {
            let id = {
                let mut jobs = self.jobs();
                jobs.last_id += 1;
                jobs.last_id
            };
            // Others may be somebody else's.
            if !Record::folder_of(&self.root, id).exists() {
                break id;
            }
        };
        record.id = id;
        record.save_in(folder.path())?;
        std::fs::rename(folder.path(), record.folder(&self.root))?;
        // It has another name now.
        let _ = folder.keep();
        self.jobs().by_id.insert(id, Job::new(record));
        self.wake();
        Ok(id)
    }

    /// Takes a job and its files away, whatever is being done with it: the worker then lets it be. Those who look on see their
    /// stream end. Whether there was such a job.
    pub(super) fn remove(&self, id: u64) -> io::Result<bool> {
        let going = self.root.join(format!("{GOING}{id}-{}", self.session));
        let moved = {
            let mut jobs = self.jobs();
            let Some(job) = jobs.by_id.get(&id) else { return Ok(false) };
            let folder = job.record.folder(&self.root);
            // Nobody is to see files of a job that is not there.
            let moved = match std::fs::rename(&folder, &going) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                moved => moved.map(|()| true)?,
            };
            jobs.by_id.remove(&id);
            moved
        };
        self.wake();
        if moved && let Err(why) = std::fs::remove_dir_all(&going) {
            eprintln!("{} cannot be deleted: {why}; the next start tries again", going.display());
        }
        Ok(true)
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

    /// Gives the worker the next job: one that the program's end had interrupted, or the one that waits longest.
    pub(super) fn take_next(&mut self) -> Option<u64> {
        let interrupted = self.all().find(|job| job.record.state.is_under_way());
        let next = interrupted.or_else(|| self.all().find(|job| job.record.state == State::Waiting));
        let id = next?.record.id;
        let job = self.by_id.get_mut(&id)?;
        if job.record.state == State::Waiting {
            job.record.state = State::Running;
        }
        Some(id)
    }
}

/// Deletes what a killed program has left of jobs that were coming or going.
fn sweep(root: &Path) {
    for entry in root.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if [COMING, GOING].iter().any(|start| name.starts_with(start)) {
            // What cannot be deleted is in nobody's way.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
