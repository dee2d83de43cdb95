//! What assignment 1 must do.

use impasto::gradcheck::{GradCheck, TapeCheck};
use impasto::{Layer, Tape, Vgg19, Weights};
use ndarray::{Array, ArrayD, IxDyn};

use super::yours::{features_error, invert, sixth_powers};

/// Numbers between −1 and 1 that look random.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let numbers = (0..shape.iter().product()).map(|i: usize| ((i + 1) as f64 * (seed as f64 + 0.618) * 12.9898).sin());
    Array::from_iter(numbers).into_shape_with_order(IxDyn(shape)).expect("as many")
}

checks! {
    fn the_error_is_0_at_the_target_and_1_at_zero() {
        for seed in 1..4 {
            let tape = Tape::<f64>::new();
            let target = tape.constant(numbers(&[3, 4, 5], seed));
            assert_eq!(features_error(&target, &target).scalar(), 0.0);
            let zero = tape.constant(ArrayD::zeros(IxDyn(&[3, 4, 5])));
            assert!((features_error(&zero, &target).scalar() - 1.0).abs() < 1e-12);
            let twice = tape.constant(target.to_array() * 3.0);
            assert!((features_error(&twice, &target).scalar() - 4.0).abs() < 1e-12);
        }
    }

    fn the_error_has_the_right_gradient() {
        let target = numbers(&[3, 2, 4], 7);
        let check = GradCheck::new();
        let report = check.check(|tape, x| features_error(&x[0], &tape.constant(target.clone())), &[numbers(&[3, 2, 4], 3)]);
        println!("{}", report.unwrap_or_else(|failure| panic!("{failure}")));
    }

    fn sixth_powers_are_summed_by_one_operation() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(ndarray::array![[1.0, -2.0], [0.5, 0.0]]);
        assert!((sixth_powers(&x).scalar() - 65.015_625).abs() < 1e-12);
        assert_eq!(tape.len(), 2, "the variable, and one operation");
    }

    fn sixth_powers_have_the_right_gradient() {
        let report = GradCheck::new().check(|_, x| sixth_powers(&x[0]), &[numbers(&[4, 3], 5)]);
        println!("{}", report.unwrap_or_else(|failure| panic!("{failure}")));
    }

    fn an_inversion_finds_the_features() {
        let network = Vgg19::<f32>::new(Weights::random_with_widths([16, 16, 16, 16, 16], 1, None));
        let layer: Layer = "relu1_2".parse().expect("a layer");
        let image = numbers(&[24, 20, 3], 11).mapv(|x| x as f32);
        let tape = Tape::new();
        let target = network.features(&tape.constant(image), [layer]).expect("a layer")[&layer].to_array();
        for seed in [2, 3] {
            let start = numbers(&[24, 20, 3], seed).mapv(|x| 0.1 * x as f32);
            let found = invert(&network, layer, &target, start, 1e-4, 150).expect("a layer");
            let features = network.features(&tape.constant(found), [layer]).expect("a layer")[&layer].clone();
            let error = features_error(&features, &tape.constant(target.clone())).scalar();
            assert!(error < 0.02, "from start {seed} an error of {error} is left");
        }
    }

    fn a_strong_prior_keeps_pixels_small() {
        let network = Vgg19::<f32>::new(Weights::random_with_widths([8, 8, 8, 8, 8], 2, None));
        let layer: Layer = "relu1_1".parse().expect("a layer");
        let tape = Tape::new();
        let image = numbers(&[12, 14, 3], 4).mapv(|x| 3.0 * x as f32);
        let target = network.features(&tape.constant(image), [layer]).expect("a layer")[&layer].to_array();
        let largest = |prior| {
            let start = numbers(&[12, 14, 3], 6).mapv(|x| 0.1 * x as f32);
            let found = invert(&network, layer, &target, start, prior, 150).expect("a layer");
            found.fold(0.0, |a: f32, x| a.max(x.abs()))
        };
        let (free, held) = (largest(0.0), largest(100.0));
        assert!(held < 0.7 * free, "the largest pixel is {held} with a strong prior, {free} without");
    }
}
