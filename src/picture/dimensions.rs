//! The dimensions of a picture, for forecasts.

use super::{Picture, resize};

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
