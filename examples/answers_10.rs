//! Answer to exercise 3 of chapter 10: L-BFGS with a gradient that does not fit the values.
//!
//! ```text
//! cargo run --release --example answers_10 -- target/book photo.jpg painting.jpg
//! ```

mod book;

use std::error::Error;

use book::Book;
use book::objective::{evaluate, strong};
use impasto::optim::{Lbfgs, Optimizer, Step};

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (side, steps) = book.either((128, 100), (48, 30));
    let (objective, canvas) = strong(&book, side)?;
    // ANCHOR: factors
    for factor in [1.0, 2.0, 0.25, -1.0] {
        let (mut x, mut lbfgs) = (canvas.values().clone(), Lbfgs::new().bounds(canvas.bounds()));
        let (mut losses, mut moved, mut restarts) = (Vec::new(), 0, 0);
        for _ in 0..steps {
            let (loss, gradient) = evaluate(&book.network, &objective, &x);
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
