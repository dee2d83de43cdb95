//! `impasto transfer`: repaint a picture in another's style.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use impasto::Transfer;
use impasto::picture::Picture;
use impasto::recipe::Scales;
use impasto::run::Start;

use super::arguments::{NetworkArguments, RecipeArguments, SizeArguments};
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
    let driver = Driver::new(&arguments.run, &arguments.output, &[&arguments.content, &arguments.style])?;
    let weights = arguments.network.find(arguments.run.verbosity.quiet)?;
    let mut recipe = arguments.recipe.recipe(weights.source.is_trained());
    recipe.method = arguments.run.method(recipe.method)?;
    recipe.rate = arguments.run.rate(recipe.rate);
    recipe.pooling = arguments.network.pool.unwrap_or(recipe.pooling);
    recipe.scales = arguments.scales.clone().unwrap_or(recipe.scales);
    recipe.steps = arguments.run.steps.clone().unwrap_or(recipe.steps);
    let size = arguments.size.unless(recipe.scales.last());
    let content = size.open(&arguments.content)?;
    let style = match arguments.style_size {
        Some(side) => Picture::open_fitted(&arguments.style, side as usize)?,
        None => size.open(&arguments.style)?,
    };
    let start = match &arguments.init {
        Init::Content => Start::Content,
        Init::Noise => Start::Noise,
        Init::Style => Start::Style,
        Init::Path(path) => Start::Picture(Picture::open(path)?),
    };
    let network = arguments.network.load(&weights, recipe.deepest())?;
    if arguments.run.verbosity.verbose {
        let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
        eprintln!("content {}, style {}, {recipe:?}", pixels(&content), pixels(&style));
    }
    let (clamp, seed) = (arguments.run.clamp, arguments.run.seed);
    arguments.network.in_threads(|| {
        let styles = vec![(&style, 1.0)];
        let job = Transfer { content: &content, styles, network: &network, recipe, start, clamp, seed };
        driver.complete(job.run()?)
    })?
}
