//! Recognises files by their first bytes, regardless of their names.

use super::super::Format;
use super::Fault;

/// The number of bytes examined.
pub(super) const LONGEST_MAGIC: u64 = 1024;

/// Files that are often mistaken for pictures: the position of the signature, the signature, and a description.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"%PDF-", "a PDF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"8BPS", "a Photoshop document (PSD)"),
    (0, b"gimp xcf", "a GIMP document (XCF)"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (0, b"#?RADIANCE", "a Radiance HDR picture"),
    (0, b"#?RGBE", "a Radiance HDR picture"),
    (0, b"DDS ", "a DirectDraw surface (DDS)"),
    (0, b"qoif", "a QOI picture"),
    (0, b"farbfeld", "a farbfeld picture"),
    (0, b"\0\0\x01\0", "a Windows icon"),
    (0, b"SIMPLE  =", "a FITS picture"),
    (0, b"DICM", "a DICOM picture"),
    (128, b"DICM", "a DICOM picture"),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIRO", RAW),
    (0, b"IIRS", RAW),
    (0, b"IIU\0", RAW),
    (8, b"CR\x02\0", RAW),
    (4, b"ftypcrx ", RAW),
    (4, b"ftypavif", "an AVIF picture"),
    (4, b"ftypavis", "an AVIF animation"),
    (4, b"ftyphevc", "a HEIF animation"),
    (4, b"ftypmsf1", "a HEIF animation"),
    (4, b"ftyp", "a video (MP4 or QuickTime)"),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
    (8, b"AVI ", "a video (AVI)"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x7fELF", "a program"),
    (0, b"P1", "a PNM picture"),
    (0, b"P2", "a PNM picture"),
    (0, b"P3", "a PNM picture"),
    (0, b"P4", "a PNM picture"),
    (0, b"P5", "a PNM picture"),
    (0, b"P6", "a PNM picture"),
    (0, b"P7", "a PNM picture"),
];

pub(super) const RAW: &str = "a camera's raw picture";

/// The advice for unsupported files.
const CONVERT: &str = "convert it to one of these first";

/// The format of a file that begins with these bytes.
///
/// # Errors
/// If it cannot be read. The error names the format if it is known.
pub(super) fn format_of(first: &[u8]) -> Result<Format, Fault> {
    if first.is_empty() {
        return Err(Fault::Empty);
    }
    Format::of_bytes(first).ok_or_else(|| other(first))
}

/// Whether a container's first box names a brand among those it is compatible with.
pub(in super::super) fn lists_brand(first: &[u8], brand: &[u8; 4]) -> bool {
    let len = first.first_chunk::<4>().map_or(0, |len| u32::from_be_bytes(*len) as usize);
    let brands = first.get(16..len.min(first.len())).unwrap_or_default();
    brands.chunks_exact(4).any(|other| other == brand)
}

fn other(first: &[u8]) -> Fault {
    let text = String::from_utf8_lossy(first);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if begins("version https://git-lfs") {
        let advice = Some("`git lfs pull` fetches the picture itself");
        return Fault::Other { what: "a pointer of Git LFS, not the picture", advice };
    }
    let svg = begins("<svg") || begins("<?xml") && text.contains("<svg");
    if svg {
        return Fault::Other { what: "a drawing (SVG)", advice: Some(CONVERT) };
    }
    if begins("<!doctype html") || begins("<html") || begins("<head") || begins("<!--") {
        return Fault::Other { what: "a web page (HTML)", advice: Some("download the picture itself, not its page") };
    }
    if lists_brand(first, b"avif") {
        return Fault::Other { what: "an AVIF picture", advice: Some(CONVERT) };
    }
    let known = OTHERS.iter().find(|(place, mark, _)| first.get(*place..).is_some_and(|rest| rest.starts_with(mark)));
    known.map_or(Fault::Unknown, |(_, _, what)| Fault::Other { what, advice: Some(CONVERT) })
}
