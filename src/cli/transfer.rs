//! `impasto transfer`: repaint a picture in another's style.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use clap::Args;
use impasto::picture::{Format, Picture};
use impasto::studio::{Optimiser, Start, Transfer};

use super::arguments::{NetworkArguments, ObjectiveArguments, OptimizerName, SizeArguments, rate};
use super::error::Error;
use super::finish::finish;
use super::interrupt;
use super::log::Log;
use super::progress::{Display, Verbosity};

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

    /// How many iterations
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    /// What moves the pixels
    #[arg(long, value_name = "NAME", default_value = "adam")]
    optimizer: OptimizerName,

    /// Adam's rate, in units of the network's input, (pixel − mean)/std [default: the preset's]
    #[arg(long, value_name = "R", value_parser = rate)]
    lr: Option<f64>,

    /// Where to start: content, noise, style, or a picture's path
    #[arg(long, value_name = "content|noise|style|PATH", default_value = "content")]
    init: Init,

    /// Keep pixels within black and white while they move, not only when the picture is written
    #[arg(long)]
    clamp: bool,

    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// Write the picture so far every N iterations, numbered, beside OUT
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    save_every: Option<u32>,

    /// Write one JSON object per iteration: iteration, elapsed (seconds), total, content, style, tv
    #[arg(long, value_name = "FILE.jsonl")]
    log: Option<PathBuf>,

    #[command(flatten)]
    verbosity: Verbosity,

    #[command(flatten)]
    objective: ObjectiveArguments,

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

pub(super) fn run(arguments: Arguments) -> Result<ExitCode, Error> {
    let interrupted = interrupt::watch();
    Format::of(&arguments.output)?;
    if arguments.lr.is_some() && arguments.optimizer == OptimizerName::Lbfgs {
        return Err(Error::Usage("--lr is Adam's rate; --optimizer lbfgs chooses its step lengths itself".into()));
    }
    let content = arguments.size.open(&arguments.content)?;
    let style = arguments.size.open(&arguments.style)?;
    let start = match &arguments.init {
        Init::Content => Start::Content,
        Init::Noise => Start::Noise,
        Init::Style => Start::Style,
        Init::Path(path) => Start::Picture(Picture::open(path)?),
    };
    let preset = arguments.objective.preset();
    let weights = arguments.network.find(arguments.verbosity.quiet)?;
    let trained = weights.source.is_trained();
    let settings = arguments.objective.settings(trained);
    let network = &arguments.network.load(&weights, settings.deepest(), preset)?;
    let steps = arguments.steps as usize;
    let mut display = Display::new(arguments.verbosity, steps);
    if arguments.verbosity.verbose {
        let pixels = |p: &Picture| format!("{}×{}", p.width(), p.height());
        display.say(&format!("content {}, style {}, {settings:?}", pixels(&content), pixels(&style)));
    }
    let mut log = arguments.log.as_deref().map(Log::new).transpose()?;
    let mut failed = None;
    let optimiser = match arguments.optimizer {
        OptimizerName::Adam => Optimiser::Adam(arguments.lr.unwrap_or(preset.rate(network.spread()))),
        OptimizerName::Lbfgs => Optimiser::Lbfgs,
    };
    let outcome = arguments.network.in_threads(|| {
        let job = Transfer {
            settings,
            start,
            optimiser,
            steps,
            clamp: arguments.clamp,
            seed: arguments.seed,
            ..Transfer::new(&content, &style, network, preset, trained)
        };
        job.run(|progress| {
            display.show(progress);
            let logged = log.as_mut().map_or(Ok(()), |log| log.write(progress));
            let saved = match arguments.save_every {
                Some(every) if progress.iteration % every as usize == 0 && progress.iteration < steps => content
                    .recoloured(network.denormalise(&progress.image))
                    .save(&numbered(&arguments.output, progress.iteration))
                    .map_err(Error::from),
                _ => Ok(()),
            };
            failed = logged.and(saved).err();
            if failed.is_some() || interrupted.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
    })??;
    display.finish();
    outcome.picture.save(&arguments.output)?;
    if let Some(error) = failed {
        return Err(error);
    }
    finish(outcome.ended, outcome.iterations, &arguments.output)
}

/// `out.png` → `out-0100.png`.
fn numbered(path: &Path, iteration: usize) -> PathBuf {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    path.with_file_name(format!("{}-{iteration:04}.{}", part(path.file_stem()), part(path.extension())))
}
