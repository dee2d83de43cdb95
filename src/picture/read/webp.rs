//! WebP: decoded whole by the crate `image-webp`.

use image_webp::{DecodingError, WebPDecoder};

use super::super::colour::Declared;
use super::super::metadata::orientation;
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::whole::rows;
use super::{Colour, Fault};

/// The most bytes of a WebP's colour profile, or of its EXIF: they are allocated as the file claims them.
const LONGEST_CHUNK: usize = 16 << 20;

/// Height and width as stored, and EXIF's orientation.
pub(in super::super) fn shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let mut decoder = WebPDecoder::new(stream).map_err(fault)?;
    decoder.set_memory_limit(LONGEST_CHUNK);
    let (width, height) = decoder.dimensions();
    let exif = decoder.exif_metadata().ok().flatten();
    Ok(([height as usize, width as usize], exif.as_deref().and_then(orientation)))
}

pub(in super::super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let mut decoder = WebPDecoder::new(stream).map_err(fault)?;
    decoder.set_memory_limit(LONGEST_CHUNK);
    let (width, height) = decoder.dimensions();
    let size = [height as usize, width as usize];
    let opacity = if decoder.has_alpha() { Opacity::Straight } else { Opacity::None };
    let layout = Layout { colour: Colour::Rgb, opacity };
    target.begin(size, layout, 1)?;
    let extras = Extras {
        colours: decoder.icc_profile().map_err(fault)?.map(Declared::Profile).into_iter().collect(),
        exif: decoder.exif_metadata().ok().flatten(),
        ..Extras::default()
    };
    rows(size, layout, target, |pixels| decoder.read_image(pixels).map_err(fault))?;
    Ok(extras)
}

fn fault(error: DecodingError) -> Fault {
    match error {
        DecodingError::IoError(error) => error.into(),
        DecodingError::UnsupportedFeature(what) => Fault::Unsupported(what),
        DecodingError::MemoryLimitExceeded => Fault::damaged("it claims more metadata than any picture has"),
        error => Fault::damaged(error),
    }
}
