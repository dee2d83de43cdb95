//! Errors of picture files.

use std::collections::TryReserveError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Format;
use super::formats::{readable, written_extensions};
use super::read::LARGEST;

/// A picture cannot be read or written. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be opened, or its bytes cannot be read.
    #[error("cannot open the picture {}: {why}", Named(path))]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// The file's bytes are not a readable picture.
    #[error("cannot read the picture {}: {why}", Named(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: Fault,
    },
    /// The name's extension is no format that can be written.
    #[error("cannot write a picture named {}: the name must end in {}", path.display(), written_extensions())]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// Standard output or a device has no extension that would determine the format.
    #[error("cannot write the picture to {}: name a format, such as png", Named(path))]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// The folder of the file does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The file to write is a folder.
    #[error("cannot write {}: it is a folder; give the name of a file", path.display())]
    IsFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The file to write is one of those that are read.
    #[error("cannot write {}: it is the input {}, which would be lost; give another name", path.display(), input.display())]
    IsInput {
        /// The file to write.
        path: PathBuf,
        /// The same file by its name as an input.
        input: PathBuf,
    },
    /// The format cannot hold so large a picture.
    #[error(
        "cannot write {} of {width}×{height} pixels: {format} holds at most {largest} on a side; choose PNG or TIFF, or \
         a smaller size",
        Named(path)
    )]
    TooLargeFor {
        /// The file.
        path: PathBuf,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The format.
        format: Format,
        /// The largest number of pixels on a side.
        largest: usize,
    },
    /// The format does not support the depth.
    #[error("cannot write {} with 16 bits a channel: {format} has 8; choose PNG or TIFF", Named(path))]
    Depth {
        /// The file.
        path: PathBuf,
        /// The format.
        format: Format,
    },
    /// The file cannot be written.
    #[error("cannot write the picture {}: {why}", Named(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// The encoder's or the system's error.
        why: io::Error,
    },
}

/// What is wrong with the bytes of a picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The file is empty.
    #[error("it is empty")]
    Empty,
    /// The file has another known format.
    #[error("it is {what}; {}{}", readable(), advice.map(|advice| format!("; {advice}")).unwrap_or_default())]
    Other {
        /// The format.
        what: &'static str,
        /// What can be done.
        advice: Option<&'static str>,
    },
    /// The format is unknown.
    #[error("unknown image format; {}", readable())]
    Unknown,
    /// The file is truncated.
    #[error("it is cut short: its pixels end too early; copy or download it again")]
    CutShort,
    /// The file violates its format.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// The file uses an unsupported feature of its format.
    #[error("it has {0}, which is not supported; save it again as PNG or as plain JPEG")]
    Unsupported(String),
    /// The picture has more pixels than are accepted.
    #[error(
        "it claims {width}×{height} pixels, {} MiB when decoded; at most {} MiB are accepted",
        bytes >> 20, LARGEST >> 20
    )]
    TooLarge {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// Size when decoded.
        bytes: u64,
    },
    /// The system does not provide the memory.
    #[error(
        "it needs {:.1} GiB of memory at {width}×{height} pixels, which are not available", *bytes as f64 / f64::from(1 << 30)
    )]
    Memory {
        /// Width in pixels, as it is used.
        width: usize,
        /// Height in pixels, as it is used.
        height: usize,
        /// The bytes needed.
        bytes: u64,
    },
    /// Floating-point numbers that are infinite or NaN.
    #[error("it holds values that are not finite numbers")]
    NotFinite,
    /// Floating-point numbers far beyond white.
    #[error("it holds floating-point values up to {0}, where 0 is black and 1 is white; divide them by their white")]
    BeyondWhite(f32),
    /// A colour profile that cannot be applied.
    #[error(
        "its colour profile cannot be applied ({0}); save it again in sRGB, or without the profile if that is wrong"
    )]
    Profile(String),
}

impl Fault {
    pub(super) fn damaged(why: impl fmt::Display) -> Self {
        Self::Damaged(why.to_string())
    }

    pub(super) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported(what.into())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutShort,
            _ => Self::damaged(error),
        }
    }
}

/// Memory for `len` values of a picture, or an error if it cannot be allocated.
pub(super) fn reserve<T: Clone + Default>(len: usize, [height, width]: [usize; 2]) -> Result<Vec<T>, Fault> {
    let mut values = Vec::new();
    let bytes = len as u64 * size_of::<T>() as u64;
    values.try_reserve_exact(len).map_err(|_: TryReserveError| Fault::Memory { width, height, bytes })?;
    values.resize(len, T::default());
    Ok(values)
}

/// A file's name in an error: `-` is a stream.
pub(super) struct Named<'a>(pub(super) &'a Path);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.to_str() {
            Some("-") => write!(f, "- (the standard stream)"),
            _ => write!(f, "{}", self.0.display()),
        }
    }
}
