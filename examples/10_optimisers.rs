//! Chapter 10: optimisers on one objective, and what clamping inside L-BFGS does.
//!
//! ```text
//! cargo run --release --example 10_optimisers -- target/book photo.jpg painting.jpg
//! ```

mod book;

use std::error::Error;

use book::objective::{evaluate, strong};
use book::textbook::Textbook;
use book::{Book, wrong};
use impasto::optim::{Adam, Lbfgs, Optimizer, PyramidAdam};
use impasto_drawing::{Curve, plot};

/// A curve of the losses, of which it prints some.
fn curve(name: &str, losses: &[f64]) -> Curve {
    let some = [1, 10, 30, losses.len()].map(|step| format!("{:.1e}", losses[step - 1]));
    println!("{name:<18} = {}", some.join(" "));
    Curve { name: name.into(), points: losses.iter().enumerate().map(|(i, &loss)| (i as f64, loss)).collect() }
}

fn main() -> Result<(), Box<dyn Error>> {
    let book = Book::open()?;
    let (side, steps) = book.either((128, 100), (48, 30));
    let (network, spread) = (&book.network, book.network.spread());
    let (objective, canvas) = strong(&book, side)?;
    let bounds = || canvas.bounds();
    // ANCHOR: library
    let optimisers: [(&str, Box<dyn Optimizer<f32>>); 4] = [
        ("Adam, rate 0.003", Box::new(Adam::new(0.003 * spread).bounds(bounds()))),
        ("Adam, rate 0.03", Box::new(Adam::new(0.03 * spread).bounds(bounds()))),
        ("Adam on a pyramid", Box::new(PyramidAdam::new(0.03 * spread, 8).bounds(bounds()))),
        ("L-BFGS", Box::new(Lbfgs::new().bounds(bounds()))),
    ];
    let minimised = |(name, mut optimiser): (&str, Box<dyn Optimizer<f32>>)| {
        let (mut x, mut losses) = (canvas.values().clone(), Vec::new());
        for _ in 0..steps {
            let (loss, gradient) = evaluate(network, &objective, &x);
            optimiser.step(&mut x, loss, &gradient);
            losses.push(loss);
        }
        curve(name, &losses)
    };
    let mut curves: Vec<Curve> = optimisers.into_iter().map(minimised).collect();
    // ANCHOR_END: library
    // ANCHOR: clamped
    for (name, clamps) in [("~ no line search", false), ("~ clamped inside", true)] {
        let (mut x, mut losses, mut textbook) = (canvas.values().clone(), Vec::new(), Textbook::new(0.03 * spread));
        for _ in 0..steps {
            if clamps {
                x = network.normalise(&canvas.rgb(&x).mapv(|v| v.clamp(0.0, 1.0)).view()).into_dyn();
            }
            let (loss, gradient) = evaluate(network, &objective, &x);
            textbook.step(&mut x, &gradient);
            losses.push(loss);
        }
        curves.push(curve(name, &losses));
    }
    // ANCHOR_END: clamped
    plot(&curves, "evaluations", "loss", [640, 400]).ok_or("no curves")?.save(book.path("10-losses.png"))?;
    wrong::clamping();
    Ok(())
}
