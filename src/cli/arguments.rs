//! Options that several subcommands share.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use impasto::kernels::ConvAlgorithm;
use impasto::objective::{LayerWeights, Preset, Settings};
use impasto::picture::Picture;
use impasto::vgg::{FoundWeights, Layer, MAKE_FROM_TORCHVISION, Pooling, Vgg19, WeightSource, Weights, WeightsOrigin};

use super::error::Error;

/// Options that choose the network.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArguments {
    /// VGG19's weights: an npz file (see weights/README.md), or random[:SEED] for the embedded random network
    ///
    /// Without this option: $IMPASTO_WEIGHTS, weights/vgg19.npz, vgg19.npz in the user's cache folder for impasto, and
    /// at last the embedded random network.
    #[arg(long, value_name = "PATH|random[:SEED]")]
    pub(super) weights: Option<WeightSource>,

    /// How the network's poolings summarise their windows [default: max; avg for textures and with --preset gatys]
    #[arg(long, value_name = "max|avg", hide_possible_values = true)]
    pub(super) pool: Option<Pool>,

    /// How convolutions are computed; all give the same picture
    #[arg(long, value_name = "ALGORITHM", default_value = "auto")]
    pub(super) conv: Conv,

    /// How many threads compute; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

/// Names of the poolings.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Pool {
    /// Maximum, as VGG19 was trained
    Max,
    /// Average
    Avg,
}

/// Names of the convolution algorithms.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Conv {
    /// The fastest for each layer
    Auto,
    /// The definition, in plain loops
    Direct,
    /// Patches as matrix rows, and BLAS
    Im2col,
    /// Winograd's minimal filtering F(4×4, 3×3)
    Winograd,
}

impl From<Conv> for ConvAlgorithm {
    fn from(conv: Conv) -> Self {
        match conv {
            Conv::Auto => Self::Auto,
            Conv::Direct => Self::Direct,
            Conv::Im2col => Self::Im2col,
            Conv::Winograd => Self::Winograd,
        }
    }
}

impl NetworkArguments {
    /// Finds the weights. Tells on standard error, unless `quiet`, when there are none but random ones that nobody asked
    /// for, and what would be better.
    pub(super) fn find(&self, quiet: bool) -> Result<FoundWeights, Error> {
        let found = FoundWeights::find(self.weights.clone()).map_err(|error| Error::Usage(error.to_string()))?;
        if found.origin == WeightsOrigin::Embedded && !quiet {
            eprintln!(
                "note: no trained weights were found, so the embedded random network is used; it sees textures, but \
                 hardly what a picture shows. Trained ones are made by `{MAKE_FROM_TORCHVISION}`, and --weights PATH \
                 takes an npz file from anywhere."
            );
        }
        Ok(found)
    }

    /// Loads the network, as deep as `deepest`.
    pub(super) fn load(&self, found: &FoundWeights, deepest: Layer, preset: Preset) -> Result<Vgg19<f32>, Error> {
        let weights = Weights::load(&found.source, Some(deepest)).map_err(|error| Error::Failure(error.to_string()))?;
        let pooling = match self.pool {
            Some(Pool::Max) => Pooling::Max,
            Some(Pool::Avg) => Pooling::Average,
            None => preset.pooling(),
        };
        Ok(Vgg19::new(weights).with_pooling(pooling).with_algorithm(self.conv.into()))
    }

    /// Runs `work` on as many threads as asked for.
    pub(super) fn in_threads<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
        let mut pool = rayon::ThreadPoolBuilder::new();
        if let Some(threads) = self.threads {
            pool = pool.num_threads(usize::from(threads));
        }
        let pool = pool.build().map_err(|why| Error::Failure(format!("cannot start the threads: {why}")))?;
        Ok(pool.install(work))
    }
}

/// Names of the presets.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(super) enum PresetName {
    /// Every term relative to its target's size: weights mean the same at every image size
    #[default]
    Balanced,
    /// Gatys, Ecker & Bethge 2016, with average pooling
    Gatys,
    /// The PyTorch notebook's exact recipe
    Notebook,
}

impl From<PresetName> for Preset {
    fn from(name: PresetName) -> Self {
        match name {
            PresetName::Balanced => Self::Balanced,
            PresetName::Gatys => Self::Gatys,
            PresetName::Notebook => Self::Notebook,
        }
    }
}

/// Options that choose the objective.
#[derive(Args)]
#[command(next_help_heading = "Objective")]
pub(super) struct ObjectiveArguments {
    /// Formulas, layers and weights to start from; every number can be changed
    #[arg(long, value_name = "PRESET", default_value = "balanced")]
    preset: PresetName,

    /// Layers that keep the content, with their weights [default: relu4_2; relu3_1 for the balanced preset on random weights]
    #[arg(long, value_name = "LAYER[=W],…")]
    content_layers: Option<LayerWeights>,

    /// Layers that give the style, with their weights [default: relu1_1 to relu5_1, weighted by the preset; shallower ones for the balanced preset on random weights]
    #[arg(long, value_name = "LAYER[=W],…")]
    style_layers: Option<LayerWeights>,

    /// Weight of the content [default: the preset's]
    #[arg(long, value_name = "X", value_parser = weight)]
    content_weight: Option<f64>,

    /// Weight of the style [default: the preset's]
    #[arg(long, value_name = "X", value_parser = weight)]
    style_weight: Option<f64>,

    /// Weight of the total variation, which smooths [default: the preset's]
    #[arg(long, value_name = "X", value_parser = weight)]
    tv_weight: Option<f64>,
}

impl ObjectiveArguments {
    pub(super) fn preset(&self) -> Preset {
        self.preset.into()
    }

    /// The preset's numbers with the changes asked for.
    pub(super) fn settings(&self, trained: bool) -> Settings {
        let preset = self.preset().settings(trained);
        Settings {
            formula: preset.formula,
            content_layers: self.content_layers.clone().unwrap_or(preset.content_layers),
            style_layers: self.style_layers.clone().unwrap_or(preset.style_layers),
            content_weight: self.content_weight.unwrap_or(preset.content_weight),
            style_weight: self.style_weight.unwrap_or(preset.style_weight),
            tv_weight: self.tv_weight.unwrap_or(preset.tv_weight),
        }
    }
}

/// A weight: a finite number of 0 or more.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err("give a number of 0 or more, as in 0.5 or 1e6".into()),
    }
}

/// A rate: a finite number above 0.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("give a number above 0, as in 0.02".into()),
    }
}

/// The size at which images are used.
#[derive(Args, Clone, Copy)]
pub(super) struct SizeArguments {
    /// The images' longer side in pixels; 0 keeps every image at its own size
    #[arg(long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(..=65_536))]
    size: u32,
}

impl SizeArguments {
    /// Reads a picture and brings it to the size.
    pub(super) fn open(self, path: &Path) -> Result<Picture, Error> {
        Ok(if self.size == 0 { Picture::open(path)? } else { Picture::open_fitted(path, self.size as usize)? })
    }
}

/// Where arrays are written.
#[derive(Args)]
pub(super) struct ArraysOutput {
    /// The npz file to write
    #[arg(short, long, value_name = "OUT.npz")]
    pub(super) output: PathBuf,
}

/// Names of the optimisers.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(super) enum OptimizerName {
    /// Kingma & Ba 2015
    Adam,
    /// Nocedal & Wright 2006: fewer iterations to the same loss
    Lbfgs,
}
