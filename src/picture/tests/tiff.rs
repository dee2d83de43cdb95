//! TIFF: kinds of samples, planes, tiles, palettes.

use super::*;

/// A TIFF's tags and data, written by hand: a little-endian file of strips or tiles without compression.
struct Made<'a> {
    size: [u32; 2],
    bits: u16,
    samples: u16,
    photometric: u16,
    format: u16,
    planar: bool,
    tile: Option<u32>,
    extra: &'a [u16],
    palette: &'a [u16],
    orientation: Option<u32>,
    /// Strips or tiles.
    chunks: Vec<Vec<u8>>,
}

const MADE: Made<'_> = Made {
    size: [1, 2],
    bits: 8,
    samples: 1,
    photometric: 1,
    format: 1,
    planar: false,
    tile: None,
    extra: &[],
    palette: &[],
    orientation: None,
    chunks: Vec::new(),
};

impl Made<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut out = b"II*\0\0\0\0\0".to_vec();
        let mut entries: Vec<(u16, u16, Vec<u8>)> = Vec::new();
        let shorts = |values: &[u16]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let longs = |values: &[u32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
        let mut places = Vec::new();
        for chunk in &self.chunks {
            places.push(out.len() as u32);
            out.extend(chunk);
        }
        let lengths = self.chunks.iter().map(|chunk| chunk.len() as u32).collect::<Vec<_>>();
        entries.push((256, 4, longs(&[self.size[1]])));
        entries.push((257, 4, longs(&[self.size[0]])));
        entries.push((258, 3, shorts(&vec![self.bits; usize::from(self.samples)])));
        entries.push((259, 3, shorts(&[1])));
        entries.push((262, 3, shorts(&[self.photometric])));
        if self.tile.is_none() {
            entries.push((273, 4, longs(&places)));
        }
        if let Some(orientation) = self.orientation {
            entries.push((274, 4, longs(&[orientation])));
        }
        entries.push((277, 3, shorts(&[self.samples])));
        if self.tile.is_none() {
            entries.push((278, 4, longs(&[self.size[0]])));
            entries.push((279, 4, longs(&lengths)));
        }
        entries.push((284, 3, shorts(&[1 + u16::from(self.planar)])));
        if !self.palette.is_empty() {
            entries.push((320, 3, shorts(self.palette)));
        }
        if let Some(tile) = self.tile {
            entries.push((322, 4, longs(&[tile])));
            entries.push((323, 4, longs(&[tile])));
            entries.push((324, 4, longs(&places)));
            entries.push((325, 4, longs(&lengths)));
        }
        if !self.extra.is_empty() {
            entries.push((338, 3, shorts(self.extra)));
        }
        entries.push((339, 3, shorts(&vec![self.format; usize::from(self.samples)])));
        let mut directory = (entries.len() as u16).to_le_bytes().to_vec();
        for (tag, kind, mut value) in entries {
            let count = value.len() as u32 / if kind == 3 { 2 } else { 4 };
            if value.len() > 4 {
                let place = out.len() as u32;
                out.extend(value);
                value = longs(&[place]);
            }
            value.resize(4, 0);
            directory.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat());
        }
        out.extend([0; 1].repeat(out.len() % 2));
        let place = out.len() as u32;
        out[4..8].copy_from_slice(&place.to_le_bytes());
        out.extend(directory);
        out.extend([0; 4]);
        out
    }
}

#[test]
fn kinds_of_samples() {
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let doubles = |values: &[f64]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let halves = |values: &[f32]| values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect::<Vec<_>>();
    let rgb = Made { samples: 3, photometric: 2, ..MADE };
    let grey = |level: u8| [[level; 3]; 2];
    for (name, made, expected) in [
        ("one bit", Made { bits: 1, chunks: vec![vec![0b0100_0000]], ..MADE }, [[0; 3], [255; 3]]),
        (
            "one bit, white is 0",
            Made { bits: 1, photometric: 0, chunks: vec![vec![0b0100_0000]], ..MADE },
            [[255; 3], [0; 3]],
        ),
        ("four bits", Made { bits: 4, chunks: vec![vec![0x3c]], ..MADE }, [[51; 3], [204; 3]]),
        ("8 bits, white is 0", Made { photometric: 0, chunks: vec![vec![155, 255]], ..MADE }, [[100; 3], [0; 3]]),
        ("32 bits", Made { bits: 32, samples: 3, photometric: 2, chunks: vec![vec![64; 24]], ..MADE }, grey(64)),
        ("64 bits", Made { bits: 64, chunks: vec![vec![64; 16]], ..MADE }, grey(64)),
        ("grey floats", Made { bits: 32, format: 3, chunks: vec![floats(&[0.2, 0.2])], ..MADE }, grey(51)),
        ("halves", Made { bits: 16, format: 3, chunks: vec![halves(&[0.2, 0.2])], ..MADE }, grey(51)),
        ("doubles", Made { bits: 64, format: 3, chunks: vec![doubles(&[0.2, 1.3])], ..MADE }, [[51; 3], [255; 3]]),
        (
            "planes",
            Made { planar: true, chunks: vec![vec![1, 2], vec![3, 4], vec![5, 6]], ..rgb },
            [[1, 3, 5], [2, 4, 6]],
        ),
        (
            "CMYK",
            Made { samples: 4, photometric: 5, chunks: vec![vec![0, 255, 0, 0, 0, 0, 0, 155]], ..MADE },
            [[255, 0, 255], [100; 3]],
        ),
        (
            "YCbCr",
            Made { samples: 3, photometric: 6, chunks: vec![vec![100, 128, 128, 100, 128, 128]], ..MADE },
            grey(100),
        ),
        (
            "extra",
            Made { samples: 4, photometric: 2, extra: &[0], chunks: vec![vec![1, 2, 3, 9, 4, 5, 6, 9]], ..MADE },
            [[1, 2, 3], [4, 5, 6]],
        ),
        (
            "palette of 16 bits",
            Made { photometric: 3, bits: 1, palette: &[0, 257, 514, 65535, 0, 771], chunks: vec![vec![0x40]], ..MADE },
            [[0, 2, 0], [1, 255, 3]],
        ),
        (
            "palette of 8 bits",
            Made { photometric: 3, bits: 1, palette: &[0, 1, 2, 255, 0, 3], chunks: vec![vec![0x40]], ..MADE },
            [[0, 2, 0], [1, 255, 3]],
        ),
    ] {
        let picture = match read(&made.bytes()) {
            Ok(picture) => picture,
            // Unlike JPEG's strips, plain YCbCr of the default subsampling is not read.
            Err(Fault::Unsupported(_)) if name == "YCbCr" => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!([levels(&picture, 0, 0), levels(&picture, 0, 1)], expected, "{name}");
        assert_eq!(picture.alpha, None, "{name}");
    }
}

#[test]
fn opacity_told_or_not_multiplied_or_not() {
    let pixels = vec![100, 50, 0, 128, 10, 20, 30, 255];
    let made = |extra| Made { samples: 4, photometric: 2, extra, chunks: vec![pixels.clone()], ..MADE };
    for (extra, first) in [(&[2][..], [100, 50, 0]), (&[], [100, 50, 0]), (&[1], [199, 100, 0])] {
        let picture = read(&made(extra).bytes()).unwrap();
        assert_eq!([levels(&picture, 0, 0), levels(&picture, 0, 1)], [first, [10, 20, 30]], "{extra:?}");
        assert_eq!(picture.alpha.unwrap()[[0, 0]], 128.0 / 255.0);
    }
    let grey = Made { samples: 2, extra: &[2], chunks: vec![vec![100, 51, 10, 255]], ..MADE };
    let picture = read(&grey.bytes()).unwrap();
    assert_eq!((levels(&picture, 0, 0), picture.alpha.unwrap()[[0, 0]]), ([100; 3], 0.2));
}

/// 17×17 pixels in planes of 16×16 tiles: the crate `tiff` alone panics on these.
#[test]
fn tiles_of_planes_that_reach_beyond_the_picture() {
    let value = |plane: usize, i: usize, j: usize| (plane * 50 + i * 3 + j) as u8;
    for (side, planar) in [(17, true), (17, false), (16, true), (33, true)] {
        let tiles = usize::div_ceil(side, 16);
        let tile = |plane: Option<usize>, down: usize, across: usize| {
            let places = (0..256).map(|k| (down * 16 + k / 16, across * 16 + k % 16));
            let planes = plane.map_or(0..3, |plane| plane..plane + 1);
            places.flat_map(|(i, j)| planes.clone().map(move |plane| value(plane, i, j))).collect::<Vec<_>>()
        };
        let planes = if planar { vec![Some(0), Some(1), Some(2)] } else { vec![None] };
        let all = planes.iter().flat_map(|&plane| (0..tiles * tiles).map(move |k| (plane, k / tiles, k % tiles)));
        let chunks = all.map(|(plane, down, across)| tile(plane, down, across)).collect();
        let size = [side as u32; 2];
        let picture =
            read(&Made { size, samples: 3, photometric: 2, planar, tile: Some(16), chunks, ..MADE }.bytes()).unwrap();
        for i in 0..side {
            for j in 0..side {
                assert_eq!(
                    levels(&picture, i, j),
                    [0, 1, 2].map(|plane| value(plane, i, j)),
                    "{side} {planar} {i} {j}"
                );
            }
        }
    }
}

#[test]
fn what_would_come_out_wrong_is_refused() {
    let floats = |values: [f32; 2]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let float = |values| Made { bits: 32, format: 3, chunks: vec![floats(values)], ..MADE }.bytes();
    assert_eq!(read(&float([0.0, 255.0])), Err(Fault::BeyondWhite(255.0)));
    assert_eq!(read(&float([f32::NAN, 0.0])), Err(Fault::NotFinite));
    assert_eq!(read(&float([0.0, f32::INFINITY])), Err(Fault::NotFinite));
    let signed = Made { format: 2, chunks: vec![vec![1, 2]], ..MADE };
    assert!(read(&signed.bytes()).unwrap_err().to_string().contains("signed"));
    let lab = Made { samples: 3, photometric: 8, chunks: vec![vec![1; 6]], ..MADE };
    assert!(read(&lab.bytes()).unwrap_err().to_string().contains("L*a*b*"));
    let twelve = Made { bits: 12, chunks: vec![vec![1; 6]], ..MADE };
    assert!(read(&twelve.bytes()).unwrap_err().to_string().contains("bits"));
    // The first number made a text of 4 GiB, of which the crate `tiff` prints something.
    let mut text = Made { chunks: vec![vec![1, 2]], ..MADE }.bytes();
    let directory = u32::from_le_bytes(text[4..8].try_into().unwrap()) as usize;
    text[directory + 4..directory + 10].copy_from_slice(&[2, 0, 255, 255, 255, 255]);
    assert!(read(&text).unwrap_err().to_string().contains("longer than the file"));
    let short = Made { photometric: 3, bits: 8, palette: &[1, 2, 3], chunks: vec![vec![0, 1]], ..MADE };
    assert!(read(&short.bytes()).unwrap_err().to_string().contains("palette"));
}

#[test]
fn an_orientation_stored_as_a_long_is_applied() {
    let picture = read(&Made { orientation: Some(6), chunks: vec![vec![1, 2]], ..MADE }.bytes()).unwrap();
    assert_eq!((picture.height(), picture.width()), (2, 1));
}

/// A TIFF of several pages of one colour each: sides, NewSubfileType, level.
pub(super) fn pages(pages: &[([u32; 2], Option<u32>, u8)]) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut encoder = ::tiff::encoder::TiffEncoder::new(&mut out).unwrap();
    for &([height, width], kind, level) in pages {
        let mut page = encoder.new_image::<::tiff::encoder::colortype::Gray8>(width, height).unwrap();
        if let Some(kind) = kind {
            page.encoder().write_tag(::tiff::tags::Tag::NewSubfileType, kind).unwrap();
        }
        page.write_data(&vec![level; (height * width) as usize]).unwrap();
    }
    out.into_inner()
}

#[test]
fn of_several_pages_the_first_is_meant_unless_it_is_a_thumbnail() {
    let (large, small) = ([48, 64], [12, 16]);
    for (file, level) in [
        (pages(&[(large, None, 50), (large, None, 90)]), 50),
        (pages(&[(large, None, 50), (small, None, 90)]), 50),
        (pages(&[(large, None, 50), (small, Some(1), 90)]), 50),
        (pages(&[(small, Some(1), 50), (large, Some(0), 90)]), 90),
        (pages(&[(small, Some(1), 50), (large, None, 90), (small, Some(1), 70)]), 90),
        // It does not say that it is one.
        (pages(&[(small, None, 50), (large, None, 90)]), 90),
        (pages(&[([12, 17], None, 50), ([47, 64], None, 90)]), 90),
        (pages(&[(small, None, 50), ([24, 32], None, 70), (large, None, 90)]), 90),
        // Another picture of other proportions, or of nearly the size.
        (pages(&[(small, None, 50), ([64, 48], None, 90)]), 50),
        (pages(&[([40, 53], None, 50), (large, None, 90)]), 50),
    ] {
        assert_eq!(levels(&read(&file).unwrap(), 0, 0), [level; 3]);
    }
}

#[test]
fn texts_of_any_letters_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["© 2024 Zoë".as_bytes(), "José".as_bytes(), b"Jos\xe9, \xa9 1999", "日本語".as_bytes(), b"plain"]
    {
        let exif = metadata::from_texts(&[(0x8298, text.to_vec())]).unwrap();
        let picture = Picture { exif: Some(exif), ..sample() };
        for name in ["a.tiff", "a.jpg", "a.png", "a.webp"] {
            let path = folder.path().join(name);
            picture.save(&path).unwrap();
            let texts = metadata::texts(&Picture::open(&path).unwrap().exif.unwrap());
            assert_eq!(texts, [(0x8298, text.to_vec())], "{name}");
        }
    }
}
