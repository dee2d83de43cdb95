//! The lock of a studio's folder, which only one studio at a time may use. The system releases it when the program
//! ends, even after a crash.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::Error;
use crate::note::note;

/// The locked file. It is never deleted; only the lock counts.
const FILE: &str = ".lock";

/// A lock, held while the studio uses its folder.
pub(crate) struct Lock(File);

impl Lock {
    /// Takes the lock of a folder.
    ///
    /// # Errors
    /// If another studio has it (the error gives that studio's address if it is known), or if no file can be created in
    /// the folder.
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
            // Some network file systems do not support locks.
            Err(TryLockError::Error(why)) => {
                note(format_args!(
                    "note: {} cannot be locked ({why}); do not start a second studio in it",
                    folder.display()
                ));
                Ok(Self(file))
            }
        }
    }

    /// Writes the address of the page into the file, for the error of a second studio.
    pub(crate) fn note(&mut self, address: &str) {
        // The address only improves an error message; ignore failures.
        let _ = self.0.set_len(0).and_then(|()| self.0.rewind()).and_then(|()| writeln!(self.0, "{address}"));
    }
}
