//! One step of the notebook's recipe: value and gradient of the whole objective, by each algorithm.
#![allow(missing_docs, reason = "criterion's macros")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use impasto::ops::ConvAlgorithm;

fn steps(criterion: &mut Criterion) {
    for size in [256, 512] {
        let mut group = criterion.benchmark_group(format!("step at {size}²"));
        group.sample_size(10);
        for algorithm in [ConvAlgorithm::Auto, ConvAlgorithm::Im2col] {
            let mut step = common::Step::new(size, algorithm);
            step.run();
            group.bench_function(format!("{algorithm:?}"), |bencher| bencher.iter(|| black_box(step.run())));
        }
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
