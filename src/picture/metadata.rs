//! EXIF: the orientation, and the data of a photograph that remain valid for a picture made from it.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Context, Exif, Field, In, Reader, Tag, Value};

/// The data to keep: author, date and equipment. The rest describes the original pixels (sizes, thumbnails, the maker's
/// notes) or is private.
const KEPT: &[Tag] = &[
    Tag::Make,
    Tag::Model,
    Tag::DateTime,
    Tag::Artist,
    Tag::Copyright,
    Tag::DateTimeOriginal,
    Tag::DateTimeDigitized,
    Tag::OffsetTime,
    Tag::OffsetTimeOriginal,
    Tag::OffsetTimeDigitized,
    Tag::SubSecTime,
    Tag::SubSecTimeOriginal,
    Tag::SubSecTimeDigitized,
    Tag::ExposureTime,
    Tag::FNumber,
    Tag::PhotographicSensitivity,
    Tag::FocalLength,
    Tag::FocalLengthIn35mmFilm,
    Tag::LensMake,
    Tag::LensModel,
];

/// The EXIF data to keep, encoded again; `None` if nothing remains. The location is kept on request. There is no
/// orientation in it: the picture is upright.
pub(super) fn kept(exif: &[u8], location: bool) -> Option<Vec<u8>> {
    let exif = parse(exif)?;
    let wanted = |field: &&Field| {
        field.ifd_num == In::PRIMARY
            && (KEPT.contains(&field.tag) || location && field.tag.context() == Context::Gps)
            && !matches!(field.value, Value::Unknown(..))
    };
    write(exif.fields().filter(wanted))
}

/// EXIF data of texts, by the numbers of their tags.
pub(super) fn from_texts(texts: &[(u16, Vec<u8>)]) -> Option<Vec<u8>> {
    let field = |(number, text): &(u16, Vec<u8>)| Field {
        tag: Tag(Context::Tiff, *number),
        ifd_num: In::PRIMARY,
        value: Value::Ascii(vec![text.clone()]),
    };
    write(texts.iter().map(field).collect::<Vec<_>>().iter())
}

/// The texts of EXIF's main directory, by tag number, as bytes, which need not be ASCII.
pub(super) fn texts(exif: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let Some(exif) = parse(exif) else { return Vec::new() };
    let text = |field: &Field| match &field.value {
        Value::Ascii(lines) if field.tag.context() == Context::Tiff && field.ifd_num == In::PRIMARY => {
            Some((field.tag.number(), lines.first()?.clone()))
        }
        _ => None,
    };
    exif.fields().filter_map(text).collect()
}

/// The orientation, 1 to 8. The tag is a SHORT, or with some writers a LONG.
pub(super) fn orientation(exif: &[u8]) -> Option<u32> {
    parse(exif)?.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)
}

fn parse(exif: &[u8]) -> Option<Exif> {
    // Some writers put the prefix of JPEG's segment before the data in other formats too.
    let data = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif).to_vec();
    let mut reader = Reader::new();
    // A damaged field must not lose the orientation.
    reader.continue_on_error(true);
    reader.read_raw(data).or_else(|error| error.distill_partial_result(|_| ())).ok()
}

fn write<'a>(fields: impl Iterator<Item = &'a Field>) -> Option<Vec<u8>> {
    let mut writer = Writer::new();
    let mut seen = Vec::new();
    for field in fields {
        if !seen.contains(&field.tag) {
            seen.push(field.tag);
            writer.push_field(field);
        }
    }
    let mut written = Cursor::new(Vec::new());
    if seen.is_empty() || writer.write(&mut written, true).is_err() {
        return None;
    }
    Some(written.into_inner())
}
