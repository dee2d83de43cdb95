//! Reads how a picture was made from each format: see [`Provenance`](super::super::Provenance).

use std::io::Read;

use super::super::provenance::{KEYWORD, XMP_SEGMENT, XMP_TAG, in_xmp};
use super::directory::Directory;
use super::input::Stream;
use super::jpeg::{APP1, SOS, next_marker, segment};
use super::{Fault, LARGEST};

/// The most bytes of a WebP's XMP.
const LONGEST_XMP: usize = 1 << 24;

/// A PNG's text.
pub(in super::super) fn of_png(file: Box<dyn Stream>) -> Result<Option<String>, Fault> {
    let reader = png::Decoder::new(file).read_info().map_err(Fault::damaged)?;
    let text = reader.info().utf8_text.iter().find(|text| text.keyword == KEYWORD);
    Ok(text.and_then(|text| text.get_text().ok()))
}

/// A JPEG's XMP.
pub(in super::super) fn of_jpeg(file: Box<dyn Stream>) -> Result<Option<String>, Fault> {
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    let mut at = 2;
    while let Some(marker) = next_marker(&bytes, &mut at).filter(|&marker| marker != SOS) {
        let Some(body) = segment(&bytes, &mut at) else { break };
        // Other programs may have put their own packets before it.
        if marker == APP1
            && let Some(text) = body.strip_prefix(XMP_SEGMENT).and_then(in_xmp)
        {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

/// A WebP's XMP.
pub(in super::super) fn of_webp(file: Box<dyn Stream>) -> Result<Option<String>, Fault> {
    let mut decoder = image_webp::WebPDecoder::new(file).map_err(Fault::damaged)?;
    decoder.set_memory_limit(LONGEST_XMP);
    Ok(decoder.xmp_metadata().map_err(Fault::damaged)?.as_deref().and_then(in_xmp))
}

/// A TIFF's XMP.
pub(in super::super) fn of_tiff(mut file: Box<dyn Stream>) -> Result<Option<String>, Fault> {
    let (directory, _) = Directory::of_picture(&mut file)?;
    Ok(directory.bytes(XMP_TAG, &mut file).as_deref().and_then(in_xmp))
}
