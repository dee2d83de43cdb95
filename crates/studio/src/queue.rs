//! The queue of jobs, shared by the server and the worker.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use impasto::run::Speed;
use rand::RngExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::note::note;
use crate::painter::{Painter, Settings};
use crate::record::{Record, State};
use crate::training::Training;
use crate::trash;
use crate::votes::Votes;

/// All jobs, in a folder.
pub(crate) struct Queue {
    /// The folder.
    pub(crate) root: PathBuf,
    jobs: Mutex<Jobs>,
    /// See [`Queue::files`].
    files: Mutex<()>,
    /// Wakes the worker.
    news: Condvar,
    /// What paints.
    pub(crate) painter: Arc<dyn Painter>,
    /// The last known speed of this machine.
    pub(crate) speed: Mutex<Option<Speed>>,
    /// Identifies this start of the program; names of events contain it.
    pub(crate) session: String,
    /// Errors of jobs that could not be read.
    pub(crate) unreadable: Vec<String>,
    pub(crate) training: Training,
    pub(crate) votes: Votes,
}

/// Prefixes of folders that are not yet, or no longer, jobs.
const COMING: &str = ".coming-";
pub(crate) const GOING: &str = ".going-";

/// The jobs by number.
pub(crate) struct Jobs {
    pub(crate) by_id: BTreeMap<u64, Job>,
    /// Deleted jobs that can be restored.
    pub(crate) trash: BTreeMap<u64, Job>,
    last_id: u64,
    /// Whether the program is ending.
    pub(crate) ending: bool,
}

/// A job and its progress.
pub(crate) struct Job {
    pub(crate) record: Record,
    /// One for each iteration since the program started.
    pub(crate) points: Vec<Point>,
    /// The latest intermediate picture.
    pub(crate) frame: Option<Frame>,
    /// Requests to the job while it is painted.
    pub(crate) requests: Requests,
    /// Notifies the event streams.
    changed: watch::Sender<()>,
}

/// One iteration.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) iteration: usize,
    pub(crate) iterations: usize,
    /// Longer side in pixels.
    pub(crate) scale: usize,
    /// The share of work done.
    pub(crate) done: f64,
    /// Seconds.
    pub(crate) elapsed: f64,
    /// Seconds.
    pub(crate) left: Option<f64>,
    pub(crate) total: f64,
    /// Groups of terms by name.
    pub(crate) terms: Vec<(String, f64)>,
}

/// An intermediate picture.
#[derive(Clone)]
pub(crate) struct Frame {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// The iteration that it shows.
    pub(crate) iteration: usize,
    pub(crate) jpeg: Bytes,
}

/// Pending requests to a job that is being painted, independent of each other.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// Pause before the next iteration.
    pub(crate) pause: bool,
    /// Stop and keep the picture so far.
    pub(crate) stop: bool,
    /// Continue from the picture so far with other settings.
    pub(crate) change: Option<Settings>,
}

impl Point {
    pub(crate) fn to_json(&self) -> Value {
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
        Self { record, points: Vec::new(), frame: None, requests: Requests::default(), changed: watch::Sender::new(()) }
    }

    /// Subscribes an event stream.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Notifies the event streams.
    pub(crate) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Shows an intermediate picture after `iteration` iterations.
    pub(crate) fn show(&mut self, iteration: usize, jpeg: Bytes) {
        let number = self.frame.as_ref().map_or(0, |frame| frame.number) + 1;
        self.frame = Some(Frame { number, iteration, jpeg });
        self.tell();
    }

    /// The job as the interface shows it.
    pub(crate) fn to_json(&self, queue: &Queue) -> Value {
        let Record { id, state, content, styles, settings, created, seconds, size, error, changed, .. } = &self.record;
        let command = self.record.words(&queue.root, &*queue.painter).map(|words| {
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
            "deleted": self.record.deleted,
            "favourite": self.record.favourite,
            "group": self.record.group,
            "regions": self.record.content_mask.is_some(),
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
    /// The queue of a folder. Jobs that cannot be read stay where they are and are reported in `unreadable`.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub(crate) fn open(root: PathBuf, painter: Arc<dyn Painter>) -> io::Result<Self> {
        sweep(&root);
        let (records, mut unreadable) = Record::load_all(&root)?;
        let (trash, unreadable_trash) = trash::load(&root)?;
        unreadable.extend(unreadable_trash);
        let jobs = |records: Vec<Record>| records.into_iter().map(|record| (record.id, Job::new(record))).collect();
        let last_id = trash::last_number(&root)?;
        let jobs = Mutex::new(Jobs { by_id: jobs(records), trash: jobs(trash), last_id, ending: false });
        let session = format!("{:x}", rand::rng().random::<u32>());
        let (speed, files, training, votes) = (Mutex::new(None), Mutex::new(()), Training::default(), Votes::default());
        Ok(Self { root, jobs, files, news: Condvar::new(), painter, speed, session, unreadable, training, votes })
    }

    /// The jobs. The server's thread waits for this lock, so hold it only briefly and never during file operations.
    pub(crate) fn jobs(&self) -> MutexGuard<'_, Jobs> {
        // A panic cannot leave them half changed.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock for writing and moving files of jobs and for changing their records. Take it before [`Queue::jobs`],
    /// and never on the server's thread.
    pub(crate) fn files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the worker.
    pub(crate) fn wake(&self) {
        self.news.notify_all();
    }

    /// Releases the jobs until the worker is woken.
    pub(crate) fn wait<'a>(&self, jobs: MutexGuard<'a, Jobs>) -> MutexGuard<'a, Jobs> {
        self.news.wait(jobs).unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a job's record on disk, then in memory, so that what is shown outlives the program. With `anyway`,
    /// changes it in memory even if writing fails. `_files` is [`Queue::files`].
    ///
    /// # Errors
    /// If writing the record fails.
    pub(crate) fn save(
        &self,
        _files: &MutexGuard<'_, ()>,
        id: u64,
        anyway: bool,
        change: impl Fn(&mut Record),
    ) -> io::Result<()> {
        let Some(mut record) = self.jobs().get(id).map(|job| job.record.clone()) else { return Ok(()) };
        change(&mut record);
        let saved = record.save(&self.root);
        if (anyway || saved.is_ok())
            && let Some(job) = self.jobs().get_mut(id)
        {
            // Losses may have been added meanwhile, so change the current record instead of replacing it.
            change(&mut job.record);
            job.tell();
        }
        saved
    }

    /// Changes a job's record for the worker. If writing fails, the work continues.
    pub(crate) fn set(&self, id: u64, change: impl Fn(&mut Record)) {
        self.set_with(&self.files(), id, change);
    }

    fn set_with(&self, files: &MutexGuard<'_, ()>, id: u64, change: impl Fn(&mut Record)) {
        if let Err(why) = self.save(files, id, true, change) {
            note(format_args!("job {id} cannot be saved for the next start: {why}"));
        }
    }

    /// Marks a job as paused, if that is still requested.
    pub(crate) fn set_paused(&self, id: u64) {
        let files = self.files();
        if self.jobs().get(id).is_some_and(|job| job.requests.pause) {
            self.set_with(&files, id, |record| record.state = State::Paused);
            if let Some(job) = self.jobs().get_mut(id) {
                job.requests.pause = false;
            }
        }
    }

    /// Ends a job, unless it continues with other settings, which are then returned.
    pub(crate) fn finish(&self, id: u64, end: impl Fn(&mut Record)) -> Option<Settings> {
        let files = self.files();
        {
            let mut jobs = self.jobs();
            let requests = &mut jobs.get_mut(id)?.requests;
            if let Some(settings) = requests.change.take().filter(|_| !requests.stop) {
                return Some(settings);
            }
        }
        self.set_with(&files, id, end);
        if let Some(job) = self.jobs().get_mut(id).filter(|job| job.record.size.is_some()) {
            // The finished file replaces it.
            job.frame = None;
        }
        None
    }

    /// Waits for the next job and marks it as running; `None` when the program ends.
    pub(crate) fn next(&self) -> Option<u64> {
        loop {
            let id = {
                let mut jobs = self.jobs();
                loop {
                    if jobs.ending {
                        return None;
                    }
                    match jobs.next() {
                        Some(id) => break id,
                        None => jobs = self.wait(jobs),
                    }
                }
            };
            let files = self.files();
            // It may have been stopped or deleted meanwhile.
            if self.jobs().next() == Some(id) {
                let begin = |record: &mut Record| {
                    if record.state == State::Waiting {
                        record.state = State::Running;
                    }
                };
                self.set_with(&files, id, begin);
                return Some(id);
            }
        }
    }

    /// Records the speed of the machine, if known.
    pub(crate) fn learn(&self, speed: Option<Speed>) {
        // Do not wait for a measurement in progress.
        if let Ok(mut known) = self.speed.try_lock() {
            *known = speed.or(*known);
        }
    }

    /// A folder for the files of a new job. It is deleted when dropped.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(crate) fn coming_folder(&self) -> io::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(COMING);
        #[cfg(unix)]
        {
            // Readable as the user's umask allows, like any other new folder.
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o777));
        }
        builder.tempdir_in(&self.root)
    }

    /// Adds a job whose files are in the folder, and gives it a number. If that fails, the folder stays unchanged.
    ///
    /// # Errors
    /// If writing its record fails.
    pub(crate) fn add(&self, mut record: Record, folder: &Path) -> io::Result<u64> {
        let _files = self.files();
        let is_free =
            |id: &u64| !Record::folder_of(&self.root, *id).exists() && !trash::folder_of(&self.root, *id).exists();
        let last = self.jobs().last_id;
        // Other programs may have created folders with such names.
        let id = (last + 1..u64::MAX).find(is_free).expect("no folder has all numbers");
        record.id = id;
        record.save_in(folder)?;
        std::fs::rename(folder, record.folder(&self.root))?;
        let mut jobs = self.jobs();
        jobs.last_id = id;
        jobs.by_id.insert(id, Job::new(record));
        drop(jobs);
        self.wake();
        Ok(id)
    }
}

impl Jobs {
    pub(crate) fn get(&self, id: u64) -> Option<&Job> {
        self.by_id.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Job> {
        self.by_id.get_mut(&id)
    }

    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Job> {
        self.by_id.values()
    }

    /// The next job: one that was interrupted by the program's end, or the one that has waited longest.
    fn next(&self) -> Option<u64> {
        let interrupted = self.all().find(|job| job.record.state.is_under_way());
        let next = interrupted.or_else(|| self.all().find(|job| job.record.state == State::Waiting));
        Some(next?.record.id)
    }
}

/// Deletes folders that a killed program left while creating or deleting jobs.
fn sweep(root: &Path) {
    for entry in root.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if [COMING, GOING].iter().any(|start| name.starts_with(start)) {
            // A leftover folder does no harm.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
