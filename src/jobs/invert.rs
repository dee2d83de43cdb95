//! Representation inversion: which pictures does a layer take for a given one? (Mahendran & Vedaldi 2014)

use crate::error::Error;
use crate::objective::{Place, Priors, Selection, inversion_by, typical_norm};
use crate::optim::Method;
use crate::picture::Picture;
use crate::recipe::Scale;
use crate::run::{Canvas, Forecast, Job, Load, Run, Stage, Units, forecast_and_load};
use crate::vgg::{Execution, Layer, Vgg19};

/// An inversion, described field by field and then [run](Self::run).
///
/// What is optimised is the paper's x: the picture on 0..255 with the network's mean subtracted.
#[derive(Clone)]
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
    /// What moves the pixels.
    pub method: Method,
    /// Its rate: Adam's in levels of 0..255, momentum's as published, to be multiplied by σ².
    pub rate: f64,
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
    /// How the network is executed; its plan follows from the memory that may be used.
    pub execution: Execution,
}

impl<'a> Invert<'a> {
    /// The rate that the published procedure begins with, before it is multiplied by σ².
    pub const PUBLISHED_RATE: f64 = 4e-3;
    /// Adam's rate where nobody gives one, in levels of 0..255.
    pub const ADAM_RATE: f64 = 4.0;

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
            method: Method::Lbfgs,
            rate: Self::ADAM_RATE,
            steps: 400,
            clamp: false,
            jitter: 0,
            seed: 0,
            execution: Execution::default(),
        }
    }

    /// The published procedure: momentum 0.9, rates 4e-3 for the first quarter of the steps, 4e-4 for the next half, 4e-5
    /// for the last quarter, each times σ².
    pub fn mahendran(image: &'a Picture, network: &'a Vgg19<f32>, layer: Layer) -> Self {
        let priors = Priors::published(layer);
        Self { method: Method::Momentum, rate: Self::PUBLISHED_RATE, priors, ..Self::new(image, network, layer) }
    }

    /// The run of it. Groups of terms are `error`, the normalised representation error ‖Φ(x)−Φ₀‖²/‖Φ₀‖², `tv` and `alpha`.
    ///
    /// # Errors
    /// If the network has not the layer, the picture is too small for it, or the selection does not fit its features.
    pub fn run(self) -> Result<Run<'a>, Error> {
        self.run_within(usize::MAX)
    }

    /// The same with no more than so many bytes of memory for the whole process.
    ///
    /// # Errors
    /// As [`run`](Self::run), and if the memory does not do.
    pub fn run_within(self, memory: usize) -> Result<Run<'a>, Error> {
        Run::within(self.scaled(), memory)
    }

    /// What it would take if the longer side of the picture were `side`, and no more than so many bytes of memory were used;
    /// and its load.
    ///
    /// # Errors
    /// If the memory does not do.
    pub fn forecast(self, side: usize, memory: usize) -> Result<(Forecast, Load), Error> {
        let mut job = self.scaled();
        job.scales[0].side = side;
        forecast_and_load(&job, memory)
    }

    fn scaled(self) -> Inverted<'a> {
        let side = self.image.height().max(self.image.width());
        let scales = [Scale { side, steps: self.steps, finish: false }];
        Inverted { invert: self, scales }
    }

    /// Where x starts.
    fn canvas(&self) -> Canvas {
        let size = [self.image.height(), self.image.width()];
        match &self.start {
            Some(picture) => Canvas::painted(picture.clone(), size, self.network, Units::Levels, self.jitter),
            None => {
                let norm = self.noise * typical_norm(size.map(|side| side + self.jitter));
                Canvas::noise_of_norm(size, self.jitter, norm, self.network, self.seed)
            }
        }
    }
}

struct Inverted<'a> {
    invert: Invert<'a>,
    scales: [Scale; 1],
}

impl Job for Inverted<'_> {
    fn scales(&self) -> &[Scale] {
        &self.scales
    }

    fn stage(&self, _: usize, _: Option<&Canvas>) -> Result<Stage, Error> {
        let invert = &self.invert;
        let Invert { image, layer, selection, priors, method, steps, jitter, seed, execution, .. } = invert;
        let network = invert.network.clone();
        let normalised = network.normalise(&image.rgb.view());
        let objective = inversion_by(execution, &network, normalised, *layer, selection.clone(), *priors)?;
        let canvas = invert.canvas();
        let unit = if *method == Method::Momentum { typical_norm(canvas.size()).powi(2) } else { 1.0 };
        let optimizer = method.optimizer(invert.rate * unit, *steps, invert.clamp.then(|| canvas.bounds()));
        Ok(Stage {
            optimizer,
            jitter: *jitter,
            seed: *seed,
            execution: execution.clone(),
            ..Stage::new(canvas, objective, network, *steps)
        })
    }

    fn load(&self, _: usize) -> Load {
        let Invert { image, layer, method, jitter, network, .. } = &self.invert;
        let size = image.fitted_size(self.scales[0].side);
        Load {
            matched: None,
            size,
            margin: *jitter,
            examples: vec![size],
            places: [Place::Features(*layer)].into(),
            method: *method,
            network: (*network).clone(),
            ranks: self.invert.execution.ranks(),
        }
    }

    fn held(&self) -> usize {
        let [height, width] = self.invert.image.fitted_size(self.scales[0].side);
        12 * height * width + self.invert.start.as_ref().map_or(0, Picture::bytes)
    }

    fn finished(&self, picture: Picture) -> Picture {
        self.invert.image.recoloured(picture.rgb)
    }
}
