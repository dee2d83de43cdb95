//! Assignment 2 of the book: synthesise a texture. Your part is `yours.rs`.
//!
//! ```text
//! cargo test --release --example assignment_texture
//! cargo run --release --example assignment_texture -- bark.jpg texture.png
//! ```

#[allow(dead_code, unused_variables, reason = "functions that are still to be written")]
mod yours;

#[cfg(test)]
macro_rules! checks {
    ($($check:item)*) => { $(#[test] $check)* };
}
#[cfg(test)]
mod checks;

use std::collections::BTreeMap;

use impasto::{Layer, Picture, Tape, Vgg19, Weights};
use ndarray::{Array, Ix3};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [example, out] = &words[..] else { return Err("give an example and the picture to write".into()) };
    let example = Picture::open_fitted(example, 128)?;
    let network = Vgg19::new(Weights::find()?);
    let image = network.normalise(&example.rgb.view()).into_dyn();
    let layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1"].map(str::parse::<Layer>);
    let layers = layers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let tape = Tape::new();
    let features = network.features(&tape.constant(image.clone()), layers)?;
    let targets: BTreeMap<_, _> = features.iter().map(|(&layer, f)| (layer, yours::gram(f).to_array())).collect();
    // Faint noise, without a generator of random numbers.
    let start = Array::from_iter((0..image.len()).map(|i| 0.1 * (i as f32 * 12.9898).sin()));
    let start = start.into_shape_with_order(image.raw_dim())?;
    let found = yours::synthesise(&network, &targets, start, 300)?;
    let found = network.denormalise(&found.view().into_dimensionality::<Ix3>()?);
    Picture::new(found.mapv(|value| value.clamp(0.0, 1.0))).save(out)?;
    Ok(())
}
