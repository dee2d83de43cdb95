//! Each kernel at VGG19's shapes for a picture of 512×512 pixels, by every algorithm. Throughput counts the
//! multiplications of the definition per second, so that algorithms with fewer multiplications can be compared.
#![allow(missing_docs, reason = "criterion's macros")]

mod common;

use std::time::Duration;

use common::{LAYERS, random};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use impasto::bench::{Buffers, conv, gram, pooling};
use impasto::ops::{ConvAlgorithm, ConvGeometry, PoolGeometry};
use ndarray::{Array2, Array3};

fn convolutions(criterion: &mut Criterion) {
    let buffers = Buffers::new();
    let geometry = ConvGeometry::padded(1);
    for (name, side, inputs, outputs, _) in LAYERS {
        let mut group = criterion.benchmark_group(format!("{name}: {inputs}→{outputs} at {side}²"));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        for algorithm in ConvAlgorithm::ALL {
            // Winograd, except for the first layer, which has its own kernel.
            if algorithm == ConvAlgorithm::Auto && inputs > 3 {
                continue;
            }
            // The definition is slow: measure a few rows only.
            let rows = if algorithm == ConvAlgorithm::Direct {
                side.min(1 + (1 << 25) / (side * inputs * outputs * 9))
            } else {
                side
            };
            let x: Array3<f32> = random((rows, side, inputs));
            let dy: Array3<f32> = random((rows, side, outputs));
            let weight = random((3, 3, inputs, outputs)).permuted_axes([3, 2, 0, 1]);
            let (mut y, mut dx) = (Array3::zeros(dy.dim()), Array3::zeros(x.dim()));
            group.throughput(Throughput::Elements((rows * side * inputs * outputs * 9) as u64));
            group.bench_function(format!("{algorithm:?} forward"), |bencher| {
                bencher.iter(|| {
                    conv::forward(algorithm, &geometry, &x.view(), &weight.view(), None, &mut y.view_mut(), &buffers);
                });
            });
            group.bench_function(format!("{algorithm:?} gradient"), |bencher| {
                bencher.iter(|| {
                    let mut dx = dx.view_mut();
                    conv::backward_data(algorithm, &geometry, &dy.view(), &weight.view(), &mut dx, false, &buffers);
                });
            });
        }
        group.finish();
    }
}

fn others(criterion: &mut Criterion) {
    let buffers = Buffers::new();
    for (side, channels) in [(512, 64), (256, 128), (128, 256), (64, 512), (32, 512)] {
        let mut group = criterion.benchmark_group(format!("{channels} channels at {side}²"));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        let features: Array2<f32> = random((side * side, channels));
        let symmetric: Array2<f32> = random((channels, channels));
        let cells = gram::Cells::of(side, side);
        group.bench_function("Gram matrix", |bencher| {
            bencher.iter(|| {
                let mut sum = gram::GramSum::new(channels, cells);
                sum.add(&features.view(), &buffers);
                sum.finish()
            });
        });
        let mut in_place = features.clone();
        group.bench_function("Gram matrix's gradient", |bencher| {
            let f = in_place.as_slice_mut().expect("row-major");
            bencher.iter(|| gram::times_in_place(f, &(&symmetric * 1e-9).view(), cells, &buffers));
        });
        let map: Array3<f32> = random((side, side, channels));
        let mut pooled = Array3::zeros((side / 2, side / 2, channels));
        let windows = PoolGeometry::square(2);
        group.bench_function("maximum pooling", |bencher| {
            bencher.iter(|| pooling::max_forward(&windows, &map.view(), &mut pooled.view_mut()));
        });
        group.bench_function("average pooling", |bencher| {
            bencher.iter(|| pooling::average_forward(&windows, &map.view(), &mut pooled.view_mut()));
        });
        group.finish();
    }
}

criterion_group!(benches, convolutions, others);
criterion_main!(benches);
