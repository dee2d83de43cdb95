//! Any bytes at all as a picture, a mask, and what tells how it was made: an error or right, never a panic.
//!
//! `seeds.py` makes small files of each kind to begin with.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| impasto_fuzz::look_at_picture(bytes));
