//! Assignment 1 of the book: invert a layer of VGG19. Your part is `yours.rs`.
//!
//! ```text
//! cargo test --release --example assignment_inversion
//! cargo run --release --example assignment_inversion -- photo.jpg relu3_1 inverted.png
//! ```

#[allow(dead_code, unused_variables, reason = "functions that are still to be written")]
mod yours;

#[cfg(test)]
macro_rules! checks {
    ($($check:item)*) => { $(#[test] $check)* };
}
#[cfg(test)]
mod checks;

use impasto::{Layer, Picture, Tape, Vgg19, Weights};
use ndarray::{Array, Ix3};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [photo, layer, out] = &words[..] else { return Err("give a photo, a layer and the picture to write".into()) };
    let (photo, layer): (_, Layer) = (Picture::open_fitted(photo, 128)?, layer.parse()?);
    let network = Vgg19::new(Weights::find()?);
    let image = network.normalise(&photo.rgb.view()).into_dyn();
    let target = network.features(&Tape::new().constant(image.clone()), [layer])?[&layer].to_array();
    // Faint noise, without a generator of random numbers.
    let start = Array::from_iter((0..image.len()).map(|i| 0.1 * (i as f32 * 12.9898).sin()));
    let start = start.into_shape_with_order(image.raw_dim())?;
    let found = yours::invert(&network, layer, &target, start, 1e-3, 300)?;
    let found = network.denormalise(&found.view().into_dimensionality::<Ix3>()?);
    Picture::new(found.mapv(|value| value.clamp(0.0, 1.0))).save(out)?;
    Ok(())
}
