//! The formats that can be written.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::super::error::PictureError;
use super::writable;

/// The formats that can be written, known by the file's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `.png`
    Png,
    /// `.jpg`, `.jpeg`: quality 95, no opacity.
    Jpeg,
    /// `.webp`: lossless.
    WebP,
    /// `.tif`, `.tiff`
    Tiff,
    /// `.bmp`
    Bmp,
}

impl Format {
    /// The format that a path's extension stands for. Asked before a long computation, it tells that the result can be
    /// written: the format is known, and the folder takes files.
    ///
    /// # Errors
    /// If the extension is none of the known, or the file cannot be written.
    pub fn of(path: &Path) -> Result<Self, PictureError> {
        let format = Self::named(path)?;
        writable(path)?;
        Ok(format)
    }

    /// The format that a path's extension stands for.
    pub(super) fn named(path: &Path) -> Result<Self, PictureError> {
        if path == Path::new("-") {
            return Err(PictureError::NoFormat { path: path.into() });
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        extension.parse().map_err(|()| PictureError::Extension { path: path.into() })
    }

    /// What names of its files end in.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Tiff => "tiff",
            Self::Bmp => "bmp",
        }
    }

    /// Whether it can hold opacity.
    pub(super) fn holds_alpha(self) -> bool {
        self != Self::Jpeg
    }

    /// Whether it can hold 16 bits a channel.
    pub(super) fn holds_16_bits(self) -> bool {
        matches!(self, Self::Png | Self::Tiff)
    }

    /// The most pixels on a side.
    pub(super) fn largest(self) -> usize {
        match self {
            Self::Jpeg => 65_535,
            Self::WebP => 16_383,
            Self::Png | Self::Tiff | Self::Bmp => i32::MAX as usize,
        }
    }
}

impl FromStr for Format {
    type Err = ();

    /// A format by its extension, in capitals or not.
    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "png" => Self::Png,
            "jpg" | "jpeg" => Self::Jpeg,
            "webp" => Self::WebP,
            "tif" | "tiff" => Self::Tiff,
            "bmp" => Self::Bmp,
            _ => return Err(()),
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
            Self::Tiff => "TIFF",
            Self::Bmp => "BMP",
        })
    }
}
