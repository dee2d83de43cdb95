//! Any bytes at all: a picture or an error, never a panic.
#![no_main]

use impasto::Picture;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = Picture::decode(bytes) {
        assert!(picture.rgb.iter().all(|value| (0.0..=1.0).contains(value)));
    }
});
