//! JPEG: what is cut, coded in other ways, or in other colours.

use std::fmt::Write;

use image::ImageEncoder;
use image::codecs::jpeg::JpegEncoder;

use super::*;

/// A JPEG of one 8×8 block per component, each of one value: DC coefficients alone, quantised by 8.
struct Flat<'a> {
    frame: u8,
    components: &'a [(u8, u8)],
    /// Sampling factors of all components.
    sampling: u8,
    adobe: Option<u8>,
    jfif: bool,
}

impl Flat<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8];
        let mut segment = |marker: u8, body: &[u8]| {
            out.extend([0xff, marker]);
            out.extend((body.len() as u16 + 2).to_be_bytes());
            out.extend(body);
        };
        if self.jfif {
            segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        }
        if let Some(transform) = self.adobe {
            segment(0xee, &[b"Adobe\0\x64\0\0\0\0".as_slice(), &[transform]].concat());
        }
        segment(0xdb, &[&[0][..], &[8; 64]].concat());
        let count = self.components.len() as u8;
        let named = self.components.iter().flat_map(|&(name, _)| [name, self.sampling, 0]);
        segment(self.frame, &[vec![8, 0, 8, 0, 8, count], named.collect()].concat());
        // Categories 0 to 8 of DC have codes of four bits, the end of a block among AC the code 0.
        segment(0xc4, &[&[0, 0, 0, 0, 9][..], &[0; 12], &[0, 1, 2, 3, 4, 5, 6, 7, 8]].concat());
        segment(0xc4, &[&[0x10, 1][..], &[0; 15], &[0]].concat());
        let named = self.components.iter().flat_map(|&(name, _)| [name, 0]);
        segment(0xda, &[vec![count], named.collect(), vec![0, 63, 0]].concat());
        let mut bits = String::new();
        for &(_, value) in self.components {
            let dc = i32::from(value) - 128;
            let category = 32 - dc.unsigned_abs().leading_zeros();
            let code = if dc < 0 { dc + (1 << category) - 1 } else { dc };
            write!(bits, "{category:04b}").unwrap();
            if category > 0 {
                write!(bits, "{code:0width$b}", width = category as usize).unwrap();
            }
            bits += "0";
        }
        bits += &"1".repeat((8 - bits.len() % 8) % 8);
        for i in (0..bits.len()).step_by(8) {
            let byte = u8::from_str_radix(&bits[i..i + 8], 2).unwrap();
            out.push(byte);
            if byte == 0xff {
                out.push(0);
            }
        }
        out.extend([0xff, 0xd9]);
        out
    }
}

const YCC: Flat<'_> =
    Flat { frame: 0xc0, components: &[(1, 100), (2, 128), (3, 128)], sampling: 0x11, adobe: None, jfif: true };

fn photograph(width: u32, height: u32) -> Vec<u8> {
    let pixels = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>();
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, 95)
        .write_image(&pixels, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    out
}

#[test]
fn colours_are_what_markers_and_names_say() {
    let grey = [100, 100, 100];
    let components = &[(b'R', 100), (b'G', 110), (b'B', 120)][..];
    let numbered = &[(1, 100), (2, 110), (3, 120)][..];
    let yellowish = [75, 110, 68];
    for (file, expected) in [
        (Flat { ..YCC }, grey),
        (Flat { components: &[(1, 100)], ..YCC }, grey),
        (Flat { components: &[(1, 100)], sampling: 0x22, ..YCC }, grey),
        (Flat { components: &[(0, 100), (1, 128), (2, 128)], jfif: false, ..YCC }, grey),
        (Flat { components, jfif: false, ..YCC }, [100, 110, 120]),
        (Flat { components: numbered, jfif: false, adobe: Some(0), ..YCC }, [100, 110, 120]),
        // JFIF knows no RGB.
        (Flat { components, ..YCC }, [89, 112, 68]),
        (Flat { components, jfif: false, adobe: Some(1), ..YCC }, [89, 112, 68]),
        // Adobe's inks: 255 is none.
        (
            Flat { components: &[(1, 155), (2, 200), (3, 255), (4, 255)], jfif: false, adobe: Some(0), ..YCC },
            [155, 200, 255],
        ),
        (
            Flat { components: &[(1, 155), (2, 200), (3, 255), (4, 128)], jfif: false, adobe: None, ..YCC },
            [78, 100, 128],
        ),
        // Y, Cb, Cr of the inks' complements: 155, 100, 187.
        (
            Flat { components: &[(1, 126), (2, 163), (3, 149), (4, 255)], jfif: false, adobe: Some(2), ..YCC },
            [100, 155, 67],
        ),
    ] {
        let picture = read(&file.bytes()).unwrap();
        let found = levels(&picture, 3, 4);
        let near = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 2);
        assert!(near, "{found:?} {expected:?} {:?} {:?} {yellowish:?}", file.components, file.adobe);
    }
}

#[test]
fn kinds_that_are_not_read_are_named() {
    for (frame, name) in [(0xc3, "lossless"), (0xc9, "arithmetic"), (0xca, "arithmetic"), (0xc5, "hierarchical")] {
        let error = read(&Flat { frame, ..YCC }.bytes()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("not supported"), "{error}");
    }
    let mut deep = YCC.bytes();
    let at = deep.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    deep[at + 4] = 12;
    let error = read(&deep).unwrap_err().to_string();
    assert!(error.contains("12-bit"), "{error}");
    // Of three components the second finer than the first: the decoder alone paints nonsense.
    let mut finer = YCC.bytes();
    let at = finer.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    finer[at + 14] = 0x22;
    assert!(read(&finer).unwrap_err().to_string().contains("unusual sampling"));
    let two = Flat { components: &[(1, 100), (2, 100)], ..YCC };
    assert!(read(&two.bytes()).unwrap_err().to_string().contains("2 components"));
}

#[test]
fn cut_at_any_place_is_an_error_and_a_missing_last_marker_none() {
    for (width, height) in [(64, 48), (3, 200), (200, 3)] {
        let whole = photograph(width, height);
        let expected = read(&whole).unwrap();
        assert_eq!(read(&whole[..whole.len() - 2]).unwrap(), expected);
        assert_eq!(read(&[&whole[..], b"and what a camera puts after it"].concat()).unwrap(), expected);
        for percent in [5, 30, 60, 80, 95, 99] {
            let cut = &whole[..whole.len() * percent / 100];
            assert_eq!(read(cut), Err(Fault::CutShort), "{percent} % of {width}×{height}");
            // Some programs close such a file.
            let closed = [cut, &[0xff, 0xd9]].concat();
            assert!(read(&closed).is_err(), "{percent} % of {width}×{height}, closed");
        }
    }
}

#[test]
fn the_orientation_and_the_profile_are_found_among_other_segments() {
    let mut file = photograph(16, 8);
    let exif = [b"Exif\0\0".as_slice(), &turned_by(6, true)].concat();
    let segment =
        |marker: u8, body: &[u8]| [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat();
    let more = [segment(0xe1, &exif), segment(0xfe, b"a remark"), segment(0xed, b"Photoshop 3.0\0junk")].concat();
    file.splice(2..2, more);
    let picture = read(&file).unwrap();
    assert_eq!((picture.height(), picture.width()), (16, 8));
}

/// Calls for each segment before the pixels with its marker, its start and its end.
fn segments(file: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let (mut at, mut all) = (2, Vec::new());
    while file[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        all.push((file[at + 1], at..end));
        at = end;
    }
    all.push((0xda, at..at + 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]))));
    all
}

/// The encoder uses the standard's tables, as cameras do that leave them out.
#[test]
fn tables_that_are_missing_are_the_standard_s() {
    let whole = photograph(40, 24);
    let expected = read(&whole).unwrap();
    let tables: Vec<_> = segments(&whole).into_iter().filter(|(marker, _)| *marker == 0xc4).collect();
    assert!(!tables.is_empty());
    let mut without = whole.clone();
    for (_, place) in tables.iter().rev() {
        without.drain(place.clone());
    }
    assert_eq!(read(&without).unwrap(), expected);
    // One of several is missing.
    if tables.len() > 1 {
        let mut without = whole;
        without.drain(tables[1].1.clone());
        assert_eq!(read(&without).unwrap(), expected);
    }
}

#[test]
fn components_may_have_any_names_even_equal_ones() {
    let whole = photograph(40, 24);
    let expected = read(&whole).unwrap();
    let find = |wanted| segments(&whole).into_iter().find(|(marker, _)| *marker == wanted).unwrap().1.start;
    let (frame, scan) = (find(0xc0), find(0xda));
    for names in [[0, 1, 2], [1, 1, 1], [0, 0, 0], [7, 7, 9], [b'r', b'g', b'b'], [255, 3, 1], [3, 2, 1], [1, 34, 35]] {
        let mut file = whole.clone();
        for (i, name) in names.into_iter().enumerate() {
            file[frame + 10 + 3 * i] = name;
            file[scan + 5 + 2 * i] = name;
        }
        assert_eq!(read(&file).unwrap(), expected, "{names:?}");
    }
}

#[test]
fn what_was_made_is_found_behind_fill_bytes_and_other_packets() {
    let made = Provenance::new(["transfer", "a.png"]);
    let options = SaveOptions { provenance: Some(made.clone()), ..SaveOptions::default() };
    let plain = sample().encoded(Format::Jpeg, &options).unwrap();
    let packet = segments(&plain).into_iter().find(|(marker, _)| *marker == 0xe1).unwrap().1.start;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    for fill in [1, 2, 300] {
        for place in [2, packet, packet + 2 + usize::from(u16::from_be_bytes([plain[packet + 2], plain[packet + 3]]))] {
            let mut file = plain.clone();
            file.splice(place..place, vec![0xff; fill]);
            std::fs::write(&path, &file).unwrap();
            assert_eq!(Provenance::read(&path).unwrap(), Some(made.clone()), "{fill} at {place}");
            assert_eq!(read(&file).unwrap(), read(&plain).unwrap());
        }
    }
    let other = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>";
    let mut file = plain.clone();
    file.splice(packet..packet, [&[0xff, 0xe1, 0, other.len() as u8 + 2][..], other].concat());
    std::fs::write(&path, &file).unwrap();
    assert_eq!(Provenance::read(&path).unwrap(), Some(made));
}
