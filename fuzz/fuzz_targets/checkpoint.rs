//! Nearly right checkpoints, whose checksum is made right again: an error or a run that goes on, never a panic.
#![no_main]

use std::sync::OnceLock;

use impasto::optim::Method;
use impasto::run::Checkpoint;
use impasto::{Invert, Picture, Run, Vgg19, Weights};
use impasto_fuzz::{changed, in_a_file};
use libfuzzer_sys::fuzz_target;
use ndarray::Array3;
use serde_json::Map;
use sha2::{Digest, Sha256};

/// The checksum's bytes, at the end.
const DIGEST: usize = 32;

/// The bytes before the header, which say how long it is.
const LENGTH: usize = 8;

const METHODS: [Method; 3] = [Method::Lbfgs, Method::Adam, Method::Momentum];

/// A run of a few pixels and channels.
fn run(method: Method) -> Run<'static> {
    static OF: OnceLock<(Picture, Vgg19<f32>)> = OnceLock::new();
    let (picture, network) = OF.get_or_init(|| {
        let picture =
            Picture::new(Array3::from_shape_fn((3, 4, 3), |(i, j, c)| ((i * 7 + j * 3 + c) % 8) as f32 / 7.0));
        let layer = "relu1_1".parse().expect("a layer");
        (picture, Vgg19::new(Weights::random_with_widths([4; 5], 1, Some(layer))))
    });
    let job = Invert::new(picture, network, "relu1_1".parse().expect("a layer"));
    Invert { steps: 9, method, ..job }.run().expect("a small run")
}

/// A checkpoint of each method, on the way.
fn seeds() -> &'static [Vec<u8>; 3] {
    static SEEDS: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    SEEDS.get_or_init(|| {
        METHODS.map(|method| {
            let mut run = run(method);
            for _ in 0..4 {
                run.advance().expect("an iteration");
            }
            in_a_file(b"", |path| {
                Checkpoint::write(path, &Map::new(), &run.state()).expect("a small file");
                std::fs::read(path).expect("it was written")
            })
        })
    })
}

/// The header with parts replaced, its length made right: each part is a place, how many bytes go, and what comes.
fn edited(bytes: &[u8], edits: &[(u16, u8, Vec<u8>)]) -> Vec<u8> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>().expect("a checkpoint is longer");
    let (header, arrays) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header = header.to_vec();
    for (place, gone, come) in edits {
        let start = usize::from(*place) % (header.len() + 1);
        let end = (start + usize::from(gone % 8)).min(header.len());
        header.splice(start..end, come.iter().copied());
    }
    [&(header.len() as u64).to_le_bytes(), &header[..], arrays].concat()
}

fuzz_target!(|input: (u8, Vec<(u16, u8, Vec<u8>)>, Vec<(u16, u8)>, u8, bool)| {
    let (kind, edits, changes, cut, any_digest) = input;
    let kind = usize::from(kind) % METHODS.len();
    let mut bytes = changed(&edited(&seeds()[kind], &edits), &changes);
    bytes.truncate(bytes.len() - usize::from(cut >> 4));
    if !any_digest && bytes.len() > DIGEST {
        let end = bytes.len() - DIGEST;
        let digest = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
    }
    in_a_file(&bytes, |path| {
        let Ok(checkpoint) = Checkpoint::open(path) else { return };
        let _ = (checkpoint.about(), checkpoint.iteration());
        let Ok(state) = checkpoint.state() else { return };
        let mut run = run(METHODS[kind]);
        if run.restore(state).is_ok() {
            run.advance().expect("an iteration, or the end");
        }
    });
});
