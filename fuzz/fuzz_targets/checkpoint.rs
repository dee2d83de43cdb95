//! Nearly right checkpoints, whose checksum is made right again: a state or an error, never a panic.
#![no_main]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use impasto::optim;
use impasto::run::{Checkpoint, State};
use impasto_fuzz::{changed, in_a_file};
use libfuzzer_sys::fuzz_target;
use ndarray::ArrayD;
use serde_json::Map;
use sha2::{Digest, Sha256};

/// The checksum's bytes, at the end.
const DIGEST: usize = 32;

/// A checkpoint of a run of Adam.
fn seed() -> &'static [u8] {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    SEED.get_or_init(|| {
        let picture = ArrayD::from_shape_fn(vec![3, 4, 3], |at| (at[0] + 2 * at[1]) as f32 / 8.0);
        let moment = || Cow::Owned(vec![0.25; 36]);
        let state = State {
            scale: 1,
            iteration: 70,
            iteration_of_scale: 20,
            scale_done: false,
            ended: None,
            random: 36,
            lowest: vec![3.0, 2.0],
            elapsed: Duration::from_secs(3),
            values: picture.view().into(),
            sound: Some(picture.view().into()),
            optimizer: optim::State {
                numbers: BTreeMap::from([("step".into(), vec![20.0])]),
                arrays: BTreeMap::from([("m".into(), moment()), ("v".into(), moment())]),
            },
        };
        in_a_file(b"", |path| {
            Checkpoint::write(path, &Map::new(), &state).expect("a small file");
            std::fs::read(path).expect("it was written")
        })
    })
}

fuzz_target!(|input: (Vec<(u16, u8)>, u8, bool)| {
    let (changes, cut, any_digest) = input;
    let mut bytes = changed(seed(), &changes);
    bytes.truncate(bytes.len() - usize::from(cut >> 4));
    if !any_digest && bytes.len() > DIGEST {
        let end = bytes.len() - DIGEST;
        let digest = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
    }
    in_a_file(&bytes, |path| {
        if let Ok(checkpoint) = Checkpoint::open(path) {
            let _ = (checkpoint.about(), checkpoint.iteration(), checkpoint.state());
        }
    });
});
