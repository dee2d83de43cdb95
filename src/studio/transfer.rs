//! Style transfer: repaint a content image in the manner of a style image (Gatys, Ecker & Bethge 2016).

use std::ops::ControlFlow;

use super::iterate::{Evaluation, Outcome, Progress, iterate};
use super::start::{Start, noise};
use crate::objective::{Preset, Settings, StyleTransfer};
use crate::optim::{Adam, Lbfgs, Optimizer};
use crate::picture::Picture;
use crate::vgg::{NetworkError, Vgg19};

/// Which optimiser moves the pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimiser {
    /// [`Adam`] with this rate, in units of the normalised image.
    Adam(f64),
    /// [`Lbfgs`], which chooses its step lengths itself.
    Lbfgs,
}

impl Optimiser {
    pub(super) fn build(self) -> Box<dyn Optimizer<f32>> {
        match self {
            Self::Adam(rate) => Box::new(Adam::new(rate)),
            Self::Lbfgs => Box::new(Lbfgs::new()),
        }
    }
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
            optimiser: Optimiser::Adam(preset.rate()),
            steps: 500,
            seed: 0,
        }
    }

    /// Runs it, telling `watch` of every iteration; `watch` may stop it.
    ///
    /// # Errors
    /// If the network has not all layers that the settings name, or an image is too small for them.
    pub fn run(self, watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>) -> Result<Outcome<Picture>, NetworkError> {
        let Self { content, style, network, settings, start, optimiser, steps, seed } = self;
        let normalised = |picture: &Picture| network.normalise(&picture.rgb.view());
        let size = [content.height(), content.width()];
        let resized = |picture: &Picture| normalised(&picture.clone().resized(size[0], size[1]));
        let image = match &start {
            Start::Content => normalised(content),
            Start::Noise => noise(size, seed),
            Start::Style => resized(style),
            Start::Picture(picture) => resized(picture),
        };
        let objective = StyleTransfer::new(settings, network, normalised(content), normalised(style))?;
        let outcome = iterate(
            image.into_dyn(),
            steps,
            &mut *optimiser.build(),
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
