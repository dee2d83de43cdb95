//! The options that jobs share, with the meaning that the command gives them.

use impasto::ops::ConvAlgorithm;
use impasto::optim::Method;
use impasto::recipe::{Changes, Preset, Rate, Recipe, Steps};
use impasto::run::free_memory;
use impasto::vgg::{FoundWeights, Layer, PaddingMode, Pooling, Vgg19, WeightSource, Weights, WeightsOrigin};
use pyo3::exceptions::{PyUserWarning, PyValueError};
use pyo3::prelude::*;

use crate::errors::to_python;
use crate::options::Options;
use crate::running::Manner;

/// The share of the free memory that is used where nobody says.
const SHARE: f64 = 0.8;

/// The network: `weights`, `pool`, `edges`, `conv`.
pub(crate) struct NetworkOptions {
    pub(crate) found: FoundWeights,
    pub(crate) pool: Option<Pooling>,
    pub(crate) edges: Option<PaddingMode>,
    conv: ConvAlgorithm,
}

impl NetworkOptions {
    pub(crate) fn of(options: &mut Options<'_>) -> PyResult<Self> {
        let chosen = options.parsed("weights", str::parse::<WeightSource>)?;
        let found = FoundWeights::find(chosen).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let (pool, edges) = (options.named("pool")?, options.named("edges")?);
        Ok(Self { found, pool, edges, conv: options.named("conv")?.unwrap_or_default() })
    }

    /// Loads the network as deep as asked for, with its own pooling where none was given.
    ///
    /// # Errors
    /// If the weights cannot be read.
    pub(crate) fn load(&self, py: Python<'_>, deepest: Option<Layer>, pooling: Pooling) -> PyResult<Vgg19<f32>> {
        if self.found.origin == WeightsOrigin::Embedded {
            let note = self.found.note().unwrap_or_default();
            let note = std::ffi::CString::new(note).expect("a text without NUL");
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), &note, 1)?;
        }
        let weights = py.detach(|| Weights::load(&self.found.source, deepest)).map_err(|why| to_python(why.into()))?;
        let network = Vgg19::new(weights).with_pooling(self.pool.unwrap_or(pooling));
        Ok(network.with_edges(self.edges.unwrap_or_default()).with_algorithm(self.conv))
    }
}

/// The options of every job.
pub(crate) struct RunOptions {
    pub(crate) steps: Option<Steps>,
    optimizer: Option<Method>,
    pub(crate) lr: Option<f64>,
    pub(crate) clamp: Option<bool>,
    pub(crate) manner: Manner,
    pub(crate) memory: usize,
}

impl RunOptions {
    pub(crate) fn of(options: &mut Options<'_>) -> PyResult<Self> {
        let (clamp, no_clamp) = (options.flag("clamp")?.unwrap_or(false), options.flag("no_clamp")?.unwrap_or(false));
        if clamp && no_clamp {
            return Err(PyValueError::new_err("give clamp or no_clamp, not both"));
        }
        let share = |share: &f64| *share > 0.0 && *share < 1.0;
        Ok(Self {
            steps: options.parsed("steps", str::parse)?,
            optimizer: options.named("optimizer")?,
            lr: options.number("lr", |rate: &f64| *rate > 0.0 && rate.is_finite(), "a number above 0, as in 0.02")?,
            clamp: (clamp || no_clamp).then_some(clamp),
            manner: Manner {
                threads: options.number("threads", |n: &usize| (1..=1024).contains(n), "a number from 1 to 1024")?,
                tolerance: options.number("tolerance", share, "a number between 0 and 1, as in 0.01")?,
                average: options.flag("average")?.unwrap_or(false),
            },
            memory: options.parsed("memory", memory)?.unwrap_or_else(free),
        })
    }

    /// The optimiser asked for, or the job's own.
    ///
    /// # Errors
    /// If another option does not go with it.
    pub(crate) fn method(&self, own: Method) -> PyResult<Method> {
        let method = self.optimizer.unwrap_or(own);
        if self.lr.is_some() && method == Method::Lbfgs {
            return Err(PyValueError::new_err(
                "lr is the rate of adam or momentum, and lbfgs has none; give optimizer=\"adam\"",
            ));
        }
        if self.manner.average && method != Method::Adam {
            return Err(PyValueError::new_err("average is the mean of adam's pictures; give optimizer=\"adam\""));
        }
        Ok(method)
    }

    /// The rate asked for, or the job's own.
    pub(crate) fn rate(&self, own: Rate) -> Rate {
        self.lr.map_or(own, Rate::OfInput)
    }
}

/// The objective of a transfer.
pub(crate) struct RecipeOptions {
    preset: Preset,
    changes: Changes,
}

impl RecipeOptions {
    pub(crate) fn of(options: &mut Options<'_>) -> PyResult<Self> {
        let weight = |options: &mut Options<'_>, name| {
            options.number(name, |x: &f64| *x >= 0.0 && x.is_finite(), "a number of 0 or more, as in 0.5 or 1e6")
        };
        let is_strength = |strength: &f64| (0.0..=1.0).contains(strength);
        Ok(Self {
            preset: options.named("preset")?.unwrap_or_default(),
            changes: Changes {
                strength: options.number("strength", is_strength, "a number from 0 to 1, as in 0.7")?,
                style_loss: options.named("style_loss")?,
                content_layers: options.parsed("content_layers", str::parse)?,
                style_layers: options.parsed("style_layers", str::parse)?,
                content_weight: weight(options, "content_weight")?,
                style_weight: weight(options, "style_weight")?,
                tv_weight: weight(options, "tv_weight")?,
            },
        })
    }

    /// The preset's recipe with the changes asked for.
    pub(crate) fn recipe(&self, trained: bool) -> Recipe {
        self.preset.changed(trained, &self.changes)
    }
}

/// Bytes, in units of 1024.
fn memory(text: &str) -> Result<usize, &'static str> {
    let size = parse_size::Config::new().with_binary().parse_size(text);
    let size = size.ok().and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0);
    size.ok_or("give bytes, or an amount of memory as in \"800M\" or \"4G\"")
}

/// Most of what this process may have; no limit where nothing says.
fn free() -> usize {
    free_memory().map_or(usize::MAX, |free| (free as f64 * SHARE) as usize)
}
