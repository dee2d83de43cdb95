//! The target of decoders, which receives a picture row by row.

use ndarray::{Array2, Array3, Axis};

use super::super::colour::{Declared, to_srgb};
use super::super::metadata::orientation;
use super::super::resize::{Filter, fitted_size};
use super::{Colour, Fault, LARGEST, Picture};

/// Whether pixels have an opacity after their colours, and how it affects them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Opacity {
    None,
    /// Colours are independent of the opacity.
    Straight,
    /// Colours are multiplied by the opacity.
    Premultiplied,
}

/// The meaning of a pixel's numbers.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Layout {
    pub(super) colour: Colour,
    pub(super) opacity: Opacity,
}

impl Layout {
    pub(super) fn samples(self) -> usize {
        self.colour.count() + usize::from(self.opacity != Opacity::None)
    }
}

/// The contents of a file apart from its pixels.
#[derive(Default)]
pub(in super::super) struct Extras {
    /// Its colour information; the first usable one counts.
    pub(super) colours: Vec<Declared>,
    /// EXIF, as a TIFF file.
    pub(super) exif: Option<Vec<u8>>,
    /// What was ignored.
    pub(super) notes: Vec<String>,
    /// The orientation (1 to 8, as EXIF's tag), if it replaces EXIF's.
    pub(super) orientation: Option<u32>,
}

/// Receives the rows of a picture, resizes them, and builds the picture.
pub(in super::super) struct Target {
    longest: Option<usize>,
    begun: Option<Begun>,
    row: Vec<f32>,
}

struct Begun {
    filter: Filter,
    size: [usize; 2],
    layout: Layout,
}

impl Target {
    /// A target that resizes to a longer side of `longest` pixels; `None` keeps the size.
    pub(super) fn new(longest: Option<usize>) -> Self {
        Self { longest, begun: None, row: Vec::new() }
    }

    /// Begins a picture with its size in pixels, its layout, and the number of bytes that the decoder holds for each
    /// number.
    ///
    /// # Errors
    /// If the picture is larger than accepted, or there is not enough memory.
    pub(super) fn begin(&mut self, size: [usize; 2], layout: Layout, width: usize) -> Result<(), Fault> {
        let bytes = size.iter().fold((layout.samples() * width) as u64, |n, &side| n.saturating_mul(side as u64));
        if bytes > LARGEST {
            return Err(Fault::TooLarge { width: size[1], height: size[0], bytes });
        }
        if size.contains(&0) {
            return Err(Fault::damaged("it has no pixels"));
        }
        let to = self.longest.map_or(size, |longest| fitted_size(size, longest));
        let filter = Filter::new(size, to, layout.colour.count(), layout.opacity != Opacity::None)?;
        self.begun = Some(Begun { filter, size: to, layout });
        Ok(())
    }

    /// Takes the next row, 0 to 1.
    pub(super) fn row(&mut self, samples: &[f32]) {
        let begun = self.begun.as_mut().expect("begun before rows come");
        if begun.layout.opacity != Opacity::Premultiplied {
            begun.filter.push(samples);
            return;
        }
        self.row.clear();
        for pixel in samples.chunks_exact(begun.layout.samples()) {
            let (&alpha, colours) = pixel.split_last().expect("a pixel has samples");
            let straight = |&value: &f32| if alpha > 0.0 { (value / alpha).min(1.0) } else { 0.0 };
            self.row.extend(colours.iter().map(straight));
            self.row.push(alpha);
        }
        begun.filter.push(&self.row);
    }

    /// The picture, when all rows were taken.
    pub(super) fn finish(self, extras: Extras) -> Result<Picture, Fault> {
        let Begun { filter, size, layout } = self.begun.ok_or_else(|| Fault::damaged("it has no pixels"))?;
        let (colours, alpha) = filter.finish();
        if colours.len() != size[0] * size[1] * layout.colour.count() {
            return Err(Fault::CutShort);
        }
        let converted = to_srgb(colours, layout.colour, &extras.colours);
        let rgb = Array3::from_shape_vec((size[0], size[1], 3), converted.rgb).expect("three for each pixel");
        let alpha = alpha.map(|alpha| Array2::from_shape_vec((size[0], size[1]), alpha).expect("one for each pixel"));
        let turn = extras.orientation.or_else(|| extras.exif.as_deref().and_then(orientation)).unwrap_or(1);
        let picture = Picture {
            rgb,
            alpha,
            profile: converted.profile,
            exif: extras.exif,
            notes: [extras.notes, converted.notes].concat(),
        };
        Ok(picture.turned(turn))
    }
}

/// The upright size of a picture stored with this size and EXIF orientation.
pub(super) fn turned_size([height, width]: [usize; 2], orientation: u32) -> [usize; 2] {
    if (5..=8).contains(&orientation) { [width, height] } else { [height, width] }
}

impl Picture {
    /// The upright picture for EXIF's orientation of the stored one, 1 to 8.
    fn turned(self, orientation: u32) -> Self {
        // First exchange rows and columns, then mirror.
        let (swap, flip_rows, flip_columns) = match orientation {
            2 => (false, false, true),
            3 => (false, true, true),
            4 => (false, true, false),
            5 => (true, false, false),
            6 => (true, false, true),
            7 => (true, true, true),
            8 => (true, true, false),
            _ => return self,
        };
        let turn = |array: &mut ndarray::ArrayViewMut3<f32>| {
            if swap {
                array.swap_axes(0, 1);
            }
            if flip_rows {
                array.invert_axis(Axis(0));
            }
            if flip_columns {
                array.invert_axis(Axis(1));
            }
        };
        let turned = |mut array: Array3<f32>| {
            let mut view = array.view_mut();
            turn(&mut view);
            view.as_standard_layout().into_owned()
        };
        let alpha = self.alpha.map(|alpha| turned(alpha.insert_axis(Axis(2))).remove_axis(Axis(2)));
        Self { rgb: turned(self.rgb), alpha, ..self }
    }
}
