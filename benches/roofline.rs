//! How close a step comes to what the machine can do: for each layer and Gram matrix of the notebook's recipe, forward and
//! gradient, the time, and its shares of the peak of matrix products, of the memory's, and of the step.
//!
//! `cargo bench --bench roofline -- [--at-most avx2] [SIZE …]`; sizes are 256 and 512 unless given. `--at-most` caps the
//! instruction set of the kernels; for that of OpenBLAS, set `OPENBLAS_CORETYPE=Haswell`.
#![allow(missing_docs, reason = "a program, not a library")]

mod common;

use std::time::Instant;

use common::{LAYERS, random};
use impasto::bench::product::matrix_product;
use impasto::bench::{BitMask, Buffers, Gradient, InstructionSet, Output, conv, gram};
use impasto::ops::{ConvAlgorithm, ConvGeometry};
use ndarray::{Array1, Array2, Array3};
use rayon::prelude::*;

/// Maps with Gram matrices in a picture of 512×512 pixels: side, channels.
const GRAMS: [(usize, usize); 5] = [(512, 64), (256, 128), (128, 256), (64, 512), (32, 512)];

fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    // `cargo test --benches` only checks that it runs.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    if let Some(place) = arguments.iter().position(|argument| argument == "--at-most") {
        let name = arguments.drain(place..(place + 2).min(arguments.len())).nth(1).unwrap_or_default();
        assert!(InstructionSet::limit(&name), "--at-most takes an instruction set of this processor, not {name:?}");
    }
    let mut sizes: Vec<usize> = arguments.iter().map(|size| size.parse().expect("a size in pixels")).collect();
    if sizes.is_empty() {
        sizes = vec![256, 512];
    }
    let machine = Machine::measured();
    println!(
        "{} on {} threads: matrix products {:.0} GFLOP/s, memory {:.1} GB/s",
        InstructionSet::best().name(),
        rayon::current_num_threads(),
        machine.operations / 1e9,
        machine.bytes / 1e9
    );
    for size in sizes {
        machine.report(size);
    }
}

/// What the machine can do in a second.
struct Machine {
    /// Operations of matrix products.
    operations: f64,
    /// Bytes copied, read and written.
    bytes: f64,
}

/// One kernel's work.
struct Work {
    name: String,
    /// How often a step does it.
    count: usize,
    seconds: f64,
    /// Operations done: by Winograd a quarter or a fifth of the definition's.
    operations: f64,
    /// Values read and written if each is moved once.
    values: usize,
}

impl Machine {
    fn measured() -> Self {
        const SIDE: usize = 768;
        const COPIED: usize = 1 << 24;
        let threads = rayon::current_num_threads();
        let a: Array2<f32> = random((SIDE, SIDE));
        let mut outputs = vec![Array2::<f32>::zeros((SIDE, SIDE)); threads];
        let product = fastest(10, || {
            outputs.par_iter_mut().for_each(|c| matrix_product(1.0, &a.view(), &a.view(), 0.0, &mut c.view_mut()));
        });
        let from = vec![1.0_f32; COPIED * threads];
        let mut to = from.clone();
        let copy = fastest(10, || {
            to.par_chunks_mut(COPIED).zip(from.par_chunks(COPIED)).for_each(|(to, from)| to.copy_from_slice(from));
        });
        Self {
            operations: (2 * SIDE.pow(3) * threads) as f64 / product,
            bytes: (2 * from.len() * size_of::<f32>()) as f64 / copy,
        }
    }

    fn report(&self, size: usize) {
        let mut step = common::Step::new(size, ConvAlgorithm::Auto);
        step.run();
        let took = fastest(5, || {
            step.run();
        });
        let by_definition = 2.0 * step.multiplications() as f64;
        drop(step);
        let work: Vec<Work> = LAYERS
            .into_iter()
            .filter(|layer| layer.4 > 0)
            .flat_map(|layer| convolution(layer, size))
            .chain(GRAMS.into_iter().flat_map(|map| gram_matrix(map, size)))
            .collect();
        println!();
        println!("| {size}² | | ms | GFLOP/s | of the peak | of the memory's | of the step |");
        println!("|---|---|---|---|---|---|---|");
        for Work { name, count, seconds, operations, values } in &work {
            let moved = (values * size_of::<f32>()) as f64 / self.bytes;
            println!(
                "| {name} | ×{count} | {:.2} | {:.0} | {:.0} % | {:.0} % | {:.1} % |",
                seconds * 1e3,
                operations / seconds / 1e9,
                100.0 * operations / seconds / self.operations,
                100.0 * moved / seconds,
                100.0 * *count as f64 * seconds / took
            );
        }
        let sum = |of: &dyn Fn(&Work) -> f64| work.iter().map(|work| work.count as f64 * of(work)).sum::<f64>();
        let (seconds, operations) = (sum(&|work| work.seconds), sum(&|work| work.operations));
        println!(
            "step at {size}²: {took:.3} s, {:.0} % in these kernels; {:.0} GFLOP by the definition, {:.0} done, at the peak in \
             {:.3} s: {:.0} % of the peak",
            100.0 * seconds / took,
            by_definition / 1e9,
            operations / 1e9,
            operations / self.operations,
            100.0 * operations / self.operations / took
        );
    }
}

/// Forward and gradient of a layer with its ReLU, and its pooling if it is the last of a block.
fn convolution((name, side, inputs, outputs, count): (&str, usize, usize, usize, usize), size: usize) -> [Work; 2] {
    let buffers = Buffers::new();
    let geometry = ConvGeometry::padded(1);
    let side = side * size / 512;
    let pooled = matches!(name, "conv1_2" | "conv2_2");
    let result = if pooled { side / 2 } else { side };
    let x: Array3<f32> = random((side, side, inputs));
    let dy: Array3<f32> = random((result, result, outputs));
    let weight = random((3, 3, inputs, outputs)).permuted_axes([3, 2, 0, 1]);
    let bias: Array1<f32> = random(outputs);
    let mut mask = BitMask::new(side, side, outputs);
    let (mut y, mut dx) = (Array3::zeros(dy.dim()), Array3::zeros(x.dim()));
    let values = x.len() + dy.len() + weight.len();
    let products = if inputs > 3 { conv::winograd_products(side) } else { 9.0 };
    let operations = (2 * side * side * inputs * outputs) as f64 * products;
    let forward = fastest(7, || {
        let (y, mask) = (y.view_mut(), Some(mask.view_mut()));
        let output = if pooled { Output::ReluMaxPool { y, mask } } else { Output::Relu { y, mask } };
        let bias = bias.view();
        let (x, weight) = (x.view(), weight.view());
        conv::forward_fused(ConvAlgorithm::Auto, &geometry, &x, &weight, Some(&bias), output, &buffers);
    });
    let gradient = fastest(7, || {
        let (dy, mask) = (dy.view(), mask.view());
        let gradient = if pooled { Gradient::MaxPooled { dy, mask } } else { Gradient::Masked { dy, mask } };
        let mut dx = dx.view_mut();
        conv::backward_data_fused(ConvAlgorithm::Auto, &geometry, gradient, &weight.view(), &mut dx, false, &buffers);
    });
    [("forward", forward), ("gradient", gradient)].map(|(pass, seconds)| Work {
        name: format!("{name}: {inputs}→{outputs} at {side}², {pass}"),
        count,
        seconds,
        operations,
        values,
    })
}

/// The Gram matrix of a map, whose symmetric half is needed only once, and its gradient.
fn gram_matrix((side, channels): (usize, usize), size: usize) -> [Work; 2] {
    let buffers = Buffers::new();
    let side = side * size / 512;
    let cells = gram::Cells::of(side, side);
    let mut features: Array2<f32> = random((side * side, channels));
    let symmetric: Array2<f32> = random((channels, channels)) * 1e-9;
    let forward = fastest(7, || {
        let mut sum = gram::GramSum::new(channels, cells);
        sum.add(&features.view(), &buffers);
        sum.finish();
    });
    let values = features.len();
    let f = features.as_slice_mut().expect("row-major");
    let gradient = fastest(7, || gram::times_in_place(f, &symmetric.view(), cells, &buffers));
    let work = |pass: &str, seconds, operations: usize, values| Work {
        name: format!("Gram matrix of {channels} at {side}², {pass}"),
        count: 1,
        seconds,
        operations: operations as f64,
        values,
    };
    [
        work("forward", forward, side * side * channels * (channels + 1), values),
        work("gradient", gradient, 2 * side * side * channels * channels, 2 * values),
    ]
}

/// The seconds of the fastest of some runs.
fn fastest(times: usize, mut run: impl FnMut()) -> f64 {
    let once = || {
        let begin = Instant::now();
        run();
        begin.elapsed().as_secs_f64()
    };
    std::iter::repeat_with(once).take(times).fold(f64::INFINITY, f64::min)
}
