//! Any bytes as a file of weights (npz, safetensors, pth, h5, wheel): weights or an error, never a panic.
//!
//! `seeds.py` makes small files of each kind to begin with.
#![no_main]

use impasto::vgg::WeightsFile;
use impasto_fuzz::in_a_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    in_a_file(bytes, |path| {
        let Ok(file) = WeightsFile::open(path) else { return };
        let _ = file.convolutions();
        let _ = file.recognise(None);
        let conv1_1 = "conv1_1".parse().expect("a layer");
        for deepest in [Some(conv1_1), None] {
            if let Ok(weights) = file.read(deepest, None) {
                let finite = |conv: &impasto::vgg::ConvWeights| conv.weight.iter().all(|w| w.is_finite());
                assert!(weights.convolutions.iter().all(finite));
            }
        }
    });
});
