//! Chapter 7: inversion (Mahendran & Vedaldi 2014): pictures that a layer cannot tell from a photo.
//!
//! ```text
//! cargo run --release --example 07_inversion -- target/book photo.jpg
//! ```

mod book;

use std::error::Error;

use book::{Book, layers, wrong};
use impasto::ops::{mse, total_variation};
use impasto::optim::{Lbfgs, Optimizer};
use impasto::run::Canvas;
use impasto::{Layer, Picture, Tape, Vgg19};
use ndarray::ArrayD;

// ANCHOR: loss
/// ‖Φ(x) − Φ₀‖²/‖Φ₀‖² + λ·mean squared difference of neighbours: the first term, the whole, and its gradient.
fn loss(
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
/// A picture, from noise, whose features at the layer are nearly the photo's, and the error that remains.
fn invert(book: &Book, photo: &Picture, layer: Layer, lambda: f64) -> Result<(Picture, f64), Box<dyn Error>> {
    let network = &book.network;
    let sought = {
        let tape = Tape::new();
        network.features(&tape.constant(network.normalise(&photo.rgb.view())), [layer])?[&layer].to_array()
    };
    let canvas = Canvas::noise([photo.height(), photo.width()], network, 1);
    let (mut x, mut lbfgs) = (canvas.values().clone(), Lbfgs::new());
    for _ in 0..book.either(200, 20) {
        let (_, value, gradient) = loss(network, (layer, &sought), lambda, &x)?;
        lbfgs.step(&mut x, value, &gradient);
    }
    let found = lbfgs.result(&x);
    Ok((Picture::new(canvas.rgb(found)), loss(network, (layer, &sought), lambda, found)?.0))
}
// ANCHOR_END: invert

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let photo = book.photo(book.either(128, 48))?;
    let (mut shallow, mut deep) = (vec![(photo.clone(), "the photo".to_owned())], Vec::new());
    for (number, layer) in
        layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_4", "relu5_1", "pool5"]).into_iter().enumerate()
    {
        let (found, error) = invert(&book, &photo, layer, 0.01)?;
        println!("{layer}.error = {error:.1e}");
        (if number < 3 { &mut shallow } else { &mut deep }).push((found, layer.to_string()));
    }
    book.sheet("07-inversions.jpg", vec![shallow, deep])?;
    let (rough, error) = invert(&book, &photo, layers(["relu4_1"])[0], 0.0)?;
    println!("relu4_1.without_prior.error = {error:.1e}");
    book.sheet("07-without-prior.jpg", vec![vec![(rough, "relu4_1, λ = 0".into())]])?;

    wrong::variation();
    Ok(())
}
