//! `impasto invert`: what a layer keeps of a picture.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use impasto::jobs::Invert;
use impasto::objective::{Priors, Selection};
use impasto::optim::Method;
use impasto::picture::{Dimensions, Picture};
use impasto::recipe::Steps;
use impasto::run::{Forecast, Outcome, Work};
use impasto::vgg::{Layer, Vgg19, WeightSource};
use ndarray::{Axis, concatenate};
use strum::{EnumString, VariantNames};

use super::arguments::{Side, SizeArguments, names, rate, weight};
use super::common::Common;
use super::default_output;
use super::drive::Driver;
use super::error::Error;
use super::invocation::Invocation;
use super::job::JobCommand;
use super::memory::{dimensions, forecast, largest_side};
use super::pictures;
use super::ranks;

/// Find a picture with the same features at a layer
///
/// The layer preserves what such pictures share with IMAGE, and loses the rest (Mahendran & Vedaldi 2014). Minimises
/// the normalised representation error and two image priors.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The picture whose features to invert
    image: PathBuf,

    /// A layer that `impasto network` lists, or fc6, relu6, fc7, relu7, fc8
    ///
    /// For the classifier's layers (fc6 and so on) IMAGE is resized to 224×224 pixels.
    #[arg(long, value_name = "LAYER")]
    layer: Layer,

    #[command(flatten)]
    size: SizeArguments,

    /// Objective and optimiser: fast or mahendran
    ///
    /// fast is L-BFGS with less smoothing, mahendran the published procedure.
    #[arg(long, value_name = "fast|mahendran", default_value = "fast", value_parser = names::<InversionPreset>(), hide_possible_values = true)]
    preset: InversionPreset,

    /// Start from noise, or a picture's path
    #[arg(long, value_name = "noise|PATH", default_value = "noise")]
    init: PathBuf,

    /// Invert from N seeds, side by side
    ///
    /// The layer preserves what the results share.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: u16,

    /// Shift the picture at random by up to N pixels each iteration
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..=256))]
    jitter: u16,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    features: FeatureArguments,

    #[command(flatten)]
    priors: PriorArguments,
}

const EXAMPLES: &str = "\
Examples:
  impasto invert photo.jpg --layer relu4_1
  impasto invert photo.jpg --layer fc7 --repeats 4 --seed random";

/// Options that select features of the layer.
#[derive(Args)]
struct FeatureArguments {
    /// Invert channels A to B−1 only, counted from 0
    #[arg(long, value_name = "A..B")]
    channels: Option<Channels>,

    /// Invert a patch of neurons only: N×N in the middle, or WIDTH×HEIGHT at (X, Y)
    #[arg(long, value_name = "N|X,Y,WIDTH,HEIGHT")]
    crop: Option<Crop>,
}

/// Options that choose the image priors.
#[derive(Args)]
struct PriorArguments {
    /// Exponent of the norm that keeps pixels in range
    #[arg(long, value_name = "X", default_value_t = 6.0, value_parser = norm_exponent)]
    alpha: f64,

    /// Exponent of the total variation
    #[arg(long, value_name = "X", default_value_t = 2.0, value_parser = rate)]
    beta: f64,

    /// Weight of the norm, divided by 2σ² [default: 8e-10]
    #[arg(long, value_name = "X", value_parser = weight)]
    lambda_alpha: Option<f64>,

    /// Weight of the total variation, divided by 2σ² [default: by depth]
    ///
    /// 1, 10 or 100 by depth with --preset mahendran, and 0.3 times that with --preset fast.
    #[arg(long, value_name = "X", value_parser = weight)]
    lambda_tv: Option<f64>,
}

/// The presets of inversion.
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

impl JobCommand for Arguments {
    fn run(&self, invocation: &Invocation) -> Result<ExitCode, Error> {
        let mut driver = Driver::new(Some(invocation), &self.common, &self.inputs())?;
        let method = self.method()?;
        self.steps()?;
        self.common.run.check_checkpoint(self.repeats)?;
        let (network, weights) = self.ready()?;
        let memory = self.memory();
        driver.note_weights(&weights);
        let Priors { lambda_alpha, lambda_tv, .. } = self.priors();
        driver.note("lambda-alpha", lambda_alpha);
        driver.note("lambda-tv", lambda_tv);
        driver.note("optimizer", method);
        if method != Method::Lbfgs {
            driver.note("lr", self.rate(method));
        }
        self.common.network.in_threads(|| {
            let side = self.side(&network, memory)?;
            let image = self.picture(side)?;
            let invert = self.invert(&image, &network)?;
            if self.repeats == 1 {
                driver.complete(invert.run_within(memory)?)
            } else {
                let numbers = (1..=usize::from(self.repeats)).map(|number| Some(("repeat", number)));
                driver.check_frames(numbers, invert.steps)?;
                repeat(&mut driver, &invert, memory, self.repeats)
            }
        })?
    }

    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error> {
        self.common.run.check_checkpoint(self.repeats)?;
        let (network, _) = self.ready()?;
        let (_, forecast, work) = self.forecast_of(&network, memory)?;
        Ok((forecast, work))
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn pictures_mut(&mut self) -> Vec<&mut PathBuf> {
        vec![&mut self.image]
    }

    fn stem(&self) -> String {
        format!("{}-at-{}", default_output::stem(&self.image), self.layer)
    }
}

/// Inverts from several seeds and writes the results so far side by side.
fn repeat(driver: &mut Driver, job: &Invert<'_>, memory: usize, repeats: u16) -> Result<ExitCode, Error> {
    let mut pictures = Vec::new();
    let mut end = Ok(None);
    for repeat in 0..usize::from(repeats) {
        let seed = job.seed.wrapping_add(repeat as u64);
        let mut run = Invert { seed, ..job.clone() }.run_within(memory)?;
        let ended = driver.drive(&mut run, Some(("repeat", repeat + 1)), None);
        pictures.push(run.finished().rgb);
        match ended {
            // A later repeat must not hide a failed one.
            Ok(ended) if !matches!(end, Ok(Some((Outcome::NotFinite, _)))) => end = Ok(Some((ended, run))),
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
    /// The picture to start from, if any.
    fn start(&self) -> Option<&Path> {
        Some(&*self.init).filter(|path| *path != Path::new("noise"))
    }

    /// All pictures that are read.
    fn inputs(&self) -> Vec<&Path> {
        std::iter::once(&*self.image).chain(self.start()).collect()
    }

    /// The memory limit in bytes.
    fn memory(&self) -> usize {
        self.common.memory_budget()
    }

    /// The network, and the source of its weights.
    fn ready(&self) -> Result<(Vgg19<f32>, WeightSource), Error> {
        let found = self.common.network.find(self.common.run.verbosity.quiet)?;
        Ok((self.common.network.load(&found, self.layer)?, found.source))
    }

    /// The requested rate, or the default of the published procedure or of Adam.
    fn rate(&self, method: Method) -> f64 {
        let own = if method == Method::Momentum { Invert::PUBLISHED_RATE } else { Invert::ADAM_RATE };
        self.common.run.optimizer.lr.unwrap_or(own)
    }

    /// The longer side, checked against the memory limit; `None` for the picture's own.
    fn side(&self, network: &Vgg19<f32>, memory: usize) -> Result<Option<usize>, Error> {
        self.forecast_of(network, memory).map(|(side, ..)| side)
    }

    /// The longer side (`None` for the picture's own), and the job's forecast and work at it.
    fn forecast_of(&self, network: &Vgg19<f32>, memory: usize) -> Result<(Option<usize>, Forecast, Work), Error> {
        let image = dimensions(&self.image)?;
        let image = if self.layer.is_classifier() { Dimensions { height: 224, width: 224, ..image } } else { image };
        let at = |side| Ok::<_, Error>(self.invert(image.fitted(side), network)?.work()?);
        let asked = if self.layer.is_classifier() { Side::Own } else { self.size.side() };
        let side = match asked {
            Side::Own => None,
            Side::Pixels(side) => Some(side),
            Side::Max => Some(largest_side(at, image.longest(), memory)),
        };
        let (forecast, work) = forecast(at, side.unwrap_or(image.longest()), memory)?;
        Ok((side, forecast, work))
    }

    /// The picture at a longer side; `None` for its own size.
    fn picture(&self, side: Option<usize>) -> Result<Picture, Error> {
        let classifier = self.layer.is_classifier();
        let picture = pictures::open(&self.image, side.filter(|_| !classifier), self.common.run.verbosity.quiet)?;
        Ok(if classifier { picture.resized(224, 224) } else { picture })
    }

    fn invert<'a, P: Copy + Into<Dimensions>>(
        &self,
        image: P,
        network: &'a Vgg19<f32>,
    ) -> Result<Invert<'a, P>, Error> {
        let start = self.start().map(Picture::open).transpose()?;
        let positions = image.into().size().map(|len| len / self.layer.stride());
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
            clamp: self.common.run.optimizer.clamp().unwrap_or(default.clamp),
            jitter: usize::from(self.jitter),
            seed: self.common.run.seed.number(),
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
        let method = self.common.run.method(own)?;
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
        match self.common.run.steps.as_ref().map(Steps::given) {
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
