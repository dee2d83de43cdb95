//! `impasto transfer`: repaint a picture in another's style.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use impasto::picture::Picture;
#[cfg(feature = "studio")]
use impasto::recipe::Steps;
use impasto::recipe::{Recipe, Scales};
use impasto::run::{Forecast, Load, Run, Start};
use impasto::{Transfer, Vgg19, WeightSource};

use super::arguments::{NetworkArguments, Networks, RecipeArguments, Side, SizeArguments};
use super::drive::{Driver, RunArguments};
use super::error::Error;
use super::invocation::Invocation;
use super::memory::{LEAST, SMALL, STAND_IN, advice, largest, picture_side};

/// Repaint a picture in another's style
///
/// CONTENT says what to show, STYLE in what manner. The picture has CONTENT's shape; its opacity and colour profile
/// are CONTENT's.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture to repaint
    content: PathBuf,

    /// The picture whose style to take
    style: PathBuf,

    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    size: SizeArguments,

    /// The style picture's longer side in pixels: the larger, the bigger the strokes [default: as --size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    style_size: Option<u32>,

    /// Paint small first: auto, how many scales, or each one's longer side in pixels [default: the preset's]
    #[arg(long, value_name = "auto|N|A,B,C")]
    scales: Option<Scales>,

    /// Where to start: content, noise, style, or a picture's path
    #[arg(long, value_name = "content|noise|style|PATH", default_value = "content")]
    init: Init,

    #[command(flatten)]
    run: RunArguments,

    #[command(flatten)]
    recipe: RecipeArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

/// What `--init` says.
#[derive(Clone)]
enum Init {
    Content,
    Noise,
    Style,
    Path(PathBuf),
}

impl From<std::ffi::OsString> for Init {
    fn from(text: std::ffi::OsString) -> Self {
        match text.to_str() {
            Some("content") => Self::Content,
            Some("noise") => Self::Noise,
            Some("style") => Self::Style,
            _ => Self::Path(text.into()),
        }
    }
}

pub(super) fn run(arguments: &Arguments, invocation: &Invocation) -> Result<ExitCode, Error> {
    let mut driver = Driver::new(Some(invocation), &arguments.run, &arguments.output, &arguments.inputs())?;
    let ready = arguments.ready(&mut Networks::default())?;
    driver.note_weights(&ready.method.weights);
    for (name, value) in ready.method.recipe.settings() {
        driver.note(name, value);
    }
    arguments.network.in_threads(|| driver.complete(ready.run()?))?
}

impl Arguments {
    /// The pictures that are read.
    pub(super) fn inputs(&self) -> Vec<&Path> {
        let start = if let Init::Path(path) = &self.init { Some(path.as_path()) } else { None };
        [self.content.as_path(), &self.style].into_iter().chain(start).collect()
    }

    /// The picture that is written.
    pub(super) fn output(&self) -> &Path {
        &self.output
    }

    /// Options of the run.
    pub(super) fn run_arguments(&self) -> &RunArguments {
        &self.run
    }

    /// Options of the network.
    pub(super) fn network_arguments(&self) -> &NetworkArguments {
        &self.network
    }

    /// Reads everything that the job needs, once it is known that there is memory for it.
    pub(super) fn ready(&self, networks: &mut Networks) -> Result<Ready, Error> {
        let method = self.method(networks)?;
        let memory = self.run.memory.budget();
        let size = match self.size.unless(method.recipe.scales.last()).side() {
            Side::Max => SizeArguments::with(self.stand_ins(None, method.clone())?.largest(memory)?),
            Side::Pixels(side) if side > SMALL && self.content != Path::new("-") => {
                self.stand_ins(Some(side), method.clone())?.forecast(memory)?;
                SizeArguments::with(side)
            }
            _ => self.size.unless(method.recipe.scales.last()),
        };
        let content = size.open(&self.content)?;
        let style = match self.style_size {
            Some(side) => Picture::open_fitted(&self.style, side as usize)?,
            None => size.open(&self.style)?,
        };
        let start = match &self.init {
            Init::Content => Start::Content,
            Init::Noise => Start::Noise,
            Init::Style => Start::Style,
            Init::Path(path) => Start::Picture(Picture::open(path)?),
        };
        if self.run.verbosity.verbose {
            let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
            eprintln!("content {}, style {}, {:?}", pixels(&content), pixels(&style), method.recipe);
        }
        let side = content.width().max(content.height());
        let (clamp, seed) = (self.run.clamp, self.run.seed);
        Ok(Ready { content, style, side, method, start, clamp, seed, memory })
    }

    /// What the job will take, before pictures of its size are read.
    pub(super) fn forecast(&self, memory: usize) -> Result<(Forecast, Load), Error> {
        let method = self.method(&mut Networks::default())?;
        let stand_ins = |side| self.stand_ins(side, method.clone());
        match self.size.unless(method.recipe.scales.last()).side() {
            Side::Own => stand_ins(None)?.forecast(memory),
            Side::Pixels(side) => stand_ins(Some(side))?.forecast(memory),
            Side::Max => {
                let own = stand_ins(None)?;
                let side = own.largest(memory)?;
                Ready { side, ..own }.forecast(memory)
            }
        }
    }

    fn method(&self, networks: &mut Networks) -> Result<Method, Error> {
        let weights = self.network.find(self.run.verbosity.quiet)?;
        let mut recipe = self.recipe.recipe(weights.source.is_trained());
        recipe.method = self.run.method(recipe.method)?;
        recipe.rate = self.run.rate(recipe.rate);
        recipe.pooling = self.network.pool.unwrap_or(recipe.pooling);
        recipe.scales = self.scales.clone().unwrap_or(recipe.scales);
        recipe.steps = self.run.steps.clone().unwrap_or(recipe.steps);
        let network = networks.load(&self.network, &weights, recipe.deepest())?;
        Ok(Method { recipe, network, weights: weights.source })
    }

    /// Small pictures that stand for those of the given longer side, or for the content's own size.
    fn stand_ins(&self, side: Option<usize>, method: Method) -> Result<Ready, Error> {
        let (side, own_style) = match side {
            Some(side) => (side, side),
            None => (picture_side(&self.content)?, picture_side(&self.style)?),
        };
        let small = STAND_IN.min(side);
        let style = self.style_size.map_or(own_style, |side| side as usize);
        let style = Picture::open_fitted(&self.style, (style * small / side).max(1))?;
        let content = Picture::open_fitted(&self.content, small)?;
        let memory = self.run.memory.budget();
        let (start, clamp, seed) = (Start::Content, self.run.clamp, self.run.seed);
        Ok(Ready { content, style, side, method, start, clamp, seed, memory })
    }
}

/// The recipe as the options have it, and the network for it.
#[derive(Clone)]
struct Method {
    recipe: Recipe,
    network: Vgg19<f32>,
    weights: WeightSource,
}

/// Everything that a job needs, read; or smaller pictures that stand for it.
pub(super) struct Ready {
    content: Picture,
    style: Picture,
    /// The content's longer side in the job.
    side: usize,
    method: Method,
    start: Start,
    clamp: bool,
    seed: u64,
    memory: usize,
}

impl Ready {
    /// Goes on from a picture, at the sizes from `side` on.
    #[cfg(feature = "studio")]
    pub(super) fn go_on(&mut self, picture: Picture, side: usize) -> Result<(), Error> {
        let longest = self.content.height().max(self.content.width());
        let scales =
            self.method.recipe.scales.schedule(&self.method.recipe.steps, longest).map_err(impasto::Error::from)?;
        let left = scales.iter().filter(|scale| scale.side >= side.min(longest));
        let (sides, steps) = left.map(|scale| (scale.side, scale.steps)).unzip();
        (self.method.recipe.scales, self.method.recipe.steps) = (Scales::Sides(sides), Steps::Given(steps));
        self.start = Start::Picture(picture);
        Ok(())
    }

    /// The job's run, within the memory that may be used.
    pub(super) fn run(&self) -> Result<Run<'_>, Error> {
        self.job().run_within(self.memory).map_err(|error| self.with_advice(error))
    }

    fn job(&self) -> Transfer<'_> {
        let Self { content, style, method: Method { recipe, network, .. }, start, clamp, seed, .. } = self;
        let (recipe, start) = (recipe.clone(), start.clone());
        Transfer { content, styles: vec![(style, 1.0)], network, recipe, start, clamp: *clamp, seed: *seed }
    }

    fn forecast(&self, memory: usize) -> Result<(Forecast, Load), Error> {
        self.job().forecast(self.side, memory).map_err(|error| self.with_advice(error))
    }

    /// The largest longer side that there is memory for, up to the content's own.
    fn largest(&self, memory: usize) -> Result<usize, Error> {
        let does = |side| self.job().forecast(side, memory).is_ok();
        match largest(LEAST..=self.side.max(LEAST), does) {
            Some(side) => Ok(side),
            None => self.forecast(memory).map(|_| self.side),
        }
    }

    /// Where the memory does not do, what would.
    fn with_advice(&self, error: impasto::Error) -> Error {
        let impasto::Error::Memory(error) = error else { return error.into() };
        let does = |side| self.job().forecast(side, error.allowed).is_ok();
        advice(&error, largest(LEAST..=self.side.max(LEAST), does))
    }
}
