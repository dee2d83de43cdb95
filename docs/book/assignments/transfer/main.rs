//! Assignment 3 of the book: a style transfer. Your part is `yours.rs`.
//!
//! ```text
//! cargo test --release --example assignment_transfer
//! cargo run --release --example assignment_transfer -- photo.jpg painting.jpg out.png
//! ```

#[allow(dead_code, unused_variables, reason = "functions that are still to be written")]
mod yours;

#[cfg(test)]
macro_rules! checks {
    ($($check:item)*) => { $(#[test] $check)* };
}
#[cfg(test)]
mod checks;

use impasto::{Layer, Picture, Tape, Vgg19, Weights, ops};
use ndarray::Ix3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [photo, painting, out] = &words[..] else {
        return Err("give a photo, a painting and the picture to write".into());
    };
    let network = Vgg19::new(Weights::find()?);
    let image = |path: &String| -> Result<_, Box<dyn std::error::Error>> {
        Ok(network.normalise(&Picture::open_fitted(path, 192)?.rgb.view()).into_dyn())
    };
    let (photo, painting) = (image(photo)?, image(painting)?);
    let layers = |names: &[&str]| names.iter().map(|name| name.parse::<Layer>()).collect::<Result<Vec<_>, _>>();
    let tape = Tape::new();
    let content = network.features(&tape.constant(photo.clone()), layers(&["relu4_2"])?)?;
    let style = network.features(&tape.constant(painting), layers(&["relu1_1", "relu2_1", "relu3_1", "relu4_1"])?)?;
    let targets = yours::Targets {
        content: content.iter().map(|(&layer, f)| (layer, f.to_array())).collect(),
        style: style.iter().map(|(&layer, f)| (layer, ops::gram_matrix(f).to_array())).collect(),
    };
    let found = yours::transfer(&network, &targets, photo, 100.0, true, 300)?;
    let found = yours::blur(&Tape::new().constant(found)).to_array();
    let found = network.denormalise(&found.view().into_dimensionality::<Ix3>()?);
    Picture::new(found.mapv(|value| value.clamp(0.0, 1.0))).save(out)?;
    Ok(())
}
