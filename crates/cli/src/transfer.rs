//! `impasto transfer`: repaints a picture in another's style.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use impasto::jobs::{Colours, Masks};
use impasto::objective::Targets;
use impasto::picture::{ColourMap, Dimensions, Picture, Regions};
#[cfg(feature = "studio")]
use impasto::recipe::Steps;
use impasto::recipe::{Finish, Preset, Recipe, Scales};
use impasto::run::{Forecast, Run, Start, Work};
use impasto::vgg::WeightSource;
use impasto::{Transfer, Vgg19};

use super::arguments::{Networks, RecipeArguments, Side, SizeArguments, names};
use super::common::Common;
use super::default_output;
use super::drive::Driver;
use super::error::Error;
use super::hints::{self, Sized};
use super::invocation::Invocation;
use super::job::JobCommand;
use super::memory::{SMALL, dimensions, largest_side, with_advice};
use super::pictures;
use super::print::note;
use super::ranks;
use super::styles::StyleArguments;

/// Repaint a picture in another's style
///
/// Shows CONTENT in the style of STYLE; several STYLEs are blended. The result has the shape, the opacity and the
/// colour profile of CONTENT.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The picture to repaint
    content: PathBuf,

    #[command(flatten)]
    styles: StyleArguments,

    #[command(flatten)]
    size: SizeArguments,

    /// Longer side of the styles; larger gives larger strokes [default: as --size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    style_size: Option<u32>,

    /// Scales: auto, their number, or their longer sides [default: the preset's]
    ///
    /// The picture is painted from small to large.
    #[arg(long, value_name = "auto|N|A,B,C")]
    scales: Option<Scales>,

    /// Colours: style, content, match or only
    ///
    /// style: the painting's. content: the photo's, with the painting's lightness. match: the photo's; the painting is
    /// recoloured first. only: recolours the photo and paints nothing.
    #[arg(long, alias = "colours", value_name = "FROM", default_value = "style", hide_possible_values = true)]
    colors: ColorsFrom,

    /// How `match` and `only` map colours: pca or cholesky [default: pca]
    ///
    /// pca maps along principal axes; cholesky maps red, then green, then blue.
    #[arg(long, alias = "colour-map", value_name = "pca|cholesky", value_parser = names::<ColourMap>(), hide_possible_values = true)]
    color_map: Option<ColourMap>,

    /// A picture of CONTENT's regions in a few flat colours
    ///
    /// Regions are matched by colour.
    #[arg(long, value_name = "MASK", requires = "style_mask")]
    content_mask: Option<PathBuf>,

    /// A picture of STYLE's regions; one for each STYLE, in order
    #[arg(long, value_name = "MASK", requires = "content_mask", value_delimiter = ',')]
    style_mask: Vec<PathBuf>,

    /// Paint CONTENT's transparent pixels too; by default they stay unchanged
    #[arg(long)]
    paint_transparent: bool,

    /// Start from content, noise, style, or a picture's path
    #[arg(long, value_name = "content|noise|style|PATH", default_value = "content")]
    init: Init,

    /// Finish with N iterations of feature splitting; 0 for none [default: auto]
    ///
    /// Draws each place of the picture towards the most similar place of a style, which turns grain into paint. auto is
    /// the preset's choice: for balanced with trained weights, 14 iterations after the largest scale of at most 512
    /// pixels; larger scales go on from there. N iterations follow the last scale, whatever its size. A third or later
    /// scale makes half of its own iterations before the finish, unless --steps sets them. With --steps, the default is
    /// 0.
    #[arg(long, value_name = "auto|N")]
    finish: Option<FinishSteps>,

    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    recipe: RecipeArguments,
}

const EXAMPLES: &str = "\
Examples:
  impasto transfer photo.jpg painting.jpg --strength 0.7
  impasto transfer photo.jpg swirls.jpg tiles.jpg --blend 2,1 --colors content -o both.jpg";

/// The value of `--init`.
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

/// The value of `--finish`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FinishSteps {
    /// The preset's finish.
    Auto,
    /// A number of iterations.
    Given(usize),
}

impl FromStr for FinishSteps {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<u32>() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(steps) if steps <= 1_000_000_000 => Ok(Self::Given(steps as usize)),
            _ => Err("give auto, or a number of iterations, as in 20; 0 for none".into()),
        }
    }
}

impl FinishSteps {
    /// The requested finish, given that of the preset.
    fn of(self, preset: Option<Finish>) -> Option<Finish> {
        match self {
            Self::Auto => preset,
            Self::Given(0) => None,
            Self::Given(steps) => Some(preset.unwrap_or_default().with_steps(steps)),
        }
    }
}

/// The value of `--colors`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ColorsFrom {
    Style,
    Content,
    Match,
    Only,
}

impl Arguments {
    /// The requested colours; `None` for `only`, which paints nothing.
    fn colours(&self) -> Result<Option<Colours>, Error> {
        let map = self.color_map.unwrap_or_default();
        let colours = match self.colors {
            ColorsFrom::Style => Some(Colours::Style),
            ColorsFrom::Content => Some(Colours::Content),
            ColorsFrom::Match => Some(Colours::Match(map)),
            ColorsFrom::Only => None,
        };
        if self.color_map.is_some() && matches!(self.colors, ColorsFrom::Style | ColorsFrom::Content) {
            let message = "--color-map is for --colors match and --colors only; give one of them, or leave it out";
            return Err(Error::Usage(message.into()));
        }
        Ok(colours)
    }

    /// The requested masks.
    fn masks(&self) -> Result<Option<Masks>, Error> {
        let open = |path: &PathBuf| Ok::<_, Error>(Regions::of(&Picture::open(path)?));
        let Some(content) = &self.content_mask else { return Ok(None) };
        let styles = self.style_mask.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Some(Masks { content: open(content)?, styles }))
    }

    fn open_styles(&self, size: SizeArguments) -> Result<Vec<(Picture, f64)>, Error> {
        let quiet = self.common.run.verbosity.quiet;
        let open = |(path, share): &(PathBuf, f64)| {
            let picture = match self.style_size {
                Some(side) => pictures::open(path, Some(side as usize), quiet)?,
                None => size.open(path, quiet)?,
            };
            Ok((picture, *share))
        };
        self.styles.shares(quiet)?.iter().map(open).collect()
    }
}

impl JobCommand for Arguments {
    fn run(&self, invocation: &Invocation) -> Result<ExitCode, Error> {
        let inputs = self.inputs()?;
        let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
        let mut driver = Driver::new(Some(invocation), &self.common, &inputs)?;
        if let Some(picture) = self.recoloured()? {
            driver.write(&picture)?;
            return Ok(ExitCode::SUCCESS);
        }
        let ready = self.ready(&Networks::default())?;
        let hints = self.hints(&ready)?;
        driver.note_weights(&ready.method.weights);
        for (name, value) in ready.method.recipe.settings() {
            driver.note(name, value);
        }
        self.common.network.in_threads(|| {
            let run = ready.run()?;
            hints.into_iter().for_each(note);
            driver.complete(run)
        })?
    }

    fn forecast(&self, memory: usize) -> Result<(Forecast, Work), Error> {
        self.check()?;
        self.forecast_of(memory, &Networks::default(), self.sizes()?)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }

    fn pictures_mut(&mut self) -> Vec<&mut PathBuf> {
        std::iter::once(&mut self.content).chain(self.styles.paths_mut()).collect()
    }

    fn stem(&self) -> String {
        default_output::of_transfer(&self.content, self.styles.paths())
    }
}

impl Arguments {
    /// All pictures that are read.
    pub(super) fn inputs(&self) -> Result<Vec<PathBuf>, Error> {
        let start = if let Init::Path(path) = &self.init { Some(path) } else { None };
        let styles = self.styles.shares(true)?.into_iter().map(|(path, _)| path);
        let others = self.content_mask.iter().chain(&self.style_mask).chain(start).cloned();
        Ok(std::iter::once(self.content.clone()).chain(styles).chain(others).collect())
    }

    /// Loads the network.
    #[cfg(feature = "studio")]
    pub(super) fn load(&self, networks: &Networks) -> Result<(), Error> {
        self.method(networks).map(drop)
    }

    /// Checks what can be checked before pictures are read.
    pub(super) fn check(&self) -> Result<(), Error> {
        self.colours()?;
        self.styles.shares(true)?;
        self.common.run.method(self.recipe.recipe(true).method).map(drop)
    }

    /// The result of `--colors only`, which needs no network; `None` for other values.
    pub(super) fn recoloured(&self) -> Result<Option<Picture>, Error> {
        if self.colours()?.is_some() {
            return Ok(None);
        }
        let content = self.size.open(&self.content, self.common.run.verbosity.quiet)?;
        let styles = self.open_styles(self.size)?;
        let styles: Vec<_> = styles.iter().map(|(style, share)| (style, *share)).collect();
        Ok(Some(content.in_colours_of(&styles, self.color_map.unwrap_or_default())))
    }

    /// What would help, as far as the pictures' sizes tell; nothing if the run is continued.
    fn hints(&self, ready: &Ready) -> Result<Vec<String>, Error> {
        if self.common.run.verbosity.quiet || self.common.run.seed_of_checkpoint().is_some() {
            return Ok(Vec::new());
        }
        let content = Sized::of(&self.content, &ready.content)?;
        let paths = self.styles.shares(true)?;
        let styles = paths.iter().zip(&ready.styles).map(|((path, _), (style, _))| Sized::of(path, style));
        let styles: Vec<_> = styles.filter_map(Result::transpose).collect::<Result<_, _>>()?;
        Ok(hints::of_sizes(content.as_ref(), Dimensions::from(&ready.content).longest(), &styles))
    }

    /// Reads everything that the job needs, after checking the memory.
    pub(super) fn ready(&self, networks: &Networks) -> Result<Ready, Error> {
        let method = self.method(networks)?;
        let memory = self.common.memory_budget();
        // The cache of styles may take a small part of the memory.
        method.targets.limit(MOST_TARGETS.min(memory / 8));
        let memory = memory.saturating_sub(method.targets.bytes());
        let (start, masks) = (self.start()?, self.masks()?);
        let size = self.size.unless(method.recipe.scales.last());
        let size = match size.side() {
            Side::Own => size,
            Side::Pixels(side) if side <= SMALL => size,
            asked => {
                let priced = self.priced(self.sizes()?, &method, &start, masks.as_ref())?;
                // Memory depends on the number of threads.
                SizeArguments::with(self.common.network.in_threads(|| priced.affordable(asked, memory))??)
            }
        };
        let content = size.open(&self.content, self.common.run.verbosity.quiet)?;
        let styles = self.open_styles(size)?;
        if self.common.run.verbosity.verbose {
            let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
            let styles: Vec<_> =
                styles.iter().map(|(style, share)| format!("style {} by {share}", pixels(style))).collect();
            note(format_args!("content {}, {}", pixels(&content), styles.join(", ")));
            let Recipe { method, pooling, formula, .. } = &method.recipe;
            note(format_args!("optimizer {method}, {pooling} pooling, {formula:?} formula"));
        }
        let colours = self.colours()?.unwrap_or_default();
        let (paint_transparent, seed) = (self.paint_transparent, self.common.run.seed.number());
        Ok(Ready { content, styles, method, colours, masks, paint_transparent, start, seed, memory })
    }

    fn start(&self) -> Result<Start, Error> {
        Ok(match &self.init {
            Init::Content => Start::Content,
            Init::Noise => Start::Noise,
            Init::Style => Start::Style,
            Init::Path(path) => Start::Picture(pictures::open(path, None, self.common.run.verbosity.quiet)?),
        })
    }

    /// The sizes of the pictures in the files.
    pub(super) fn sizes(&self) -> Result<Sizes, Error> {
        let styles = self.styles.shares(true)?;
        let styles = styles.iter().map(|(path, _)| dimensions(path)).collect::<Result<_, _>>()?;
        Ok(Sizes { content: dimensions(&self.content)?, styles })
    }

    /// The forecast and the work of the job for pictures of these sizes; of no scale if only colours are changed.
    pub(super) fn forecast_of(
        &self,
        memory: usize,
        networks: &Networks,
        sizes: Sizes,
    ) -> Result<(Forecast, Work), Error> {
        if self.colors == ColorsFrom::Only {
            // Nothing is painted.
            return Ok((Forecast { scales: Vec::new() }, Work { scales: Vec::new(), loads: Vec::new(), held: 0 }));
        }
        let method = self.method(networks)?;
        let (start, masks) = (self.start()?, self.masks()?);
        let asked = self.size.unless(method.recipe.scales.last()).side();
        let priced = self.priced(sizes, &method, &start, masks.as_ref())?;
        match asked {
            Side::Own => priced.forecast(None, memory),
            asked => priced.forecast(Some(priced.affordable(asked, memory)?), memory),
        }
    }

    fn priced<'a>(
        &self,
        sizes: Sizes,
        method: &'a Method,
        start: &'a Start,
        masks: Option<&'a Masks>,
    ) -> Result<Priced<'a>, Error> {
        let shares = self.styles.shares(true)?.into_iter().map(|(_, share)| share);
        let styles = sizes.styles.into_iter().zip(shares).collect();
        let style_side = self.style_size.map(|side| side as usize);
        Ok(Priced { content: sizes.content, styles, style_side, method, start, masks })
    }

    fn method(&self, networks: &Networks) -> Result<Method, Error> {
        let weights = self.common.network.find(self.common.run.verbosity.quiet)?;
        let mut recipe = self.recipe.recipe(weights.source.is_trained());
        recipe.method = self.common.run.method(recipe.method)?;
        recipe.rate = self.common.run.optimizer.rate(recipe.rate);
        recipe.clamp = self.common.run.optimizer.clamp().unwrap_or(recipe.clamp);
        recipe.pooling = self.common.network.pool.unwrap_or(recipe.pooling);
        recipe.edges = self.common.network.edges.unwrap_or(recipe.edges);
        recipe.scales = self.scales.clone().unwrap_or(recipe.scales);
        recipe.steps = self.common.run.steps.clone().unwrap_or(recipe.steps);
        recipe.finish = match self.finish {
            Some(finish) => finish.of(recipe.finish),
            None => recipe.finish.filter(|_| self.common.run.steps.is_none()),
        };
        let network = networks.load(&self.common.network, &weights, recipe.deepest())?;
        Ok(Method { recipe, network, weights: weights.source, targets: Arc::clone(&networks.targets) })
    }
}

/// The largest size in bytes of the cache of styles.
const MOST_TARGETS: usize = 256 << 20;

/// The sizes of a transfer's pictures as stored in their files.
pub(super) struct Sizes {
    pub(super) content: Dimensions,
    pub(super) styles: Vec<Dimensions>,
}

/// A transfer for a forecast: its pictures are given by their sizes.
struct Priced<'a> {
    content: Dimensions,
    styles: Vec<(Dimensions, f64)>,
    /// The longer side of the styles, if `--style-size` gives it.
    style_side: Option<usize>,
    method: &'a Method,
    start: &'a Start,
    masks: Option<&'a Masks>,
}

impl Priced<'_> {
    /// The work of the job with pictures resized to a longer side; `None` leaves them as they are.
    fn at(&self, side: Option<usize>) -> Result<Work, Error> {
        let fitted = |picture: Dimensions, side: Option<usize>| side.map_or(picture, |side| picture.fitted(side));
        let styles = self.styles.iter().map(|(style, share)| (fitted(*style, self.style_side.or(side)), *share));
        let content = fitted(self.content, side);
        let own = Transfer::new(content, content, &self.method.network, Preset::default());
        let job = Transfer {
            styles: styles.collect(),
            recipe: self.method.recipe.clone(),
            masks: self.masks.cloned(),
            start: self.start.clone(),
            execution: ranks::execution(),
            ..own
        };
        Ok(job.work()?)
    }

    /// The longer side for a request, if there is memory for it.
    fn affordable(&self, asked: Side, memory: usize) -> Result<usize, Error> {
        let at = |side| self.at(Some(side));
        let own = self.content.longest();
        let side = match asked {
            Side::Own => own,
            Side::Pixels(side) => side,
            Side::Max => largest_side(at, own, memory),
        };
        self.forecast(Some(side), memory).map(|_| side)
    }

    /// The forecast and the work of the job at a longer side; `None` leaves the pictures as they are.
    fn forecast(&self, side: Option<usize>, memory: usize) -> Result<(Forecast, Work), Error> {
        let work = self.at(side)?;
        match work.forecast(memory) {
            Ok(forecast) => Ok((forecast, work)),
            Err(error) => Err(self.with_advice(error, side)),
        }
    }

    /// The library's error; if memory is short, with what would help.
    fn with_advice(&self, error: impasto::Error, side: Option<usize>) -> Error {
        let unfinished = |allowed| {
            let recipe = Recipe { finish: None, ..self.method.recipe.clone() };
            let method = Method { recipe, ..self.method.clone() };
            let work = Priced { method: &method, styles: self.styles.clone(), ..*self }.at(side);
            self.method.recipe.finish.is_some() && work.is_ok_and(|work| work.forecast(allowed).is_ok())
        };
        with_advice(error, |side| self.at(Some(side)), side.unwrap_or(self.content.longest()), unfinished)
    }
}

/// The recipe after all options, and its network.
#[derive(Clone)]
struct Method {
    recipe: Recipe,
    network: Vgg19<f32>,
    weights: WeightSource,
    /// Cached features of the styles.
    targets: Arc<Targets<f32>>,
}

/// Everything that a job needs.
pub(super) struct Ready {
    content: Picture,
    styles: Vec<(Picture, f64)>,
    method: Method,
    colours: Colours,
    masks: Option<Masks>,
    paint_transparent: bool,
    start: Start,
    seed: u64,
    memory: usize,
}

impl Ready {
    /// Skips the scales below `side`, and starts from a picture if one is given.
    #[cfg(feature = "studio")]
    pub(super) fn go_on(&mut self, picture: Option<Picture>, side: usize) -> Result<(), Error> {
        let longest = self.content.height().max(self.content.width());
        let scales =
            self.method.recipe.scales.schedule(&self.method.recipe.steps, longest).map_err(impasto::Error::from)?;
        let left = scales.iter().filter(|scale| scale.side >= side.min(longest));
        let (sides, steps) = left.map(|scale| (scale.side, scale.steps)).unzip();
        (self.method.recipe.scales, self.method.recipe.steps) = (Scales::Sides(sides), Steps::Given(steps));
        self.start = picture.map_or_else(|| self.start.clone(), Start::Picture);
        Ok(())
    }

    /// Starts the run of the job within the memory limit.
    pub(super) fn run(&self) -> Result<Run<'_>, Error> {
        let job = self.job();
        let styles = job.styles.iter().map(|(style, share)| (Dimensions::from(*style), *share)).collect();
        let priced = Priced {
            content: Dimensions::from(&self.content),
            styles,
            style_side: None,
            method: &self.method,
            start: &self.start,
            masks: self.masks.as_ref(),
        };
        job.run_within(self.memory).map_err(|error| priced.with_advice(error, None))
    }

    fn job(&self) -> Transfer<'_> {
        Transfer {
            content: &self.content,
            styles: self.styles.iter().map(|(style, share)| (style, *share)).collect(),
            network: &self.method.network,
            recipe: self.method.recipe.clone(),
            colours: self.colours,
            masks: self.masks.clone(),
            paint_transparent: self.paint_transparent,
            start: self.start.clone(),
            seed: self.seed,
            execution: ranks::execution(),
            targets: Some(&self.method.targets),
            own_terms: Vec::new(),
        }
    }
}
