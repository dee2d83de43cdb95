//! The trash: deleted jobs stay in the folder `trash` for a while and can be restored.

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

/// The deleted jobs, and the errors of those that cannot be read.
pub(crate) fn load(root: &Path) -> io::Result<(Vec<Record>, Vec<String>)> {
    let (mut records, wrong) = match Record::load_all(&root.join(FOLDER)) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => (Vec::new(), Vec::new()),
        loaded => loaded?,
    };
    for record in &mut records {
        // If its date could not be written, its time in the trash begins now.
        record.deleted.get_or_insert_with(now);
    }
    Ok((records, wrong))
}

/// The largest number of any job, readable or not; 0 if there is none.
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
    /// Moves a job with its files to the trash, even while it is painted: the worker then stops, and event streams end.
    /// Returns whether the job existed.
    ///
    /// # Errors
    /// If its folder cannot be moved; the job then stays.
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

    /// Restores a job from the trash. Returns whether it was there.
    ///
    /// # Errors
    /// If its folder cannot be moved.
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
        // The folder's place decides: a date left in the file does no harm.
        let _ = self.save(&files, id, true, |record| record.deleted = None);
        self.wake();
        Ok(true)
    }

    /// Deletes jobs in the trash for good: all of them, or only the expired ones.
    ///
    /// # Errors
    /// If deleting fails; the remaining jobs stay.
    pub(crate) fn empty_trash(&self, all: bool) -> io::Result<usize> {
        let _files = self.files();
        let last = now().saturating_sub(KEPT.as_secs());
        let due: Vec<u64> = {
            let jobs = self.jobs();
            let due = jobs.trash.iter().filter(|(_, job)| all || job.record.deleted.is_some_and(|when| when <= last));
            due.map(|(id, _)| *id).collect()
        };
        for &id in &due {
            // Rename first, so that the job does not remain half deleted if the program ends meanwhile.
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
