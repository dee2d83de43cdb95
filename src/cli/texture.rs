//! `impasto texture`: more of a texture.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use clap::Args;
use impasto::objective::{LayerWeights, Preset, TextureTarget};
use impasto::picture::{Format, Picture};
use impasto::studio::{Optimiser, Texture, TextureError};
use impasto::vgg::Layer;

use super::arguments::{NetworkArguments, OptimizerName, rate};
use super::error::Error;
use super::finish::finish;
use super::interrupt;
use super::log::Log;
use super::progress::{Display, Verbosity};

/// Adam's rate where none is given, in standard deviations of the images' colours.
const ADAM_RATE: f64 = 0.05;

/// Make a picture from noise that looks like EXAMPLE in every part
///
/// Gatys, Ecker & Bethge 2015: the picture's Gram matrices come to agree with EXAMPLE's. Poolings average unless --pool
/// says otherwise.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture whose texture to take
    example: PathBuf,

    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Size of the texture in pixels, N×N or WIDTH×HEIGHT [default: as EXAMPLE is used]
    #[arg(long, value_name = "N|WIDTH,HEIGHT")]
    size: Option<Size>,

    /// The longer side at which EXAMPLE is used, in pixels; 0 keeps its own
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=65_536))]
    example_size: u32,

    /// Make a texture that tiles: its right edge goes on at its left one, its lower at its upper
    #[arg(long)]
    seamless: bool,

    /// Leave the colours as they came out, without matching their histogram to EXAMPLE's
    #[arg(long)]
    no_histogram: bool,

    /// Layers whose Gram matrices agree, with their weights [default: relu1_1,pool1,pool2,pool3,pool4, equally]
    #[arg(long, value_name = "LAYER[=W],…", conflicts_with = "up_to")]
    layers: Option<LayerWeights>,

    /// The default layers as deep as LAYER, and LAYER: conv1_1, pool1, pool2, … as in the paper
    #[arg(long, value_name = "LAYER")]
    up_to: Option<Layer>,

    /// How many iterations
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// What moves the pixels
    #[arg(long, value_name = "NAME", default_value = "lbfgs")]
    optimizer: OptimizerName,

    /// Adam's rate, in units of the network's input [default: 0.05 times the spread of natural colours]
    #[arg(long, value_name = "R", value_parser = rate)]
    lr: Option<f64>,

    /// Keep pixels within black and white while they move, not only when the picture is written
    #[arg(long)]
    clamp: bool,

    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Write one JSON object per iteration: iteration, elapsed (seconds), total, gram
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,

    #[command(flatten)]
    verbosity: Verbosity,

    #[command(flatten)]
    network: NetworkArguments,
}

/// `N` or `WIDTH,HEIGHT`.
#[derive(Clone, Copy)]
struct Size {
    width: usize,
    height: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (width, height) = text.split_once(',').unwrap_or((text, text));
        let side = |text: &str| text.trim().parse().ok().filter(|n| (1..=65_536).contains(n));
        match (side(width), side(height)) {
            (Some(width), Some(height)) => Ok(Self { width, height }),
            _ => Err("give pixels from 1 to 65536, as in 256 or 512,256".into()),
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let interrupted = interrupt::watch();
    Format::of(&arguments.output)?;
    let optimiser = match (arguments.optimizer, arguments.lr) {
        (OptimizerName::Lbfgs, Some(_)) => {
            return Err(Error::Usage("--lr is Adam's rate; give --optimizer adam, or leave it out".into()));
        }
        (OptimizerName::Lbfgs, None) => Optimiser::Lbfgs,
        (OptimizerName::Adam, rate) => Optimiser::Adam(rate.unwrap_or(ADAM_RATE)),
    };
    let example = match arguments.example_size {
        0 => Picture::open(&arguments.example)?,
        longest => Picture::open_fitted(&arguments.example, longest as usize)?,
    };
    let layers = match (&arguments.layers, arguments.up_to) {
        (Some(layers), _) => layers.clone(),
        (None, Some(deepest)) => TextureTarget::<f32>::layers_up_to(deepest),
        (None, None) => TextureTarget::<f32>::layers(),
    };
    let found = arguments.network.find(arguments.verbosity.quiet)?;
    let deepest = layers.layers().max().expect("lists of layers are not empty");
    let network = arguments.network.load(&found, deepest, Preset::Gatys)?;
    let optimiser = match optimiser {
        Optimiser::Adam(rate) if arguments.lr.is_none() => Optimiser::Adam(rate * network.spread()),
        chosen => chosen,
    };
    let steps = arguments.steps as usize;
    let mut display = Display::new(arguments.verbosity, steps);
    let mut log = arguments.log.as_deref().map(Log::new).transpose()?;
    let mut failed = None;
    let outcome = arguments.network.in_threads(|| {
        let job = Texture {
            layers,
            seamless: arguments.seamless,
            histogram: !arguments.no_histogram,
            optimiser,
            steps,
            clamp: arguments.clamp,
            seed: arguments.seed,
            ..Texture::new(&example, &network)
        };
        let size = arguments.size.map_or(job.size, |size| [size.height, size.width]);
        Texture { size, ..job }.run(|progress| {
            display.show(progress);
            failed = log.as_mut().and_then(|log| log.write(progress).err());
            let stop = failed.is_some() || interrupted.load(Ordering::Relaxed);
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    })??;
    display.finish();
    outcome.picture.save(&arguments.output)?;
    failed.map_or_else(|| finish(outcome.ended, outcome.iterations, &arguments.output), Err)
}

impl From<TextureError> for Error {
    fn from(error: TextureError) -> Self {
        match error {
            TextureError::Network(error) => error.into(),
            TextureError::Seam { stride, width, height, .. } => {
                let up = |side: usize| side.next_multiple_of(stride);
                Self::Failure(format!("{error}; give --size {},{}", up(width), up(height)))
            }
        }
    }
}
