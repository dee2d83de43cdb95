//! Chapter 8: Gram matrices: what they forget, textures from noise, and six normalisations.
//!
//! ```text
//! cargo run --release --example 08_texture -- target/book photo.jpg painting.jpg
//! ```

pub mod book;

use std::error::Error;

use book::normalisations::compare;
use book::{Book, layers, wrong};
use impasto::ops::{gram_matrix, mse};
use impasto::optim::{Lbfgs, Optimizer};
use impasto::run::Canvas;
use impasto::{Layer, Picture, Tape, Var, Vgg19};
use ndarray::{Array3, ArrayD, s};

// ANCHOR: grams
/// G/M at each layer.
pub fn grams<'t>(network: &Vgg19<f32>, x: &Var<'t, f32>, of: &[Layer]) -> Result<Vec<Var<'t, f32>>, Box<dyn Error>> {
    let features = network.features(x, of.iter().copied())?;
    let maps = of.iter().map(|layer| &features[layer]);
    Ok(maps.map(|f| gram_matrix(f) * (1.0 / (f.shape()[0] * f.shape()[1]) as f64)).collect())
}
// ANCHOR_END: grams

// ANCHOR: texture
/// Σ(g − a)²/Σa²
pub fn distance<'t>(g: &Var<'t, f32>, a: &ArrayD<f32>) -> Var<'t, f32> {
    let size: f64 = a.iter().map(|&v| f64::from(v).powi(2)).sum();
    mse(g, &g.tape().constant(a.clone())) * (a.len() as f64 / size)
}

/// A picture from noise with nearly the example's Gram matrices at some layers, and the error that remains.
pub fn texture(book: &Book, example: &Picture, of: &[Layer]) -> Result<(Picture, f64), Box<dyn Error>> {
    let (network, tape, canvas) = (&book.network, Tape::new(), Canvas::of(example, &book.network));
    let targets: Vec<_> =
        grams(network, &tape.constant(canvas.values().clone()), of)?.iter().map(Var::to_array).collect();
    let mut x = Canvas::noise(canvas.size(), network, 1).values().clone();
    let (mut lbfgs, mut least) = (Lbfgs::new(), f64::INFINITY);
    for _ in 0..book.either(150, 20) {
        let tape = Tape::new();
        let image = tape.variable(x.clone());
        let grams = grams(network, &image, of)?;
        let terms = grams.iter().zip(&targets).map(|(g, a)| distance(g, a));
        let loss = terms.reduce(|sum, term| sum + term).ok_or("no layers")?;
        least = least.min(f64::from(loss.scalar()));
        let gradient = loss.backward().take(&image).ok_or("the loss depends on the image")?;
        lbfgs.step(&mut x, f64::from(loss.scalar()), &gradient);
    }
    Ok((Picture::new(canvas.rgb(lbfgs.result(&x))), least))
}
// ANCHOR_END: texture

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let side = book.either(128, 64);
    let (photo, painting) = (book.photo(side)?, book.painting(side)?);
    let all = layers(["relu1_1", "pool1", "pool2", "pool3", "pool4"]);
    let mut row = vec![(painting.clone(), "the example".to_owned())];
    for count in [1, 2, 3, 5] {
        let (found, error) = texture(&book, &painting, &all[..count])?;
        println!("up_to_{}.error = {error:.1e}", all[count - 1]);
        row.push((found, format!("to {}", all[count - 1])));
    }
    book.sheet("08-textures.jpg", vec![row])?;
    // ANCHOR: order
    let tape = Tape::new();
    let map = Array3::from_shape_fn((6, 5, 4), |(i, j, c)| f64::from((i * 7 + j * 5 + c * 3) as u32 % 11));
    let turned = map.slice(s![..;-1, ..;-1, ..]).to_owned();
    let [gram, of_turned] = [map, turned].map(|map| gram_matrix(&tape.constant(map)).to_array());
    println!("gram_of_the_turned_map_is_the_same = {}", gram == of_turned);
    // ANCHOR_END: order
    compare(&book.network, &photo.resized(side, side), &painting.resized(side, side))?;
    wrong::gram();
    Ok(())
}
