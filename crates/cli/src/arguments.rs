//! Options that several subcommands share.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, Once, PoisonError};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use impasto::objective::Targets;
use impasto::ops::ConvAlgorithm;
use impasto::picture::Picture;
use impasto::recipe::{Changes, LayerWeights, Preset, Recipe, StyleLoss};
use impasto::vgg::{FoundWeights, Layer, PaddingMode, Pooling, Vgg19, WeightSource, Weights, WeightsOrigin};
use strum::VariantNames;

use super::address_space;
use super::error::Error;
use super::pictures;
use super::print::note;

/// Options that choose the network.
#[derive(Args)]
#[command(next_help_heading = "Network")]
pub(super) struct NetworkArguments {
    /// VGG19's weights: a file, or random[:SEED]
    ///
    /// weights/README.md describes the files; `random` is the embedded random network. Without this option, impasto
    /// takes the first of $IMPASTO_WEIGHTS, weights/vgg19.npz, impasto/vgg19.npz in the user's cache folder, and the
    /// embedded random network.
    #[arg(long, value_name = "PATH|random[:SEED]")]
    pub(super) weights: Option<WeightSource>,

    /// Pooling: max or avg [default: max; avg for textures and gatys]
    #[arg(long, value_name = "max|avg", value_parser = names::<Pooling>(), hide_possible_values = true)]
    pub(super) pool: Option<Pooling>,

    /// Beyond the edges: zeros or replicate [default: zeros; replicate for balanced and quick]
    ///
    /// What convolutions see around every map: zeros, as in VGG19's training, or the nearest pixel of the edge, which leaves
    /// no rim around a painting.
    #[arg(long, value_name = "zeros|replicate", value_parser = names::<PaddingMode>(), hide_possible_values = true)]
    pub(super) edges: Option<PaddingMode>,

    /// Convolution: auto, direct, im2col or winograd
    ///
    /// The algorithms agree up to rounding. auto uses the fastest for each layer, direct plain loops, im2col matrix
    /// products, winograd minimal filtering.
    #[arg(
        long,
        value_name = "ALGORITHM",
        default_value = "auto",
        value_parser = names::<ConvAlgorithm>(),
        hide_possible_values = true
    )]
    pub(super) conv: ConvAlgorithm,

    /// Number of threads; the result does not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

impl NetworkArguments {
    /// All files that a command reads: `others`, and the file of weights if there is one.
    pub(super) fn files(&self, others: &[impl AsRef<Path>]) -> Vec<PathBuf> {
        let weights = match self.find(true) {
            Ok(FoundWeights { source: WeightSource::File(path), .. }) => Some(path),
            _ => None,
        };
        others.iter().map(|path| path.as_ref().to_owned()).chain(weights).collect()
    }

    /// Finds the weights. If it falls back on random ones, prints a note once on standard error, unless `quiet`.
    pub(super) fn find(&self, quiet: bool) -> Result<FoundWeights, Error> {
        let found = FoundWeights::find(self.weights.clone()).map_err(|error| Error::Usage(error.to_string()))?;
        static TOLD: Once = Once::new();
        if found.origin == WeightsOrigin::Embedded && !quiet {
            TOLD.call_once(|| {
                note(format_args!(
                    "note: no trained weights were found, so the embedded random network is used; it represents \
                     textures, but little of what a picture shows. `impasto weights fetch` downloads trained ones."
                ));
            });
        }
        Ok(found)
    }

    /// Loads the network down to `deepest`, with the requested pooling.
    pub(super) fn load(&self, found: &FoundWeights, deepest: Layer) -> Result<Vgg19<f32>, Error> {
        self.load_with(found, deepest, (Pooling::default(), PaddingMode::default()))
    }

    /// [`load`](Self::load) with other defaults of pooling and edges.
    pub(super) fn load_with(
        &self,
        found: &FoundWeights,
        deepest: Layer,
        defaults: (Pooling, PaddingMode),
    ) -> Result<Vgg19<f32>, Error> {
        self.ensure_threads()?;
        let weights = Weights::load(&found.source, Some(deepest)).map_err(impasto::Error::from)?;
        Ok(self.applied_to(Vgg19::new(weights), defaults))
    }

    /// The network with the requested pooling, edges and algorithm, or these defaults.
    fn applied_to(&self, network: Vgg19<f32>, (pooling, edges): (Pooling, PaddingMode)) -> Vgg19<f32> {
        let network = network.with_pooling(self.pool.unwrap_or(pooling));
        network.with_edges(self.edges.unwrap_or(edges)).with_algorithm(self.conv)
    }

    /// The number of computing threads.
    pub(super) fn threads(&self) -> usize {
        self.threads.map_or_else(address_space::default_threads, usize::from)
    }

    /// Checks that the threads fit into the address space.
    fn ensure_threads(&self) -> Result<(), Error> {
        address_space::ensure(self.threads())
    }

    /// Runs `work` on the requested number of threads.
    pub(super) fn in_threads<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, Error> {
        let mut pool = rayon::ThreadPoolBuilder::new();
        if let Some(threads) = self.threads {
            pool = pool.num_threads(usize::from(threads));
        }
        self.ensure_threads()?;
        let pool = pool.build().map_err(|why| Error::Failure(format!("cannot start the threads: {why}")))?;
        Ok(pool.install(work))
    }
}

/// The last loaded network and the cached features of styles, for the next job.
#[derive(Default)]
pub(super) struct Networks {
    loaded: Mutex<Option<Loaded>>,
    pub(super) targets: Arc<Targets<f32>>,
}

/// A network with its source and depth.
struct Loaded {
    source: WeightSource,
    deepest: Layer,
    network: Vgg19<f32>,
}

impl Networks {
    /// The network down to `deepest`, with the requested pooling and algorithm.
    pub(super) fn load(
        &self,
        arguments: &NetworkArguments,
        found: &FoundWeights,
        deepest: Layer,
    ) -> Result<Vgg19<f32>, Error> {
        // Other threads wait while the network is loaded.
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let network = match &*loaded {
            Some(last) if (&last.source, last.deepest) == (&found.source, deepest) => last.network.clone(),
            _ => {
                *loaded = None;
                let network = arguments.load(found, deepest)?;
                *loaded = Some(Loaded { source: found.source.clone(), deepest, network: network.clone() });
                network
            }
        };
        Ok(arguments.applied_to(network, (Pooling::default(), PaddingMode::default())))
    }
}

/// Names with another American spelling, which the library's enums accept too.
const AMERICAN: [(&str, &str); 2] = [("neighbours", "neighbors"), ("neighbours-cosine", "neighbors-cosine")];

/// Parses the names of one of the library's enums, in British or American spelling, and lists them as the possible values.
pub(super) fn names<T>() -> impl TypedValueParser<Value = T>
where
    T: FromStr + VariantNames + Clone + Send + Sync + 'static,
{
    let value = |name: &&'static str| {
        let value = PossibleValue::new(*name);
        AMERICAN.iter().find(|(british, _)| british == name).map_or(value.clone(), |(_, other)| value.alias(*other))
    };
    PossibleValuesParser::new(T::VARIANTS.iter().map(value)).map(|given| given.parse().ok().expect("one of its names"))
}

/// Options that choose the objective.
#[derive(Args)]
#[command(next_help_heading = "Objective")]
pub(super) struct RecipeArguments {
    /// Recipe: balanced, quick, gatys, nnst or notebook
    ///
    /// Other options change its settings. balanced: weights mean the same at every size. quick: balanced with half the
    /// iterations and no finish. gatys: Gatys, Ecker & Bethge 2016. nnst: Kolkin et al. 2022, a thousand iterations at
    /// 512 pixels, to which --strength makes no difference. notebook: a PyTorch notebook, reproduced exactly.
    #[arg(
        long,
        value_name = "PRESET",
        default_value = "balanced",
        value_parser = names::<Preset>(),
        hide_possible_values = true
    )]
    preset: Preset,

    /// Style distance: gram, moments, wasserstein, neighbours or neighbours-cosine [default: the preset's]
    ///
    /// gram compares Gram matrices; moments also means and standard deviations; wasserstein compares Gaussians. neighbours
    /// compares the features at each place with the nearest of the style's, found once per scale, and Gram matrices as well;
    /// neighbours-cosine only the direction of features, as in nnst. Both take more memory.
    #[arg(long, value_name = "NAME", value_parser = names::<StyleLoss>(), hide_possible_values = true)]
    style_loss: Option<StyleLoss>,

    /// How freely to paint, from 0 (hardly changed) to 1 [default: 0.5]
    ///
    /// Multiplies the style weight, unless --style-weight gives it, and divides the finish's content weight. Below 0.5 the
    /// finish also takes smaller steps.
    #[arg(long, value_name = "0..1", value_parser = strength)]
    strength: Option<f64>,

    /// Content layers with their weights [default: the preset's]
    ///
    /// balanced has relu4_1 (with random weights relu3_1), the other presets relu4_2.
    #[arg(long, value_name = "LAYER[=W],…")]
    content_layers: Option<LayerWeights>,

    /// Style layers with their weights [default: the preset's]
    ///
    /// All presets have relu1_1, 2_1, 3_1, 4_1 and 5_1 with weights of their own, except that balanced has shallower
    /// layers with random weights. Neighbours, and so nnst, have the ten from relu1_1 to relu4_3.
    #[arg(long, value_name = "LAYER[=W],…")]
    style_layers: Option<LayerWeights>,

    /// Content weight [default: the preset's]
    ///
    /// The finish has its own, which --strength changes.
    #[arg(long, value_name = "X", value_parser = weight)]
    content_weight: Option<f64>,

    /// Style weight [default: the preset's]
    ///
    /// The finish has its own; with a style weight of 0 there is no finish.
    #[arg(long, value_name = "X", value_parser = weight)]
    style_weight: Option<f64>,

    /// Weight of the total variation, which smooths [default: the preset's]
    #[arg(long, value_name = "X", value_parser = weight)]
    tv_weight: Option<f64>,
}

impl RecipeArguments {
    /// The preset's recipe with the requested changes.
    pub(super) fn recipe(&self, trained: bool) -> Recipe {
        self.preset.changed(
            trained,
            &Changes {
                strength: self.strength,
                style_loss: self.style_loss,
                content_layers: self.content_layers.clone(),
                style_layers: self.style_layers.clone(),
                content_weight: self.content_weight,
                style_weight: self.style_weight,
                tv_weight: self.tv_weight,
            },
        )
    }
}

/// A strength: a number from 0 to 1.
fn strength(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(strength) if (0.0..=1.0).contains(&strength) => Ok(strength),
        _ => Err("give a number from 0 to 1, as in 0.7".into()),
    }
}

/// A weight: a finite number of 0 or more.
pub(super) fn weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
        _ => Err("give a number of 0 or more, as in 0.5 or 1e6".into()),
    }
}

/// A rate: a finite number above 0.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(rate),
        _ => Err("give a number above 0, as in 0.02".into()),
    }
}

/// The default longer side of images.
const DEFAULT_SIZE: usize = 512;

/// The size at which images are used.
#[derive(Args, Clone, Copy)]
pub(super) struct SizeArguments {
    /// Longer side in pixels; 0 keeps each picture's size [default: 512]
    ///
    /// max is as large as memory allows, up to the picture's own size; for transfer and invert only.
    #[arg(long, value_name = "N|max")]
    size: Option<Side>,
}

/// The value of `--size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Each picture's own size.
    Own,
    /// A longer side in pixels.
    Pixels(usize),
    /// As large as memory allows.
    Max,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<u32>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(0) => Ok(Self::Own),
            Ok(side @ ..=65_536) => Ok(Self::Pixels(side as usize)),
            _ => Err("give a number of pixels from 0 to 65536, or max".into()),
        }
    }
}

impl SizeArguments {
    /// Reads a picture at this size, as [`pictures::open`] does.
    pub(super) fn open(self, path: &Path, quiet: bool) -> Result<Picture, Error> {
        match self.side() {
            Side::Own => pictures::open(path, None, quiet),
            Side::Pixels(size) => pictures::open(path, Some(size), quiet),
            Side::Max => Err(Error::Usage("--size max is for transfer and invert; give a number of pixels".into())),
        }
    }

    /// The requested size.
    pub(super) fn side(self) -> Side {
        self.size.unwrap_or(Side::Pixels(DEFAULT_SIZE))
    }

    /// The size of `side` pixels.
    pub(super) fn with(side: usize) -> Self {
        Self { size: Some(Side::Pixels(side)) }
    }

    /// This size if one was given, otherwise `other`.
    pub(super) fn unless(self, other: Option<usize>) -> Self {
        Self { size: self.size.or(other.map(Side::Pixels)) }
    }
}

/// The output of commands that write arrays.
#[derive(Args)]
pub(super) struct ArraysOutput {
    /// The npz file to write
    #[arg(short, long, value_name = "OUT.npz")]
    pub(super) output: PathBuf,
}
