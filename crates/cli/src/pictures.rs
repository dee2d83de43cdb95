//! Reads pictures, one by one and from folders, and reports what is skipped.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use impasto::Picture;
use impasto::picture::Format;

use super::error::Error;
use super::print::note;

/// The lines already printed: a picture may be read twice, for a forecast and for the run.
static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Reads a picture, resized to a longer side of `longest` pixels if that is given. Reports on standard error what is
/// ignored in the file, unless `quiet`.
pub(super) fn open(path: &Path, longest: Option<usize>, quiet: bool) -> Result<Picture, Error> {
    let picture = match longest {
        Some(longest) => Picture::open_fitted(path, longest)?,
        None => Picture::open(path)?,
    };
    for passed_over in picture.notes.iter().filter(|_| !quiet) {
        say_once(format!("note: {}: {passed_over}", path.display()));
    }
    Ok(picture)
}

/// The pictures in a folder, recognised by extension and sorted by name, without hidden files. Reports skipped files on
/// standard error, unless `quiet`.
pub(super) fn in_folder(folder: &Path, quiet: bool) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |why| Error::file("read the folder", folder, why);
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            files.push(path);
        }
    }
    files.sort();
    let (pictures, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| Format::by_extension(path).is_some());
    if pictures.is_empty() {
        let extensions: Vec<_> = Format::ALL.iter().flat_map(|format| format.extensions()).copied().collect();
        let why = format!("no file in it ends in .{}", extensions.join(", ."));
        return Err(Error::file("read pictures from the folder", folder, why));
    }
    if !others.is_empty() && !quiet {
        let names: Vec<_> = others.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
        say_once(format!("note: skipped in {}, not pictures by their names: {}", folder.display(), names.join(", ")));
    }
    Ok(pictures)
}

/// Prints a line on standard error that was not printed before.
fn say_once(line: String) {
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
        note(line);
    }
}
