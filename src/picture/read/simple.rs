//! WebP, BMP and GIF: decoded whole by the crate `image`.

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError, Limits};

use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes};

pub(super) fn webp(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(WebPDecoder::new(stream).map_err(fault)?, target)
}

pub(super) fn bmp(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(BmpDecoder::new(stream).map_err(fault)?, target)
}

pub(super) fn gif(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    give(GifDecoder::new(stream).map_err(fault)?, target)
}

fn give(mut decoder: impl ImageDecoder, target: &mut Target) -> Result<Extras, Fault> {
    let (width, height) = decoder.dimensions();
    let (height, width) = (height as usize, width as usize);
    let (colour, opacity) = match decoder.color_type() {
        ColorType::L8 => (Colour::Grey, Opacity::None),
        ColorType::La8 => (Colour::Grey, Opacity::Straight),
        ColorType::Rgb8 => (Colour::Rgb, Opacity::None),
        ColorType::Rgba8 => (Colour::Rgb, Opacity::Straight),
        other => return Err(Fault::unsupported(format!("pixels of the kind {other:?}"))),
    };
    let layout = Layout { colour, opacity };
    target.begin([height, width], layout, 1)?;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(2 * LARGEST);
    decoder.set_limits(limits).map_err(fault)?;
    let extras = Extras {
        profile: decoder.icc_profile().ok().flatten(),
        exif: decoder.exif_metadata().ok().flatten(),
        orientation: None,
    };
    let row_len = width * layout.samples();
    let mut whole = super::reserve::<u8>(height * row_len, [height, width])?;
    decoder.read_image(&mut whole).map_err(fault)?;
    let mut row = Vec::with_capacity(row_len);
    for data in whole.chunks_exact(row_len) {
        row.clear();
        bytes(data, &mut row);
        target.row(&row);
    }
    Ok(extras)
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
