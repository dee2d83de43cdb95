//! Sources of a picture's bytes: a file, standard input, or a pipe.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::super::Format;
use super::kind::{LONGEST_MAGIC, format_of};
use super::{LARGEST, PictureError};

/// Bytes that can be read again from any position.
pub(in super::super) trait Stream: BufRead + Seek {}
impl<T: BufRead + Seek> Stream for T {}

/// Whether to keep the bytes of a stream, which can be read only once, for the next [`open`].
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Keep {
    /// Keep them: only the header is read now.
    Yes,
    /// Do not keep them; standard input is kept anyway, since it can be read only once.
    No,
}

/// The bytes of streams by name.
static KEPT: Mutex<BTreeMap<PathBuf, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// Opens a file; `-` is standard input. A pipe or a terminal is read completely if it begins like a picture.
pub(super) fn open(path: &Path, keep: Keep) -> Result<(Format, Box<dyn Stream>), PictureError> {
    let failed = |why| PictureError::Open { path: path.into(), why };
    let wrong = |why| PictureError::Read { path: path.into(), why };
    let recognised = |first: &[u8]| format_of(&first[..first.len().min(LONGEST_MAGIC as usize)]).map_err(wrong);
    let stdin = path == Path::new("-");
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = kept.get(path).cloned() {
        if !stdin && keep == Keep::No {
            kept.remove(path);
        }
        return Ok((recognised(&bytes)?, Box::new(Cursor::new(bytes))));
    }
    let mut first = Vec::new();
    let mut source: Box<dyn Read> = if stdin {
        Box::new(io::stdin().lock())
    } else {
        let mut file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(failed(io::Error::other("it is a folder")));
        }
        if metadata.is_file() {
            (&mut file).take(LONGEST_MAGIC).read_to_end(&mut first).map_err(failed)?;
            file.rewind().map_err(failed)?;
            return Ok((recognised(&first)?, Box::new(BufReader::with_capacity(1 << 16, file))));
        }
        Box::new(file)
    };
    source.by_ref().take(LONGEST_MAGIC).read_to_end(&mut first).map_err(failed)?;
    let format = recognised(&first)?;
    let mut bytes = first;
    source.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(io::Error::other(format!("it delivers more than {} MiB", LARGEST >> 20))));
    }
    let bytes: Arc<[u8]> = bytes.into();
    if stdin || keep == Keep::Yes {
        kept.insert(path.into(), bytes.clone());
    }
    Ok((format, Box::new(Cursor::new(bytes))))
}
