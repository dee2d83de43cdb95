//! Representation inversion: finds a picture that a layer cannot tell from a given one (Mahendran & Vedaldi 2014).

use crate::error::Error;
use crate::objective::{InversionError, Place, Priors, Selection, inversion_by, typical_norm};
use crate::optim::Method;
use crate::picture::{Dimensions, Picture};
use crate::recipe::Scale;
use crate::run::{Canvas, Job, Load, Run, Stage, Units, Work};
use crate::vgg::{Execution, Layer, Vgg19};

/// The specification of an inversion: set the fields, then [run](Self::run) it.
///
/// What is optimised is the paper's x: the picture on 0..255 with the network's mean subtracted.
///
/// With [`Dimensions`] in place of the image, it can only [estimate its work](Self::work).
#[derive(Clone)]
pub struct Invert<'a, P = &'a Picture> {
    /// The picture whose features are sought.
    pub image: P,
    /// The network.
    pub network: &'a Vgg19<f32>,
    /// The layer to invert.
    pub layer: Layer,
    /// The features of the layer to invert.
    pub selection: Selection,
    /// The image priors.
    pub priors: Priors,
    /// The picture to start from, resized; `None` is normal noise.
    pub start: Option<Picture>,
    /// The norm of the noise as a share of σ; the published value is 1.
    pub noise: f64,
    /// The optimiser.
    pub method: Method,
    /// The learning rate: Adam's in levels of 0..255, momentum's as published, before multiplication by σ².
    pub rate: f64,
    /// The number of iterations.
    pub steps: usize,
    /// Whether pixel values stay in 0..1 during optimisation; otherwise they are clamped when written.
    pub clamp: bool,
    /// Jitter: the largest random shift, in pixels, of the network's view between iterations; 0 for none. The picture is optimised
    /// with a margin of that width, which is cropped at the end. Not for L-BFGS, which needs a fixed objective.
    pub jitter: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// How the network is executed; the memory limit determines its plan.
    pub execution: Execution,
}

impl Invert<'_> {
    /// The first rate of the published procedure, before multiplication by σ².
    pub const PUBLISHED_RATE: f64 = 4e-3;
    /// Adam's default learning rate, in levels of 0..255.
    pub const ADAM_RATE: f64 = 4.0;
}

impl<'a, P: Copy + Into<Dimensions>> Invert<'a, P> {
    /// An inversion by 400 iterations of L-BFGS from noise, with [light priors](Priors::light).
    pub fn new(image: P, network: &'a Vgg19<f32>, layer: Layer) -> Self {
        Self {
            image,
            network,
            layer,
            selection: Selection::default(),
            priors: Priors::light(layer),
            start: None,
            noise: 1.0,
            method: Method::Lbfgs,
            rate: Invert::ADAM_RATE,
            steps: 400,
            clamp: false,
            jitter: 0,
            seed: 0,
            execution: Execution::default(),
        }
    }

    /// The published procedure: momentum 0.9, rates 4e-3 for the first quarter of the steps, 4e-4 for the next half, 4e-5
    /// for the last quarter, each times σ².
    pub fn mahendran(image: P, network: &'a Vgg19<f32>, layer: Layer) -> Self {
        let priors = Priors::published(layer);
        Self { method: Method::Momentum, rate: Invert::PUBLISHED_RATE, priors, ..Self::new(image, network, layer) }
    }

    /// The work of the inversion, for a forecast.
    ///
    /// # Errors
    /// If the network lacks the layer, the image is too small for it, or the selection does not fit its features.
    pub fn work(&self) -> Result<Work, Error> {
        let Self { image, network, layer, method, jitter, execution, .. } = self;
        let image = (*image).into();
        let size = image.size();
        network.check(size, *layer)?;
        if !layer.is_classifier() {
            let [height, width] = size.map(|length| length / layer.stride());
            let shape = [height, width, network.channels(*layer)];
            if self.selection.ranges(&shape).is_none() {
                return Err(InversionError::Selection { layer: *layer, shape }.into());
            }
        }
        let load = Load {
            matched: None,
            guided: None,
            size,
            margin: *jitter,
            examples: vec![size],
            places: [Place::Features(*layer)].into(),
            method: *method,
            network: (*network).clone(),
            ranks: execution.ranks(),
        };
        let scales = vec![Scale { side: image.longest(), steps: self.steps, finish: false }];
        let held = image.bytes() + self.start.as_ref().map_or(0, Picture::bytes);
        Ok(Work { scales, loads: vec![load], held })
    }
}

impl<'a> Invert<'a> {
    /// Starts the run. Its groups of terms are `error`, the normalised representation error ‖Φ(x)−Φ₀‖²/‖Φ₀‖², `tv` and
    /// `alpha`.
    ///
    /// # Errors
    /// If the network lacks the layer, the picture is too small for it, or the selection does not fit its features.
    pub fn run(self) -> Result<Run<'a>, Error> {
        self.run_within(usize::MAX)
    }

    /// [`run`](Self::run) with a memory limit for the whole process, in bytes.
    ///
    /// # Errors
    /// As [`run`](Self::run), or if the memory limit is too low.
    pub fn run_within(self, memory: usize) -> Result<Run<'a>, Error> {
        let work = self.work()?;
        Run::within(Inverted { invert: self, work }, memory)
    }

    /// The initial x.
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

/// An inversion and its work.
struct Inverted<'a> {
    invert: Invert<'a>,
    work: Work,
}

impl Job for Inverted<'_> {
    fn work(&self) -> &Work {
        &self.work
    }

    fn stage(&self, _: usize, _: Option<&Canvas>) -> Result<Stage, Error> {
        let invert = &self.invert;
        let Invert { image, layer, selection, priors, method, steps, jitter, seed, execution, .. } = invert;
        let network = invert.network.clone();
        let normalised = network.normalise(&(*image).clone().with_hidden_filled().rgb.view());
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

    fn finished(&self, picture: Picture) -> Picture {
        self.invert.image.recoloured(picture.rgb)
    }
}
