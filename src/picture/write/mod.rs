//! Pictures into files.

pub(super) mod encode;

use std::io::{self, Write};
use std::path::Path;

pub(super) use self::encode::File;
use super::colour::from_srgb;
use super::error::PictureError;
use super::formats::Writer;
pub(super) use super::provenance::XMP_SEGMENT;
use super::{Format, Picture, Provenance};
use crate::files::{Clash, check_writable, first_clash, write_atomically};

/// The number of bits of a channel in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits.
    #[default]
    Eight,
    /// 16 bits: PNG and TIFF.
    Sixteen,
}

/// Options for writing a picture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SaveOptions {
    /// The format; `None` for that of the file's extension.
    pub format: Option<Format>,
    /// Bits for each channel.
    pub depth: Depth,
    /// Write sRGB values without a profile, even if the picture has one.
    pub srgb: bool,
    /// Leave out the provenance and the EXIF data.
    pub no_metadata: bool,
    /// Keep the location of the photograph, which is left out by default.
    pub keep_location: bool,
    /// How the picture was made.
    pub provenance: Option<Provenance>,
}

impl SaveOptions {
    /// Checks before a long computation whether a picture of [height, width] pixels can be written to a file: the
    /// format is known and supports the size and the depth, the folder accepts files, and the file is none of the
    /// inputs. `-` is standard output.
    ///
    /// # Errors
    /// If it cannot be written.
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

    /// The requested format, or that of the name.
    ///
    /// # Errors
    /// If the name has no known extension.
    pub fn format_for(&self, path: &Path) -> Result<Format, PictureError> {
        self.format.map_or_else(|| Format::named(path), Ok)
    }

    fn check_format(&self, path: &Path, format: Format, [height, width]: [usize; 2]) -> Result<(), PictureError> {
        let Writer { largest, deep, .. } =
            format.writer().map_err(|why| PictureError::Write { path: path.into(), why })?;
        if height.max(width) > largest {
            return Err(PictureError::TooLargeFor { path: path.into(), width, height, format, largest });
        }
        if self.depth == Depth::Sixteen && !deep {
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

    /// Writes the picture, each value clamped to 0..1 and rounded, with opacity if the format supports it. Colours are
    /// written in the picture's colour profile, which is embedded; without one they are sRGB. BMP gets sRGB without a
    /// profile. `-` is standard output.
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

    /// The bytes of the file that [`save_with`](Self::save_with) writes.
    ///
    /// # Errors
    /// If the format cannot hold the picture, or a colour profile cannot be applied.
    pub fn encoded(&self, format: Format, options: &SaveOptions) -> io::Result<Vec<u8>> {
        let writer = format.writer()?;
        let held = self.held(writer, options);
        let profile = held.profile.filter(|_| !options.srgb);
        let rgb = self.rgb.as_standard_layout();
        let rgb = rgb.as_slice().expect("in standard layout");
        let converted = profile.map(|profile| from_srgb(rgb, profile)).transpose().map_err(io::Error::other)?.flatten();
        let rgb = converted.as_deref().unwrap_or(rgb);
        (writer.encode)(&File {
            size: [self.height(), self.width()],
            rgb,
            alpha: self.alpha.as_ref().filter(|_| writer.alpha),
            depth: options.depth,
            profile,
            exif: held.exif,
            made: held.made,
        })
    }

    /// Metadata that the format cannot hold, each as in "how it was made is left out: …". The rest is still written.
    pub fn left_out(&self, format: Format, options: &SaveOptions) -> Vec<String> {
        format.writer().map_or_else(|_| Vec::new(), |writer| self.held(writer, options).notes(format))
    }

    /// The metadata, as far as the format can hold them.
    fn held(&self, Writer { most, .. }: Writer, options: &SaveOptions) -> Held<'_> {
        let mut too_long = Vec::new();
        let profile = self.profile.as_deref().filter(|_| !options.srgb && most.profile > 0);
        let profile = fitting(profile, most.profile, "its colour profile", &mut too_long);
        let exif = self.exif.as_deref().filter(|_| !options.no_metadata && most.exif > 0);
        let exif = exif.and_then(|exif| super::metadata::kept(exif, options.keep_location));
        let exif = fitting(exif, most.exif, "its EXIF data", &mut too_long);
        let made = options.provenance.as_ref().filter(|_| !options.no_metadata && most.made > 0);
        let made = made.map(|made| Made { json: made.to_json(), xmp: made.to_xmp() });
        let made = fitting(made, most.made, "how it was made", &mut too_long);
        Held { profile, exif, made, too_long }
    }
}

/// The metadata for a file.
struct Held<'a> {
    profile: Option<&'a [u8]>,
    exif: Option<Vec<u8>>,
    made: Option<Made>,
    /// Metadata that do not fit, with their size and the format's limit.
    too_long: Vec<(&'static str, usize, usize)>,
}

impl Held<'_> {
    fn notes(&self, format: Format) -> Vec<String> {
        let note = |&(what, len, most): &(&str, usize, usize)| {
            format!("{what} is left out: it has {len} bytes, and {format} holds {most}; PNG, WebP and TIFF hold more")
        };
        self.too_long.iter().map(note).collect()
    }
}

/// How a picture was made, as text.
pub(super) struct Made {
    pub(super) json: String,
    pub(super) xmp: String,
}

impl AsRef<[u8]> for Made {
    fn as_ref(&self) -> &[u8] {
        self.xmp.as_bytes()
    }
}

/// Metadata, if they are not too long for the format.
fn fitting<T: AsRef<[u8]>>(
    some: Option<T>,
    most: usize,
    what: &'static str,
    too_long: &mut Vec<(&'static str, usize, usize)>,
) -> Option<T> {
    let some = some?;
    let len = some.as_ref().len();
    if len > most {
        too_long.push((what, len, most));
        return None;
    }
    Some(some)
}

/// Checks that a file can be written.
pub(super) fn writable(path: &Path) -> Result<(), PictureError> {
    check_writable(path).map_err(|why| match why.kind() {
        io::ErrorKind::IsADirectory => PictureError::IsFolder { path: path.into() },
        io::ErrorKind::NotFound => {
            PictureError::Folder { path: path.into(), folder: path.parent().unwrap_or(Path::new("")).into() }
        }
        _ => PictureError::Write { path: path.into(), why },
    })
}
