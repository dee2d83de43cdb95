//! The trash: deleted jobs are kept in the folder `trash` for a while, and can come back.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::queue::{GOING, Queue};
use crate::record::{Record, number_of};

/// The name of the folder.
const FOLDER: &str = "trash";

/// How long a job stays in the trash.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// The folder of a deleted job.
pub(crate) fn folder_of(root: &Path, id: u64) -> PathBuf {
    Record::folder_of(&root.join(FOLDER), id)
}

/// The deleted jobs, and what is wrong with those that cannot be read.
pub(crate) fn load(root: &Path) -> io::Result<(Vec<Record>, Vec<String>)> {
    let (mut records, wrong) = match Record::load_all(&root.join(FOLDER)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => (Vec::new(), Vec::new()),
        loaded => loaded?,
    };
    for record in &mut records {
        // One whose date could not be written is kept from now on.
        record.deleted.get_or_insert_with(now);
    }
    Ok((records, wrong))
}

/// The largest number that a job has or had, readable or not; 0 if there was none.
pub(crate) fn last_number(root: &Path) -> io::Result<u64> {
    let mut last = 0;
    for folder in [root.to_owned(), root.join(FOLDER)] {
        let entries = match folder.read_dir() {
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            last = last.max(number_of(&entry?.path()).unwrap_or(0));
        }
    }
    Ok(last)
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Queue {
    /// Moves a job with its files to the trash, even while it is painted: the worker then stops, and event streams
    /// end. Answers whether there was such a job.
    ///
    /// # Errors
    /// Those of moving its folder; the job then stays.
    pub(crate) fn remove(&self, id: u64) -> io::Result<bool> {
        let files = self.files();
        if self.jobs().get(id).is_none() {
            return Ok(false);
        }
        let (from, to) = (Record::folder_of(&self.root, id), folder_of(&self.root, id));
        std::fs::create_dir_all(self.root.join(FOLDER))?;
        let deleted = now();
        // On a full disk the date is lost, not the job.
        let _ = self.save(&files, id, true, |record| record.deleted = Some(deleted));
        let moved = match std::fs::rename(&from, &to) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => false,
            Err(why) => {
                let _ = self.save(&files, id, true, |record| record.deleted = None);
                return Err(why);
            }
            Ok(()) => true,
        };
        let mut jobs = self.jobs();
        let job = jobs.by_id.remove(&id);
        if let Some(job) = job {
            job.tell();
            if moved {
                jobs.trash.insert(id, job);
            }
        }
        drop(jobs);
        self.wake();
        Ok(true)
    }

    /// Brings a job back from the trash, as it was. Answers whether it was there.
    ///
    /// # Errors
    /// Those of moving its folder.
    pub(crate) fn restore(&self, id: u64) -> io::Result<bool> {
        let files = self.files();
        if !self.jobs().trash.contains_key(&id) {
            return Ok(false);
        }
        let to = Record::folder_of(&self.root, id);
        if to.exists() {
            let why = format!("there is another folder {}", to.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
        }
        std::fs::rename(folder_of(&self.root, id), to)?;
        let mut jobs = self.jobs();
        if let Some(job) = jobs.trash.remove(&id) {
            jobs.by_id.insert(id, job);
        }
        drop(jobs);
        // The folder counts: a date that stays in the file does no harm.
        let _ = self.save(&files, id, true, |record| record.deleted = None);
        self.wake();
        Ok(true)
    }

    /// Deletes the jobs in the trash for good: all of them, or those that have been there long enough.
    ///
    /// # Errors
    /// Those of deleting; jobs that were not reached stay.
    pub(crate) fn empty_trash(&self, all: bool) -> io::Result<usize> {
        let _files = self.files();
        let last = now().saturating_sub(KEPT.as_secs());
        let due: Vec<u64> = {
            let jobs = self.jobs();
            let due = jobs.trash.iter().filter(|(_, job)| all || job.record.deleted.is_some_and(|when| when <= last));
            due.map(|(id, _)| *id).collect()
        };
        for &id in &due {
            // In one move, so that no half of a job is left if the program ends meanwhile.
            let going = self.root.join(format!("{GOING}{id}-{}", self.session));
            match std::fs::rename(folder_of(&self.root, id), &going) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                moved => moved?,
            }
            self.jobs().trash.remove(&id);
            match std::fs::remove_dir_all(&going) {
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                deleted => deleted?,
            }
        }
        Ok(due.len())
    }
}
