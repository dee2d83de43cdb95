//! Masks, several styles, transparent pixels and colours mean in the finishing stage, and where hypercolumns are matched, what
//! they mean elsewhere: what a place is drawn towards is that of its own region. By the public API, on the thin weights.

use std::path::Path;

use impasto::jobs::{Colours, Masks};
use impasto::picture::{ColourMap, Regions, coloured_like};
use impasto::recipe::{Finish, Grid, LayerWeights, Scales, Steps, StyleLoss};
use impasto::vgg::WeightSource;
use impasto::{Picture, Preset, Tape, Transfer, Vgg19, Weights};
use ndarray::{Array2, Array3, ArrayD, s};

/// How far from a pixel a layer up to relu2_1, or a hypercolumn of such, sees.
const REACH: usize = 12;

fn network() -> Vgg19<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/vgg19-thin.npz");
    Vgg19::new(Weights::load(&WeightSource::File(path), Some("relu2_1".parse().unwrap())).unwrap())
}

fn picture([height, width]: [usize; 2], seed: usize) -> Picture {
    let value = |(i, j, c): (usize, usize, usize)| {
        ((i * (3 + seed) + j * (7 - seed) + c * 5 * seed + i * j / 3) % 17) as f32 / 16.0
    };
    Picture::new(Array3::from_shape_fn((height, width, 3), value))
}

/// One colour up to a column, another behind it.
fn mask([height, width]: [usize; 2], first: usize) -> Regions {
    let colour = |j: usize| if j < first { 1.0 } else { 0.0 };
    Regions::of(&Picture::new(Array3::from_shape_fn((height, width, 3), |(_, j, _)| colour(j))))
}

/// Which of the objectives of a transfer is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Finish,
    Matched(StyleLoss),
}

const KINDS: [Kind; 3] =
    [Kind::Finish, Kind::Matched(StyleLoss::Neighbours), Kind::Matched(StyleLoss::NeighboursCosine)];

fn transfer<'a>(kind: Kind, content: &'a Picture, style: &'a Picture, network: &'a Vgg19<f32>) -> Transfer<'a> {
    let layers = |names: &str| names.parse::<LayerWeights>().unwrap();
    let mut job = Transfer::new(content, style, network, Preset::Balanced);
    let side = content.height().max(content.width());
    job.recipe.content_layers = layers("relu2_1");
    job.recipe.style_layers = layers("relu1_1,relu2_1");
    (job.recipe.scales, job.recipe.steps) = (Scales::Sides(vec![side]), Steps::Given(vec![1]));
    job.recipe.finish = None;
    match kind {
        Kind::Matched(loss) => job.recipe.style_loss = loss,
        Kind::Finish => {
            job.recipe.finish = Some(Finish {
                layers: layers("relu1_1,relu2_1"),
                style_layers: layers("relu1_1"),
                grid: Grid::of(24),
                ..Finish::of(2)
            });
        }
    }
    job
}

/// The gradient of the objective of a job's last stage, at a picture that is always the same.
fn gradient(job: Transfer<'_>) -> ArrayD<f32> {
    let network = job.network;
    let size = [job.content.height(), job.content.width()];
    let finishes = job.recipe.finish.is_some();
    let mut run = job.run().unwrap();
    if finishes {
        while !run.advance().unwrap().unwrap().scale.finish {}
    }
    let at = network.normalise(&picture(size, 4).rgb.view());
    let tape = Tape::new();
    let x = tape.variable(at);
    run.objective().evaluate(network, &x, &x).unwrap().scaled.backward().take(&x).unwrap().into_array()
}

#[test]
fn a_region_depends_on_its_own_style_alone() {
    let network = network();
    let size = [40, 64];
    let (content, one) = (picture(size, 1), picture([36, 30], 2));
    let (other, another) = (picture([28, 44], 3), picture([28, 44], 5));
    for kind in KINDS {
        let with = |second: &Picture| {
            let mut job = transfer(kind, &content, &one, &network);
            job.styles = vec![(&one, 0.5), (second, 0.5)];
            let (first, last) = (mask([36, 30], 30), mask([28, 44], 0));
            job.masks = Some(Masks { content: mask(size, 32), styles: vec![first, last] });
            gradient(job)
        };
        let (before, after) = (with(&other), with(&another));
        let left = s![.., ..32 - REACH, ..];
        assert_eq!(before.slice(left), after.slice(left), "{kind:?}: another style of the other region");
        assert_ne!(before.slice(s![.., 32 + REACH.., ..]), after.slice(s![.., 32 + REACH.., ..]), "{kind:?}");
        assert!(before.slice(left).iter().any(|&g| g != 0.0));
    }
}

#[test]
fn transparent_pixels_are_drawn_nowhere_and_stay() {
    let network = network();
    let size = [40, 64];
    let opaque = picture(size, 1);
    let hidden = |colour: f32| {
        let mut content = opaque.clone();
        content.rgb.slice_mut(s![.., ..32, ..]).fill(colour);
        content.alpha = Some(Array2::from_shape_fn((40, 64), |(_, j)| f32::from(u8::from(j >= 32))));
        content
    };
    let style = picture([36, 30], 2);
    for kind in KINDS {
        let content = hidden(0.25);
        let job = || {
            let mut job = transfer(kind, &content, &style, &network);
            // The content's own terms see all of it.
            job.recipe.content_weight = 0.0;
            job.recipe.finish.iter_mut().for_each(|finish| finish.content_weight = 0.0);
            job
        };
        let found = gradient(job());
        assert!(found.slice(s![.., ..32 - REACH, ..]).iter().all(|&g| g == 0.0), "{kind:?}");
        assert!(found.slice(s![.., 32.., ..]).iter().any(|&g| g != 0.0), "{kind:?}");
        let mut other = gradient(Transfer { paint_transparent: true, ..job() });
        assert!(other.slice(s![.., ..32 - REACH, ..]).iter().any(|&g| g != 0.0), "{kind:?}: unless they are painted");
        // Whatever colour is hidden there.
        let content = hidden(0.9);
        let mut job = transfer(kind, &content, &style, &network);
        job.recipe.content_weight = 0.0;
        job.recipe.finish.iter_mut().for_each(|finish| finish.content_weight = 0.0);
        let mut run = job.clone().run().unwrap();
        while run.advance().unwrap().is_some() {}
        let painted = run.finished();
        assert_eq!(painted.rgb.slice(s![.., ..32, ..]), content.rgb.slice(s![.., ..32, ..]), "{kind:?}: they stay");
        assert_ne!(painted.rgb, content.rgb);
        other = gradient(job);
        assert_eq!(other, found, "{kind:?}: hidden colours do not count");
        // Of the style too.
        let through = |colour: f32| {
            let mut style = picture([36, 30], 2);
            style.rgb.slice_mut(s![.., 16.., ..]).fill(colour);
            style.alpha = Some(Array2::from_shape_fn((36, 30), |(_, j)| f32::from(u8::from(j < 16))));
            style
        };
        let [one, two] = [0.1, 0.8].map(through).map(|style| gradient(transfer(kind, &opaque, &style, &network)));
        assert_eq!(one, two, "{kind:?}: hidden colours of the style");
        assert_ne!(one, gradient(transfer(kind, &opaque, &style, &network)), "{kind:?}");
    }
}

#[test]
fn several_styles_have_their_shares() {
    let network = network();
    let content = picture([24, 32], 1);
    let (one, other) = (picture([36, 30], 2), picture([28, 44], 3));
    let close = |a: &ArrayD<f32>, b: &ArrayD<f32>| {
        let most = b.iter().fold(0.0f32, |most, g| most.max(g.abs()));
        (a - b).iter().all(|d| d.abs() <= 1e-4 * most)
    };
    for kind in KINDS {
        let with = |styles: &[(&Picture, f64)]| {
            let mut job = transfer(kind, &content, styles[0].0, &network);
            job.styles = styles.iter().map(|(style, share)| (*style, *share)).collect();
            gradient(job)
        };
        let (alone, second) = (with(&[(&one, 1.0)]), with(&[(&other, 1.0)]));
        let both = with(&[(&one, 0.5), (&other, 0.5)]);
        assert!(!close(&both, &alone) && !close(&both, &second), "{kind:?}");
        assert!(close(&with(&[(&one, 0.5), (&one, 0.5)]), &alone), "{kind:?}: a style beside itself");
        assert!(close(&with(&[(&other, 0.5), (&one, 0.5)]), &both), "{kind:?}: in another order");
        assert!(!close(&with(&[(&one, 0.8), (&other, 0.2)]), &both), "{kind:?}: other shares");
        assert!(close(&with(&[(&one, 1.0 - 1e-9), (&other, 1e-9)]), &alone), "{kind:?}: next to nothing of one");
    }
}

#[test]
fn colours_are_those_asked_for() {
    let network = network();
    let (content, style) = (picture([24, 32], 1), picture([36, 30], 2));
    for kind in KINDS {
        let by = |colours: Colours| Transfer { colours, ..transfer(kind, &content, &style, &network) };
        for map in [ColourMap::Pca, ColourMap::Cholesky] {
            let matched = style.in_colours_of(&[(&content, 1.0)], map);
            let expected = gradient(transfer(kind, &content, &matched, &network));
            assert_eq!(gradient(by(Colours::Match(map))), expected, "{kind:?}: the style in the content's colours");
            assert_ne!(gradient(by(Colours::Style)), expected);
        }
        let painted = |colours| {
            let mut run = by(colours).run().unwrap();
            while run.advance().unwrap().is_some() {}
            run.finished().rgb
        };
        assert_eq!(painted(Colours::Content), coloured_like(&painted(Colours::Style), &content.rgb), "{kind:?}");
    }
}
