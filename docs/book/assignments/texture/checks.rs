//! What assignment 2 must do.

use std::collections::BTreeMap;

use impasto::gradcheck::{GradCheck, TapeCheck};
use impasto::{Layer, Tape, Vgg19, Weights};
use ndarray::{Array, ArrayD, Axis, IxDyn, array};

use super::yours::{gram, synthesise, texture_error};

/// Numbers between −1 and 1 that look random.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let numbers = (0..shape.iter().product()).map(|i: usize| ((i + 1) as f64 * (seed as f64 + 0.618) * 12.9898).sin());
    Array::from_iter(numbers).into_shape_with_order(IxDyn(shape)).expect("as many")
}

/// The Gram matrices of an image at some layers.
fn grams(network: &Vgg19<f32>, image: &ArrayD<f32>, layers: &[Layer]) -> BTreeMap<Layer, ArrayD<f32>> {
    let tape = Tape::new();
    let features = network.features(&tape.constant(image.clone()), layers.iter().copied()).expect("layers");
    features.iter().map(|(&layer, features)| (layer, gram(features).to_array())).collect()
}

checks! {
    fn the_gram_matrix_is_that_of_the_definition() {
        let tape = Tape::<f64>::new();
        // Two positions of two channels: (1, 2) and (3, −1).
        let g = gram(&tape.constant(array![[[1.0, 2.0], [3.0, -1.0]]]));
        assert_eq!(g.to_array(), array![[5.0, -0.5], [-0.5, 2.5]].into_dyn());
    }

    fn the_gram_matrix_forgets_the_places() {
        for seed in 1..4 {
            let tape = Tape::<f64>::new();
            let map = numbers(&[3, 4, 5], seed);
            let mut mixed = map.clone();
            mixed.invert_axis(Axis(0));
            mixed.swap_axes(0, 1);
            let [one, other] = [map, mixed].map(|map| gram(&tape.constant(map)).to_array());
            assert!((one - other).iter().all(|difference| difference.abs() < 1e-12));
        }
    }

    fn the_gram_matrix_has_the_right_gradient() {
        let report = GradCheck::new().check(|_, x| gram(&x[0]), &[numbers(&[3, 2, 4], 3)]);
        println!("{}", report.unwrap_or_else(|failure| panic!("{failure}")));
        let tape = Tape::<f64>::new();
        gram(&tape.variable(numbers(&[3, 2, 4], 3)));
        assert_eq!(tape.len(), 2, "the variable, and one operation");
    }

    fn the_error_is_relative_and_a_mean_over_layers() {
        let tape = Tape::<f64>::new();
        let layers: Vec<Layer> = ["relu1_1", "relu2_1"].map(|name| name.parse().expect("a layer")).into();
        let features: BTreeMap<_, _> =
            layers.iter().zip(1..).map(|(&layer, seed)| (layer, tape.variable(numbers(&[4, 3, 5], seed)))).collect();
        let own: BTreeMap<_, _> = features.iter().map(|(&layer, f)| (layer, gram(f).to_array())).collect();
        assert_eq!(texture_error(&features, &own).scalar(), 0.0);
        // Of a target twice as large one half is missing: (1/2)² = 1/4 of its square, at one of two layers.
        let mut other = own.clone();
        *other.get_mut(&layers[1]).expect("there") *= 2.0;
        assert!((texture_error(&features, &other).scalar() - 0.125).abs() < 1e-12);
    }

    fn a_texture_gets_the_gram_matrices_of_its_example() {
        let network = Vgg19::<f32>::new(Weights::random_with_widths([8, 8, 8, 8, 8], 1, None));
        let layers: Vec<Layer> = ["relu1_1", "relu2_1"].map(|name| name.parse().expect("a layer")).into();
        let example = numbers(&[20, 24, 3], 11).mapv(|x| x as f32);
        let targets = grams(&network, &example, &layers);
        let error = |image: &ArrayD<f32>| {
            let tape = Tape::new();
            let features = network.features(&tape.constant(image.clone()), layers.clone()).expect("layers");
            texture_error(&features, &targets).scalar()
        };
        // Another size than the example's.
        let start = numbers(&[16, 28, 3], 2).mapv(|x| 0.1 * x as f32);
        let before = error(&start);
        let found = synthesise(&network, &targets, start, 100).expect("layers");
        let after = error(&found);
        assert_eq!(found.shape(), [16, 28, 3]);
        assert!(after < 0.02 * before, "the error went from {before} to {after} only");
    }
}
