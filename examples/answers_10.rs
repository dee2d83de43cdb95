//! Answer to exercise 3 of chapter 10: L-BFGS with a gradient that does not fit the values.
//!
//! ```text
//! cargo run --release --example answers_10 -- target/book photo.jpg painting.jpg
//! ```

#[path = "10_optimisers.rs"]
#[allow(dead_code)] // Its `main`.
mod chapter;

use std::error::Error;

use chapter::book::Book;
use chapter::evaluate;
use impasto::objective::style_transfer;
use impasto::optim::{Lbfgs, Optimizer, Step};
use impasto::run::Canvas;
use impasto::{Picture, Preset};

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (side, steps) = book.either((128, 100), (48, 30));
    let (photo, painting, network) = (book.photo(side)?, book.painting(side)?, &book.network);
    let of = |picture: &Picture| network.normalise(&picture.rgb.view());
    let recipe = Preset::Balanced.recipe(book.trained).with_strength(book.either(0.9, 0.5));
    let objective = style_transfer(&recipe, network, of(&photo), vec![(of(&painting), 1.0)])?;
    let canvas = Canvas::of(&photo, network);
    // ANCHOR: factors
    for factor in [1.0, 2.0, 0.25, -1.0] {
        let (mut x, mut lbfgs) = (canvas.values().clone(), Lbfgs::new().bounds(canvas.bounds()));
        let (mut losses, mut moved, mut restarts) = (Vec::new(), 0, 0);
        for _ in 0..steps {
            let (loss, gradient) = evaluate(network, &objective, &x);
            losses.push(loss);
            match lbfgs.step(&mut x, loss, &(gradient * factor)) {
                Step::Moved => moved += 1,
                Step::Restarted(_) => restarts += 1,
                _ => {}
            }
        }
        let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
        println!("gradient × {factor}: loss {:.1e}, least {least:.1e}; {moved} moves, {restarts} restarts", losses[0]);
    }
    // ANCHOR_END: factors
    Ok(())
}
