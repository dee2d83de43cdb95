//! What can be wrong with a file of a picture.

use std::collections::TryReserveError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::Format;
use super::formats::{readable, written_extensions};
use super::read::LARGEST;

/// Why a picture cannot be read or written. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be opened, or its bytes cannot be had.
    #[error("cannot open the picture {}: {why}", Named(path))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The file's bytes are no picture that can be read.
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
    /// Standard output, or what is no plain file, has no name that would tell a format.
    #[error("cannot write the picture to {}: say in which format, such as png", Named(path))]
    NoFormat {
        /// The file.
        path: PathBuf,
    },
    /// The folder that is to hold the file does not exist.
    #[error("cannot write {}: there is no folder {}", path.display(), folder.display())]
    Folder {
        /// The file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// The name of the file to write is that of a folder.
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
        /// The same file, as the input is called.
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
        /// The most pixels that it has on a side.
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
        /// What the encoder or the system says.
        why: io::Error,
    },
}

/// What is wrong with the bytes of a picture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// There are none.
    #[error("it is empty")]
    Empty,
    /// They are something else, which is known.
    #[error("it is {what}; {}{}", readable(), advice.map(|advice| format!("; {advice}")).unwrap_or_default())]
    Other {
        /// What they are.
        what: &'static str,
        /// What can be done.
        advice: Option<&'static str>,
    },
    /// They are nothing that is known.
    #[error("unknown image format; {}", readable())]
    Unknown,
    /// They end before the picture does.
    #[error("it is cut short: its pixels end too early; copy or download it again")]
    CutShort,
    /// They contradict their format.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// They are right, but of a kind that is not read.
    #[error("it has {0}, which is not supported; save it again as PNG or as plain JPEG")]
    Unsupported(String),
    /// They say that they hold more pixels than are accepted.
    #[error(
        "it says it is {width}×{height} pixels, {} MiB when decoded; at most {} MiB are accepted",
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
    /// The system does not give the memory.
    #[error(
        "{:.1} GiB of memory are needed for it at {width}×{height} pixels, which cannot be had", *bytes as f64 / f64::from(1 << 30)
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

/// Memory for `len` values of a picture, or what could not be had.
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
