//! The table of picture formats. All lists of formats and extensions derive from it.

use std::fmt;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::error::{Fault, PictureError};
use super::read::{self, Extras, Stream, Target};
use super::write::{self, File, encode};

/// The formats of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Read and written.
    Png,
    /// Read and written: quality 95, no opacity.
    Jpeg,
    /// Read and written: lossless.
    WebP,
    /// Read and written.
    Tiff,
    /// Read and written.
    Bmp,
    /// Read: the first frame.
    Gif,
    /// Read.
    Heic,
}

/// The properties of a format.
pub(super) struct Row {
    format: Format,
    name: &'static str,
    /// File extensions in lower case, the usual one first.
    extensions: &'static [&'static str],
    mime: &'static str,
    /// Whether a file with these first bytes has the format.
    recognise: fn(&[u8]) -> bool,
    /// Height and width as stored, and EXIF's orientation.
    pub(super) shape: fn(Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault>,
    /// Decodes the pixels into a target.
    pub(super) read: fn(Box<dyn Stream>, &mut Target) -> Result<Extras, Fault>,
    /// Reads the record of how the picture was made, as JSON, if the format supports it.
    pub(super) made: Option<fn(Box<dyn Stream>) -> Result<Option<String>, Fault>>,
    /// The writer; `None` if the format is only read.
    pub(super) writer: Option<Writer>,
}

/// The encoder of a format.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    /// The bytes of a file.
    pub(super) encode: fn(&File) -> io::Result<Vec<u8>>,
    /// The largest number of pixels on a side.
    pub(super) largest: usize,
    /// Whether it supports opacity.
    pub(super) alpha: bool,
    /// Whether it supports 16 bits per channel.
    pub(super) deep: bool,
    /// The largest metadata.
    pub(super) most: Most,
}

/// The largest metadata of a format in bytes; 0 if it cannot hold it.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) profile: usize,
    pub(super) exif: usize,
    pub(super) made: usize,
}

impl Most {
    const ANY: Self = Self { profile: usize::MAX, exif: usize::MAX, made: usize::MAX };
    const NOTHING: Self = Self { profile: 0, exif: 0, made: 0 };
}

const SIDE: usize = i32::MAX as usize;

/// All formats.
static FORMATS: [Row; 7] = [
    Row {
        format: Format::Png,
        name: "PNG",
        extensions: &["png", "apng"],
        mime: "image/png",
        recognise: |first| first.starts_with(b"\x89PNG\r\n\x1a\n"),
        shape: read::png::shape,
        read: read::png::read,
        made: Some(read::made::of_png),
        writer: Some(Writer { encode: encode::png, largest: SIDE, alpha: true, deep: true, most: Most::ANY }),
    },
    Row {
        format: Format::Jpeg,
        name: "JPEG",
        extensions: &["jpg", "jpeg", "jpe", "jfif", "jif", "pjpeg", "pjp"],
        mime: "image/jpeg",
        recognise: |first| first.starts_with(b"\xff\xd8\xff"),
        shape: read::jpeg::shape,
        read: read::jpeg::read,
        made: Some(read::made::of_jpeg),
        writer: Some(Writer {
            encode: encode::jpeg,
            largest: 65_535,
            alpha: false,
            deep: false,
            // Segments of 65,535 bytes, of which two are the length: one of EXIF and of XMP, at most 255 of a profile.
            most: Most { profile: 255 * 65_519, exif: 65_533 - 6, made: 65_533 - write::XMP_SEGMENT.len() },
        }),
    },
    Row {
        format: Format::WebP,
        name: "WebP",
        extensions: &["webp"],
        mime: "image/webp",
        recognise: |first| first.starts_with(b"RIFF") && is_at(first, 8, b"WEBP"),
        shape: read::webp::shape,
        read: read::webp::read,
        made: Some(read::made::of_webp),
        writer: Some(Writer { encode: encode::webp, largest: 16_383, alpha: true, deep: false, most: Most::ANY }),
    },
    Row {
        format: Format::Tiff,
        name: "TIFF",
        extensions: &["tiff", "tif"],
        mime: "image/tiff",
        recognise: |first| {
            [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|mark| first.starts_with(*mark))
                && !is_at(first, 8, b"CR\x02\0")
        },
        shape: read::tiff::shape,
        read: read::tiff::read,
        made: Some(read::made::of_tiff),
        writer: Some(Writer { encode: encode::tiff, largest: SIDE, alpha: true, deep: true, most: Most::ANY }),
    },
    Row {
        format: Format::Bmp,
        name: "BMP",
        extensions: &["bmp", "dib"],
        mime: "image/bmp",
        recognise: |first| first.starts_with(b"BM"),
        shape: read::bmp::shape,
        read: read::bmp::read,
        made: None,
        writer: Some(Writer { encode: encode::bmp, largest: SIDE, alpha: true, deep: false, most: Most::NOTHING }),
    },
    Row {
        format: Format::Gif,
        name: "GIF",
        extensions: &["gif"],
        mime: "image/gif",
        recognise: |first| first.starts_with(b"GIF87a") || first.starts_with(b"GIF89a"),
        shape: read::gif::shape,
        read: read::gif::read,
        made: None,
        writer: None,
    },
    Row {
        format: Format::Heic,
        name: "HEIC",
        extensions: &["heic", "heif", "hif"],
        mime: "image/heic",
        recognise: |first| {
            let brand = |brand: &[u8]| is_at(first, 4, b"ftyp") && is_at(first, 8, brand);
            brand(b"heic") || brand(b"heix") || (brand(b"mif1") && !read::lists_brand(first, b"avif"))
        },
        shape: read::heic::shape,
        read: read::heic::read,
        made: None,
        writer: None,
    },
];

fn is_at(first: &[u8], place: usize, mark: &[u8]) -> bool {
    first.get(place..).is_some_and(|rest| rest.starts_with(mark))
}

impl Format {
    /// All formats: first those that are read and written, then those that are only read.
    pub const ALL: [Self; 7] = [Self::Png, Self::Jpeg, Self::WebP, Self::Tiff, Self::Bmp, Self::Gif, Self::Heic];

    pub(super) fn row(self) -> &'static Row {
        FORMATS.iter().find(|row| row.format == self).expect("every format has a row")
    }

    /// The format of a file with these first bytes, if it can be read.
    pub(super) fn of_bytes(first: &[u8]) -> Option<Self> {
        FORMATS.iter().find(|row| (row.recognise)(first)).map(|row| row.format)
    }

    /// The extensions of its files, without the dot, in lower case; the usual one first.
    pub fn extensions(self) -> &'static [&'static str] {
        self.row().extensions
    }

    /// Its media type, such as `image/png`.
    pub fn mime(self) -> &'static str {
        self.row().mime
    }

    /// Whether it can be written; all can be read.
    pub fn is_written(self) -> bool {
        self.row().writer.is_some()
    }

    /// Whether it can record how a picture was made, for [`Provenance::read`](super::Provenance::read).
    pub fn holds_provenance(self) -> bool {
        self.row().made.is_some()
    }

    /// The format of a path's extension, in any case. It selects files in a folder; reading goes by the first bytes.
    pub fn by_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::ALL.into_iter().find(|format| format.extensions().contains(&extension.as_str()))
    }

    /// The format to write for a path's extension. Also checks, before a long computation, that the result can be
    /// written: the format is known, and the folder accepts files.
    ///
    /// # Errors
    /// If the extension is unknown, or the file cannot be written.
    pub fn of(path: &Path) -> Result<Self, PictureError> {
        let format = Self::named(path)?;
        write::writable(path)?;
        Ok(format)
    }

    /// The format to write for a path's extension.
    pub(super) fn named(path: &Path) -> Result<Self, PictureError> {
        if path == Path::new("-") {
            return Err(PictureError::NoFormat { path: path.into() });
        }
        let written = Self::by_extension(path).filter(|format| format.is_written());
        written.ok_or_else(|| PictureError::Extension { path: path.into() })
    }

    /// The writer of the format.
    ///
    /// # Errors
    /// If it is only read.
    pub(super) fn writer(self) -> io::Result<Writer> {
        let why = || io::Error::new(io::ErrorKind::Unsupported, format!("{self} can be read, but not written"));
        self.row().writer.ok_or_else(why)
    }
}

impl FromStr for Format {
    type Err = ();

    /// Parses a format that can be written from one of its extensions, in any case.
    fn from_str(name: &str) -> Result<Self, ()> {
        let name = name.to_ascii_lowercase();
        let mut written = Self::ALL.into_iter().filter(|format| format.is_written());
        written.find(|format| format.extensions().contains(&name.as_str())).ok_or(())
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().name)
    }
}

/// A list as text: "a, b and c".
pub(super) fn listed(words: &[String], last: &str) -> String {
    match words {
        [words @ .., end] if !words.is_empty() => format!("{} {last} {end}", words.join(", ")),
        _ => words.concat(),
    }
}

/// The extensions that can be written, as text: ".png, .jpg or .bmp".
pub(super) fn written_extensions() -> String {
    let written = Format::ALL.into_iter().filter(|format| format.is_written());
    listed(&written.map(|format| format!(".{}", format.extensions()[0])).collect::<Vec<_>>(), "or")
}

/// The readable formats, as text.
pub(super) fn readable() -> String {
    let names = |written: bool| {
        let of_kind = Format::ALL.into_iter().filter(|format| format.is_written() == written);
        listed(&of_kind.map(|format| format.to_string()).collect::<Vec<_>>(), "and")
    };
    format!("{} files can be read, and {}", names(true), names(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_one_row_and_extensions_of_its_own() {
        assert_eq!(FORMATS.len(), Format::ALL.len());
        let mut all: Vec<&str> = Vec::new();
        for (row, format) in FORMATS.iter().zip(Format::ALL) {
            assert_eq!(row.format, format);
            all.extend(row.extensions);
            let path = format!("a.{}", row.extensions[0].to_uppercase());
            assert_eq!(Format::by_extension(Path::new(&path)), Some(format));
            assert_eq!(row.extensions[0].parse::<Format>().is_ok(), format.is_written());
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Format::by_extension(Path::new("a.avif")), None);
    }

    #[test]
    fn lists_are_sentences() {
        assert_eq!(written_extensions(), ".png, .jpg, .webp, .tiff or .bmp");
        assert_eq!(readable(), "PNG, JPEG, WebP, TIFF and BMP files can be read, and GIF and HEIC");
    }
}
