//! Chapter 9 of the book, "Style transfer by hand", with the numbers of the preset `notebook`. Run it:
//! `cargo run --release --example 09_style_transfer -- target/book photo.jpg painting.jpg`

pub mod book;

use std::error::Error;

use book::{Book, layers, wrong};
use impasto::ops::{gram_matrix, mse};
use impasto::optim::{Adam, Optimizer};
use impasto::recipe::Steps;
use impasto::{Picture, Preset, Tape, Transfer, Var};
use ndarray::ArrayD;

// ANCHOR: losses
/// mean((F − P)²)
pub fn content_loss<'t>(f: &Var<'t, f32>, target: &ArrayD<f32>) -> Var<'t, f32> {
    mse(f, &f.tape().constant(target.clone()))
}

/// mean((G − A)²)/(N·M)
pub fn style_loss<'t>(f: &Var<'t, f32>, target: &ArrayD<f32>) -> Var<'t, f32> {
    mse(&gram_matrix(f), &f.tape().constant(target.clone())) * (1.0 / f.value().len() as f64)
}
// ANCHOR_END: losses

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (side, steps) = book.either((128, 300), (64, 20));
    // A square has as many pixels as a picture of 4:3 if its side is seven eighths of the longer one.
    let (photo, painting, network) = (book.photo(side)?, book.painting(side * 7 / 8)?, &book.network);

    // ANCHOR: targets
    let (content, style) = (layers(["relu4_2"])[0], layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]));
    let (weights, alpha, beta) = ([0.9, 0.8, 0.5, 0.3, 0.1], 1.0, 1e6);
    let of = |picture: &Picture| network.normalise(&picture.rgb.view());
    let tape = Tape::new();
    let wanted = network.features(&tape.constant(of(&photo)), [content])?[&content].to_array();
    let seen = network.features(&tape.constant(of(&painting)), style)?;
    let grams = style.map(|layer| gram_matrix(&seen[&layer]).to_array());
    // ANCHOR_END: targets

    // ANCHOR: loop
    let mut x = of(&photo).into_dyn();
    let (mut adam, mut losses) = (Adam::new(0.003 * network.spread()), Vec::new());
    for _ in 0..steps {
        let tape = Tape::new();
        let image = tape.variable(x.clone());
        let features = network.features(&image, style.into_iter().chain([content]))?;
        let mut loss = content_loss(&features[&content], &wanted) * alpha;
        for ((layer, weight), gram) in style.iter().zip(weights).zip(&grams) {
            loss = loss + style_loss(&features[layer], gram) * (beta * weight);
        }
        let gradient = loss.backward().take(&image).ok_or("the loss depends on the image")?;
        losses.push(f64::from(loss.scalar()));
        adam.step(&mut x, losses[losses.len() - 1], &gradient);
    }
    let painted = Picture::new(network.denormalise(&x.view().into_dimensionality()?));
    // ANCHOR_END: loop
    print!("{}", [1, steps / 2, steps].map(|step| format!("loss_{step} = {:.4e}\n", losses[step - 1])).concat());

    // ANCHOR: preset
    let mut job = Transfer::new(&photo, &painting, network, Preset::Notebook);
    job.recipe.steps = Steps::last(steps);
    let (mut run, mut totals) = (job.run()?, Vec::new());
    while let Some(progress) = run.advance()? {
        totals.push(progress.total);
    }
    let agree = losses.iter().zip(&totals).all(|(hand, preset)| (hand / preset - 1.0).abs() < 1e-5);
    let levels = |picture: &Picture| picture.rgb.mapv(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8);
    println!("preset_has_the_same_losses = {}", agree && losses.len() == totals.len());
    println!("preset_paints_the_same_levels = {}", levels(&run.finished()) == levels(&painted));
    // ANCHOR_END: preset
    let row = [(&photo, "the photo"), (&painting, "the painting"), (&painted, "by hand")];
    book.sheet("09-by-hand.jpg", vec![row.map(|(picture, name)| (picture.clone(), name.to_owned())).to_vec()])?;
    wrong::normalisation();
    Ok(())
}
