//! Reading pictures: recognises the format, decodes, and resizes to the working size.
//!
//! Decoders return rows, which are resized as they arrive. A large photograph therefore needs only the memory of its
//! decoder (a row of a PNG, the decoded bytes of a JPEG) and of the picture at the working size.

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

/// The largest decoded size in bytes, so that a damaged or malicious file cannot exhaust the memory: 358 million pixels
/// of 8-bit RGB. Smaller when fuzzing, since large pictures only take longer.
pub(super) const LARGEST: u64 = if cfg!(fuzzing) { 1 << 24 } else { 1 << 30 };

impl Picture {
    /// Reads a PNG, JPEG, WebP, TIFF, BMP, GIF (its first frame) or HEIC file; `-` is standard input.
    ///
    /// Colours are converted to sRGB by the file's colour profile and clipped to sRGB; without a profile they count as
    /// sRGB. The camera's orientation (EXIF) is applied, and opacity is stored separately. Floating-point numbers count
    /// as sRGB values between 0 and 1; values slightly outside are clamped.
    ///
    /// # Errors
    /// If the file cannot be opened, is not such a picture, is damaged or truncated, uses unsupported features, or has
    /// more than 1 GiB of pixels; or if there is not enough memory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        Self::read(path, None)
    }

    /// Reads a picture as [`open`](Self::open) does, resized to a longer side of `longest` pixels. It is resized while
    /// it is decoded, so a large file needs little memory.
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

/// Height and width in pixels of the picture in a file as [`Picture::open`] returns it, that is, after the camera's
/// orientation (EXIF). Reads only the header: pixels may turn out to be damaged later.
///
/// `-` is standard input. Input that can be read only once (standard input, a pipe) is read completely and kept in
/// memory for the next [`Picture::open`].
///
/// # Errors
/// If the file cannot be opened, is not a readable picture, or has a damaged header.
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

/// The record of how a picture was made, as JSON.
pub(super) fn made(path: &Path) -> Result<Option<String>, PictureError> {
    let (format, stream) = input::open(path, Keep::Yes)?;
    let Some(made) = format.row().made else { return Ok(None) };
    guard::without_panics(format, || made(stream)).map_err(|why| PictureError::Read { path: path.into(), why })
}

/// All bytes of a file that is decoded from memory.
///
/// # Errors
/// If the file is larger than any accepted picture.
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
