//! Chapter 7: inversion (Mahendran & Vedaldi 2014): pictures that a layer cannot tell from a photo.
//!
//! ```text
//! cargo run --release --example 07_inversion -- target/book photo.jpg
//! ```

pub mod book;

use std::error::Error;

use book::{Book, layers, wrong};
use impasto::ops::{mse, total_variation};
use impasto::optim::{Lbfgs, Optimizer};
use impasto::run::Canvas;
use impasto::{Layer, Picture, Tape, Vgg19};
use ndarray::ArrayD;

// ANCHOR: loss
/// ‖Φ(x) − Φ₀‖²/‖Φ₀‖² + λ·mean squared difference of neighbours: the first term, the whole, and its gradient.
pub fn loss(
    network: &Vgg19<f32>,
    (layer, sought): (Layer, &ArrayD<f32>),
    lambda: f64,
    x: &ArrayD<f32>,
) -> Result<(f64, f64, ArrayD<f32>), Box<dyn Error>> {
    let tape = Tape::new();
    let x = tape.variable(x.clone());
    let features = &network.features(&x, [layer])?[&layer];
    let size = sought.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / sought.len() as f64;
    let error = mse(features, &tape.constant(sought.clone())) * (1.0 / size);
    let smoothness = total_variation(&x, 2.0) * (1.0 / (x.value().len() as f64 * network.spread().powi(2)));
    let total = &error + &(smoothness * lambda);
    let gradient = total.backward().take(&x).ok_or("the loss depends on x")?;
    Ok((f64::from(error.scalar()), f64::from(total.scalar()), gradient.into_array()))
}
// ANCHOR_END: loss

// ANCHOR: invert
/// The features of a picture at a layer.
pub fn features(network: &Vgg19<f32>, picture: &Picture, layer: Layer) -> Result<ArrayD<f32>, Box<dyn Error>> {
    let tape = Tape::new();
    Ok(network.features(&tape.constant(network.normalise(&picture.rgb.view())), [layer])?[&layer].to_array())
}

/// A picture with nearly the features that are sought at the layer, found from `start`, and the error that remains.
pub fn invert(
    book: &Book,
    sought: (Layer, &ArrayD<f32>),
    lambda: f64,
    start: &Canvas,
) -> Result<(Picture, f64), Box<dyn Error>> {
    let (mut x, mut lbfgs) = (start.values().clone(), Lbfgs::new());
    for _ in 0..book.either(200, 20) {
        let (_, value, gradient) = loss(&book.network, sought, lambda, &x)?;
        lbfgs.step(&mut x, value, &gradient);
    }
    let found = lbfgs.result(&x);
    Ok((Picture::new(start.rgb(found)), loss(&book.network, sought, lambda, found)?.0))
}
// ANCHOR_END: invert

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let photo = book.photo(book.either(128, 48))?;
    let noise = Canvas::noise([photo.height(), photo.width()], &book.network, 1);
    let mut tiles = vec![(photo.clone(), "the photo".to_owned())];
    let shown = layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_1", "relu4_4", "relu5_1", "pool5"]);
    for (number, layer) in shown.into_iter().enumerate() {
        let (lambda, name) = if number == 4 { (0.0, format!("{layer}, λ = 0")) } else { (0.01, layer.to_string()) };
        let sought = features(&book.network, &photo, layer)?;
        let (found, error) = invert(&book, (layer, &sought), lambda, &noise)?;
        println!("{name}: error = {error:.1e}");
        tiles.push((found, name));
    }
    book.sheet("07-inversions.jpg", tiles.chunks(3).map(<[_]>::to_vec).collect())?;

    wrong::variation();
    Ok(())
}
