//! Pictures: reading and writing files, colours, resizing.
//!
//! The book explains it in [chapter 1](../../../book/html/01-pixels.html) (`docs/book/src/01-pixels.md`).

mod colour;
mod colour_map;
mod dimensions;
mod error;
mod formats;
mod hidden;
mod histogram;
mod metadata;
mod oklab;
mod provenance;
mod read;
mod regions;
mod resize;
#[cfg(test)]
mod tests;
mod write;

pub use colour_map::ColourMap;
pub use dimensions::Dimensions;
pub use error::{Fault, PictureError};
pub use formats::Format;
pub use histogram::match_histogram;
pub use oklab::coloured_like;
pub use provenance::Provenance;
pub use read::{is_decoding, shape};
pub use regions::{RegionColour, Regions};
pub(crate) use resize::resize_linear;
pub use write::{Depth, SaveOptions};

use ndarray::{Array2, Array3};

/// A picture in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Red, green and blue (height, width, 3), 0 to 1: sRGB values, not linear light.
    pub rgb: Array3<f32>,
    /// Opacity (height, width), 0 to 1, if the file has it. It is stored separately; colours are not multiplied by it.
    pub alpha: Option<Array2<f32>>,
    /// The file's colour profile (ICC) for RGB: colours are converted to it when they are written to a file that can
    /// hold one.
    pub profile: Option<Vec<u8>>,
    /// The file's EXIF data. Fields that remain valid are written again, see [`SaveOptions`].
    pub exif: Option<Vec<u8>>,
    /// Parts of the file that were ignored, with reasons, as in "its colour profile is ignored: …".
    pub notes: Vec<String>,
}

impl Picture {
    /// An opaque picture of the given colours (height, width, 3); values outside of 0..1 are clamped when written.
    ///
    /// # Panics
    /// If the last axis is not 3.
    pub fn new(rgb: Array3<f32>) -> Self {
        assert!(rgb.dim().2 == 3, "a picture has three channels, but the shape is {:?}", rgb.shape());
        Self { rgb, alpha: None, profile: None, exif: None, notes: Vec::new() }
    }

    /// This picture in other colours of the same size: opacity, profile and EXIF stay.
    ///
    /// # Panics
    /// If the size differs.
    pub fn recoloured(&self, rgb: Array3<f32>) -> Self {
        assert!(rgb.dim() == self.rgb.dim(), "a picture of shape {:?} recoloured by {:?}", self.rgb.dim(), rgb.dim());
        Self { rgb, ..self.clone() }
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.rgb.dim().0
    }

    /// Bytes in memory.
    pub(crate) fn bytes(&self) -> usize {
        4 * (self.rgb.len() + self.alpha.as_ref().map_or(0, ndarray::ArrayBase::len))
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.rgb.dim().1
    }
}
