//! HEIC, the photographs of phones.

use heifer::{Options, decode_rgba8, decode_srgb_rgba8, read_metadata};

use super::input::Stream;
use super::target::{Extras, Layout, Opacity, Target};
use super::{Colour, Fault, LARGEST, bytes, whole};

/// Bytes for a pixel within the decoder: RGBA, and the planes it is made from.
const BYTES: u64 = 8;

pub(super) fn read(stream: Box<dyn Stream>, target: &mut Target) -> Result<Extras, Fault> {
    let file = whole(stream)?;
    // On this thread, where a panic is caught without a word.
    let options = Options { max_threads: 1, max_pixels: LARGEST / BYTES };
    let metadata = read_metadata(&file).map_err(fault)?;
    // Without a profile, the container's or the video's own words for colours count; those of high dynamic range are
    // refused.
    let decode = if metadata.icc_profile.is_some() { decode_rgba8 } else { decode_srgb_rgba8 };
    let image = decode(&file, &options).map_err(fault)?;
    let (height, width) = (image.height as usize, image.width as usize);
    let layout =
        Layout { colour: Colour::Rgb, opacity: if image.has_alpha { Opacity::Straight } else { Opacity::None } };
    target.begin([height, width], layout, 1)?;
    let mut row = Vec::new();
    for data in image.data.chunks_exact(4 * width) {
        row.clear();
        if image.has_alpha {
            bytes(data, &mut row);
        } else {
            data.chunks_exact(4).for_each(|pixel| bytes(&pixel[..3], &mut row));
        }
        target.row(&row);
    }
    // The container's own turn is applied already; EXIF's is not to be applied too.
    Ok(Extras { profile: metadata.icc_profile, exif: metadata.exif, orientation: Some(1) })
}

fn fault(error: heifer::Error) -> Fault {
    match error {
        heifer::Error::Unsupported(what) => Fault::Unsupported(what),
        error => Fault::damaged(error),
    }
}
