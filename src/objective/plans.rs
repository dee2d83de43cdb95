//! Evaluations are bit-identical under every plan and on any number of ranks, and take the estimated memory.

use std::collections::BTreeSet;

use ndarray::{Array3, ArrayD};

use super::*;
use crate::comm::threads;
use crate::kernels::testing::random;
use crate::recipe::{Finish, Grid, LayerWeights, Preset, Recipe, StyleLoss};
use crate::vgg::Tiling::{self, Bands, Whole};
use crate::vgg::{Execution, Layer, PaddingMode, Plan, Pooling, Request, Vgg19, Weights};

fn plans() -> Vec<Plan> {
    let each = |tiling: Tiling| Plan::new([(1, tiling); 5]);
    vec![
        each(Bands(16)),
        each(Bands(5)),
        Plan::new([(2, Bands(16)), (1, Whole), (2, Bands(8))]),
        Plan::new([(1, Whole), (3, Bands(32)), (1, Whole)]),
        Plan::new([(5, Bands(16))]),
        Plan::new([(5, Whole)]),
    ]
}

fn picture([height, width]: [usize; 2], seed: u64) -> Array3<f32> {
    random((height, width, 3), seed)
}

/// Total and gradient.
fn evaluated(
    objective: &Objective<f32>,
    (execution, network): (&Execution, &Vgg19<f32>),
    size: [usize; 2],
) -> (f64, ArrayD<f32>) {
    let tape = Tape::new();
    let x = tape.variable(picture(size, 9));
    let evaluation = objective.evaluate_by(execution, network, &x, &x).unwrap();
    (evaluation.total, evaluation.scaled.backward().take(&x).unwrap().into_array())
}

/// Makes an objective whose targets are computed by the given execution.
type Made<'a> = &'a (dyn Fn(&Execution, &Vgg19<f32>) -> Objective<f32> + Sync);

/// Compares all plans, and several ranks that also share the targets, with one evaluation of whole maps.
fn check(made: Made<'_>, network: &Vgg19<f32>, size: [usize; 2]) {
    let planned = |plan| Execution::default().with_plan(plan);
    let objective = &made(&Execution::default(), network);
    let expected = evaluated(objective, (&planned(Plan::whole()), network), size);
    assert!(expected.1.iter().all(|g| g.is_finite()) && expected.1.iter().any(|&g| g != 0.0));
    for (index, plan) in plans().into_iter().enumerate() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1 + index % 3).build().unwrap();
        let found = pool.install(|| evaluated(objective, (&planned(plan.clone()), network), size));
        assert_eq!(found, expected, "{plan:?}");
    }
    for ranks in [2, 3, 5] {
        let found = threads::run(ranks, |comm| {
            let execution = Execution::default().with_communicator(comm);
            evaluated(&made(&execution, network), (&execution, network), size)
        });
        assert!(found.iter().all(|found| *found == expected), "{ranks} ranks");
    }
}

#[test]
fn have_the_same_bits_for_every_objective_pooling_and_edge() {
    let (zeros, replicated) = (PaddingMode::Zeros, PaddingMode::Replicate);
    for (pooling, edges) in [(Pooling::Max, zeros), (Pooling::Average, zeros), (Pooling::Max, replicated)] {
        let network = Vgg19::new(Weights::random_with_widths([4, 3, 5, 9, 6], 1, None));
        let network = network.with_pooling(pooling).with_edges(edges);
        for size in [[70, 51], [33, 130]] {
            let recipes = [
                Preset::Notebook.recipe(true),
                Preset::Gatys.recipe(true),
                Preset::Balanced.recipe(true),
                // Layers before a pooling are seen.
                Preset::Balanced.recipe(false),
                // One layer for both, a pooled one, and a raw one.
                Recipe {
                    content_layers: LayerWeights::given([("relu2_1", 1.0), ("pool3", 0.5)]),
                    style_layers: LayerWeights::given([
                        ("relu2_1", 1.0),
                        ("pool1", 0.5),
                        ("conv3_2", 0.1),
                        ("pool3", 0.1),
                    ]),
                    ..Preset::Balanced.recipe(true)
                },
            ];
            for recipe in recipes {
                let styles = || vec![(picture([40, 61], 2), 1.0)];
                let made = |execution: &Execution, network: &Vgg19<f32>| {
                    let (network, region) = ((execution, network), [Region::whole(1)]);
                    let (content, none) = (picture(size, 1), Targets::default());
                    style_transfer_by(&recipe, network, (content, None), styles(), &region, &none).unwrap()
                };
                check(&made, &network, size);
            }
            for loss in [StyleLoss::Neighbours, StyleLoss::NeighboursCosine] {
                let made = |execution: &Execution, network: &Vgg19<f32>| {
                    let recipe = Preset::Balanced.recipe(true).with_style_loss(loss);
                    let (network, whole, none) = ((execution, network), [Region::whole(1)], Targets::default());
                    let pictures = (picture(size, 1), Some(picture(size, 5)));
                    let styles = vec![(picture([40, 61], 2), 1.0)];
                    style_transfer_by(&recipe, network, pictures, styles, &whole, &none).unwrap()
                };
                check(&made, &network, size);
            }
            let finish = Finish { grid: Grid::of(12), ..Finish::default() };
            let made = |execution: &Execution, network: &Vgg19<f32>| {
                let (recipe, styles) = (Preset::Balanced.recipe(true), vec![(picture([40, 61], 2), 1.0)]);
                let (network, whole, none) = ((execution, network), [Region::whole(1)], Targets::default());
                finishing((&recipe, &finish), network, picture(size, 1), styles, &whole, &none, 1).unwrap()
            };
            check(&made, &network, size);
            let made = |execution: &Execution, network: &Vgg19<f32>| {
                texture_by(execution, network, picture([48, 50], 3), &texture_layers()).unwrap()
            };
            check(&made, &network, size);
            for name in ["relu1_1", "pool2", "relu4_3"] {
                let layer: Layer = name.parse().unwrap();
                let some = Selection { channels: Some(1..3), patch: Some([0..2, 1..3]) };
                for selection in [some, Selection::default()] {
                    let made = |execution: &Execution, network: &Vgg19<f32>| {
                        let image = picture(size, 4);
                        inversion_by(execution, network, image, layer, selection.clone(), Priors::light(layer)).unwrap()
                    };
                    check(&made, &network, size);
                }
            }
        }
    }
}

#[test]
fn have_the_same_bits_where_edges_wrap_around() {
    let network = Vgg19::new(Weights::random_with_widths([4, 3, 5, 9, 6], 1, None)).with_pooling(Pooling::Average);
    let made = |execution: &Execution, _: &Vgg19<f32>| {
        texture_by(execution, &network, picture([48, 50], 3), &texture_layers()).unwrap()
    };
    check(&made, &network.clone().seamless(), [64, 48]);
}

#[test]
fn take_the_memory_that_was_forecast() {
    let network = Vgg19::new(Weights::random_with_widths([16, 24, 32, 32, 32], 1, None));
    let layers = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect::<BTreeSet<Layer>>();
    let size = [231, 200];
    for (features, grams, sampled) in [
        (layers(&["relu4_2"]), layers(&["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]), layers(&[])),
        (
            layers(&["relu3_1"]),
            layers(&["relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_3"]),
            layers(&[]),
        ),
        (layers(&[]), layers(&["relu1_1", "pool1", "pool2", "pool3", "pool4"]), layers(&[])),
        (layers(&["pool5"]), layers(&[]), layers(&[])),
        (
            layers(&["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu4_2"]),
            layers(&["relu1_1", "relu2_1", "relu3_1"]),
            layers(&["relu1_1", "relu2_1", "relu3_1", "relu4_1"]),
        ),
        (layers(&["relu2_2", "relu4_1"]), layers(&["relu1_1"]), layers(&["relu2_2"])),
    ] {
        for plan in plans().into_iter().chain([Plan::whole()]) {
            let tape = Tape::new();
            let x = tape.variable(picture(size, 9));
            let request = Request { sampled: sampled.clone(), ..Request::new(features.clone(), grams.clone()) };
            let execution = Execution::default().with_plan(plan.clone());
            let observed = execution.observe(&network, &x, &request).unwrap();
            let some: std::sync::Arc<[usize]> = [3, 50, 60].into();
            let features = observed
                .features
                .into_iter()
                .map(|(layer, value)| if sampled.contains(&layer) { crate::ops::gather(&value, &some) } else { value });
            let values = features.chain(observed.grams.into_values().map(|gram| gram.value));
            let mut total = None;
            for value in values {
                let zero = tape.constant(ArrayD::zeros(value.shape()));
                let error = crate::ops::squared_error(&value, &zero);
                drop((value, zero));
                total = Some(total.map_or_else(|| error.clone(), |total| crate::ops::add(&total, &error)));
            }
            total.unwrap().backward();
            let (most, forecast) =
                (tape.buffers().most() as f64, network.cost(&plan, size, &request, true).maps as f64);
            // Never much more than estimated; less if two peaks do not coincide.
            assert!(
                (0.75..1.05).contains(&(most / forecast)),
                "{most} and {forecast} bytes: {plan:?}, {:?}, {grams:?}, {sampled:?}",
                request.features
            );
        }
    }
}
