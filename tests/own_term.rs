//! A term of the caller's own in a transfer, by the public API alone: it keeps scales, masks, the finishing stage and the
//! forecast.

use std::ops::ControlFlow;

use impasto::jobs::{Masks, OwnTerm};
use impasto::objective::{Place, Seen, Term};
use impasto::picture::Regions;
use impasto::recipe::{Finish, Grid, LayerWeights, Scales, Steps};
use impasto::tape::{Real, Var};
use impasto::{Error, Picture, Preset, Progress, Transfer, Vgg19, Weights, ops};
use ndarray::Array3;

/// (mean − target)², of what is seen at a place.
struct Mean {
    target: f64,
    place: Place,
}

impl<T: Real> Term<T> for Mean {
    fn name(&self) -> String {
        "mean".into()
    }

    fn place(&self) -> Place {
        self.place
    }

    fn score<'t>(&self, seen: &Seen<'t, T>, weight: f64) -> Var<'t, T> {
        ops::square(&(ops::mean(&seen.value) - self.target)) * weight
    }
}

fn network() -> Vgg19<f32> {
    Vgg19::new(Weights::random_with_widths([4; 5], 1, Some("relu3_1".parse().unwrap())))
}

fn picture(height: usize, width: usize) -> Picture {
    Picture::new(Array3::from_shape_fn((height, width, 3), |(i, j, c)| ((i * 7 + j * 3 + c * 5) % 11) as f32 / 10.0))
}

/// Left one colour, right another.
fn mask(height: usize, width: usize) -> Regions {
    let colour = |j: usize| if j < width / 2 { 1.0 } else { 0.0 };
    Regions::of(&Picture::new(Array3::from_shape_fn((height, width, 3), |(_, j, _)| colour(j))))
}

/// By regions, at two scales, with a finishing stage.
fn transfer<'a>(content: &'a Picture, style: &'a Picture, network: &'a Vgg19<f32>) -> Transfer<'a> {
    let layers = |names: &str| names.parse::<LayerWeights>().unwrap();
    let mut job = Transfer::new(content, style, network, Preset::Balanced);
    job.recipe.content_layers = layers("relu2_1");
    job.recipe.style_layers = layers("relu1_1,relu2_1");
    (job.recipe.scales, job.recipe.steps) = (Scales::Sides(vec![24, 32]), Steps::Given(vec![3, 3]));
    job.recipe.finish = Some(Finish {
        layers: layers("relu1_1,relu2_1"),
        style_layers: layers("relu1_1"),
        grid: Grid::of(5),
        ..Finish::of(2)
    });
    job.masks = Some(Masks { content: mask(24, 32), styles: vec![mask(28, 28)] });
    job
}

/// The picture, and of each iteration its scale's longer side and the names and values of its groups.
fn painted(job: Transfer<'_>) -> (Picture, Vec<(usize, Vec<(String, f64)>)>) {
    let mut seen = Vec::new();
    let mut run = job.run().unwrap();
    run.finish(&mut |progress: &Progress| {
        let groups = progress.groups.iter().map(|group| (group.name.clone(), group.value)).collect();
        seen.push((progress.scale.side, groups));
        ControlFlow::Continue(())
    })
    .unwrap();
    (run.finished(), seen)
}

#[test]
fn it_is_a_group_at_every_scale_and_moves_the_picture() {
    let (content, style, network) = (picture(24, 32), picture(28, 28), network());
    let make =
        |_: &Vgg19<f32>, _: [usize; 2]| Ok::<_, Error>(Box::new(Mean { target: 0.9, place: Place::Pixels }) as _);
    let with = |weight| {
        let own = OwnTerm { name: "light", weight, place: Place::Pixels, make: &make };
        painted(Transfer { own_terms: vec![own], ..transfer(&content, &style, &network) })
    };
    let mean = |picture: &Picture| picture.rgb.mean().unwrap();
    let (plain, _) = painted(transfer(&content, &style, &network));
    let (light, seen) = with(1e6);
    // The target is in the units of the canvas, and brighter than the picture in any of them.
    assert!(mean(&light) > mean(&plain) + 0.01, "{} {}", mean(&light), mean(&plain));
    let (sides, groups): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    assert_eq!(sides, [24, 24, 24, 32, 32, 32, 32, 32], "two scales, and the finish");
    let own: Vec<f64> = groups.iter().map(|all| all.iter().find(|(name, _)| name == "light").unwrap().1).collect();
    assert!(groups.iter().all(|all| all.len() > 1), "beside the recipe's own: {groups:?}");
    assert!(own.last() < own.first(), "{own:?}");
    let (nothing, _) = with(0.0);
    assert_eq!(nothing.rgb, plain.rgb, "a weight of 0 is none");
}

#[test]
fn it_is_made_for_the_picture_of_each_stage() {
    let (content, style, network) = (picture(24, 32), picture(28, 28), network());
    let sizes = std::sync::Mutex::new(Vec::new());
    let make = |_: &Vgg19<f32>, size: [usize; 2]| {
        sizes.lock().unwrap().push(size);
        Ok::<_, Error>(Box::new(Mean { target: 0.0, place: Place::Pixels }) as _)
    };
    let own = OwnTerm { name: "own", weight: 1.0, place: Place::Pixels, make: &make };
    painted(Transfer { own_terms: vec![own], ..transfer(&content, &style, &network) });
    assert_eq!(*sizes.lock().unwrap(), [[18, 24], [24, 32], [24, 32]]);
}

#[test]
fn it_is_priced_by_its_place() {
    let (content, style, network) = (picture(64, 64), picture(28, 28), network());
    let place = Place::Features("relu3_1".parse().unwrap());
    let make = move |_: &Vgg19<f32>, _: [usize; 2]| Ok::<_, Error>(Box::new(Mean { target: 1.0, place }) as _);
    let mut job = transfer(&content, &style, &network);
    (job.masks, job.recipe.finish) = (None, None);
    (job.recipe.scales, job.recipe.steps) = (Scales::Sides(vec![64]), Steps::Given(vec![2]));
    let multiplications = |job: &Transfer<'_>| {
        let forecast = job.work().unwrap().forecast(usize::MAX).unwrap();
        forecast.scales.iter().map(|scale| (scale.memory, format!("{scale:?}"))).collect::<Vec<_>>()
    };
    let plain = multiplications(&job);
    job.own_terms = vec![OwnTerm { name: "deep", weight: 1.0, place, make: &make }];
    let deep = multiplications(&job);
    assert!(deep[0].0 >= plain[0].0 && deep[0].1 != plain[0].1, "{plain:?} {deep:?}");
    let (_, seen) = painted(job);
    assert!(seen.iter().all(|(_, groups)| groups.iter().any(|(name, _)| name == "deep")));
}

#[test]
fn what_it_cannot_be_is_an_error_before_the_first_iteration() {
    let (content, style, network) = (picture(24, 32), picture(28, 28), network());
    // The network ends before it.
    let place = Place::Features("relu5_1".parse().unwrap());
    let make = move |_: &Vgg19<f32>, _: [usize; 2]| Ok::<_, Error>(Box::new(Mean { target: 1.0, place }) as _);
    let mut job = transfer(&content, &style, &network);
    job.own_terms = vec![OwnTerm { name: "deep", weight: 1.0, place, make: &make }];
    let why = job.work().err().expect("the layer is missing").to_string();
    assert!(why.contains("relu5_1"), "{why}");
    assert!(job.run().is_err());
}
