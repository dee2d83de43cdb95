//! `impasto figure`: the papers' figures as labelled sheets.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use impasto::files::write_atomically;
use impasto::optim::Method;
use impasto::picture::{Format, Picture, SaveOptions};
use impasto::run::{Outcome, Progress, Run, Stop, Watcher};
use impasto::vgg::{Layer, PaddingMode, Pooling, Vgg19, WeightSource};
use impasto_drawing::{Cell, CellSettings, Curve, Sheet, Tile};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::arguments::{NetworkArguments, weight};
use super::distinct::{Written, ensure_distinct};
use super::drive::{Driver, OnTheWayArguments, OptimizerArguments};
use super::error::Error;
use super::interrupt;
use super::memory::MemoryArguments;
use super::pictures;
use super::print::note;
use super::progress::{Verbosity, plain};
use super::rescue;

/// Draw a figure of the papers as a labelled sheet
///
/// inversions: an image's features inverted at every layer (Mahendran & Vedaldi 2014, figure 6). lambda: one layer
/// inverted with increasing smoothing. content, style: reconstructions layer by layer (Gatys, Ecker & Bethge 2016, figure
/// 1). textures: from more and more layers (Gatys, Ecker & Bethge 2015, figure 2). weights: CONTENT in STYLE, a grid of
/// layers and α/β (2016, figure 4). controls: CONTENT in STYLE1 with every style loss, strength, size of strokes, the
/// finish and choice of colours, and in STYLE1 and STYLE2 together. loss: a plot of --log files. Several images give
/// several rows.
///
/// The folder OUT.cells keeps every cell, so that an interrupted sheet continues where it stopped.
#[derive(Args)]
pub(super) struct Arguments {
    /// The figure
    name: Name,

    /// The images; for weights CONTENT and STYLE; for controls CONTENT, STYLE1 and STYLE2; for loss the log files
    #[arg(required = true, value_name = "IMAGE")]
    files: Vec<PathBuf>,

    /// The sheet to write: .png, .jpg, .webp, .tiff or .bmp
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Longer side of the images in pixels; 224×224 if --layers names a layer of the classifier
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4096))]
    size: u32,

    /// Iterations for each cell
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    steps: u32,

    #[command(flatten)]
    optimizer: OptimizerArguments,

    /// Seed of the noise from which cells start
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// inversions: the layers [default: all that the weights reach]; lambda: the layer [default: relu2_1]
    #[arg(long, value_name = "LAYER,…", value_delimiter = ',')]
    layers: Vec<Layer>,

    /// lambda: weights of the total variation [default: 0.01 to 100]; weights: α/β [default: 0.001 to 1]
    #[arg(long, value_name = "X,…", value_delimiter = ',', value_parser = weight)]
    values: Vec<f64>,

    /// Start a new row after N cells [default: even rows of at most 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    columns: Option<u16>,

    /// loss: the x axis
    #[arg(long, value_name = "AXIS", default_value = "iterations")]
    over: Over,

    /// loss: the value in the logs to plot
    #[arg(long, value_name = "NAME", default_value = "total")]
    term: String,

    #[command(flatten)]
    on_the_way: OnTheWayArguments,

    #[command(flatten)]
    verbosity: Verbosity,

    #[command(flatten)]
    memory: MemoryArguments,

    #[command(flatten)]
    network: NetworkArguments,
}

/// Names of the figures.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Name {
    Inversions,
    Lambda,
    Content,
    Style,
    Textures,
    Weights,
    Controls,
    Loss,
}

/// The x axis of the figure `loss`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Over {
    Iterations,
    Seconds,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    arguments.check()?;
    if arguments.name == Name::Loss {
        Format::of(&arguments.output)?;
        ensure_distinct(&[Written::picture("--output", &arguments.output)], &arguments.files)?;
        return arguments.loss();
    }
    let method = arguments.optimizer.method(Method::Lbfgs)?;
    let inputs: Vec<&Path> = arguments.files.iter().map(PathBuf::as_path).collect();
    let network = &arguments.network;
    let driver = Driver::of_cells(&arguments.on_the_way, arguments.verbosity, network, &arguments.output, &inputs)?;
    let images = arguments.files.iter().map(|path| arguments.open(path)).collect::<Result<Vec<_>, _>>()?;
    let found = arguments.network.find(arguments.verbosity.quiet)?;
    let pooling = arguments.network.pool.unwrap_or(match arguments.name {
        // Gatys et al. use average pooling for textures.
        Name::Style | Name::Textures | Name::Weights => Pooling::Average,
        _ => Pooling::Max,
    });
    let network = arguments.network.load_with(&found, arguments.deepest(), (pooling, PaddingMode::default()))?;
    for layer in arguments.required() {
        images.iter().try_for_each(|image| network.check([image.height(), image.width()], layer))?;
    }
    let rows = arguments.rows(&images, network.last(), pooling, network.is_trained());
    let version = env!("CARGO_PKG_VERSION");
    let weights = fingerprint(&found.source);
    let mut cells = Cells {
        folder: arguments.output.with_extension("cells"),
        common: format!("{version} {weights} {pooling}"),
        settings: CellSettings {
            steps: arguments.steps as usize,
            seed: arguments.seed,
            method,
            rate: arguments.optimizer.lr,
            clamp: arguments.optimizer.clamp(),
            memory: arguments.memory.budget(arguments.network.threads()),
        },
        quiet: arguments.verbosity.quiet,
        inputs: &arguments.files,
        network: &network,
        driver,
    };
    let count: usize = rows.iter().map(Vec::len).sum();
    cells.driver.check_frames((1..=count).map(|number| Some(("cell", number))), arguments.steps as usize)?;
    std::fs::create_dir_all(&cells.folder).map_err(|why| Error::file("create the folder", &cells.folder, why))?;
    let mut done = 0;
    let mut tiles = Vec::new();
    for row in &rows {
        let mut line = Vec::new();
        for cell in row {
            let Some(tile) = arguments.network.in_threads(|| cells.tile(cell, done + 1, count))?? else {
                note(format_args!("interrupted after {done} of {count} cells; run the same command again to continue"));
                return Ok(ExitCode::from(interrupt::EXIT_CODE));
            };
            line.push(tile);
            done += 1;
        }
        tiles.extend(line.chunks(arguments.columns(row.len())).map(<[Tile]>::to_vec));
    }
    cells.driver.write(&Sheet { title: arguments.title(), rows: tiles }.draw())?;
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// Refuses options that the figure does not have, and a wrong number of images.
    fn check(&self) -> Result<(), Error> {
        let usage = |message: &str| Err(Error::Usage(message.into()));
        match self.name {
            Name::Weights if self.files.len() != 2 => return usage("weights takes two images, CONTENT and STYLE"),
            Name::Controls if self.files.len() != 3 => {
                return usage("controls takes three images, CONTENT, STYLE1 and STYLE2");
            }
            Name::Lambda if self.layers.len() > 1 => return usage("lambda takes one layer, as in --layers relu2_1"),
            _ => {}
        }
        if !self.layers.is_empty() && !matches!(self.name, Name::Inversions | Name::Lambda) {
            return usage("--layers is for inversions and lambda; the other figures have the papers' layers");
        }
        if !self.values.is_empty() && !matches!(self.name, Name::Lambda | Name::Weights) {
            return usage("--values is for lambda (of the total variation) and weights (α/β)");
        }
        if self.name != Name::Loss && (self.over == Over::Seconds || self.term != "total") {
            return usage("--over and --term are for the figure `loss`");
        }
        Ok(())
    }

    /// Layers that the figure must have: the requested ones, or the shallowest default. Other default layers are left
    /// out if the weights or the image do not reach them.
    fn required(&self) -> Vec<Layer> {
        let layer = |name: &str| name.parse().expect("a layer's name");
        match self.name {
            Name::Inversions if !self.layers.is_empty() => self.layers.clone(),
            Name::Lambda => vec![self.lambda_layer()],
            Name::Content | Name::Weights => vec![layer("relu1_2")],
            _ => vec![layer("relu1_1")],
        }
    }

    /// The number of columns: rows of about equal length with at most ten cells, unless `--columns` is given.
    fn columns(&self, cells: usize) -> usize {
        self.columns.map_or_else(|| cells.div_ceil(cells.div_ceil(10)), usize::from)
    }

    /// An image at the size of a cell, or of the classifier's input if one of its layers is requested.
    fn open(&self, path: &Path) -> Result<Picture, Error> {
        let image = pictures::open(path, None, self.verbosity.quiet)?.with_hidden_filled();
        let classifier = self.layers.iter().any(|layer| layer.is_classifier());
        Ok(if classifier { image.resized(224, 224) } else { image.fitted(self.size as usize) })
    }

    fn lambda_layer(&self) -> Layer {
        self.layers.first().copied().unwrap_or_else(|| "relu2_1".parse().expect("a layer's name"))
    }

    /// The deepest layer needed.
    fn deepest(&self) -> Layer {
        let layer = |name: &str| name.parse().expect("a layer's name");
        match self.name {
            Name::Inversions => self.layers.iter().copied().max().unwrap_or_else(|| layer("pool5")),
            Name::Lambda => self.lambda_layer(),
            Name::Textures => layer("pool4"),
            _ => layer("relu5_2"),
        }
    }

    fn rows<'a>(&self, images: &'a [Picture], last: Layer, pooling: Pooling, trained: bool) -> Vec<Vec<Cell<'a>>> {
        let values = |default: &[f64]| if self.values.is_empty() { default.to_vec() } else { self.values.clone() };
        let each = |row: &dyn Fn(&'a Picture) -> Vec<Cell<'a>>| images.iter().map(row).collect();
        match self.name {
            Name::Inversions => {
                let all: Vec<Layer> = Layer::all().filter(|layer| !layer.is_classifier()).collect();
                let layers = if self.layers.is_empty() { all } else { self.layers.clone() };
                each(&|image| impasto_drawing::inversions(image, &layers, last))
            }
            Name::Lambda => {
                let values = values(&[0.01, 0.1, 1.0, 10.0, 100.0]);
                each(&|image| impasto_drawing::lambda(image, self.lambda_layer(), &values))
            }
            Name::Content => each(&|image| impasto_drawing::content(image, last)),
            Name::Style => each(&|image| impasto_drawing::style(image, last)),
            Name::Textures => each(&|image| impasto_drawing::textures(image, last)),
            Name::Weights => {
                impasto_drawing::weights(&images[0], &images[1], last, pooling, &values(&[0.001, 0.01, 0.1, 1.0]))
            }
            Name::Controls => impasto_drawing::controls(&images[0], [&images[1], &images[2]], trained),
            Name::Loss => Vec::new(),
        }
    }

    fn title(&self) -> String {
        let what = match self.name {
            Name::Inversions => "inversions by layer",
            Name::Lambda => "inversions by weight of the total variation",
            Name::Content => "content reconstructions by layer",
            Name::Style => "style reconstructions by layers",
            Name::Textures => "textures by layers",
            Name::Weights => "style transfer by style layers (down) and α/β (across)",
            Name::Controls => "style losses, strength, strokes, finish, colours, several styles",
            Name::Loss => "losses",
        };
        format!("{what}, {} iterations", self.steps)
    }

    /// The plot of the logs.
    fn loss(&self) -> Result<ExitCode, Error> {
        let curves = self.files.iter().map(|path| self.curve(path)).collect::<Result<Vec<_>, _>>()?;
        let x_label = if self.over == Over::Seconds { "seconds" } else { "iterations (one evaluation each)" };
        let plot = impasto_drawing::plot(&curves, x_label, &self.term, [900, 600]).ok_or_else(|| {
            Error::Failure(format!("the logs have no positive `{}`, which the logarithmic axis needs", self.term))
        })?;
        rescue::save(&plot, &self.output, &SaveOptions::default())?;
        Ok(ExitCode::SUCCESS)
    }

    fn curve(&self, path: &Path) -> Result<Curve, Error> {
        let text = std::fs::read_to_string(path).map_err(|why| Error::file("read the log", path, why))?;
        let x_name = if self.over == Over::Seconds { "elapsed" } else { "iteration" };
        let point = |(index, line): (usize, &str)| {
            let number = |name: &str| {
                let line: Value = serde_json::from_str(line).ok()?;
                line.get(name)?.as_f64()
            };
            let point = number(x_name).zip(number(&self.term));
            point.ok_or_else(|| {
                let what = format!("line {} has no numbers `{x_name}` and `{}`", index + 1, self.term);
                Error::Failure(format!("{} is not a log that can be plotted: {what}", path.display()))
            })
        };
        let points = text.lines().enumerate().map(point).collect::<Result<_, _>>()?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Curve { name, points })
    }
}

/// The settings common to all cells of a sheet.
struct Cells<'a> {
    folder: PathBuf,
    /// Version and network, as text.
    common: String,
    settings: CellSettings,
    quiet: bool,
    inputs: &'a [PathBuf],
    network: &'a Vgg19<f32>,
    driver: Driver,
}

/// Remembers the terms of the lowest point of a run, which is the one that L-BFGS leaves.
struct Lowest {
    total: f64,
    terms: Vec<(String, f64)>,
}

impl Watcher for Lowest {
    fn see(&mut self, _: &Run<'_>, progress: &Progress) -> ControlFlow<Stop> {
        if progress.total < self.total {
            self.total = progress.total;
            self.terms = progress.groups.iter().map(|group| (group.name.clone(), group.value)).collect();
        }
        ControlFlow::Continue(())
    }
}

impl Cells<'_> {
    /// The cell's tile, from the folder or computed; `None` if interrupted.
    fn tile(&mut self, cell: &Cell<'_>, number: usize, count: usize) -> Result<Option<Tile>, Error> {
        let path = self.folder.join(format!("{}.png", self.key(cell)));
        if let Some(tile) = kept(cell, &path) {
            return Ok(Some(tile));
        }
        if !self.quiet {
            note(format_args!("cell {number} of {count}: {}", cell.label));
        }
        let mut lowest = Lowest { total: f64::INFINITY, terms: Vec::new() };
        let picture = match cell.run(self.network, &self.settings)? {
            None => cell.picture(),
            Some(mut run) => match self.driver.drive(&mut run, Some(("cell", number)), Some(&mut lowest))? {
                Outcome::Stopped => return Ok(None),
                _ => run.finished(),
            },
        };
        let written = [path.clone(), path.with_extension("json")].map(|path| Written::picture("cell", path));
        ensure_distinct(&written, self.inputs)?;
        Self::keep(&path, &picture, &lowest.terms)?;
        Ok(kept(cell, &path))
    }

    /// A name derived from everything that the cell depends on.
    fn key(&self, cell: &Cell<'_>) -> String {
        let CellSettings { steps, seed, method, rate, clamp, memory: _ } = self.settings;
        let settings = format!("{steps} {seed} {method} {rate:?} {clamp:?}");
        let mut hash = Sha256::new();
        hash.update(format!("{} {} {settings}", self.common, cell.description()));
        for image in cell.images() {
            hash.update(format!("{:?}", image.rgb.dim()));
            image.rgb.iter().for_each(|value| hash.update(value.to_le_bytes()));
        }
        let digest = hash.finalize();
        format!("{:016x}", digest.iter().take(8).fold(0u64, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// Writes the picture and then its terms, so that a cell with terms is complete.
    fn keep(path: &Path, picture: &Picture, terms: &[(String, f64)]) -> Result<(), Error> {
        picture.save(path)?;
        let terms: Map<String, Value> = terms.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let written = write_atomically(&path.with_extension("json"), |file| {
            serde_json::to_writer(file, &terms).map_err(std::io::Error::from)
        });
        written.map_err(|why| Error::file("write", path, why))
    }
}

/// The tile of a cell that was computed earlier.
fn kept(cell: &Cell<'_>, path: &Path) -> Option<Tile> {
    let terms = std::fs::read(path.with_extension("json")).ok()?;
    let terms: Map<String, Value> = serde_json::from_slice(&terms).ok()?;
    let picture = Picture::open(path).ok()?;
    // Leave out the priors: only the error is shown.
    let shown = terms.iter().filter(|(name, _)| !["tv", "alpha"].contains(&name.as_str()));
    let terms = shown.map(|(name, value)| format!("{name} {}", plain(value.as_f64().unwrap_or(f64::NAN))));
    Some(Tile { picture, caption: cell.label.split(", ").map(String::from).chain(terms).collect() })
}

/// The name of the weights and, for a file, its size and time.
fn fingerprint(source: &WeightSource) -> String {
    let file = match source {
        WeightSource::File(path) => std::fs::metadata(path).ok(),
        WeightSource::Random { .. } => None,
    };
    let state = file.map(|file| (file.len(), file.modified().ok()));
    format!("{source} {state:?}")
}
