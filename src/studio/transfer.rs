//! Style transfer: repaint a content image in the manner of a style image (Gatys, Ecker & Bethge 2016).

use std::ops::ControlFlow;

use super::iterate::{Evaluation, Outcome, Progress, iterate};
use super::start::{FAINT, Start, noise};
use crate::objective::{Preset, Settings, StyleTransfer};
use crate::optim::{Adam, Bounds, Lbfgs, Momentum, Optimizer};
use crate::picture::Picture;
use crate::vgg::{NetworkError, Vgg19};

/// Which optimiser moves the pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// [`Adam`] with this rate, in units of the image that the job optimises.
    Adam(f64),
    /// [`Lbfgs`], which chooses its step lengths itself.
    Lbfgs,
    /// [`Momentum`] 0.9 at this rate for the first quarter of the steps, a tenth of it for the next half and a hundredth
    /// for the last quarter, as Mahendran & Vedaldi 2014 do it.
    Momentum(f64),
}

impl Optimiser {
    /// The optimiser for that many `steps`, within `bounds`.
    pub(super) fn build(self, steps: usize, bounds: Option<Bounds>) -> Box<dyn Optimizer<f32>> {
        match (self, bounds) {
            (Self::Adam(rate), None) => Box::new(Adam::new(rate)),
            (Self::Adam(rate), Some(bounds)) => Box::new(Adam::new(rate).bounds(bounds)),
            (Self::Lbfgs, None) => Box::new(Lbfgs::new()),
            (Self::Lbfgs, Some(bounds)) => Box::new(Lbfgs::new().bounds(bounds)),
            (Self::Momentum(rate), bounds) => {
                let quarter = steps / 4;
                let stages = vec![(rate, quarter), (rate / 10.0, steps - 2 * quarter), (rate / 100.0, quarter)];
                let momentum = Momentum::new(0.9, stages);
                Box::new(if let Some(bounds) = bounds { momentum.bounds(bounds) } else { momentum })
            }
        }
    }
}

/// The box of normalised images whose pixels lie in 0..1.
pub(super) fn pixel_bounds(network: &Vgg19<f32>) -> Bounds {
    let (mean, std) = (network.mean(), network.std());
    let normalised = |pixel: f64| (0..3).map(|c| (pixel - mean[c]) / std[c]).collect();
    Bounds::new(normalised(0.0), normalised(1.0))
}

/// A style transfer, described field by field and then [run](Self::run).
///
/// The result has the content's size; the images are used at the sizes they have
/// ([`Picture::fitted`] changes them).
pub struct Transfer<'a> {
    /// What to show.
    pub content: &'a Picture,
    /// In what manner.
    pub style: &'a Picture,
    /// The network whose features measure both.
    pub network: &'a Vgg19<f32>,
    /// The objective's numbers.
    pub settings: Settings,
    /// Where the pixels start.
    pub start: Start,
    /// What moves them.
    pub optimiser: Optimiser,
    /// How many iterations.
    pub steps: usize,
    /// Whether pixels are kept in 0..1 while they move; otherwise they are clamped at the end.
    pub clamp: bool,
    /// The seed of all random numbers: of [`Start::Noise`].
    pub seed: u64,
}

impl<'a> Transfer<'a> {
    /// A transfer with a preset's numbers: 500 iterations of Adam from the content image. `trained` says whether the
    /// network has trained weights, for which the default preset has other numbers than for random ones.
    pub fn new(
        content: &'a Picture,
        style: &'a Picture,
        network: &'a Vgg19<f32>,
        preset: Preset,
        trained: bool,
    ) -> Self {
        Self {
            content,
            style,
            network,
            settings: preset.settings(trained),
            start: Start::Content,
            optimiser: Optimiser::Adam(preset.rate(network.spread())),
            steps: 500,
            clamp: false,
            seed: 0,
        }
    }

    /// Runs it, telling `watch` of every iteration; `watch` may stop it.
    ///
    /// # Errors
    /// If the network has not all layers that the settings name, or an image is too small for them.
    pub fn run(self, watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Outcome<Picture>, NetworkError> {
        let Self { content, style, network, settings, start, optimiser, steps, clamp, seed } = self;
        let normalised = |picture: &Picture| network.normalise(&picture.rgb.view());
        let size = [content.height(), content.width()];
        let resized = |picture: &Picture| normalised(&picture.clone().resized(size[0], size[1]));
        let image = match &start {
            Start::Content => normalised(content),
            Start::Noise => noise(size, seed) * (FAINT * network.spread()) as f32,
            Start::Style => resized(style),
            Start::Picture(picture) => resized(picture),
        };
        let objective = StyleTransfer::new(settings, network, normalised(content), normalised(style))?;
        let outcome = iterate(
            image.into_dyn(),
            steps,
            &mut *optimiser.build(steps, clamp.then(|| pixel_bounds(network))),
            |image| {
                let losses = objective.evaluate(network, image)?;
                let terms = vec![("content", losses.content), ("style", losses.style), ("tv", losses.tv)];
                Ok(Evaluation { total: losses.total, terms })
            },
            watch,
        )?;
        let Outcome { picture, iterations, ended } = outcome;
        let image = picture.into_dimensionality().expect("an image");
        let picture = content.recoloured(network.denormalise(&image.view()));
        Ok(Outcome { picture, iterations, ended })
    }
}
