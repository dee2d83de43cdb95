//! Two pictures to try things on, drawn by computing every pixel: a harbour at sunset, and a swirl of brush strokes.

mod harbour;
mod noise;
mod strokes;

use impasto::picture::Picture;

/// A harbour at sunset, to repaint: sun, sails, a lighthouse and houses.
///
/// # Panics
/// If a side is 0.
pub fn content(height: usize, width: usize) -> Picture {
    Picture::new(harbour::draw(height, width))
}

/// A painting of swirling brush strokes, of `side`×`side` pixels, whose manner to take.
///
/// # Panics
/// If `side` is 0.
pub fn style(side: usize) -> Picture {
    Picture::new(strokes::paint(side))
}
