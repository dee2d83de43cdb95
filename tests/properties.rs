//! Identities that hold whatever the numbers are.

use impasto::bench::eigen::symmetric_eigen;
use impasto::ops::{self, ConvAlgorithm, ConvGeometry, PaddingMode, PoolGeometry};
use impasto::tape::{Tape, Var};
use ndarray::{Array, Array3, Array4, ArrayD, Dimension, Ix2, IxDyn, s};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Elements uniform in −1..1.
fn random<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>, seed: u64) -> Array<f64, D> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0))
}

fn dot(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// A convolution of any kind that fits.
#[derive(Clone, Debug)]
struct Convolution {
    geometry: ConvGeometry,
    input: [usize; 3],
    weight: [usize; 4],
    algorithm: ConvAlgorithm,
    seed: u64,
}

fn algorithms() -> impl Strategy<Value = ConvAlgorithm> {
    prop::sample::select(&ConvAlgorithm::ALL[..])
}

fn convolutions() -> impl Strategy<Value = Convolution> {
    let pair = |range: std::ops::Range<usize>| prop::array::uniform2(range);
    // Half of them are of the kind that networks are made of, for which some algorithms have a way of their own.
    let mode = || prop_oneof![Just(PaddingMode::Zeros), Just(PaddingMode::Replicate)];
    let general = (pair(1..5), pair(1..4), prop::array::uniform4(0..4usize), mode(), pair(1..4)).prop_map(
        |(kernel, stride, padding, mode, dilation)| {
            (kernel, ConvGeometry { stride, padding: padding.into(), mode, dilation })
        },
    );
    let usual = (0..3usize, mode())
        .prop_map(|(padding, mode)| ([3, 3], ConvGeometry { mode, ..ConvGeometry::padded(padding) }));
    (pair(1..14), 1..6usize, 1..6usize, prop_oneof![general, usual], algorithms(), any::<u64>())
        .prop_map(|(size, inputs, outputs, (kernel, geometry), algorithm, seed)| Convolution {
            geometry,
            input: [size[0], size[1], inputs],
            weight: [outputs, inputs, kernel[0], kernel[1]],
            algorithm,
            seed,
        })
        .prop_filter("the kernel fits", |c| {
            c.geometry.output_size([c.input[0], c.input[1]], [c.weight[2], c.weight[3]]).is_some()
        })
}

impl Convolution {
    fn apply<'t>(&self, x: &Var<'t, f64>, weight: &Var<'t, f64>) -> Var<'t, f64> {
        ops::conv2d(x, weight, None, &self.geometry, self.algorithm)
    }

    fn random_x(&self, stream: u64) -> Array3<f64> {
        random(self.input, self.seed ^ stream)
    }

    fn random_weight(&self) -> Array4<f64> {
        random(self.weight, self.seed ^ 0x3e8)
    }

    fn value(&self, x: Array3<f64>) -> ArrayD<f64> {
        let tape = Tape::new();
        self.apply(&tape.constant(x), &tape.constant(self.random_weight())).to_array()
    }
}

fn pool_geometries() -> impl Strategy<Value = (PoolGeometry, [usize; 3], u64)> {
    let pair = |range: std::ops::Range<usize>| prop::array::uniform2(range);
    (pair(1..5), pair(1..4), pair(0..3), any::<bool>(), pair(1..10), 1..4usize, any::<u64>())
        .prop_map(|(kernel, stride, padding, ceil_mode, size, channels, seed)| {
            let padding = [padding[0].min(kernel[0] / 2), padding[1].min(kernel[1] / 2)];
            (PoolGeometry { kernel, stride, padding, ceil_mode }, [size[0], size[1], channels], seed)
        })
        .prop_filter("a window fits", |(geometry, [height, width, _], _)| {
            geometry.output_size([*height, *width]).is_some_and(|[rows, columns]| rows > 0 && columns > 0)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩, where convᵀ is what the backward pass computes.
    #[test]
    fn the_data_gradient_is_the_adjoint_of_convolution(c in convolutions()) {
        let tape = Tape::new();
        let x = tape.variable(c.random_x(1));
        let conv = c.apply(&x, &tape.constant(c.random_weight()));
        let y: ArrayD<f64> = random(IxDyn(conv.shape()), c.seed ^ 2);
        let (left, gradients) = (dot(conv.value(), &y), conv.backward_from(y));
        let right = dot(x.value(), gradients.get(&x).unwrap());
        prop_assert!((left - right).abs() <= 1e-10 * (1.0 + left.abs()), "{left} {right}");
    }

    /// ⟨conv(w), y⟩ = ⟨w, dw(y)⟩: a convolution is linear in its weights too.
    #[test]
    fn the_weight_gradient_is_the_adjoint_in_the_weights(c in convolutions()) {
        let tape = Tape::new();
        let weight = tape.variable(c.random_weight());
        let conv = c.apply(&tape.constant(c.random_x(1)), &weight);
        let y: ArrayD<f64> = random(IxDyn(conv.shape()), c.seed ^ 2);
        let (left, gradients) = (dot(conv.value(), &y), conv.backward_from(y));
        let right = dot(weight.value(), gradients.get(&weight).unwrap());
        prop_assert!((left - right).abs() <= 1e-10 * (1.0 + left.abs()), "{left} {right}");
    }

    #[test]
    fn convolution_is_linear(c in convolutions(), a in -3.0..3.0, b in -3.0..3.0) {
        let (x, y) = (c.random_x(1), c.random_x(2));
        let together = c.value(&x * a + &y * b);
        let apart: ArrayD<f64> = c.value(x) * a + c.value(y) * b;
        for (together, apart) in together.iter().zip(&apart) {
            prop_assert!((together - apart).abs() <= 1e-11, "{together} {apart}");
        }
    }

    /// An image moved by whole pixels gives an output moved by as many, as long as nothing leaves it.
    #[test]
    fn convolution_moves_with_its_input(
        (down, right) in (0..4usize, 0..4usize), (height, width) in (1..6usize, 1..6usize),
        algorithm in algorithms(), seed in any::<u64>(),
    ) {
        let (patch, weight): (Array3<f64>, Array4<f64>) =
            (random((height, width, 2), seed), random((3, 2, 3, 3), seed ^ 1));
        let at = |top: usize, left: usize| {
            // Two pixels of margin: an output sees one, a padding of one is never reached.
            let mut image = Array3::zeros((height + 8, width + 8, 2));
            image.slice_mut(s![2 + top..2 + top + height, 2 + left..2 + left + width, ..]).assign(&patch);
            let tape = Tape::new();
            let y = ops::conv2d(
                &tape.constant(image), &tape.constant(weight.clone()), None, &ConvGeometry::padded(1), algorithm,
            );
            y.to_array().slice_move(s![1 + top..3 + top + height, 1 + left..3 + left + width, ..])
        };
        for (there, here) in at(down, right).iter().zip(&at(0, 0)) {
            prop_assert!((there - here).abs() <= 1e-12, "{there} {here}");
        }
    }

    #[test]
    fn gram_matrices_are_symmetric_and_positive_semidefinite(
        (height, width, channels) in (1..8usize, 1..8usize, 1..12usize), seed in any::<u64>(),
    ) {
        let tape = Tape::new();
        let features: Array3<f64> = random((height, width, channels), seed);
        let gram = ops::gram_matrix(&tape.constant(features)).to_array().into_dimensionality::<Ix2>().unwrap();
        prop_assert_eq!(&gram, &gram.t());
        let trace = gram.diag().sum();
        let (eigenvalues, _) = symmetric_eigen(&gram);
        prop_assert!(eigenvalues.iter().all(|&v| v >= -1e-12 * trace), "{eigenvalues}");
        // No more of them differ from zero than there are positions.
        let rank = eigenvalues.iter().filter(|&&v| v > 1e-10 * trace).count();
        prop_assert!(rank <= (height * width).min(channels), "{eigenvalues}");
    }

    #[test]
    fn an_average_is_at_most_the_maximum_and_a_maximum_is_an_input((geometry, shape, seed) in pool_geometries()) {
        let tape = Tape::new();
        // Positive: an average over padding counts it as zeros.
        let image: Array3<f64> = random(shape, seed).mapv(f64::abs);
        let x = tape.constant(image.clone());
        let (max, average) = (ops::max_pool2d(&x, &geometry), ops::avg_pool2d(&x, &geometry));
        prop_assert_eq!(max.shape(), average.shape());
        for (index, &max) in max.value().indexed_iter() {
            prop_assert!(average.value()[index.clone()] <= max + 1e-15);
            prop_assert!(image.slice(s![.., .., index[2]]).iter().any(|&x| x == max), "{max} is no input");
        }
    }

    #[test]
    fn gradients_of_a_sum_are_sums_of_gradients(
        (m, n) in (1..5usize, 1..5usize), (a, b) in (-2.0..2.0, -2.0..2.0), seed in any::<u64>(),
    ) {
        let image: Array3<f64> = random((m, n, 3), seed);
        let gradient = |f: &dyn for<'t> Fn(&Var<'t, f64>) -> Var<'t, f64>| {
            let tape = Tape::new();
            let x = tape.variable(image.clone());
            f(&x).backward().get(&x).unwrap().clone()
        };
        fn style_of<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
            ops::sum(&ops::square(&ops::gram_matrix(x)))
        }
        fn smooth_of<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
            ops::total_variation(x, 2.0)
        }
        let both: ArrayD<f64> = gradient(&|x| style_of(x) * a + smooth_of(x) * b);
        let apart: ArrayD<f64> = gradient(&style_of) * a + gradient(&smooth_of) * b;
        for (both, apart) in both.iter().zip(&apart) {
            prop_assert!((both - apart).abs() <= 1e-12 * (1.0 + apart.abs()), "{both} {apart}");
        }
    }
}
