//! `impasto invert`: what a layer keeps of a picture.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use impasto::jobs::Invert;
use impasto::objective::{Priors, Selection};
use impasto::optim::Method;
use impasto::picture::Picture;
use impasto::recipe::Steps;
use impasto::run::{Ended, Forecast, Load};
use impasto::vgg::{Layer, Vgg19, WeightSource};
use ndarray::{Axis, concatenate};
use strum::{EnumString, VariantNames};

use super::arguments::{NetworkArguments, Side, SizeArguments, names, rate, weight};
use super::drive::{Driver, RunArguments};
use super::error::Error;
use super::invocation::Invocation;
use super::memory::{LEAST, SMALL, STAND_IN, advice, largest, picture_side};
use super::pictures;
use super::ranks;

/// Find a picture with the same features at a layer
///
/// What such pictures share with IMAGE is what the layer keeps of it; where they differ, it keeps nothing (Mahendran &
/// Vedaldi 2014). Minimises the normalised representation error and two image priors.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// The picture whose features to invert
    image: PathBuf,

    /// The layer: any of `impasto network`, or the classifier's fc6, relu6, fc7, relu7, fc8 (IMAGE is then resized to
    /// 224×224 pixels)
    #[arg(long, value_name = "LAYER")]
    layer: Layer,

    #[command(flatten)]
    size: SizeArguments,

    /// Objective and optimiser: fast (L-BFGS) or mahendran (the published procedure)
    #[arg(long, value_name = "fast|mahendran", default_value = "fast", value_parser = names::<InversionPreset>(), hide_possible_values = true)]
    preset: InversionPreset,

    /// Start from noise, or a picture's path
    #[arg(long, value_name = "noise|PATH", default_value = "noise")]
    init: PathBuf,

    /// Invert from N seeds, side by side in one picture; the layer keeps what they share
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,

    /// Shift the picture at random by up to N pixels in each iteration
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=256))]
    jitter: u16,

    #[command(flatten)]
    run: RunArguments,

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

/// The names of the ways to invert.
#[derive(Clone, Copy, Debug, EnumString, PartialEq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
enum InversionPreset {
    /// L-BFGS and less smoothing: lower errors after fewer iterations
    Fast,
    /// Mahendran & Vedaldi 2014: momentum with their rates
    Mahendran,
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

pub(super) fn run(arguments: &Arguments, invocation: &Invocation) -> Result<ExitCode, Error> {
    let mut driver =
        Driver::new(Some(invocation), &arguments.run, &arguments.network, &arguments.output, &arguments.inputs())?;
    let method = arguments.method()?;
    arguments.steps()?;
    arguments.run.check_checkpoint(arguments.repeats)?;
    let (network, weights) = arguments.ready()?;
    let memory = arguments.memory();
    driver.note_weights(&weights);
    let Priors { lambda_alpha, lambda_tv, .. } = arguments.priors();
    driver.note("lambda-alpha", lambda_alpha);
    driver.note("lambda-tv", lambda_tv);
    driver.note("optimizer", method);
    if method != Method::Lbfgs {
        driver.note("lr", arguments.rate(method));
    }
    arguments.network.in_threads(|| {
        let side = arguments.side(&network, memory)?;
        let image = arguments.picture(side)?;
        let invert = arguments.invert(&image, &network)?;
        if arguments.repeats == 1 {
            let run = invert.clone().run_within(memory).map_err(|error| with_advice(error, &invert))?;
            driver.complete(run)
        } else {
            let numbers = (1..=usize::from(arguments.repeats)).map(|number| Some(("repeat", number)));
            driver.check_frames(numbers, invert.steps)?;
            repeat(&mut driver, &invert, memory, arguments.repeats)
        }
    })?
}

/// Where the memory does not do, what would.
fn with_advice(error: impasto::Error, job: &Invert<'_>) -> Error {
    let impasto::Error::Memory(error) = error else { return error.into() };
    let does = |side| job.clone().forecast(side, error.allowed).is_ok();
    advice(&error, largest(LEAST..=error.size[0].max(error.size[1]), does))
}

/// Inverts from several seeds and writes the pictures side by side, as many as there are.
fn repeat(driver: &mut Driver<'_>, job: &Invert<'_>, memory: usize, repeats: u16) -> Result<ExitCode, Error> {
    let mut pictures = Vec::new();
    let mut end = Ok(None);
    for repeat in 0..usize::from(repeats) {
        let seed = job.seed.wrapping_add(repeat as u64);
        let run = Invert { seed, ..job.clone() }.run_within(memory);
        let mut run = run.map_err(|error| with_advice(error, job))?;
        let ended = driver.drive(&mut run, Some(("repeat", repeat + 1)), None);
        pictures.push(run.finished().rgb);
        match ended {
            // One repeat that failed is not to be hidden by a later one.
            Ok(ended) if !matches!(end, Ok(Some((Ended::NotFinite, _)))) => end = Ok(Some((ended, run))),
            Ok(_) => {}
            Err(error) => end = Err(error),
        }
        if end.is_err() || driver.interrupted() {
            break;
        }
    }
    ranks::part(end.is_err());
    let views: Vec<_> = pictures.iter().map(|picture| picture.view()).collect();
    let strip = concatenate(Axis(1), &views).expect("pictures of one height");
    driver.write(&Picture { profile: job.image.profile.clone(), ..Picture::new(strip) })?;
    let (ended, run) = end?.expect("at least one repeat");
    driver.end(ended, &run)
}

impl Arguments {
    /// The picture to start from, if it is one.
    fn start(&self) -> Option<&Path> {
        Some(&*self.init).filter(|path| *path != Path::new("noise"))
    }

    /// All pictures that are read.
    fn inputs(&self) -> Vec<&Path> {
        std::iter::once(&*self.image).chain(self.start()).collect()
    }

    /// The picture's path.
    pub(super) fn image_mut(&mut self) -> &mut PathBuf {
        &mut self.image
    }

    /// Options of the run.
    pub(super) fn run_arguments_mut(&mut self) -> &mut RunArguments {
        &mut self.run
    }

    /// Options of the network.
    pub(super) fn network_arguments(&self) -> &NetworkArguments {
        &self.network
    }

    /// Bytes that may be used.
    pub(super) fn memory(&self) -> usize {
        self.run.memory.budget()
    }

    /// The network, and where its weights come from.
    pub(super) fn ready(&self) -> Result<(Vgg19<f32>, WeightSource), Error> {
        let found = self.network.find(self.run.verbosity.quiet)?;
        Ok((self.network.load(&found, self.layer)?, found.source))
    }

    /// The rate that was asked for, or that of the published procedure or of Adam.
    fn rate(&self, method: Method) -> f64 {
        let own = if method == Method::Momentum { Invert::PUBLISHED_RATE } else { Invert::ADAM_RATE };
        self.run.optimizer.lr.unwrap_or(own)
    }

    /// The longer side of the picture, once it is known that there is memory for it; 0 for the picture's own.
    fn side(&self, network: &Vgg19<f32>, memory: usize) -> Result<usize, Error> {
        if self.layer.is_classifier() {
            return Ok(224);
        }
        match self.size.side() {
            Side::Own => Ok(0),
            Side::Pixels(side) if side <= SMALL => Ok(side),
            Side::Pixels(side) => self.forecast(network, side, memory).map(|_| side),
            Side::Max => {
                let (own, image) = (picture_side(&self.image)?, self.picture(STAND_IN)?);
                let job = self.invert(&image, network)?;
                match largest(LEAST..=own.max(LEAST), |side| job.clone().forecast(side, memory).is_ok()) {
                    Some(side) => Ok(side),
                    None => self.forecast(network, LEAST, memory).map(|_| LEAST),
                }
            }
        }
    }

    /// The longer side that is asked for; the picture's own where that is.
    pub(super) fn planned_side(&self, network: &Vgg19<f32>, memory: usize) -> Result<usize, Error> {
        match self.side(network, memory)? {
            0 => picture_side(&self.image),
            side => Ok(side),
        }
    }

    /// What an inversion of a picture of that longer side takes.
    pub(super) fn forecast(&self, network: &Vgg19<f32>, side: usize, memory: usize) -> Result<(Forecast, Load), Error> {
        let image = self.picture(if self.layer.is_classifier() { side } else { side.min(STAND_IN) })?;
        let job = self.invert(&image, network)?;
        job.clone().forecast(side, memory).map_err(|error| with_advice(error, &job))
    }

    /// The picture at a longer side; 0 for its own.
    fn picture(&self, side: usize) -> Result<Picture, Error> {
        let classifier = self.layer.is_classifier();
        let longest = (side > 0 && !classifier).then_some(side);
        let picture = pictures::open(&self.image, longest, self.run.verbosity.quiet)?;
        Ok(if classifier { picture.resized(224, 224) } else { picture })
    }

    fn invert<'a>(&self, image: &'a Picture, network: &'a Vgg19<f32>) -> Result<Invert<'a>, Error> {
        let start = self.start().map(Picture::open).transpose()?;
        let positions = [image.height(), image.width()].map(|len| len / self.layer.stride());
        let method = self.method()?;
        let default = Invert::new(image, network, self.layer);
        Ok(Invert {
            selection: Selection {
                patch: self.features.crop.as_ref().map(|crop| crop.ranges(positions)),
                channels: self.features.channels.clone().map(|channels| channels.0),
            },
            priors: self.priors(),
            start,
            method,
            rate: self.rate(method),
            steps: self.steps()?.unwrap_or(default.steps),
            clamp: self.run.optimizer.clamp().unwrap_or(default.clamp),
            jitter: usize::from(self.jitter),
            seed: self.run.seed,
            execution: ranks::execution(),
            ..default
        })
    }

    fn method(&self) -> Result<Method, Error> {
        let own = match self.preset {
            InversionPreset::Mahendran => Method::Momentum,
            InversionPreset::Fast if self.jitter > 0 => Method::Adam,
            InversionPreset::Fast => Method::Lbfgs,
        };
        let method = self.run.method(own)?;
        if method == Method::Lbfgs && self.jitter > 0 {
            return Err(Error::Usage(
                "--jitter makes the objective change at every iteration, which L-BFGS cannot follow; leave out \
                 --optimizer lbfgs"
                    .into(),
            ));
        }
        Ok(method)
    }

    fn steps(&self) -> Result<Option<usize>, Error> {
        match self.run.steps.as_ref().map(Steps::given) {
            None => Ok(None),
            Some([steps]) => Ok(Some(*steps)),
            Some(_) => Err(Error::Usage("--steps takes one number here: an inversion has one scale".into())),
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
