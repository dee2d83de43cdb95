//! Chapter 12 of the book, "Large and many". Run it: `cargo run --release --example 12_large_and_many -- FOLDER`

mod book;

use std::sync::Arc;
use std::time::Instant;

use book::ranks::connected;
use book::{Book, wrong};
use impasto::objective::{Objective, style_transfer};
use impasto::picture::Dimensions;
use impasto::run::Bytes;
use impasto::vgg::{Execution, Plan, Tiling};
use impasto::{Error, Picture, Preset, Tape, Transfer, Vgg19, Weights};
use impasto_drawing::{Curve, plot};
use ndarray::Array3;

/// All bits of the loss and its gradient, as one number.
fn bits(execution: &Execution, (network, objective, x): (&Vgg19<f32>, &Objective<f32>, &Array3<f32>)) -> u64 {
    let tape = Tape::new();
    let x = tape.variable(x.clone());
    let loss = objective.evaluate_by(execution, network, &x, &x).expect("a large enough picture");
    let gradient = loss.scaled.backward().take(&x).expect("the loss depends on x");
    gradient.iter().fold(loss.total.to_bits(), |sum, v| sum.rotate_left(5) ^ u64::from(v.to_bits()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let book = Book::open()?;
    // ANCHOR: forecast
    let full = Vgg19::new(Weights::random(1, None));
    let mut curves = ["fastest plan", "least"].map(|name| Curve { name: name.into(), points: Vec::new() });
    for side in [512, 1024, 2048, 4096] {
        let size = Dimensions { height: side, width: side, opacity: false };
        let work = Transfer::<Dimensions>::new(size, size, &full, Preset::Notebook).work()?;
        let fastest = work.forecast(usize::MAX)?.memory();
        // No plan fits into one byte; the error says what the smallest plan needs.
        let Err(Error::Memory(least)) = work.forecast(1) else { return Err("a byte is enough".into()) };
        println!("~ memory_{side} = {} for the fastest plan, at least {}", Bytes(fastest), Bytes(least.needed));
        curves[0].points.push((side as f64, fastest as f64 / 1e9));
        curves[1].points.push((side as f64, least.needed as f64 / 1e9));
    }
    plot(&curves, "side in pixels", "memory in GB", [640, 400]).ok_or("no points")?.save(book.path("12-memory.png"))?;
    // ANCHOR_END: forecast
    // ANCHOR: plans
    let side = book.either(256, 128);
    let (photo, painting, network) = (book.photo(side)?, book.painting(side)?, &book.network);
    let of = |picture: &Picture| network.normalise(&picture.rgb.view());
    let recipe = Preset::Notebook.recipe(book.trained);
    let objective = style_transfer(&recipe, network, of(&photo), vec![(of(&painting), 1.0)])?;
    let task = (network, &objective, &of(&photo));
    let whole = Execution::default().with_plan(Plan::whole());
    let expected = bits(&whole, task);
    for rows in [32, 64] {
        let bands = Plan::new([(2, Tiling::Bands(rows)), (3, Tiling::Whole)]);
        let same = bits(&Execution::default().with_plan(bands), task) == expected;
        println!("same_bits_in_bands_of_{rows}_rows = {same}");
    }
    // ANCHOR_END: plans
    // ANCHOR: threads
    for threads in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let begin = Instant::now();
        println!("same_bits_on_{threads}_threads = {}", pool.install(|| bits(&whole, task)) == expected);
        println!("~ seconds_on_{threads}_threads = {:.2}", begin.elapsed().as_secs_f64());
    }
    // ANCHOR_END: threads
    // ANCHOR: two
    let same = std::thread::scope(|scope| {
        let evaluated = |rank| {
            let execution = Execution::default().with_communicator(Arc::new(rank));
            scope.spawn(move || bits(&execution, task) == expected)
        };
        let threads: Vec<_> = connected(2).into_iter().map(evaluated).collect();
        threads.into_iter().all(|thread| thread.join().expect("no panic"))
    });
    println!("same_bits_on_two_ranks = {same}");
    // ANCHOR_END: two
    wrong::bands();
    Ok(())
}
