//! Answer to exercise 2 of chapter 8: textures from the diagonals of Gram matrices.
//!
//! ```text
//! cargo run --release --example answers_08 -- target/book photo.jpg painting.jpg
//! ```

#[path = "08_texture.rs"]
#[allow(dead_code)] // Its `main`.
mod chapter;

use std::error::Error;

use chapter::book::{Book, layers};
use chapter::{distance, grams};
use impasto::optim::{Lbfgs, Optimizer};
use impasto::run::Canvas;
use impasto::{Layer, Picture, Tape, Var, Vgg19};
use ndarray::{Array2, ArrayD};

// ANCHOR: diagonals
/// The diagonals of G/M at each layer.
fn diagonals<'t>(network: &Vgg19<f32>, x: &Var<'t, f32>, of: &[Layer]) -> Result<Vec<Var<'t, f32>>, Box<dyn Error>> {
    let on_diagonal = |g: Var<'t, f32>| &g * &x.tape().constant(Array2::eye(g.shape()[0]));
    Ok(grams(network, x, of)?.into_iter().map(on_diagonal).collect())
}
// ANCHOR_END: diagonals

type Statistics = for<'t> fn(&Vgg19<f32>, &Var<'t, f32>, &[Layer]) -> Result<Vec<Var<'t, f32>>, Box<dyn Error>>;

/// The statistics of a picture, off the tape.
fn of(
    statistics: Statistics,
    canvas: &ArrayD<f32>,
    book: &Book,
    at: &[Layer],
) -> Result<Vec<ArrayD<f32>>, Box<dyn Error>> {
    Ok(statistics(&book.network, &Tape::new().constant(canvas.clone()), at)?.iter().map(Var::to_array).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (network, at) = (&book.network, layers(["relu1_1", "pool1", "pool2", "pool3", "pool4"]));
    let example = book.painting(book.either(128, 64))?;
    let canvas = Canvas::of(&example, network);
    let noise = Canvas::noise(canvas.size(), network, 1);
    let wanted = of(grams, canvas.values(), &book, &at)?;
    let mut tiles = vec![(example, "the example".to_owned())];
    for (name, statistics) in [("whole matrices", grams as Statistics), ("diagonals", diagonals)] {
        let targets = of(statistics, canvas.values(), &book, &at)?;
        let (mut x, mut lbfgs) = (noise.values().clone(), Lbfgs::new());
        let mut least = f64::INFINITY;
        for _ in 0..book.either(150, 20) {
            let tape = Tape::new();
            let image = tape.variable(x.clone());
            let seen = statistics(network, &image, &at)?;
            let terms = seen.iter().zip(&targets).map(|(g, a)| distance(g, a));
            let loss = terms.reduce(|sum, term| sum + term).ok_or("no layers")?;
            least = least.min(f64::from(loss.scalar()));
            let gradient = loss.backward().take(&image).ok_or("the loss depends on the image")?;
            lbfgs.step(&mut x, f64::from(loss.scalar()), &gradient);
        }
        let found = lbfgs.result(&x);
        // ANCHOR: pairs
        // Σ(G − A)²/Σa² of the elements beside the diagonal alone.
        let beside = |g: &ArrayD<f32>| g * &(1.0 - Array2::<f32>::eye(g.shape()[0]));
        let squares = |g: &ArrayD<f32>| g.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>();
        let off = of(grams, found, &book, &at)?
            .iter()
            .zip(&wanted)
            .map(|(g, a)| squares(&beside(&(g - a))) / squares(&beside(a)))
            .sum::<f64>();
        println!("{name}: error = {least:.1e}, beside the diagonal = {off:.1e}");
        // ANCHOR_END: pairs
        tiles.push((Picture::new(canvas.rgb(found)), name.into()));
    }
    book.sheet("answers-08.jpg", vec![tiles])
}
