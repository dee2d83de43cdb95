//! Nearly right files: a small picture in one of the formats, with some of its bytes changed.
#![no_main]

use std::sync::OnceLock;

use impasto::Picture;
use impasto::picture::{Format, Provenance, SaveOptions};
use impasto_fuzz::{changed, in_a_file};
use libfuzzer_sys::fuzz_target;
use ndarray::Array3;

fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let value = |(i, j, c): (usize, usize, usize)| ((i * 7 + j * 3 + c) % 16) as f32 / 15.0;
        let picture = Picture::new(Array3::from_shape_fn((9, 13, 3), value));
        [Format::Png, Format::Jpeg, Format::WebP, Format::Tiff, Format::Bmp]
            .map(|format| {
                let provenance = Some(Provenance::new(["fuzz"]));
                let options = SaveOptions { format: Some(format), provenance, ..Default::default() };
                in_a_file(b"", |path| {
                    picture.save_with(path, &options).expect("a small picture");
                    std::fs::read(path).expect("it was written")
                })
            })
            .into()
    })
}

fuzz_target!(|input: (u8, Vec<(u16, u8)>)| {
    let (kind, changes) = input;
    let bytes = changed(&seeds()[usize::from(kind) % seeds().len()], &changes);
    if let Ok(picture) = Picture::decode(&bytes) {
        assert!(picture.rgb.iter().all(|value| (0.0..=1.0).contains(value)));
    }
});
