use ndarray::{Array1, Array3, Array4, ArrayD};

use super::*;
use crate::kernels::testing::random;
use crate::kernels::{PaddingMode, Pooling};
use crate::ops::{add, avg_pool2d, conv2d_relu, gram_matrix, max_pool2d, mul, sum};
use crate::tape::{Tape, Value};

/// A map: channels of a convolution, or 0 for none; whether it is pooled; whether its features and its Gram matrix are
/// requested.
type Kind = (usize, bool, bool, bool);

/// The outputs that the sum includes: all, or every other one.
#[derive(Clone, Copy, PartialEq)]
enum Counted {
    All,
    Even,
    Odd,
}

/// The sum of the outputs with random weights, and its gradient added to another gradient.
fn results<T: Real>(
    size: (usize, usize),
    kinds: &[Kind],
    (pooling, mode): (Pooling, PaddingMode),
    tiling: Option<Tiling>,
    counted: Counted,
) -> (T, ArrayD<T>) {
    let tape = Tape::<T>::new();
    let x = tape.variable(random::<T, _, _>((size.0, size.1, 3), 1) as Array3<T>);
    let mut channels = 3;
    let mut links = Vec::new();
    for (index, &(outputs, pooled, features, gram)) in kinds.iter().enumerate() {
        let convolution = (outputs > 0).then(|| {
            let weight: Array4<T> = random((outputs, channels, 3, 3), 10 + index as u64);
            let bias: Array1<T> = random(outputs, 20 + index as u64);
            channels = outputs;
            (weight.into(), bias.into())
        });
        let link = match convolution {
            Some((weight, bias)) => Link::Convolution { weight, bias, mode, pooling: pooled.then_some(pooling) },
            None => Link::Pooling(pooling),
        };
        links.push((link, Requested { features, gram }));
    }
    let mut outputs = Vec::new();
    if let Some(tiling) = tiling {
        let (seen, map) = segment(&x, links, tiling, true, ConvAlgorithm::Auto);
        for seen in seen {
            outputs.extend(seen.features);
            outputs.extend(seen.gram);
        }
        outputs.extend(map);
    } else {
        let mut map = x.clone();
        for (link, requested) in &links {
            map = match link {
                Link::Convolution { weight, bias, mode, pooling } => {
                    let (weight, bias) = (tape.constant(weight), tape.constant(bias));
                    conv2d_relu(&map, &weight, &bias, *pooling, *mode, ConvAlgorithm::Auto)
                }
                Link::Pooling(Pooling::Max) => max_pool2d(&map, &crate::kernels::PoolGeometry::square(2)),
                Link::Pooling(Pooling::Average) => avg_pool2d(&map, &crate::kernels::PoolGeometry::square(2)),
            };
            outputs.extend(requested.features.then(|| map.clone()));
            outputs.extend(requested.gram.then(|| gram_matrix(&map)));
        }
        outputs.push(map);
    }
    let mut total = sum(&mul(&x, &x));
    for (index, output) in outputs.into_iter().enumerate() {
        let weights: ArrayD<T> = random::<T, _, _>(output.shape(), 30 + index as u64);
        if counted == Counted::All || (index % 2 == 0) == (counted == Counted::Even) {
            total = add(&total, &sum(&mul(&output, &tape.constant(weights))));
        }
    }
    (total.scalar(), total.backward().take(&x).unwrap().into_array())
}

const CHAINS: [&[Kind]; 6] = [
    // A first block with a Gram matrix in it.
    &[(8, false, false, true), (5, true, false, false)],
    // Everything requested.
    &[(9, false, true, true), (17, false, true, true), (0, true, true, true)],
    // Two blocks.
    &[
        (4, false, false, true),
        (6, true, false, true),
        (9, false, false, true),
        (8, false, false, false),
        (8, true, true, false),
    ],
    // The deepest layer under a Gram matrix, nothing after it.
    &[(3, false, false, false), (4, true, false, false), (5, false, false, true)],
    // A pooling alone in the middle.
    &[(4, false, false, true), (0, true, false, false), (7, false, false, true), (7, false, true, false)],
    &[(5, false, false, false)],
];

const MANNERS: [(Pooling, PaddingMode); 4] = [
    (Pooling::Max, PaddingMode::Zeros),
    (Pooling::Average, PaddingMode::Zeros),
    (Pooling::Max, PaddingMode::Replicate),
    (Pooling::Average, PaddingMode::Replicate),
];

const SIZES: [(usize, usize); 5] = [(4, 4), (33, 44), (48, 9), (47, 130), (131, 37)];

#[test]
fn is_the_composition_of_its_parts() {
    for kinds in CHAINS {
        for size in SIZES {
            for manner in MANNERS {
                for counted in [Counted::All, Counted::Even, Counted::Odd] {
                    let (value, gradient) = results::<f64>(size, kinds, manner, Some(Tiling::Bands(16)), counted);
                    let expected = results::<f64>(size, kinds, manner, None, counted);
                    approx::assert_relative_eq!(value, expected.0, max_relative = 1e-10);
                    let largest = expected.1.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                    approx::assert_abs_diff_eq!(gradient, expected.1, epsilon = 1e-11 * largest);
                }
            }
        }
    }
}

#[test]
fn has_the_same_bits_in_any_bands_on_any_number_of_threads() {
    for kinds in CHAINS {
        for size in SIZES {
            for manner in MANNERS {
                for counted in [Counted::All, Counted::Even, Counted::Odd] {
                    let expected = results::<f32>(size, kinds, manner, Some(Tiling::Whole), counted);
                    for (rows, threads) in [(1, 2), (16, 1), (21, 3), (64, 1)] {
                        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                        let found = pool.install(|| results(size, kinds, manner, Some(Tiling::Bands(rows)), counted));
                        assert_eq!(found, expected, "{kinds:?} of {size:?}, {manner:?}, bands of {rows} rows");
                    }
                }
            }
        }
    }
}

#[test]
fn bands_keep_the_input_and_the_bits_of_the_relus() {
    let kept = |tiling| {
        let tape = Tape::<f32>::new();
        let x = tape.variable(Array3::<f32>::ones((64, 64, 8)));
        let (weight, bias) = (Value::from(Array4::ones((8, 8, 3, 3))), Value::from(Array1::ones(8)));
        let link = |pooling, gram| {
            let (weight, bias) = (weight.clone(), bias.clone());
            (Link::Convolution { weight, bias, mode: PaddingMode::Zeros, pooling }, Requested { features: false, gram })
        };
        let links = vec![link(None, true), link(Some(Pooling::Max), false)];
        let (seen, map) = segment(&x, links, tiling, true, ConvAlgorithm::Auto);
        assert!(seen[0].positions == 64 * 64 && map.is_some());
        drop((seen, map));
        tape.to_string()
    };
    let (map, bits) = (64 * 64 * 8 * 4, 2 * 64 * 64);
    for tiling in [Tiling::Whole, Tiling::Bands(16)] {
        let text = kept(tiling);
        let kib = format!("{:.2} KiB", f64::from(map + bits) / 1024.0);
        assert!(text.contains(&kib), "{kib} in {text}");
    }
}

/// Observations under any plan are bit-identical to a forward pass of plain operations.
#[test]
fn what_is_observed_are_the_features_of_the_forward_pass() {
    use crate::vgg::Weights;
    let layers = |names: &[&str]| -> Vec<Layer> { names.iter().map(|name| name.parse().unwrap()).collect() };
    let network = Vgg19::<f32>::new(Weights::random_with_widths([4, 3, 5, 9, 6], 1, None));
    let tape = Tape::new();
    let image = tape.constant(random::<f32, _, _>((70, 51, 3), 1) as Array3<f32>);
    for pooling in [Pooling::Max, Pooling::Average] {
        let repeated = network.clone().with_edges(PaddingMode::Replicate);
        for network in [network.clone(), repeated, network.clone().seamless()] {
            let network = network.with_pooling(pooling);
            for layers in [
                layers(&["relu4_2"]),
                layers(&["conv1_1", "relu1_1", "relu1_2", "pool2", "conv3_2", "relu3_4", "pool5"]),
                layers(&["relu2_2", "pool2", "conv5_1"]),
            ] {
                let features = network.features(&image, layers.iter().copied()).unwrap();
                assert!(features.keys().copied().eq(layers.iter().copied()));
                let request = Request::new(layers.clone(), layers.clone());
                let observed = Execution::default().observe(&network, &image, &request).unwrap();
                for layer in layers {
                    let (map, features) = (&observed.features[&layer], &features[&layer]);
                    assert_eq!(map.to_array(), features.to_array(), "{layer} with {pooling:?} pooling");
                    let gram = gram_matrix(features).to_array();
                    approx::assert_relative_eq!(observed.grams[&layer].value.to_array(), gram, max_relative = 1e-4);
                }
            }
        }
    }
}
