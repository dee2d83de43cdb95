//! Pictures to try things on, drawn by computing every pixel: a harbour at sunset, and two styles, a swirl of brush strokes and
//! a mosaic.

mod harbour;
mod mosaic;
mod noise;
mod strokes;

use impasto::picture::Picture;

/// The content: a harbour at sunset, with sun, sails, a lighthouse and houses.
///
/// # Panics
/// If a side is 0.
pub fn content(height: usize, width: usize) -> Picture {
    Picture::new(harbour::draw(height, width))
}

/// The style: a painting of swirling brush strokes, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn style(side: usize) -> Picture {
    Picture::new(strokes::paint(side))
}

/// A second style: a mosaic of flat tiles, of `side`×`side` pixels.
///
/// # Panics
/// If `side` is 0.
pub fn mosaic(side: usize) -> Picture {
    Picture::new(mosaic::lay(side))
}
