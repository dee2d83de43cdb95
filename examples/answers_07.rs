//! Answers to exercises 2, 3 and 4 of chapter 7, with the functions of its program.
//!
//! ```text
//! cargo run --release --example answers_07 -- target/book photo.jpg painting.jpg
//! ```

#[path = "07_inversion.rs"]
#[allow(dead_code)] // Its `main`.
mod inversion;

use std::error::Error;

use impasto::run::Canvas;
use inversion::book::{Book, layers, levels};
use inversion::{features, invert, loss};

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (network, layer) = (&book.network, layers(["relu4_1"])[0]);
    let photo = book.photo(book.either(128, 48))?;
    let (height, width) = (photo.height(), photo.width());
    let sought = features(network, &photo, layer)?;
    let noise = Canvas::noise([height, width], network, 1);
    let mut tiles = vec![(photo.clone(), "the photo".to_owned())];

    // ANCHOR: start
    for (name, start) in [("noise", &noise), ("the photo", &Canvas::of(&photo, network))] {
        let (found, error) = invert(&book, (layer, &sought), 0.01, start)?;
        println!("from {name}: error = {error:.1e}, {:.1} levels from the photo", levels(&found, &photo));
        tiles.push((found, format!("from {name}")));
    }
    // ANCHOR_END: start

    // ANCHOR: mean
    let second = book.painting(width)?.resized(height, width);
    let mean = (&sought + &features(network, &second, layer)?) * 0.5;
    let (both, error) = invert(&book, (layer, &mean), 0.01, &noise)?;
    for (name, picture) in [("the photo", &photo), ("the second", &second)] {
        let of_one = loss(network, (layer, &mean), 0.0, Canvas::of(picture, network).values())?.0;
        println!("{name}: error = {of_one:.1e}");
    }
    println!("what was found: error = {error:.1e}");
    // ANCHOR_END: mean
    tiles.extend([(second, "the second".into()), (both, "the mean".into())]);

    // ANCHOR: lambda
    for lambda in [0.01, 1.0] {
        let (found, _) = invert(&book, (layer, &sought), lambda, &noise)?;
        let (error, total, _) = loss(network, (layer, &sought), 1.0, Canvas::of(&found, network).values())?;
        println!("λ = {lambda}: error = {error:.1e}, squared differences = {:.1e}", total - error);
    }
    // ANCHOR_END: lambda
    book.sheet("answers-07.jpg", tiles.chunks(3).map(<[_]>::to_vec).collect())
}
