//! `impasto transfer`: repaint a picture in another's style.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use impasto::picture::Picture;
#[cfg(feature = "studio")]
use impasto::recipe::Steps;
use impasto::recipe::{Recipe, Scales};
use impasto::run::Start;
use impasto::{Transfer, Vgg19};

use super::arguments::{NetworkArguments, Networks, RecipeArguments, SizeArguments};
use super::drive::{Driver, RunArguments};
use super::error::Error;

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

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let driver = Driver::new(&arguments.run, &arguments.output, &arguments.inputs())?;
    let ready = arguments.ready(&mut Networks::default())?;
    arguments.network.in_threads(|| driver.complete(ready.job().run()?))?
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

    /// Reads everything that the job needs.
    pub(super) fn ready(&self, networks: &mut Networks) -> Result<Ready, Error> {
        let weights = self.network.find(self.run.verbosity.quiet)?;
        let mut recipe = self.recipe.recipe(weights.source.is_trained());
        recipe.method = self.run.method(recipe.method)?;
        recipe.rate = self.run.rate(recipe.rate);
        recipe.pooling = self.network.pool.unwrap_or(recipe.pooling);
        recipe.scales = self.scales.clone().unwrap_or(recipe.scales);
        recipe.steps = self.run.steps.clone().unwrap_or(recipe.steps);
        let size = self.size.unless(recipe.scales.last());
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
        let network = networks.load(&self.network, &weights, recipe.deepest())?;
        if self.run.verbosity.verbose {
            let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
            eprintln!("content {}, style {}, {recipe:?}", pixels(&content), pixels(&style));
        }
        Ok(Ready { content, style, network, recipe, start, clamp: self.run.clamp, seed: self.run.seed })
    }
}

/// Everything that a job needs, read.
pub(super) struct Ready {
    content: Picture,
    style: Picture,
    network: Vgg19<f32>,
    recipe: Recipe,
    start: Start,
    clamp: bool,
    seed: u64,
}

impl Ready {
    /// Goes on from a picture, at the sizes from `side` on.
    #[cfg(feature = "studio")]
    pub(super) fn go_on(&mut self, picture: Picture, side: usize) -> Result<(), Error> {
        let longest = self.content.height().max(self.content.width());
        let scales = self.recipe.scales.schedule(&self.recipe.steps, longest).map_err(impasto::Error::from)?;
        let left = scales.iter().filter(|scale| scale.side >= side.min(longest));
        let (sides, steps) = left.map(|scale| (scale.side, scale.steps)).unzip();
        (self.recipe.scales, self.recipe.steps) = (Scales::Sides(sides), Steps::Given(steps));
        self.start = Start::Picture(picture);
        Ok(())
    }

    /// The job.
    pub(super) fn job(&self) -> Transfer<'_> {
        let Self { content, style, network, recipe, start, clamp, seed } = self;
        let (recipe, start) = (recipe.clone(), start.clone());
        Transfer { content, styles: vec![(style, 1.0)], network, recipe, start, clamp: *clamp, seed: *seed }
    }
}
