//! Any bytes at all: a picture or an error, never a panic. What is a picture may be a mask, and may tell how it was made.
#![no_main]

use impasto::Picture;
use impasto::picture::{Provenance, Regions};
use impasto_fuzz::in_a_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = Picture::decode(bytes) {
        assert!(picture.rgb.iter().all(|value| (0.0..=1.0).contains(value)));
        for &colour in Regions::of(&picture).colours() {
            Regions::of(&picture).shares(colour, [3, 5]);
        }
    }
    in_a_file(bytes, |path| {
        if let Ok(Some(provenance)) = Provenance::read(path) {
            provenance.as_command();
        }
    });
});
