//! Pictures into files.

mod encode;
mod format;

use std::io::{self, Write};
use std::path::Path;

pub use self::format::Format;
use super::colour::from_srgb;
use super::error::PictureError;
use super::{Picture, Provenance};
use crate::atomic_file::{check_writable, write_atomically};
use crate::file_identity::{Clash, first_clash};

/// How many bits a channel has in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits.
    #[default]
    Eight,
    /// 16 bits: PNG and TIFF.
    Sixteen,
}

/// How a picture is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaveOptions {
    /// The format; the file's extension says it where this does not.
    pub format: Option<Format>,
    /// Bits for each channel.
    pub depth: Depth,
    /// Write sRGB values without a profile, whatever profile the picture came with.
    pub srgb: bool,
    /// Leave out how the picture was made, and what its photograph told of itself.
    pub no_metadata: bool,
    /// Keep where the photograph was taken, which is left out otherwise.
    pub keep_location: bool,
    /// How the picture was made.
    pub provenance: Option<Provenance>,
}

impl SaveOptions {
    /// Finds out, before a long computation, whether a picture of [height, width] pixels can be written to a file so:
    /// the format is known and holds as many pixels and bits, the folder takes files, and the file is none of the
    /// inputs. `-` is standard output.
    ///
    /// # Errors
    /// If it cannot.
    pub fn check(&self, path: &Path, size: [usize; 2], inputs: &[&Path]) -> Result<(), PictureError> {
        let format = self.format_for(path)?;
        self.check_format(path, format, size)?;
        if path == Path::new("-") {
            return Ok(());
        }
        writable(path)?;
        match first_clash(&[path], inputs) {
            Some(Clash::Read { read, .. }) => {
                Err(PictureError::IsInput { path: path.into(), input: inputs[read].into() })
            }
            _ => Ok(()),
        }
    }

    /// The format asked for, or that of the name.
    ///
    /// # Errors
    /// If the name tells none.
    pub fn format_for(&self, path: &Path) -> Result<Format, PictureError> {
        self.format.map_or_else(|| Format::named(path), Ok)
    }

    fn check_format(&self, path: &Path, format: Format, [height, width]: [usize; 2]) -> Result<(), PictureError> {
        let largest = format.largest();
        if height.max(width) > largest {
            return Err(PictureError::TooLargeFor { path: path.into(), width, height, format, largest });
        }
        if self.depth == Depth::Sixteen && !format.holds_16_bits() {
            return Err(PictureError::Depth { path: path.into(), format });
        }
        Ok(())
    }
}

impl Picture {
    /// Writes the picture with 8 bits a channel in the format that the extension names, as
    /// [`save_with`](Self::save_with) does.
    ///
    /// # Errors
    /// As [`save_with`](Self::save_with).
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PictureError> {
        let path = path.as_ref();
        self.save_with(path, &SaveOptions::default())
    }

    /// Writes the picture, each value clamped to 0..1 and rounded; opacity where the format has it. Colours are written
    /// in the picture's colour profile, which goes with them; without one they are sRGB. BMP holds no profile and gets
    /// sRGB. `-` is standard output.
    ///
    /// # Errors
    /// If the format is not known or cannot hold the picture, or the file cannot be written. No half-written file is
    /// left behind.
    pub fn save_with(&self, path: impl AsRef<Path>, options: &SaveOptions) -> Result<(), PictureError> {
        let path = path.as_ref();
        let format = options.format_for(path)?;
        options.check_format(path, format, [self.height(), self.width()])?;
        let write = |why| PictureError::Write { path: path.into(), why };
        let encoded = self.encoded(format, options).map_err(write)?;
        if path == Path::new("-") {
            let mut out = io::stdout().lock();
            return out.write_all(&encoded).and_then(|()| out.flush()).map_err(write);
        }
        write_atomically(path, |file| file.write_all(&encoded)).map_err(write)
    }

    /// The bytes of a file that holds the picture, as [`save_with`](Self::save_with) writes it.
    ///
    /// # Errors
    /// If the format cannot hold the picture, or a colour profile cannot be applied.
    pub fn encoded(&self, format: Format, options: &SaveOptions) -> io::Result<Vec<u8>> {
        let profile = self.profile.as_deref().filter(|_| !options.srgb && format != Format::Bmp);
        let rgb = self.rgb.as_standard_layout();
        let rgb = rgb.as_slice().expect("in standard layout");
        let converted = profile.map(|profile| from_srgb(rgb, profile)).transpose().map_err(io::Error::other)?.flatten();
        let rgb = converted.as_deref().unwrap_or(rgb);
        let exif = self.exif.as_deref().filter(|_| !options.no_metadata);
        let exif = exif.and_then(|exif| super::metadata::kept(exif, options.keep_location));
        encode::File {
            size: [self.height(), self.width()],
            rgb,
            alpha: self.alpha.as_ref().filter(|_| format.holds_alpha()),
            depth: options.depth,
            profile,
            exif,
            provenance: options.provenance.as_ref().filter(|_| !options.no_metadata),
        }
        .encode(format)
    }
}

/// Finds out whether a file can be written.
fn writable(path: &Path) -> Result<(), PictureError> {
    check_writable(path).map_err(|why| match why.kind() {
        io::ErrorKind::IsADirectory => PictureError::IsFolder { path: path.into() },
        io::ErrorKind::NotFound => {
            PictureError::Folder { path: path.into(), folder: path.parent().unwrap_or(Path::new("")).into() }
        }
        _ => PictureError::Write { path: path.into(), why },
    })
}
