//! `impasto invert`: what a layer keeps of a picture.

use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::Ordering;

use clap::{Args, ValueEnum};
use impasto::objective::{InversionError, Preset, Priors, Selection};
use impasto::picture::{Format, Picture};
use impasto::studio::{Ended, Invert, Optimiser};
use impasto::vgg::Layer;
use ndarray::{Axis, concatenate};

use super::arguments::{NetworkArguments, SizeArguments, rate, weight};
use super::error::Error;
use super::finish::finish;
use super::interrupt;
use super::log::Log;
use super::progress::{Display, Verbosity};

/// Adam's rate where none is given, in levels of 0..255.
const ADAM_RATE: f64 = 4.0;

/// Find a picture with the same features at a layer
///
/// What such pictures share with IMAGE is what the layer keeps of it; where they differ, it keeps nothing (Mahendran &
/// Vedaldi 2014). Minimises the normalised representation error and two image priors.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture whose features are sought
    image: PathBuf,

    /// The layer: any of `impasto network`, or the classifier's fc6, relu6, fc7, relu7, fc8 (IMAGE is then resized to
    /// 224×224 pixels)
    #[arg(long, value_name = "LAYER")]
    layer: Layer,

    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    size: SizeArguments,

    /// How many iterations
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// What is optimised and how: fast is L-BFGS, mahendran the published procedure
    #[arg(long, value_name = "fast|mahendran", default_value = "fast", hide_possible_values = true)]
    preset: InversionPreset,

    /// What moves the pixels [default: lbfgs; momentum with --preset mahendran; adam with --jitter]
    #[arg(long, value_name = "NAME")]
    optimizer: Option<OptimizerName>,

    /// Adam's rate in levels of 0..255 [default: 4], or momentum's first rate, to be multiplied by σ² [default: 0.004]
    #[arg(long, value_name = "R", value_parser = rate)]
    lr: Option<f64>,

    /// Where to start: noise, or a picture's path
    #[arg(long, value_name = "noise|PATH", default_value = "noise")]
    init: PathBuf,

    /// Keep pixels within black and white while they move, not only when the picture is written
    #[arg(long)]
    clamp: bool,

    /// Seed of the noise and of the jitter
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Invert from N seeds, side by side in one picture: what they share is what the layer keeps
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,

    /// Show the network a part of the picture that moves by up to N pixels at random
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=256))]
    jitter: u16,

    /// Write one JSON object per iteration: iteration, elapsed (seconds), total, error, tv, alpha
    ///
    /// `error` is ‖Φ(x)−Φ₀‖²/‖Φ₀‖²; `tv` and `alpha` have their weights, so that total is the sum of the three. With
    /// --repeats each line also has `repeat`, from 1.
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,

    #[command(flatten)]
    verbosity: Verbosity,

    #[command(flatten)]
    features: FeatureArguments,

    #[command(flatten)]
    priors: PriorArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

/// Options that choose some features of the layer.
#[derive(Args)]
#[command(next_help_heading = "Features")]
struct FeatureArguments {
    /// Invert channels A to B−1 only, counted from 0
    #[arg(long, value_name = "A..B")]
    channels: Option<Channels>,

    /// Invert a patch of neurons only: the N×N in the middle, or WIDTH×HEIGHT with the corner (X, Y)
    #[arg(long, value_name = "N|X,Y,WIDTH,HEIGHT")]
    crop: Option<Crop>,
}

/// Options that choose the image priors.
#[derive(Args)]
#[command(next_help_heading = "Image priors")]
struct PriorArguments {
    /// Exponent of the norm that keeps pixels in range
    #[arg(long, value_name = "X", default_value_t = 6.0, value_parser = norm_exponent)]
    alpha: f64,

    /// Exponent of the total variation
    #[arg(long, value_name = "X", default_value_t = 2.0, value_parser = rate)]
    beta: f64,

    /// Weight of the norm, divided by 2σ² as published [default: 8e-10]
    #[arg(long, value_name = "X", value_parser = weight)]
    lambda_alpha: Option<f64>,

    /// Weight of the total variation, divided by 2σ² as published [default: by depth 1, 10 or 100 with
    /// --preset mahendran, 0.3 times that with --preset fast]
    #[arg(long, value_name = "X", value_parser = weight)]
    lambda_tv: Option<f64>,
}

/// Names of the presets.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum InversionPreset {
    /// L-BFGS and less smoothing: lower errors after fewer iterations
    Fast,
    /// Mahendran & Vedaldi 2014: momentum with their rates
    Mahendran,
}

/// Names of the optimisers.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum OptimizerName {
    /// Mahendran & Vedaldi 2014: momentum 0.9, rates that fall in three stages
    Momentum,
    /// Kingma & Ba 2015
    Adam,
    /// Nocedal & Wright 2006: the lowest error after the same number of iterations
    Lbfgs,
}

/// `A..B`.
#[derive(Clone)]
struct Channels(Range<usize>);

impl FromStr for Channels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ends = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
        ends.filter(|range| !range.is_empty())
            .map(Self)
            .ok_or_else(|| "give the first channel and the one after the last, as in 0..16".into())
    }
}

/// `N` or `X,Y,WIDTH,HEIGHT`, in positions of the layer.
#[derive(Clone)]
enum Crop {
    Middle(usize),
    At([usize; 4]),
}

impl FromStr for Crop {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[side]) if side > 0 => Ok(Self::Middle(side)),
            Some(&[x, y, width, height]) if width > 0 && height > 0 => Ok(Self::At([x, y, width, height])),
            _ => Err("give the side of the patch in the middle, as in 5, or X,Y,WIDTH,HEIGHT, as in 0,0,5,5".into()),
        }
    }
}

impl Crop {
    /// Rows and columns, in a feature map of the given height and width.
    fn ranges(&self, [height, width]: [usize; 2]) -> [Range<usize>; 2] {
        match *self {
            Self::Middle(side) => [height, width].map(|len| {
                let start = len.saturating_sub(side) / 2;
                start..start + side
            }),
            Self::At([x, y, width, height]) => [y..y + height, x..x + width],
        }
    }
}

fn norm_exponent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(exponent) if exponent.is_finite() && exponent >= 1.0 => Ok(exponent),
        _ => Err("give a number of 1 or more, as in 6".into()),
    }
}

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let interrupted = interrupt::watch();
    Format::of(&arguments.output)?;
    let optimizer = arguments.optimizer()?;
    let image = if arguments.layer.is_classifier() {
        Picture::open(&arguments.image)?.resized(224, 224)
    } else {
        arguments.size.open(&arguments.image)?
    };
    let start = match arguments.init.to_str() {
        Some("noise") => None,
        _ => Some(Picture::open(&arguments.init)?),
    };
    let found = arguments.network.find(arguments.verbosity.quiet)?;
    let network = arguments.network.load(&found, arguments.layer, Preset::default())?;
    let positions = [image.height(), image.width()].map(|len| len / arguments.layer.stride());
    let selection = Selection {
        patch: arguments.features.crop.as_ref().map(|crop| crop.ranges(positions)),
        channels: arguments.features.channels.clone().map(|channels| channels.0),
    };
    let (repeats, steps) = (usize::from(arguments.repeats), arguments.steps as usize);
    let mut display = Display::new(arguments.verbosity, steps);
    let mut log = arguments.log.as_deref().map(Log::new).transpose()?;
    let mut failed = None;
    let mut pictures = Vec::new();
    let mut ended = (0, Ended::Complete);
    for repeat in 0..repeats {
        let outcome = arguments.network.in_threads(|| {
            let job = Invert {
                selection: selection.clone(),
                priors: arguments.priors(),
                start: start.clone(),
                optimiser: match optimizer {
                    OptimizerName::Momentum => Invert::momentum(&image, arguments.lr.unwrap_or(Invert::PUBLISHED_RATE)),
                    OptimizerName::Adam => Optimiser::Adam(arguments.lr.unwrap_or(ADAM_RATE)),
                    OptimizerName::Lbfgs => Optimiser::Lbfgs,
                },
                steps,
                clamp: arguments.clamp,
                jitter: usize::from(arguments.jitter),
                seed: arguments.seed.wrapping_add(repeat as u64),
                ..Invert::new(&image, &network, arguments.layer)
            };
            job.run(|progress| {
                display.show(progress);
                let number = (repeats > 1).then_some(("repeat", repeat + 1));
                failed = log.as_mut().and_then(|log| log.write_numbered(progress, number).err());
                let stop = failed.is_some() || interrupted.load(Ordering::Relaxed);
                if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        })??;
        pictures.push(outcome.picture.rgb);
        // One repeat that failed is not to be hidden by a later one.
        if ended.1 != Ended::NotFinite {
            ended = (outcome.iterations, outcome.ended);
        }
        if failed.is_some() || interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    display.finish();
    let views: Vec<_> = pictures.iter().map(|picture| picture.view()).collect();
    let strip = concatenate(Axis(1), &views).expect("pictures of one height");
    let picture =
        if repeats == 1 { image.recoloured(strip) } else { Picture { profile: image.profile, ..Picture::new(strip) } };
    picture.save(&arguments.output)?;
    if let Some(error) = failed {
        return Err(error);
    }
    finish(ended.1, ended.0, &arguments.output)
}

impl Arguments {
    fn optimizer(&self) -> Result<OptimizerName, Error> {
        let optimizer = match (self.optimizer, self.preset) {
            (Some(name), _) => name,
            (None, InversionPreset::Mahendran) => OptimizerName::Momentum,
            (None, InversionPreset::Fast) if self.jitter > 0 => OptimizerName::Adam,
            (None, InversionPreset::Fast) => OptimizerName::Lbfgs,
        };
        let usage = |message: &str| Err(Error::Usage(message.into()));
        match optimizer {
            OptimizerName::Lbfgs if self.lr.is_some() => {
                usage("--lr is the rate of adam or momentum; L-BFGS chooses its step lengths itself; give --optimizer")
            }
            OptimizerName::Lbfgs if self.jitter > 0 => usage(
                "--jitter makes the objective change at every iteration, which L-BFGS cannot follow; leave out --optimizer lbfgs",
            ),
            name => Ok(name),
        }
    }

    fn priors(&self) -> Priors {
        let preset = match self.preset {
            InversionPreset::Fast => Priors::light(self.layer),
            InversionPreset::Mahendran => Priors::published(self.layer),
        };
        Priors {
            alpha: self.priors.alpha,
            beta: self.priors.beta,
            lambda_alpha: self.priors.lambda_alpha.unwrap_or(preset.lambda_alpha),
            lambda_tv: self.priors.lambda_tv.unwrap_or(preset.lambda_tv),
        }
    }
}

impl From<InversionError> for Error {
    fn from(error: InversionError) -> Self {
        match error {
            InversionError::Network(error) => error.into(),
            InversionError::Selection { .. } => Self::Failure(format!("{error}; change --crop or --channels")),
        }
    }
}
