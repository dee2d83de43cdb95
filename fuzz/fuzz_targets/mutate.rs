//! Nearly right files: a small picture in one of the formats, with or without profile and EXIF, some of its bytes changed.
#![no_main]

use std::sync::OnceLock;

use image::codecs::gif::GifEncoder;
use image::{Frame, Rgba, RgbaImage};
use impasto::Picture;
use impasto::picture::{Format, Provenance, SaveOptions};
use impasto_fuzz::{changed, look_at_picture};
use libfuzzer_sys::fuzz_target;
use moxcms::ColorProfile;
use ndarray::{Array2, Array3};

/// EXIF of two entries: the maker, as a short text, and the orientation.
const EXIF: &[u8] = b"II*\0\x08\0\0\0\x02\0\
    \x0f\x01\x02\0\x03\0\0\0ab\0\0\
    \x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0";

const FORMATS: [Format; 5] = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp];

fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let value = |(i, j, c): (usize, usize, usize)| ((i * 7 + j * 3 + c) % 16) as f32 / 15.0;
        let plain = Picture::new(Array3::from_shape_fn((9, 13, 3), value));
        let full = Picture {
            alpha: Some(Array2::from_shape_fn((9, 13), |(i, j)| ((i + j) % 5) as f32 / 4.0)),
            profile: Some(ColorProfile::new_display_p3().encode().expect("a known profile")),
            exif: Some(EXIF.to_vec()),
            ..plain.clone()
        };
        let mut seeds = Vec::new();
        for format in FORMATS {
            // One has a profile: transforms to and from P3 take most of an execution's time.
            let profile = if format == Format::Tiff { full.profile.clone() } else { None };
            let full = Picture { profile, ..full.clone() };
            let made = SaveOptions { provenance: Some(Provenance::new(["fuzz"])), ..Default::default() };
            seeds.push(plain.encoded(format, &SaveOptions::default()).expect("a small picture"));
            seeds.push(full.encoded(format, &made).expect("a small picture"));
        }
        let mut gif = Vec::new();
        let frame = Frame::new(RgbaImage::from_fn(9, 7, |x, y| Rgba([(x * 20) as u8, (y * 30) as u8, 7, 255])));
        GifEncoder::new(&mut gif).encode_frame(frame).expect("a small picture");
        seeds.push(gif);
        let pixels: Vec<u8> = (0..3 * 64 * 64).map(|i| (i * i % 251) as u8).collect();
        seeds.push(heifer::encode_rgb8(64, 64, &pixels, &heifer::EncodeOptions::default()).expect("a small picture"));
        seeds
    })
}

fuzz_target!(|input: (u8, Vec<(u16, u8)>, u8)| {
    let (kind, changes, cut) = input;
    let mut bytes = changed(&seeds()[usize::from(kind) % seeds().len()], &changes);
    bytes.truncate(bytes.len() - usize::from(cut >> 4));
    look_at_picture(&bytes);
});
