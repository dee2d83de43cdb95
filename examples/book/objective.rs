//! What chapter 10 minimises: a style transfer's objective.

use std::error::Error;

use impasto::objective::{Objective, style_transfer};
use impasto::run::Canvas;
use impasto::{Picture, Preset, Tape, Vgg19};
use ndarray::ArrayD;

use super::Book;

/// The objective of a strong style, so that many pixels reach their bounds, and the photo, where it begins.
///
/// # Errors
/// If a picture cannot be read or is too small.
pub fn strong(book: &Book, side: usize) -> Result<(Objective<f32>, Canvas), Box<dyn Error>> {
    let (photo, painting, network) = (book.photo(side)?, book.painting(side)?, &book.network);
    let of = |picture: &Picture| network.normalise(&picture.rgb.view());
    let recipe = Preset::Balanced.recipe(book.trained).with_strength(book.either(0.9, 0.5));
    let objective = style_transfer(&recipe, network, of(&photo), vec![(of(&painting), 1.0)])?;
    Ok((objective, Canvas::of(&photo, network)))
}

/// The loss and its gradient at x.
///
/// # Panics
/// If the picture is too small.
pub fn evaluate(network: &Vgg19<f32>, objective: &Objective<f32>, x: &ArrayD<f32>) -> (f64, ArrayD<f32>) {
    let tape = Tape::new();
    let x = tape.variable(x.clone());
    let loss = objective.evaluate(network, &x, &x).expect("a network and a picture large enough");
    (loss.total, loss.scaled.backward().take(&x).expect("the loss depends on x").into_array())
}
