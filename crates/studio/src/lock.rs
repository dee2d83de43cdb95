//! The lock of a studio's folder: one studio at a time works in it. The system lets go of it when the program ends, however it
//! ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::Error;
use crate::note::note;

/// The file that is locked. It stays; only the lock counts.
const FILE: &str = ".lock";

/// Held as long as the studio works in its folder.
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    /// If another studio has it: says where that one is, if it can be known. If the folder takes no files.
    pub(crate) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(|why| Error::file("write", &path, why))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let mut address = String::new();
                let read = (&mut file).take(200).read_to_string(&mut address);
                let at = read.ok().map(|_| address.trim()).filter(|address| address.starts_with("http://"));
                let at = at.map_or_else(String::new, |address| format!(" at {address}"));
                Err(Error::Other(format!(
                    "{} is in use by another studio{at}; open that page, end that studio, or give another folder",
                    folder.display()
                )))
            }
            // Some network file systems know no locks.
            Err(TryLockError::Error(why)) => {
                note(format_args!(
                    "note: {} cannot be locked ({why}); do not start a second studio in it",
                    folder.display()
                ));
                Ok(Self(file))
            }
        }
    }

    /// Notes where the studio's page is, for those who find the folder locked.
    pub(crate) fn note(&mut self, address: &str) {
        // A message that says less is no reason to stop.
        let _ = self.0.set_len(0).and_then(|()| self.0.rewind()).and_then(|()| writeln!(self.0, "{address}"));
    }
}
