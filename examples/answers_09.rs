//! Answers to the exercises of chapter 9: its loop, with what they change as arguments.
//!
//! ```text
//! cargo run --release --example answers_09 -- target/book photo.jpg painting.jpg
//! ```

#[path = "09_style_transfer.rs"]
#[allow(dead_code)] // Its `main`.
mod chapter;

use std::error::Error;

use chapter::book::{Book, layers, levels};
use chapter::{content_loss, style_loss};
use impasto::ops::gram_matrix;
use impasto::optim::{Adam, Optimizer};
use impasto::{Picture, Tape, Vgg19};

// ANCHOR: paint
/// Paints from `start` with a content layer and factors α and β, and returns the terms of each step: content, and five of style
/// times 10⁶ and their weights. The terms are those of α = 1 and β = 10⁶, whatever the factors of the loss are.
fn paint(
    network: &Vgg19<f32>,
    [photo, painting, start]: [&Picture; 3],
    (content, alpha, beta, steps): (&str, f64, f64, usize),
) -> Result<(Picture, Vec<[f64; 6]>), Box<dyn Error>> {
    let (content, style) = (layers([content])[0], layers(["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]));
    let of = |picture: &Picture| network.normalise(&picture.rgb.view());
    let tape = Tape::new();
    let wanted = network.features(&tape.constant(of(photo)), [content])?[&content].to_array();
    let seen = network.features(&tape.constant(of(painting)), style)?;
    let grams = style.map(|layer| gram_matrix(&seen[&layer]).to_array());
    let (mut x, mut adam, mut history) = (of(start).into_dyn(), Adam::new(0.003 * network.spread()), Vec::new());
    for _ in 0..steps {
        let tape = Tape::new();
        let image = tape.variable(x.clone());
        let features = network.features(&image, style.into_iter().chain([content]))?;
        let mut terms = vec![content_loss(&features[&content], &wanted)];
        for ((layer, weight), gram) in style.iter().zip([0.9, 0.8, 0.5, 0.3, 0.1]).zip(&grams) {
            terms.push(style_loss(&features[layer], gram) * (1e6 * weight));
        }
        history.push(std::array::from_fn(|number| f64::from(terms[number].scalar())));
        let styles = terms.split_off(1).into_iter().reduce(|sum, term| sum + term).ok_or("no style")?;
        let loss = terms.remove(0) * alpha + styles * (beta / 1e6);
        let gradient = loss.backward().take(&image).ok_or("the loss depends on the image")?;
        adam.step(&mut x, f64::from(loss.scalar()), &gradient);
    }
    Ok((Picture::new(network.denormalise(&x.view().into_dimensionality()?)), history))
}
// ANCHOR_END: paint

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (side, steps) = book.either((128, 300), (64, 20));
    let (photo, painting) = (book.photo(side)?, book.painting(side * 7 / 8)?);
    let covering = painting.clone().resized(photo.height(), photo.width());
    let mut tiles = Vec::new();
    for (name, start, change) in [
        ("as it was", &photo, ("relu4_2", 1.0, 1e6, steps)),
        ("β = 0", &photo, ("relu4_2", 1.0, 0.0, steps)),
        ("α = 0", &photo, ("relu4_2", 0.0, 1e6, steps)),
        ("from the painting", &covering, ("relu4_2", 1.0, 1e6, steps)),
        ("content relu2_1", &photo, ("relu2_1", 1.0, 1e6, steps)),
        ("content relu5_1", &photo, ("relu5_1", 1.0, 1e6, steps)),
    ] {
        let (painted, history) = paint(&book.network, [&photo, &painting, start], change)?;
        for step in [1, 10, steps].into_iter().filter(|&step| step == 1 || step == steps || name == "as it was") {
            let terms: Vec<String> = history[step - 1].iter().map(|term| format!("{term:8.1e}")).collect();
            println!("{name}, step {step}: {}", terms.join(" "));
        }
        println!("{name}: {:.1} levels from the photo", levels(&painted, &photo));
        tiles.push((painted, name.to_owned()));
    }
    book.sheet("answers-09.jpg", tiles.chunks(3).map(<[_]>::to_vec).collect())
}
