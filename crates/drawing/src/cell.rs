//! One cell of a figure, computed by its own job.

use std::borrow::Cow;

use impasto::Error;
use impasto::jobs::{Colours, Invert, Masks, Texture, Transfer};
use impasto::objective::Priors;
use impasto::optim::Method;
use impasto::picture::{ColourMap, Picture};
use impasto::recipe::{LayerWeights, Preset, Rate, Recipe, Steps};
use impasto::run::{FAINT, Run, Start};
use impasto::vgg::{Layer, Vgg19};

/// The content of a cell.
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
    /// The image's representation at a layer, inverted without priors from faint noise, as in Gatys, Ecker & Bethge 2016.
    Content {
        /// The layer.
        layer: Layer,
    },
    /// A texture like the image.
    Texture {
        /// Layers of the Gram matrices.
        layers: LayerWeights,
    },
    /// The image in another's style, from noise.
    Transfer {
        /// The other image.
        style: &'a Picture,
        /// The recipe, except for the steps.
        recipe: Recipe,
    },
    /// The image in the style of others, started from itself.
    Painted(Painted<'a>),
    /// The image in the colours of another, by [`Picture::in_colours_of`].
    Recoloured {
        /// The other image.
        style: &'a Picture,
    },
}

/// The settings of a painting.
#[derive(Clone, Debug, PartialEq)]
pub struct Painted<'a> {
    /// The styles, in equal parts.
    pub styles: Vec<Cow<'a, Picture>>,
    /// The recipe, except for the steps.
    pub recipe: Recipe,
    /// The choice of colours.
    pub colours: Colours,
    /// The regions of the styles.
    pub masks: Option<Masks>,
}

/// Settings for all cells of a sheet.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSettings {
    /// The number of iterations.
    pub steps: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The optimiser.
    pub method: Method,
    /// The learning rate in units of the network's input, for inversions as [`Invert::rate`]; `None` for the default.
    pub rate: Option<f64>,
    /// Whether to keep pixel values in 0..1 during optimisation; `None` for the job's default.
    pub clamp: Option<bool>,
    /// The memory limit in bytes.
    pub memory: usize,
}

/// A cell before it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// The caption, with a line for each part between commas.
    pub label: String,
    /// The image.
    pub image: &'a Picture,
    /// The content of the cell.
    pub job: CellJob<'a>,
}

impl Cell<'_> {
    /// All images that the cell depends on.
    pub fn images(&self) -> Vec<&Picture> {
        let others = match &self.job {
            CellJob::Transfer { style, .. } | CellJob::Recoloured { style } => vec![*style],
            CellJob::Painted(Painted { styles, .. }) => styles.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        };
        std::iter::once(self.image).chain(others).collect()
    }

    /// The picture of a cell without a [run](Self::run).
    pub fn picture(&self) -> Picture {
        match &self.job {
            CellJob::Recoloured { style } => self.image.in_colours_of(&[(*style, 1.0)], ColourMap::default()),
            _ => self.image.clone(),
        }
    }

    /// Everything that the result depends on, except images, network and [settings](CellSettings). Comparing it tells whether an
    /// earlier result is still valid.
    pub fn description(&self) -> String {
        match &self.job {
            CellJob::Transfer { recipe, .. } => format!("transfer {recipe:?}"),
            CellJob::Painted(Painted { styles, recipe, colours, masks }) => {
                format!("painted after {} {recipe:?} {colours:?} {masks:?}", styles.len())
            }
            CellJob::Recoloured { .. } => "recoloured".into(),
            job => format!("{job:?}"),
        }
    }

    /// The run that computes the cell; `None` for a cell that needs none: see [`Cell::picture`].
    ///
    /// # Errors
    /// If the network lacks a layer, the image is too small, or the memory limit is too low.
    pub fn run<'a>(&'a self, network: &'a Vgg19<f32>, settings: &CellSettings) -> Result<Option<Run<'a>>, Error> {
        let CellSettings { steps, seed, method, rate, clamp, memory } = *settings;
        let recipe = |recipe: &Recipe| Recipe {
            steps: Steps::last(steps),
            method,
            rate: rate.map_or(recipe.rate, Rate::OfInput),
            clamp: clamp.unwrap_or(recipe.clamp),
            ..recipe.clone()
        };
        let invert = |layer: Layer| {
            let plain = Invert::new(self.image, network, layer);
            let usual = if method == Method::Momentum { Invert::PUBLISHED_RATE } else { plain.rate };
            let clamp = clamp.unwrap_or(plain.clamp);
            Invert { method, rate: rate.unwrap_or(usual), clamp, steps, seed, ..plain }
        };
        match &self.job {
            CellJob::Original | CellJob::Recoloured { .. } => return Ok(None),
            CellJob::Invert { layer, priors } => Invert { priors: *priors, ..invert(*layer) }.run_within(memory),
            CellJob::Content { layer } => {
                let priors = Priors { lambda_alpha: 0.0, lambda_tv: 0.0, ..Priors::published(*layer) };
                Invert { priors, noise: FAINT, ..invert(*layer) }.run_within(memory)
            }
            CellJob::Texture { layers } => {
                let plain = Texture::new(self.image, network);
                let (layers, steps) = (layers.clone(), Steps::last(steps));
                let (rate, clamp) = (rate.map_or(plain.rate, Rate::OfInput), clamp.unwrap_or(plain.clamp));
                Texture { layers, method, rate, steps, clamp, seed, ..plain }.run_within(memory)
            }
            CellJob::Transfer { style, recipe: own } => {
                let plain = Transfer::new(self.image, style, network, Preset::Gatys);
                Transfer { recipe: recipe(own), start: Start::Noise, seed, ..plain }.run_within(memory)
            }
            CellJob::Painted(Painted { styles, recipe: own, colours, masks }) => {
                let share = 1.0 / styles.len() as f64;
                let styles = styles.iter().map(|style| (style.as_ref(), share)).collect();
                let (colours, masks) = (*colours, masks.clone());
                let plain = Transfer::new(self.image, self.image, network, Preset::Balanced);
                Transfer { styles, recipe: recipe(own), colours, masks, seed, ..plain }.run_within(memory)
            }
        }
        .map(Some)
    }
}
