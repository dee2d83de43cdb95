//! What assignment 3 must do.

use std::collections::BTreeMap;

use impasto::gradcheck::{GradCheck, TapeCheck};
use impasto::tape::{Real, Var};
use impasto::{Layer, Tape, Vgg19, Weights, ops};
use ndarray::{Array, ArrayD, IxDyn, array};

use super::yours::{Targets, blur, content_loss, style_loss, transfer};

/// Numbers between −1 and 1 that look random.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let numbers = (0..shape.iter().product()).map(|i: usize| ((i + 1) as f64 * (seed as f64 + 0.618) * 12.9898).sin());
    Array::from_iter(numbers).into_shape_with_order(IxDyn(shape)).expect("as many")
}

fn layers<const N: usize>(names: [&str; N]) -> [Layer; N] {
    names.map(|name| name.parse().expect("a layer"))
}

fn targets<T: Real>(content: &BTreeMap<Layer, Var<'_, T>>, style: &BTreeMap<Layer, Var<'_, T>>) -> Targets<T> {
    let content = content.iter().map(|(&layer, f)| (layer, f.to_array())).collect();
    Targets { content, style: style.iter().map(|(&layer, f)| (layer, ops::gram_matrix(f).to_array())).collect() }
}

/// A network, a photo and the targets of a transfer.
fn task(seed: usize) -> (Vgg19<f32>, ArrayD<f32>, Targets<f32>) {
    let network = Vgg19::<f32>::new(Weights::random_with_widths([8, 8, 8, 8, 8], 1, None));
    let [photo, painting] =
        [numbers(&[20, 24, 3], seed), numbers(&[22, 18, 3], seed + 5)].map(|x| x.mapv(|x| x as f32));
    let tape = Tape::new();
    let content = network.features(&tape.constant(photo.clone()), layers(["relu2_2"])).expect("a layer");
    let style = network.features(&tape.constant(painting), layers(["relu1_1", "relu2_1"])).expect("layers");
    let targets = targets(&content, &style);
    (network, photo, targets)
}

/// Content and style loss of an image.
fn losses(network: &Vgg19<f32>, image: &ArrayD<f32>, targets: &Targets<f32>) -> [f32; 2] {
    let tape = Tape::new();
    let all = layers(["relu1_1", "relu2_1", "relu2_2"]);
    let features = network.features(&tape.constant(image.clone()), all).expect("layers");
    [content_loss(&features, targets).scalar(), style_loss(&features, targets).scalar()]
}

checks! {
    fn the_losses_are_0_at_their_targets_and_relative() {
        let tape = Tape::<f64>::new();
        let [one, other] = layers(["relu1_1", "relu2_1"]);
        let features = BTreeMap::from([(one, tape.variable(numbers(&[4, 3, 5], 1))), (other, tape.variable(numbers(&[3, 2, 4], 2)))]);
        let own = targets(&features, &features);
        assert_eq!(content_loss(&features, &own).scalar(), 0.0);
        assert_eq!(style_loss(&features, &own).scalar(), 0.0);
        let mut moved = targets(&features, &features);
        *moved.content.get_mut(&other).expect("there") += 0.5;
        *moved.style.get_mut(&one).expect("there") *= 2.0;
        assert!((content_loss(&features, &moved).scalar() - 0.25).abs() < 1e-12);
        assert!((style_loss(&features, &moved).scalar() - 0.125).abs() < 1e-12);
    }

    fn the_losses_have_the_right_gradients() {
        let [layer] = layers(["relu1_1"]);
        let tape = Tape::<f64>::new();
        let target = BTreeMap::from([(layer, tape.constant(numbers(&[3, 4, 2], 8)))]);
        let target = targets(&target, &target);
        for loss in [content_loss::<f64>, style_loss::<f64>] {
            let report = GradCheck::new().check(
                |_, x| loss(&BTreeMap::from([(layer, x[0].clone())]), &target),
                &[numbers(&[3, 4, 2], 3)],
            );
            println!("{}", report.unwrap_or_else(|failure| panic!("{failure}")));
        }
    }

    fn blur_is_a_mean_over_neighbours() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[[4.0], [0.0], [8.0], [0.0]]]);
        assert_eq!(blur(&x).to_array(), array![[[2.0], [3.0], [4.0], [4.0]]].into_dyn());
        assert_eq!(tape.len(), 2, "the variable, and one operation");
    }

    fn blur_has_the_right_gradient_at_the_border_too() {
        for width in [1, 2, 5] {
            let report = GradCheck::new().check(|_, x| blur(&x[0]), &[numbers(&[3, width, 2], 5)]);
            println!("{}", report.unwrap_or_else(|failure| panic!("{failure}")));
        }
    }

    fn more_style_costs_content() {
        for seed in [1, 2] {
            let (network, photo, targets) = task(seed);
            let painted = [0.01, 1.0, 100.0].map(|style| {
                let found = transfer(&network, &targets, photo.clone(), style, false, 80).expect("layers");
                losses(&network, &found, &targets)
            });
            assert!(painted[0][0] < painted[1][0] && painted[1][0] < painted[2][0], "content losses: {painted:?}");
            assert!(painted[0][1] > painted[1][1] && painted[1][1] > painted[2][1], "style losses: {painted:?}");
            assert!(painted[2][1] < 0.1 * losses(&network, &photo, &targets)[1], "style losses: {painted:?}");
        }
    }

    fn a_blurred_transfer_shows_the_network_the_blurred_image() {
        let (network, photo, targets) = task(3);
        let found = transfer(&network, &targets, photo.clone(), 1.0, true, 80).expect("layers");
        let seen = blur(&Tape::new().constant(found.clone())).to_array();
        let total = |image| losses(&network, image, &targets).iter().sum::<f32>();
        assert!(total(&seen) < 0.5 * total(&found), "blurred {}, as it is {}", total(&seen), total(&found));
    }
}
