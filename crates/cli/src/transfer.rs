//! `impasto transfer`: repaint a picture in another's style.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use impasto::jobs::{Colours, Masks, MasksError};
use impasto::objective::Targets;
use impasto::picture::{ColourMap, Picture, Regions};
#[cfg(feature = "studio")]
use impasto::recipe::Steps;
use impasto::recipe::{Recipe, Scales};
use impasto::run::{Forecast, Load, Run, Start};
use impasto::{Transfer, Vgg19, WeightSource};

use super::arguments::{NetworkArguments, Networks, RecipeArguments, Side, SizeArguments, names};
use super::drive::{Driver, RunArguments};
use super::error::Error;
use super::invocation::Invocation;
use super::memory::{LEAST, SMALL, STAND_IN, advice, largest, picture_side};
use super::pictures;
use super::print::note;
use super::ranks;
use super::styles::StyleArguments;

/// Repaint a picture in another's style
///
/// CONTENT says what to show, STYLE in what manner; of several STYLEs, each seen at its own aspect, the manners are blended.
/// The picture has CONTENT's shape; its opacity and colour profile are CONTENT's.
#[derive(Args)]
pub(super) struct Arguments {
    /// The picture to repaint
    content: PathBuf,

    #[command(flatten)]
    styles: StyleArguments,

    /// The picture to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    #[command(flatten)]
    size: SizeArguments,

    /// The styles' longer side in pixels; larger styles give larger strokes [default: as --size]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    style_size: Option<u32>,

    /// Scales from small to large: auto, their number, or their longer sides in pixels [default: the preset's]
    #[arg(long, value_name = "auto|N|A,B,C")]
    scales: Option<Scales>,

    /// Colours: the style's, or the photo's with the painting's lightness (content), or the photo's, applied to the style first
    /// (match); or only recolour the photo with the style's colours (only)
    #[arg(long, value_name = "style|content|match|only", default_value = "style", hide_possible_values = true)]
    colors: ColorsFrom,

    /// How `match` and `only` map colours: by principal axes (pca) or channel by channel (cholesky) [default: pca]
    #[arg(long, value_name = "pca|cholesky", value_parser = names::<ColourMap>(), hide_possible_values = true)]
    color_map: Option<ColourMap>,

    /// CONTENT's regions, as a picture in a few flat colours; regions are matched by colour
    #[arg(long, value_name = "MASK", requires = "style_mask")]
    content_mask: Option<PathBuf>,

    /// STYLE's regions; with several styles one mask for each, in order
    #[arg(long, value_name = "MASK", requires = "content_mask", value_delimiter = ',')]
    style_mask: Vec<PathBuf>,

    /// Paint CONTENT's transparent pixels too; by default they stay unchanged
    #[arg(long)]
    paint_transparent: bool,

    /// Start from content, noise, style, or a picture's path
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

/// What `--colors` says.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum ColorsFrom {
    Style,
    Content,
    Match,
    Only,
}

impl Arguments {
    /// The colours asked for; `None` for those of the style and nothing else of it.
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

    /// The masks asked for.
    fn masks(&self) -> Result<Option<Masks>, Error> {
        let open = |path: &PathBuf| Ok::<_, Error>(Regions::of(&Picture::open(path)?));
        let Some(content) = &self.content_mask else { return Ok(None) };
        let styles = self.style_mask.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Some(Masks { content: open(content)?, styles }))
    }

    fn open_styles(&self, size: SizeArguments) -> Result<Vec<(Picture, f64)>, Error> {
        let quiet = self.run.verbosity.quiet;
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

pub(super) fn run(arguments: &Arguments, invocation: &Invocation) -> Result<ExitCode, Error> {
    let inputs = arguments.inputs()?;
    let inputs: Vec<&Path> = inputs.iter().map(PathBuf::as_path).collect();
    let mut driver = Driver::new(Some(invocation), &arguments.run, &arguments.network, &arguments.output, &inputs)?;
    if let Some(picture) = arguments.recoloured()? {
        driver.write(&picture)?;
        return Ok(ExitCode::SUCCESS);
    }
    let ready = arguments.ready(&Networks::default())?;
    driver.note_weights(&ready.method.weights);
    for (name, value) in ready.method.recipe.settings() {
        driver.note(name, value);
    }
    arguments.network.in_threads(|| driver.complete(ready.run()?))?
}

impl Arguments {
    /// The pictures that are read.
    pub(super) fn inputs(&self) -> Result<Vec<PathBuf>, Error> {
        let start = if let Init::Path(path) = &self.init { Some(path) } else { None };
        let styles = self.styles.shares(true)?.into_iter().map(|(path, _)| path);
        let others = self.content_mask.iter().chain(&self.style_mask).chain(start).cloned();
        Ok(std::iter::once(self.content.clone()).chain(styles).chain(others).collect())
    }

    /// The picture that is written.
    pub(super) fn output(&self) -> &Path {
        &self.output
    }

    /// Loads the network.
    #[cfg(feature = "studio")]
    pub(super) fn load(&self, networks: &Networks) -> Result<(), Error> {
        self.method(networks).map(drop)
    }

    /// What can be known to be wrong before a picture is read.
    #[cfg(feature = "studio")]
    pub(super) fn check(&self) -> Result<(), Error> {
        self.colours()?;
        self.styles.shares(true)?;
        self.run.method(self.recipe.recipe(true).method).map(drop)
    }

    /// Whether nothing is painted, but colours are changed.
    #[cfg(feature = "studio")]
    pub(super) fn only_recolours(&self) -> bool {
        self.colors == ColorsFrom::Only
    }

    /// Options of the run.
    pub(super) fn run_arguments(&self) -> &RunArguments {
        &self.run
    }

    /// The pictures' paths.
    pub(super) fn pictures_mut(&mut self) -> Vec<&mut PathBuf> {
        std::iter::once(&mut self.content).chain(self.styles.paths_mut()).collect()
    }

    /// The same, to change them.
    pub(super) fn run_arguments_mut(&mut self) -> &mut RunArguments {
        &mut self.run
    }

    /// Options of the network.
    pub(super) fn network_arguments(&self) -> &NetworkArguments {
        &self.network
    }

    /// The picture of `--colors only`, for which no network is needed.
    pub(super) fn recoloured(&self) -> Result<Option<Picture>, Error> {
        if self.colours()?.is_some() {
            return Ok(None);
        }
        let content = self.size.open(&self.content, self.run.verbosity.quiet)?;
        let styles = self.open_styles(self.size)?;
        let styles: Vec<_> = styles.iter().map(|(style, share)| (style, *share)).collect();
        Ok(Some(content.in_colours_of(&styles, self.color_map.unwrap_or_default())))
    }

    /// Reads everything that the job needs, once it is known that there is memory for it.
    pub(super) fn ready(&self, networks: &Networks) -> Result<Ready, Error> {
        let method = self.method(networks)?;
        let memory = self.run.memory.budget();
        // What is kept of other pictures' styles takes little of it.
        method.targets.limit(MOST_TARGETS.min(memory / 8));
        let memory = memory.saturating_sub(method.targets.bytes());
        let size = match self.size.unless(method.recipe.scales.last()).side() {
            Side::Max => SizeArguments::with(self.stand_ins(None, method.clone(), self.pictures()?)?.largest(memory)?),
            Side::Pixels(side) if side > SMALL && self.content != Path::new("-") => {
                self.stand_ins(Some(side), method.clone(), self.pictures()?)?.forecast(memory)?;
                SizeArguments::with(side)
            }
            _ => self.size.unless(method.recipe.scales.last()),
        };
        let content = size.open(&self.content, self.run.verbosity.quiet)?;
        let styles = self.open_styles(size)?;
        let start = match &self.init {
            Init::Content => Start::Content,
            Init::Noise => Start::Noise,
            Init::Style => Start::Style,
            Init::Path(path) => Start::Picture(pictures::open(path, None, self.run.verbosity.quiet)?),
        };
        if self.run.verbosity.verbose {
            let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
            let styles: Vec<_> =
                styles.iter().map(|(style, share)| format!("style {} by {share}", pixels(style))).collect();
            note(format_args!("content {}, {}", pixels(&content), styles.join(", ")));
            let Recipe { method, pooling, formula, .. } = &method.recipe;
            note(format_args!("optimizer {method}, {pooling} pooling, {formula:?} formula"));
        }
        let side = content.width().max(content.height());
        let seed = self.run.seed;
        let (colours, masks, paint_transparent) =
            (self.colours()?.unwrap_or_default(), self.masks()?, self.paint_transparent);
        Ok(Ready { content, styles, side, method, colours, masks, paint_transparent, start, seed, memory })
    }

    /// The pictures in the files: the content and the styles.
    pub(super) fn pictures(&self) -> Result<Pictures, Error> {
        let styles = self.styles.shares(true)?.into_iter().map(|(path, _)| Planned::File(path)).collect();
        Ok(Pictures { content: Planned::File(self.content.clone()), styles })
    }

    /// What the job will take with these pictures, before they are read.
    pub(super) fn forecast(
        &self,
        memory: usize,
        networks: &Networks,
        pictures: &Pictures,
    ) -> Result<(Forecast, Load), Error> {
        let method = self.method(networks)?;
        let stand_ins = |side| self.stand_ins(side, method.clone(), pictures.clone());
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

    fn method(&self, networks: &Networks) -> Result<Method, Error> {
        let weights = self.network.find(self.run.verbosity.quiet)?;
        let mut recipe = self.recipe.recipe(weights.source.is_trained());
        recipe.method = self.run.method(recipe.method)?;
        recipe.rate = self.run.optimizer.rate(recipe.rate);
        recipe.clamp = self.run.optimizer.clamp().unwrap_or(recipe.clamp);
        recipe.pooling = self.network.pool.unwrap_or(recipe.pooling);
        recipe.scales = self.scales.clone().unwrap_or(recipe.scales);
        recipe.steps = self.run.steps.clone().unwrap_or(recipe.steps);
        let network = networks.load(&self.network, &weights, recipe.deepest())?;
        Ok(Method { recipe, network, weights: weights.source, targets: Arc::clone(&networks.targets) })
    }

    /// Small pictures that stand for those of the given longer side, or for the content's own size.
    fn stand_ins(&self, side: Option<usize>, method: Method, pictures: Pictures) -> Result<Ready, Error> {
        let own = side;
        let side = own.map_or_else(|| pictures.content.side(), Ok)?;
        let small = STAND_IN.min(side);
        let stand_in = |(style, (_, share)): (Planned, (PathBuf, f64))| {
            let longest = self.style_size.map(|side| side as usize).or(own);
            let longest = longest.map_or_else(|| style.side(), Ok)?;
            Ok::<_, Error>((style.stand_in((longest * small / side).max(1))?, share))
        };
        let styles = pictures.styles.into_iter().zip(self.styles.shares(true)?);
        let styles = styles.map(stand_in).collect::<Result<_, _>>()?;
        let content = pictures.content.stand_in(small)?;
        let memory = self.run.memory.budget();
        let (start, seed) = (Start::Content, self.run.seed);
        let (colours, masks, paint_transparent) = (Colours::Style, None, self.paint_transparent);
        Ok(Ready { content, styles, side, method, colours, masks, paint_transparent, start, seed, memory })
    }
}

/// The most bytes of styles that were seen, for other pictures in the same styles.
const MOST_TARGETS: usize = 256 << 20;

/// The pictures that a plan is made with.
#[derive(Clone)]
pub(super) struct Pictures {
    pub(super) content: Planned,
    pub(super) styles: Vec<Planned>,
}

/// One of them.
#[derive(Clone)]
pub(super) enum Planned {
    /// It is in a file.
    File(PathBuf),
    /// Only its height and width are known.
    #[cfg(feature = "studio")]
    Size([usize; 2]),
}

impl Planned {
    /// The longer side in pixels.
    fn side(&self) -> Result<usize, Error> {
        match self {
            Self::File(path) => picture_side(path),
            #[cfg(feature = "studio")]
            Self::Size([height, width]) => Ok(*height.max(width)),
        }
    }

    /// A picture of its shape with another longer side.
    fn stand_in(&self, longest: usize) -> Result<Picture, Error> {
        match self {
            Self::File(path) => Ok(Picture::open_fitted(path, longest)?),
            #[cfg(feature = "studio")]
            Self::Size(size) => {
                let side = size[0].max(size[1]).max(1);
                let [height, width] = size.map(|n| (n * longest / side).max(1));
                Ok(Picture::new(ndarray::Array3::zeros((height, width, 3))))
            }
        }
    }
}

/// The recipe as the options have it, and the network for it.
#[derive(Clone)]
struct Method {
    recipe: Recipe,
    network: Vgg19<f32>,
    weights: WeightSource,
    /// What was seen of styles.
    targets: Arc<Targets<f32>>,
}

/// Everything that a job needs, read; or smaller pictures that stand for it.
pub(super) struct Ready {
    content: Picture,
    styles: Vec<(Picture, f64)>,
    /// The content's longer side in the job.
    side: usize,
    method: Method,
    colours: Colours,
    masks: Option<Masks>,
    paint_transparent: bool,
    start: Start,
    seed: u64,
    memory: usize,
}

impl Ready {
    /// Leaves out the sizes below `side`, and goes on from a picture, if there is one.
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

    /// The job's run, within the memory that may be used.
    pub(super) fn run(&self) -> Result<Run<'_>, Error> {
        self.job().run_within(self.memory).map_err(|error| self.with_advice(error))
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
        }
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

/// What is wrong with masks, and what helps.
pub(super) fn masks_advice(error: &MasksError) -> String {
    match error {
        MasksError::Count { .. } => format!("{error}: give --style-mask once for each STYLE, in their order"),
        MasksError::OfContent(_) | MasksError::OfStyle { .. } => {
            format!(
                "{error}; change --content-mask or --style-mask, in colours of their own for at least 0.5 % of the picture"
            )
        }
        MasksError::Invisible("content") => format!("{error}; give --paint-transparent to paint it all the same"),
        MasksError::Region(_) => format!("{error}; give a larger --size, larger regions, or fewer --style-layers"),
        _ => error.to_string(),
    }
}
