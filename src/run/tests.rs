//! Runs that stop, are saved, and continue.

use std::ops::ControlFlow;

use ndarray::{Array3, ArrayD};
use serde_json::{Map, Value};

use super::{Checkpoint, CheckpointError, Outcome, Progress, Run, StateError, Stop, Watcher};
use crate::jobs::{Invert, Texture, Transfer};
use crate::optim::Method;
use crate::recipe::{Finish, Grid, LayerWeights, Preset, Scales, Steps, StyleLoss};
use crate::vgg::{Vgg19, Weights};
use crate::{Error, Picture};

fn network() -> Vgg19<f32> {
    Vgg19::new(Weights::random_with_widths([4; 5], 1, Some("relu2_1".parse().unwrap())))
}

fn picture(height: usize, width: usize) -> Picture {
    Picture::new(Array3::from_shape_fn((height, width, 3), |(i, j, c)| ((i * 7 + j * 3 + c * 5) % 11) as f32 / 10.0))
}

/// Every kind of run, in a few iterations: method, sizes, bounds, random windows.
const KINDS: usize = 13;

fn run<'a>(kind: usize, content: &'a Picture, style: &'a Picture, network: &'a Vgg19<f32>) -> Run<'a> {
    let layers = |names: &str| names.parse::<LayerWeights>().unwrap();
    match kind {
        0..4 | 8.. => {
            let mut job = Transfer::new(content, style, network, Preset::Balanced);
            job.recipe.content_layers = layers("relu2_1");
            job.recipe.style_layers = layers("relu1_1,relu2_1");
            job.recipe.method = match kind {
                0 | 3 | 9 | 11 => Method::Lbfgs,
                2 => Method::Momentum,
                10 => Method::PyramidAdam,
                _ => Method::Adam,
            };
            if kind == 9 || kind == 10 {
                // Of the second size the matches depend on the picture of the first.
                job.recipe.style_loss = [StyleLoss::Neighbours, StyleLoss::NeighboursCosine][kind - 9];
            }
            (job.recipe.scales, job.recipe.steps) = (Scales::Sides(vec![16, 20]), Steps::Given(vec![4, 5]));
            job.recipe.clamp = kind == 3;
            job.recipe.finish = (kind == 8 || kind > 9).then(|| Finish {
                layers: layers("relu1_1,relu2_1"),
                style_layers: layers("relu1_1"),
                grid: Grid::of(5),
                // From the finish, the second size goes on.
                largest: (kind > 10).then_some(16),
                ..Finish::of(4)
            });
            let mut run = job.run().unwrap();
            assert!(kind != 12 || run.average(0.5));
            run
        }
        4 | 5 => {
            let job = Texture::new(style, network);
            let method = [Method::Lbfgs, Method::Adam][kind - 4];
            let (layers, scales, steps) =
                (layers("relu1_1,pool1"), Scales::Sides(vec![16, 18]), Steps::Given(vec![4, 4]));
            Texture { layers, scales, steps, method, clamp: true, ..job }.run().unwrap()
        }
        6 => {
            let job = Invert::mahendran(content, network, "relu2_1".parse().unwrap());
            Invert { steps: 9, jitter: 4, ..job }.run().unwrap()
        }
        7 => Invert { steps: 9, ..Invert::new(content, network, "relu2_1".parse().unwrap()) }.run().unwrap(),
    }
}

/// The picture of a finished run, and the total of each iteration.
fn finished(mut run: Run<'_>) -> (ArrayD<f32>, Vec<f64>) {
    let mut totals = Vec::new();
    let watcher = &mut |progress: &Progress| {
        totals.push(progress.total);
        ControlFlow::Continue(())
    };
    assert_eq!(run.finish(watcher).unwrap(), Outcome::Complete);
    (run.finished().rgb.into_dyn(), totals)
}

#[test]
fn a_run_goes_on_from_any_iteration_to_the_same_bits() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    for kind in 0..KINDS {
        let new = || run(kind, &content, &style, &network);
        let whole = finished(new());
        for iteration in 0..=whole.1.len() {
            let mut first = new();
            for _ in 0..iteration {
                first.advance().unwrap();
            }
            let about = Map::from_iter([("iteration".to_owned(), Value::from(iteration))]);
            Checkpoint::write(&path, &about, &first.state()).unwrap();
            drop(first);
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert_eq!((checkpoint.about(), checkpoint.iteration()), (&about, iteration));
            let mut second = new();
            second.restore(checkpoint.state().unwrap()).unwrap();
            assert_eq!(second.iterations(), iteration);
            let (picture, totals) = finished(second);
            assert!(picture == whole.0, "kind {kind}, iteration {iteration}");
            assert_eq!(totals, whole.1[iteration..], "kind {kind}, iteration {iteration}");
        }
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_finish_is_the_same_on_any_number_of_threads_and_leaves_what_was_before_it() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| finished(run(8, &content, &style, &network)))
    };
    let one = on(1);
    assert_eq!(one.1.len(), 13);
    assert!([2, 5].into_iter().all(|threads| on(threads) == one));
    let (plain, totals) = finished(run(1, &content, &style, &network));
    assert_eq!(totals, one.1[..9]);
    assert_ne!(plain, one.0);
}

#[test]
fn larger_scales_go_on_from_a_finish_and_average_as_without_one() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let mut averaged = run(12, &content, &style, &network);
    let scales: Vec<_> = averaged.scales().iter().map(|scale| (scale.side, scale.steps, scale.finish)).collect();
    assert_eq!(scales, [(16, 4, false), (16, 4, true), (20, 5, false)]);
    while averaged.advance().unwrap().is_some() {}
    let last = averaged.stage.canvas.values();
    assert_ne!(averaged.stage.optimizer.result(last), last);

    let totals = |kind| finished(run(kind, &content, &style, &network)).1;
    let (finished, plain) = (totals(11), totals(0));
    assert_eq!(finished[..4], plain[..4]);
    assert!(finished[8..].iter().all(|total| !plain[4..].contains(total)), "the second size starts from the finish");
}

#[test]
fn a_complete_run_keeps_its_picture_alone() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let mut first = run(0, &content, &style, &network);
    let on_the_way = {
        first.advance().unwrap();
        first.advance().unwrap();
        first.state().optimizer.arrays.len()
    };
    while first.advance().unwrap().is_some() {}
    let state = first.state();
    assert!(on_the_way > 2 && state.optimizer.is_empty());
    let mut second = run(0, &content, &style, &network);
    second.restore(state).unwrap();
    assert!(second.advance().unwrap().is_none());
    assert_eq!(second.outcome(), Some(Outcome::Complete));
    assert_eq!(second.finished(), first.finished());
}

#[test]
fn the_state_of_another_job_is_refused() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let at = |kind: usize, iterations: usize| {
        let mut run = run(kind, &content, &style, &network);
        for _ in 0..iterations {
            run.advance().unwrap();
        }
        run
    };
    let refused = |kind: usize, other: Run<'_>| match at(kind, 0).restore(other.state()).unwrap_err() {
        Error::State(error) => error,
        other => panic!("{other}"),
    };
    assert!(matches!(refused(0, at(1, 2)), StateError::Optimizer(_)));
    assert!(matches!(refused(0, at(7, 9)), StateError::Position { scale: 0, iteration: 9 }));
    assert!(matches!(refused(7, at(0, 6)), StateError::Position { scale: 1, .. }));
    assert!(matches!(refused(0, at(7, 2)), StateError::Values { .. }));
    // The picture of the size before is missing, or another.
    let later = at(9, 6);
    for shape in [None, Some(vec![20, 16, 3])] {
        let mut state = later.state();
        state.before = shape.map(|shape| ArrayD::zeros(shape).into());
        assert!(matches!(at(9, 0).restore(state).unwrap_err(), Error::State(StateError::Values { .. })));
    }
    let one = at(0, 3);
    let mut state = one.state();
    state.values.to_mut_view()[[0, 0, 0]] = f32::INFINITY;
    assert!(matches!(at(0, 0).restore(state).unwrap_err(), Error::State(StateError::Values { .. })));
}

/// Views of a copy.
trait Owned {
    fn to_mut_view(&mut self) -> ndarray::ArrayViewMutD<'_, f32>;
}

impl Owned for ndarray::CowArray<'_, f32, ndarray::IxDyn> {
    fn to_mut_view(&mut self) -> ndarray::ArrayViewMutD<'_, f32> {
        self.view_mut()
    }
}

#[test]
fn a_checkpoint_with_any_byte_changed_or_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    let image = picture(2, 2);
    let network = network();
    let mut run = Invert { steps: 9, ..Invert::new(&image, &network, "relu1_1".parse().unwrap()) }.run().unwrap();
    run.advance().unwrap();
    run.advance().unwrap();
    Checkpoint::write(&path, &Map::new(), &run.state()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        let error = Checkpoint::open(&path).unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { .. } | CheckpointError::Other { .. }), "{what}: {error}");
        assert!(error.to_string().contains("run.checkpoint"));
    };
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, &format!("byte {at}"));
        refused(&whole[..at], &format!("cut at {at}"));
    }
    refused(&[&whole[..], b"x"].concat(), "a byte more");
    for other in ["", "text", "PK\x03\x04 an archive, long enough to be looked at"] {
        std::fs::write(&path, other).unwrap();
        assert!(matches!(Checkpoint::open(&path).unwrap_err(), CheckpointError::Other { .. }), "{other}");
    }
    assert!(matches!(Checkpoint::open(folder.path()).unwrap_err(), CheckpointError::Other { .. }));
    assert!(matches!(Checkpoint::open(&folder.path().join("none")).unwrap_err(), CheckpointError::Read { .. }));
}

/// Edited checkpoints with a valid checksum give an error or a run, never a panic.
#[test]
fn made_up_checkpoints_do_no_harm() {
    use rand::{RngExt, SeedableRng};
    use sha2::{Digest, Sha256};
    let count = std::env::var("IMPASTO_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(400_usize);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.checkpoint");
    let image = picture(3, 3);
    let network = network();
    let methods = [Method::Lbfgs, Method::Adam, Method::Momentum];
    let new = |method| {
        let job = Invert::new(&image, &network, "relu1_1".parse().unwrap());
        Invert { steps: 9, method, ..job }.run().unwrap()
    };
    let wholes = methods.map(|method| {
        let mut run = new(method);
        for _ in 0..4 {
            run.advance().unwrap();
        }
        Checkpoint::write(&path, &Map::new(), &run.state()).unwrap();
        std::fs::read(&path).unwrap()
    });
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    let mut taken = 0;
    for i in 0..count {
        let mut bytes = wholes[i % 3].clone();
        let end = bytes.len() - 32;
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        for _ in 0..random.random_range(1..4) {
            let last = if random.random() { header } else { end };
            let at = random.random_range(0..last);
            let digits = *b"0123456789-.,:{}[]\"eE";
            bytes[at] = if random.random() { random.random() } else { digits[random.random_range(0..digits.len())] };
        }
        let digest = Sha256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&digest);
        std::fs::write(&path, &bytes).unwrap();
        let Ok(state) = Checkpoint::open(&path).and_then(|checkpoint| checkpoint.state()) else { continue };
        let mut run = new(methods[i % 3]);
        if run.restore(state).is_ok() {
            let _ = run.advance().unwrap();
            taken += 1;
        }
    }
    assert!(taken < count, "{taken} of {count}");
}

/// If the loss becomes infinite, the picture is the last one with a finite loss.
#[test]
fn a_run_that_becomes_infinite_keeps_the_last_sound_picture_and_names_the_term() {
    let (content, style, network) = (picture(20, 16), picture(18, 18), network());
    let new = || {
        let mut job = Transfer::new(&content, &style, &network, Preset::Balanced);
        job.recipe.content_layers = "relu2_1".parse().unwrap();
        job.recipe.style_layers = "relu1_1,relu2_1".parse().unwrap();
        (job.recipe.method, job.recipe.rate) = (Method::Adam, crate::recipe::Rate::OfInput(1e12));
        (job.recipe.scales, job.recipe.steps) = (Scales::Count(1), Steps::last(9));
        job.recipe.clamp = false;
        job.run().unwrap()
    };
    /// Collects the picture after each iteration.
    struct Pictures(Vec<Picture>);
    impl Watcher for Pictures {
        fn see(&mut self, run: &Run<'_>, _: &Progress) -> ControlFlow<Stop> {
            self.0.push(run.picture());
            ControlFlow::Continue(())
        }
    }
    let mut run = new();
    let first = run.picture();
    let mut pictures = Pictures(vec![first.clone()]);
    assert_eq!(run.finish(&mut pictures).unwrap(), Outcome::NotFinite);
    assert_eq!(run.iterations(), 2, "steps that long are infinite at once");
    assert_eq!(run.picture(), first, "the one before the first step");
    assert!(run.not_finite().unwrap().starts_with("the term style.relu"), "{:?}", run.not_finite());
    // So does a run that was stopped and restored.
    let mut one = new();
    one.advance().unwrap();
    let mut other = new();
    other.restore(one.state()).unwrap();
    assert_eq!(other.finish(&mut Pictures(Vec::new())).unwrap(), Outcome::NotFinite);
    assert_eq!(other.picture(), first);
}
