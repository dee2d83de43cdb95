//! Pictures from files: what the bytes are, a decoder for them, and the picture at the size it is used at.
//!
//! Decoders hand over rows, which are brought to the working size as they come: a large photograph costs what its
//! decoder needs (a row of a PNG; of a JPEG the decoded bytes) and the picture at the working size.

pub(super) mod bmp;
mod chunks;
mod directory;
pub(super) mod gif;
mod guard;
pub(super) mod heic;
mod input;
pub(super) mod jpeg;
mod kind;
pub(super) mod made;
pub(super) mod png;
mod target;
pub(super) mod tiff;
pub(super) mod webp;
mod whole;

use std::io::SeekFrom;
use std::path::Path;

pub use self::guard::is_decoding;
use self::input::Keep;
pub(super) use self::input::Stream;
pub(super) use self::kind::lists_brand;
pub(super) use self::target::{Extras, Target};
use super::colour::Colour;
use super::error::{Fault, PictureError, reserve};
use super::{Format, Picture};

/// The most bytes of pixels that a file may decode to, so that a damaged or malicious one cannot exhaust the memory:
/// 358 million pixels of 8-bit RGB. When fuzzed it is less, as large pictures take long and show nothing more.
pub(super) const LARGEST: u64 = if cfg!(fuzzing) { 1 << 24 } else { 1 << 30 };

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF, BMP, GIF (its first frame) or HEIC file; `-` is standard input.
    ///
    /// Colours are brought to sRGB by the file's colour profile, and clipped to what sRGB can show; without a profile
    /// they are taken for sRGB. The camera's orientation (EXIF) is applied, opacity kept aside. Floating-point numbers
    /// are taken for sRGB values between 0 and 1; slightly beyond, they are clamped.
    ///
    /// # Errors
    /// If the file cannot be opened, is not such a picture, is damaged or cut short, is of a kind that would come out
    /// wrong, or holds more than 1 GiB of pixels; or if there is no memory for it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        Self::read(path, None)
    }

    /// Reads a picture as [`open`](Self::open) does, at the size at which its longer side is `longest` pixels. It is
    /// made smaller while it is decoded, so that a large file needs little memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// # Panics
    /// If `longest` is 0.
    pub fn open_fitted(path: impl AsRef<Path>, longest: usize) -> Result<Self, PictureError> {
        let path = path.as_ref();
        assert!(longest > 0, "a picture of no pixels");
        Self::read(path, Some(longest))
    }

    fn read(path: &Path, longest: Option<usize>) -> Result<Self, PictureError> {
        let (format, stream) = input::open(path, Keep::No)?;
        decode(format, stream, longest).map_err(|why| PictureError::Read { path: path.into(), why })
    }

    /// Decodes a picture from its file's bytes, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let first = &bytes[..bytes.len().min(kind::LONGEST_MAGIC as usize)];
        decode(kind::format_of(first)?, Box::new(std::io::Cursor::new(bytes.to_vec())), None)
    }
}

/// Height and width in pixels of the picture in a file, as [`Picture::open`] gives it, that is, after the camera's
/// orientation (EXIF). Only the header is read: pixels may turn out to be damaged later.
///
/// `-` is standard input. What can be read only once (standard input, a pipe) is read whole and kept in memory, so that
/// [`Picture::open`] has it afterwards.
///
/// # Errors
/// If the file cannot be opened, is no picture that is read, or its header is damaged.
pub fn shape(path: impl AsRef<Path>) -> Result<[usize; 2], PictureError> {
    let path = path.as_ref();
    let (format, stream) = input::open(path, Keep::Yes)?;
    let shape = guard::without_panics(format, || {
        let (stored, turn) = (format.row().shape)(stream)?;
        if stored.contains(&0) {
            return Err(Fault::damaged("it has no pixels"));
        }
        Ok(target::turned_size(stored, turn.unwrap_or(1)))
    });
    shape.map_err(|why| PictureError::Read { path: path.into(), why })
}

fn decode(format: Format, stream: Box<dyn Stream>, longest: Option<usize>) -> Result<Picture, Fault> {
    guard::without_panics(format, || {
        let mut target = Target::new(longest);
        let extras = (format.row().read)(stream, &mut target)?;
        target.finish(extras)
    })
}

/// What the file of a picture says of how it was made, as JSON.
pub(super) fn made(path: &Path) -> Result<Option<String>, PictureError> {
    let (format, stream) = input::open(path, Keep::Yes)?;
    let Some(made) = format.row().made else { return Ok(None) };
    guard::without_panics(format, || made(stream)).map_err(|why| PictureError::Read { path: path.into(), why })
}

/// All bytes of a file that is decoded from memory.
///
/// # Errors
/// If there are more than any picture that is accepted has.
fn whole(mut stream: Box<dyn Stream>) -> Result<Vec<u8>, Fault> {
    if stream.seek(SeekFrom::End(0))? > LARGEST {
        return Err(Fault::damaged(format!("its file is larger than {} MiB", LARGEST >> 20)));
    }
    stream.rewind()?;
    let mut file = Vec::new();
    stream.read_to_end(&mut file)?;
    Ok(file)
}

/// 8-bit samples as numbers from 0 to 1.
fn bytes(data: &[u8], row: &mut Vec<f32>) {
    row.extend(data.iter().map(|&byte| f32::from(byte) / 255.0));
}

/// 16-bit samples, most significant byte first, as numbers from 0 to 1.
fn words(data: &[u8], row: &mut Vec<f32>) {
    let words = data.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    row.extend(words.map(|word| f32::from(word) / 65535.0));
}
