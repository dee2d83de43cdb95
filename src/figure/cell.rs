//! One cell of a figure: a job of its own.

use crate::error::Error;
use crate::jobs::{Invert, Texture, Transfer};
use crate::objective::Priors;
use crate::picture::Picture;
use crate::recipe::{LayerWeights, Preset, Recipe, Steps};
use crate::run::{FAINT, Run, Start};
use crate::vgg::{Layer, Vgg19};

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
        /// How it is done, but for the steps.
        recipe: Recipe,
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

impl Cell<'_> {
    /// Everything that the result depends on, except for images, network, steps and seed: for telling whether a result
    /// from before is still good.
    pub fn description(&self) -> String {
        match &self.job {
            CellJob::Transfer { recipe, .. } => format!("transfer {recipe:?}"),
            job => format!("{job:?}"),
        }
    }

    /// The run that computes it; `None` for the original, which is there already.
    ///
    /// # Errors
    /// If the network has not the layers, the image is too small for them, or so many bytes of `memory` do not do.
    pub fn run<'a>(
        &'a self,
        network: &'a Vgg19<f32>,
        steps: usize,
        seed: u64,
        memory: usize,
    ) -> Result<Option<Run<'a>>, Error> {
        match &self.job {
            CellJob::Original => return Ok(None),
            CellJob::Invert { layer, priors } => {
                Invert { priors: *priors, steps, seed, ..Invert::new(self.image, network, *layer) }.run_within(memory)
            }
            CellJob::Content { layer } => {
                let priors = Priors { lambda_alpha: 0.0, lambda_tv: 0.0, ..Priors::published(*layer) };
                Invert { priors, noise: FAINT, steps, seed, ..Invert::new(self.image, network, *layer) }
                    .run_within(memory)
            }
            CellJob::Texture { layers } => {
                let (layers, steps) = (layers.clone(), Steps::last(steps));
                Texture { layers, steps, seed, ..Texture::new(self.image, network) }.run_within(memory)
            }
            CellJob::Transfer { style, recipe } => {
                let recipe = Recipe { steps: Steps::last(steps), ..recipe.clone() };
                Transfer {
                    recipe,
                    start: Start::Noise,
                    seed,
                    ..Transfer::new(self.image, style, network, Preset::Gatys)
                }
                .run_within(memory)
            }
        }
        .map(Some)
    }
}
