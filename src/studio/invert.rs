//! Representation inversion: which pictures does a layer take for a given one? (Mahendran & Vedaldi 2014)

use std::cell::RefCell;
use std::ops::ControlFlow;

use ndarray::{Array3, ArrayView3, Ix3, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::iterate::{Evaluation, Outcome, Progress, iterate};
use super::start::noise;
use super::transfer::Optimiser;
use crate::objective::{Inversion, InversionError, Priors, Selection};
use crate::optim::Bounds;
use crate::picture::Picture;
use crate::vgg::{Layer, Vgg19};

/// An inversion, described field by field and then [run](Self::run).
///
/// What is optimised is the paper's x: the picture on 0..255 with the network's mean subtracted.
pub struct Invert<'a> {
    /// The picture whose features are sought.
    pub image: &'a Picture,
    /// The network.
    pub network: &'a Vgg19<f32>,
    /// The layer whose features are sought.
    pub layer: Layer,
    /// Which of its features.
    pub selection: Selection,
    /// The image priors.
    pub priors: Priors,
    /// The picture to start from, resized; `None` is normal noise.
    pub start: Option<Picture>,
    /// The norm of that noise as a share of σ: 1 as published.
    pub noise: f64,
    /// What moves the pixels; rates are in units of 0..255.
    pub optimiser: Optimiser,
    /// How many iterations.
    pub steps: usize,
    /// Whether pixels are kept in 0..1 while they move; otherwise they are clamped when written.
    pub clamp: bool,
    /// How far, in pixels, the part of the picture that the network sees moves at random between iterations; 0 leaves it.
    /// The picture is optimised with that much of a margin, which is cut off in the end. Not for L-BFGS, which takes the
    /// objective for a fixed function.
    pub jitter: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl<'a> Invert<'a> {
    /// The rate that the published procedure begins with, before it is multiplied by σ².
    pub const PUBLISHED_RATE: f64 = 4e-3;

    /// An inversion by 400 iterations of L-BFGS from noise, with [light priors](Priors::light).
    pub fn new(image: &'a Picture, network: &'a Vgg19<f32>, layer: Layer) -> Self {
        Self {
            image,
            network,
            layer,
            selection: Selection::default(),
            priors: Priors::light(layer),
            start: None,
            noise: 1.0,
            optimiser: Optimiser::Lbfgs,
            steps: 400,
            clamp: false,
            jitter: 0,
            seed: 0,
        }
    }

    /// The published procedure: momentum 0.9, rates 4e-3 for the first quarter of the steps, 4e-4 for the next half, 4e-5
    /// for the last quarter, each times σ².
    pub fn mahendran(image: &'a Picture, network: &'a Vgg19<f32>, layer: Layer) -> Self {
        let optimiser = Self::momentum(image, Self::PUBLISHED_RATE);
        Self { optimiser, priors: Priors::published(layer), ..Self::new(image, network, layer) }
    }

    /// Momentum with a rate as published, that is to say, to be multiplied by σ².
    pub fn momentum(image: &Picture, rate: f64) -> Optimiser {
        Optimiser::Momentum(rate * Inversion::<f32>::sigma([image.height(), image.width()]).powi(2))
    }

    /// Runs it, telling `watch` of every iteration; `watch` may stop it. The terms are `error`, the normalised
    /// representation error ‖Φ(x)−Φ₀‖²/‖Φ₀‖², `tv` and `alpha`.
    ///
    /// # Errors
    /// If the network has not the layer, the picture is too small for it, or the selection does not fit its features.
    pub fn run(
        self,
        mut watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Outcome<Picture>, InversionError> {
        let network = self.network;
        let normalised = network.normalise(&self.image.rgb.view());
        let objective = Inversion::new(network, normalised, self.layer, self.selection.clone(), self.priors)?;
        let levels = network.std().map(|std| (255.0 * std) as f32);
        let canvas = self.start(levels);
        let bounds = self.clamp.then(|| {
            let level = |pixel: f64| network.mean().map(|mean| 255.0 * (pixel - mean)).to_vec();
            Bounds::new(level(0.0), level(1.0))
        });
        let shown = |x: &ArrayView3<'_, f32>| {
            let (top, left) = (self.jitter / 2, self.jitter / 2);
            let part = x.slice(s![top..top + self.image.height(), left..left + self.image.width(), ..]);
            per_channel(part.to_owned(), levels.map(f32::recip))
        };
        let rng = RefCell::new(ChaCha8Rng::seed_from_u64(self.seed.wrapping_add(1)));
        let corner = || {
            let mut rng = rng.borrow_mut();
            [rng.random_range(0..=self.jitter), rng.random_range(0..=self.jitter)]
        };
        let outcome = iterate(
            canvas.into_dyn(),
            self.steps,
            &mut *self.optimiser.build(self.steps, bounds),
            |x| {
                let losses = objective.evaluate(network, x, corner())?;
                let terms = vec![("error", losses.error), ("tv", losses.tv), ("alpha", losses.alpha)];
                Ok(Evaluation { total: losses.total, terms })
            },
            |progress| watch(&Progress { image: shown(&progress.image).view(), ..*progress }),
        )?;
        let Outcome { picture, iterations, ended } = outcome;
        let x = picture.into_dimensionality::<Ix3>().expect("an image");
        let picture = self.image.recoloured(network.denormalise(&shown(&x.view()).view()));
        Ok(Outcome { picture, iterations, ended })
    }

    /// Where x starts.
    fn start(&self, levels: [f32; 3]) -> Array3<f32> {
        let (height, width) = (self.image.height(), self.image.width());
        let size = [height + self.jitter, width + self.jitter];
        match &self.start {
            Some(picture) => {
                let picture = picture.clone().resized(size[0], size[1]);
                per_channel(self.network.normalise(&picture.rgb.view()), levels)
            }
            None => {
                let noise = noise(size, self.seed);
                let norm = noise.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                noise * (self.noise * Inversion::<f32>::sigma(size) / norm) as f32
            }
        }
    }
}

/// Each channel times its factor.
fn per_channel(mut image: Array3<f32>, factors: [f32; 3]) -> Array3<f32> {
    for mut pixel in image.lanes_mut(ndarray::Axis(2)) {
        pixel.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
    }
    image
}
