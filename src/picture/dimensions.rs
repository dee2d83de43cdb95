//! The dimensions of a picture, for forecasts.

use std::path::Path;

use super::{Format, Picture, PictureError, resize, shape};

/// The longer side at which a picture is decoded to learn whether it is transparent.
const LEAST: usize = 16;

/// A picture's height and width, and whether it has opacity: all that a forecast depends on, known from a file's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimensions {
    /// Height in pixels.
    pub height: usize,
    /// Width in pixels.
    pub width: usize,
    /// Whether some pixels may be transparent.
    pub opacity: bool,
}

impl Dimensions {
    /// Those of the picture in a file. Reads only the header if that is enough.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PictureError> {
        let path = path.as_ref();
        let [height, width] = shape(path)?;
        let opacity = match Format::of(path) {
            Ok(Format::Jpeg) => false,
            // Only decoding reveals whether pixels are transparent. A pipe can be read only once.
            _ if path == Path::new("-") || path.is_file() => Picture::open_fitted(path, LEAST)?.alpha.is_some(),
            _ => true,
        };
        Ok(Self { height, width, opacity })
    }

    /// The longer side in pixels.
    pub fn longest(self) -> usize {
        self.height.max(self.width)
    }

    /// Height and width.
    pub fn size(self) -> [usize; 2] {
        [self.height, self.width]
    }

    /// Those of the picture whose longer side is `longest`, as [`Picture::fitted`] makes it.
    pub fn fitted(self, longest: usize) -> Self {
        let [height, width] = resize::fitted_size(self.size(), longest);
        Self { height, width, ..self }
    }

    /// Bytes of the picture in memory.
    pub(crate) fn bytes(self) -> usize {
        size_of::<f32>() * (3 + usize::from(self.opacity)) * self.height * self.width
    }
}

impl From<&Picture> for Dimensions {
    fn from(picture: &Picture) -> Self {
        Self { height: picture.height(), width: picture.width(), opacity: picture.alpha.is_some() }
    }
}
