//! WebP, BMP and GIF: decoded whole by the crates `image-webp` and `image`.

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder};
use image::{ColorType, ImageDecoder, ImageError, Limits};
use image_webp::{DecodingError, WebPDecoder};

use super::super::metadata::orientation;
use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes};

/// The most bytes of a WebP's colour profile, or of its EXIF: they are allocated as the file claims them.
const LONGEST_CHUNK: usize = 16 << 20;

/// Height and width of a WebP as stored, and which way is up.
pub(super) fn webp_shape(stream: Box<dyn Stream>) -> Result<([usize; 2], Option<u32>), Fault> {
    let mut decoder = WebPDecoder::new(stream).map_err(webp_fault)?;
    decoder.set_memory_limit(LONGEST_CHUNK);
    let (width, height) = decoder.dimensions();
    let exif = decoder.exif_metadata().ok().flatten();
    Ok(([height as usize, width as usize], exif.as_deref().and_then(orientation)))
}

/// Height and width of a BMP.
pub(super) fn bmp_shape(stream: Box<dyn Stream>) -> Result<[usize; 2], Fault> {
    Ok(size(&BmpDecoder::new(stream).map_err(fault)?))
}

/// Height and width of a GIF.
pub(super) fn gif_shape(stream: Box<dyn Stream>) -> Result<[usize; 2], Fault> {
    Ok(size(&GifDecoder::new(stream).map_err(fault)?))
}

fn size(decoder: &impl ImageDecoder) -> [usize; 2] {
    let (width, height) = decoder.dimensions();
    [height as usize, width as usize]
}

pub(super) fn webp(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let mut decoder = WebPDecoder::new(stream).map_err(webp_fault)?;
    decoder.set_memory_limit(LONGEST_CHUNK);
    let (width, height) = decoder.dimensions();
    let size = [height as usize, width as usize];
    let opacity = if decoder.has_alpha() { Opacity::Straight } else { Opacity::None };
    let layout = Layout { colour: Colour::Rgb, opacity };
    target.begin(size, layout, 1)?;
    let extras = Extras {
        profile: decoder.icc_profile().map_err(webp_fault)?,
        exif: decoder.exif_metadata().ok().flatten(),
        orientation: None,
    };
    rows(size, layout, target, |pixels| decoder.read_image(pixels).map_err(webp_fault))?;
    Ok(extras)
}

pub(super) fn bmp(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(BmpDecoder::new(stream).map_err(fault)?, target)
}

pub(super) fn gif(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(GifDecoder::new(stream).map_err(fault)?, target)
}

fn give(mut decoder: impl ImageDecoder, target: &mut Target) -> Result<Extras, Fault> {
    let size = size(&decoder);
    let (colour, opacity) = match decoder.color_type() {
        ColorType::L8 => (Colour::Grey, Opacity::None),
        ColorType::La8 => (Colour::Grey, Opacity::Straight),
        ColorType::Rgb8 => (Colour::Rgb, Opacity::None),
        ColorType::Rgba8 => (Colour::Rgb, Opacity::Straight),
        other => return Err(Fault::unsupported(format!("pixels of the kind {other:?}"))),
    };
    let layout = Layout { colour, opacity };
    target.begin(size, layout, 1)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * LARGEST);
    decoder.set_limits(limits).map_err(fault)?;
    let extras = Extras {
        profile: decoder.icc_profile().ok().flatten(),
        exif: decoder.exif_metadata().ok().flatten(),
        orientation: None,
    };
    rows(size, layout, target, |pixels| decoder.read_image(pixels).map_err(fault))?;
    Ok(extras)
}

/// Has all pixels decoded, and hands over their rows.
fn rows(
    size: [usize; 2],
    layout: Layout,
    target: &mut Target,
    decode: impl FnOnce(&mut [u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let row_len = size[1] * layout.samples();
    let mut whole = super::reserve::<u8>(size[0] * row_len, size)?;
    decode(&mut whole)?;
    let mut row = Vec::with_capacity(row_len);
    for data in whole.chunks_exact(row_len) {
        row.clear();
        bytes(data, &mut row);
        target.row(&row);
    }
    Ok(())
}

fn webp_fault(error: DecodingError) -> Fault {
    match error {
        DecodingError::IoError(error) => error.into(),
        DecodingError::UnsupportedFeature(what) => Fault::Unsupported(what),
        DecodingError::MemoryLimitExceeded => Fault::damaged("it claims more metadata than any picture has"),
        error => Fault::damaged(error),
    }
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::IoError(error) => error.into(),
        ImageError::Unsupported(error) => Fault::unsupported(error.to_string()),
        error => {
            // Decoders wrap what the stream says.
            let text = error.to_string();
            if text.contains("fill whole buffer") || text.contains("unexpected end") {
                Fault::CutShort
            } else {
                Fault::Damaged(text)
            }
        }
    }
}
