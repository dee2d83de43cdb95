//! One cell of a figure: a job of its own.

use std::ops::ControlFlow;

use crate::objective::{InversionError, LayerWeights, Preset, Priors, Settings};
use crate::picture::Picture;
use crate::studio::start::FAINT;
use crate::studio::{Ended, Invert, Optimiser, Progress, Start, Texture, TextureError, Transfer};
use crate::vgg::{Layer, NetworkError, Vgg19};

/// What is to be seen in a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum CellJob<'a> {
    /// The image itself.
    Original,
    /// The image's representation at a layer, inverted.
    Invert {
        /// The layer.
        layer: Layer,
        /// The image priors.
        priors: Priors,
    },
    /// The image's representation at a layer, inverted without priors from faint noise, as Gatys, Ecker & Bethge 2016 do it.
    Content {
        /// The layer.
        layer: Layer,
    },
    /// A texture after the image.
    Texture {
        /// Layers of the Gram matrices.
        layers: LayerWeights,
    },
    /// The image in another's style, from noise.
    Transfer {
        /// The other image.
        style: &'a Picture,
        /// The objective's numbers.
        settings: Settings,
    },
}

/// A cell before it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// What the caption calls it; a line for each part between commas.
    pub label: String,
    /// The image that it is made from.
    pub image: &'a Picture,
    /// What is done with it, by L-BFGS.
    pub job: CellJob<'a>,
}

/// What a cell shows once it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct CellResult {
    /// The picture.
    pub picture: Picture,
    /// The objective's terms at that picture, by name.
    pub terms: Vec<(String, f64)>,
    /// How the job ended; a picture that was stopped is not what the caption says.
    pub ended: Ended,
}

/// Why a cell cannot be computed.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum CellError {
    /// The inversion's reason.
    #[error(transparent)]
    Inversion(#[from] InversionError),
    /// The texture's.
    #[error(transparent)]
    Texture(#[from] TextureError),
    /// The transfer's.
    #[error(transparent)]
    Transfer(#[from] NetworkError),
}

impl Cell<'_> {
    /// Everything that the result depends on, except for images, network, steps and seed: for telling whether a result
    /// from before is still good.
    pub fn description(&self) -> String {
        match &self.job {
            CellJob::Transfer { settings, .. } => format!("transfer {settings:?}"),
            job => format!("{job:?}"),
        }
    }

    /// Computes it, telling `watch` of every iteration; `watch` may stop it.
    ///
    /// # Errors
    /// If the network has not the layers, or the image is too small for them.
    pub fn run(
        &self,
        network: &Vgg19<f32>,
        steps: usize,
        seed: u64,
        mut watch: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<CellResult, CellError> {
        // L-BFGS leaves the lowest point that it met.
        let (mut lowest, mut terms) = (f64::INFINITY, Vec::new());
        let watch = |progress: &Progress<'_>| {
            if progress.total < lowest {
                lowest = progress.total;
                terms = progress.terms.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
            }
            watch(progress)
        };
        let outcome = match &self.job {
            CellJob::Original => {
                return Ok(CellResult { picture: self.image.clone(), terms: Vec::new(), ended: Ended::Complete });
            }
            CellJob::Invert { layer, priors } => {
                Invert { priors: *priors, steps, seed, ..Invert::new(self.image, network, *layer) }.run(watch)?
            }
            CellJob::Content { layer } => {
                let priors = Priors { lambda_alpha: 0.0, lambda_tv: 0.0, ..Priors::published(*layer) };
                Invert { priors, noise: FAINT, steps, seed, ..Invert::new(self.image, network, *layer) }.run(watch)?
            }
            CellJob::Texture { layers } => {
                Texture { layers: layers.clone(), steps, seed, ..Texture::new(self.image, network) }.run(watch)?
            }
            CellJob::Transfer { style, settings } => {
                let transfer = Transfer {
                    settings: settings.clone(),
                    start: Start::Noise,
                    optimiser: Optimiser::Lbfgs,
                    steps,
                    seed,
                    ..Transfer::new(self.image, style, network, Preset::default(), true)
                };
                transfer.run(watch)?
            }
        };
        Ok(CellResult { picture: outcome.picture, terms, ended: outcome.ended })
    }
}
