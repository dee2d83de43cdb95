//! How close a step comes to the machine's peak: the measured peak of matrix products, the time of a step's
//! multiplications at that peak with F(4×4, 3×3), which needs four times fewer, and the measured time.
#![allow(missing_docs, reason = "a program, not a library")]

mod common;

use std::time::{Duration, Instant};

use impasto::bench::product::matrix_product;
use impasto::ops::ConvAlgorithm;
use ndarray::Array2;
use rayon::prelude::*;

fn main() {
    // `cargo test --benches` only checks that it runs.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let threads = rayon::current_num_threads();
    let peak = peak(threads);
    println!("matrix products on {threads} threads: {:.0} GFLOP/s", peak / 1e9);
    for size in [256, 512] {
        let mut step = common::Step::new(size, ConvAlgorithm::Auto);
        step.run();
        let took = fastest(5, || {
            step.run();
        });
        let operations = 2 * step.multiplications();
        let floor = operations as f64 / 4.0 / peak;
        println!(
            "step at {size}²: {:.0} GFLOP by the definition, floor {floor:.3} s, took {:.3} s: {:.0} % of the peak",
            operations as f64 / 1e9,
            took.as_secs_f64(),
            100.0 * floor / took.as_secs_f64()
        );
    }
}

/// Operations per second of as many independent products as there are threads.
fn peak(threads: usize) -> f64 {
    const SIDE: usize = 768;
    let a: Array2<f32> = common::random((SIDE, SIDE));
    let mut outputs = vec![Array2::<f32>::zeros((SIDE, SIDE)); threads];
    let took = fastest(10, || {
        outputs.par_iter_mut().for_each(|c| matrix_product(1.0, &a.view(), &a.view(), 0.0, &mut c.view_mut()));
    });
    (2 * SIDE.pow(3) * threads) as f64 / took.as_secs_f64()
}

fn fastest(times: usize, mut run: impl FnMut()) -> Duration {
    let once = || {
        let begin = Instant::now();
        run();
        begin.elapsed()
    };
    std::iter::repeat_with(once).take(times).min().expect("at least once")
}
