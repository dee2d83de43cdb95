//! Nearly right files: a small picture in one of the formats, with some of its bytes changed.
#![no_main]

use std::sync::OnceLock;

use impasto::Picture;
use impasto::picture::{Format, Provenance, SaveOptions};
use libfuzzer_sys::fuzz_target;
use ndarray::Array3;

fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let picture = Picture::new(Array3::from_shape_fn((9, 13, 3), |(i, j, c)| ((i * 7 + j * 3 + c) % 16) as f32 / 15.0));
        let folder = std::env::temp_dir().join(format!("impasto-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let formats = [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp];
        formats.map(|format| {
            let path = folder.join("seed");
            let provenance = Some(Provenance::new(["fuzz"]));
            picture.save_with(&path, &SaveOptions { format: Some(format), provenance, ..Default::default() }).unwrap();
            std::fs::read(path).unwrap()
        })
        .into()
    })
}

fuzz_target!(|input: (u8, Vec<(u16, u8)>)| {
    let (kind, changes) = input;
    let mut bytes = seeds()[usize::from(kind) % seeds().len()].clone();
    for (place, value) in changes {
        let place = usize::from(place) % bytes.len();
        bytes[place] = value;
    }
    if let Ok(picture) = Picture::decode(&bytes) {
        assert!(picture.rgb.iter().all(|value| (0.0..=1.0).contains(value)));
    }
});
