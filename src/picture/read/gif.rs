//! GIF: its first frame, by the crate `image`.

use image::codecs::gif::GifDecoder;

use super::Fault;
use super::input::Stream;
use super::target::{Extras, Target};
use super::whole::{fault, give, size};

/// Height and width.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    Ok((size(&GifDecoder::new(stream).map_err(fault)?), None))
}

pub(in super::super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(GifDecoder::new(stream).map_err(fault)?, target)
}
