//! Where a picture's bytes come from: a file, standard input, or a pipe.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};
use std::path::Path;

use super::kind::{Kind, LONGEST_MAGIC};
use super::{LARGEST, PictureError};

/// Bytes that can be read anew from any place.
pub(super) trait Stream: BufRead + Seek {}
impl<T: BufRead + Seek> Stream for T {}

/// Opens a file; `-` is standard input. What is no plain file (a pipe, a terminal) is read whole, if it begins like a
/// picture.
pub(super) fn open(path: &Path) -> Result<(Kind, Box<dyn Stream>), PictureError> {
    let failed = |why| PictureError::Open { path: path.into(), why };
    let wrong = |why| PictureError::Read { path: path.into(), why };
    let mut first = Vec::new();
    let mut begin = |source: &mut dyn Read| -> Result<Kind, PictureError> {
        source.take(LONGEST_MAGIC).read_to_end(&mut first).map_err(failed)?;
        Kind::of(&first).map_err(wrong)
    };
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        let mut file = File::open(path).map_err(failed)?;
        let kind = file.metadata().map_err(failed)?.file_type();
        if kind.is_dir() {
            return Err(failed(io::Error::other("it is a folder")));
        }
        if kind.is_file() {
            let kind = begin(&mut file)?;
            file.rewind().map_err(failed)?;
            return Ok((kind, Box::new(BufReader::with_capacity(1 << 16, file))));
        }
        Box::new(file)
    };
    let kind = begin(&mut source)?;
    let mut bytes = first;
    source.take(LARGEST).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(failed(io::Error::other(format!("more than {} MiB come from it", LARGEST >> 20))));
    }
    Ok((kind, Box::new(Cursor::new(bytes))))
}
