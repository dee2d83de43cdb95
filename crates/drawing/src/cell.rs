//! One cell of a figure: a job of its own.

use impasto::Error;
use impasto::jobs::{Colours, Invert, Masks, Texture, Transfer};
use impasto::objective::Priors;
use impasto::optim::Method;
use impasto::picture::{ColourMap, Picture};
use impasto::recipe::{LayerWeights, Preset, Rate, Recipe, Steps};
use impasto::run::{FAINT, Run, Start};
use impasto::vgg::{Layer, Vgg19};

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
    /// The image painted after others, from itself.
    Painted(Painted<'a>),
    /// The image in the colours of another, by [`Picture::in_colours_of`].
    Recoloured {
        /// The other image.
        style: &'a Picture,
    },
}

/// How an image is painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Painted<'a> {
    /// The styles, in equal parts.
    pub styles: Vec<&'a Picture>,
    /// How it is done, but for the steps.
    pub recipe: Recipe,
    /// In whose colours.
    pub colours: Colours,
    /// Where which style goes.
    pub masks: Option<Masks>,
}

/// How the cells of a sheet are computed.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSettings {
    /// How many iterations.
    pub steps: usize,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What moves the pixels.
    pub method: Method,
    /// Its rate, in units of the network's input, of inversions as [`Invert::rate`]; `None` for the usual one.
    pub rate: Option<f64>,
    /// Whether pixels are kept in 0..1 while they move; `None` for what the job does by itself.
    pub clamp: Option<bool>,
    /// Bytes of memory to do with.
    pub memory: usize,
}

/// A cell before it is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell<'a> {
    /// What the caption calls it; a line for each part between commas.
    pub label: String,
    /// The image that it is made from.
    pub image: &'a Picture,
    /// What is done with it.
    pub job: CellJob<'a>,
}

impl Cell<'_> {
    /// All images that the cell is made from.
    pub fn images(&self) -> Vec<&Picture> {
        let others = match &self.job {
            CellJob::Transfer { style, .. } | CellJob::Recoloured { style } => vec![*style],
            CellJob::Painted(Painted { styles, .. }) => styles.clone(),
            _ => Vec::new(),
        };
        std::iter::once(self.image).chain(others).collect()
    }

    /// What is to be seen where there is no [run](Self::run).
    pub fn picture(&self) -> Picture {
        match &self.job {
            CellJob::Recoloured { style } => self.image.in_colours_of(&[(*style, 1.0)], ColourMap::default()),
            _ => self.image.clone(),
        }
    }

    /// Everything that the result depends on, except for images, network and [settings](CellSettings): for telling whether a
    /// result from before is still good.
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

    /// The run that computes it; `None` for what is there without one: [`Cell::picture`].
    ///
    /// # Errors
    /// If the network has not the layers, the image is too small for them, or so many bytes of memory do not do.
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
                let styles = styles.iter().map(|style| (*style, share)).collect();
                let (colours, masks) = (*colours, masks.clone());
                let plain = Transfer::new(self.image, self.image, network, Preset::Balanced);
                Transfer { styles, recipe: recipe(own), colours, masks, seed, ..plain }.run_within(memory)
            }
        }
        .map(Some)
    }
}
