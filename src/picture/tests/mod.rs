//! Files of every kind, made here: read right, or refused with a reason.

mod jpeg;
mod made;
mod profile;
mod round_trip;
mod shape;
mod tiff;
mod wrong;

use super::*;

/// Reads bytes as [`Picture::open`] reads a file.
fn read(bytes: &[u8]) -> Result<Picture, Fault> {
    Picture::decode(bytes)
}

/// The colours of a pixel in levels of 255.
fn levels(picture: &Picture, row: usize, column: usize) -> [u8; 3] {
    [0, 1, 2].map(|c| (picture.rgb[[row, column, c]] * 255.0).round() as u8)
}

/// A picture with opacity, of levels that 8 bits hold.
fn sample() -> Picture {
    let rgb = Array3::from_shape_fn((5, 7, 3), |(i, j, c)| (i * 40 + j * 7 + c * 3) as f32 / 255.0);
    let alpha = Array2::from_shape_fn((5, 7), |(i, j)| (i * 7 + j) as f32 / 255.0);
    Picture { alpha: Some(alpha), ..Picture::new(rgb) }
}

/// EXIF of one entry: the orientation, as a SHORT or a LONG.
fn turned_by(orientation: u8, long: bool) -> Vec<u8> {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif[12] = if long { 4 } else { 3 };
    exif[18] = orientation;
    exif
}
