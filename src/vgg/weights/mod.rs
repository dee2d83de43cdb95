//! The network's weights: reading files, random weights, where to find them, and saving them.

mod archive;
mod error;
mod file;
mod lineage;
mod names;
mod published;
mod random;
mod save;
mod source;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use ndarray::{Array1, Array2, Array4};

pub use archive::Format;
pub use error::WeightsError;
pub use file::{StoredConv, WeightsFile};
pub use lineage::{Evidence, Input, Lineage, Recognised};
pub use save::Precision;
pub use source::{FoundWeights, InvalidEnvironment, InvalidSource, WeightSource, WeightsOrigin};

use super::Layer;

/// The side of pool5's features that the classifier takes.
const CLASSIFIER_SIDE: usize = 7;

/// One convolution's weights.
#[derive(Clone, Debug)]
pub struct ConvWeights {
    /// (out, in, 3, 3); fastest in the memory order (kernel height, kernel width, in, out), which [`Weights::load`] and
    /// [`Weights::random`] use.
    pub weight: Array4<f32>,
    /// (out).
    pub bias: Array1<f32>,
}

/// One fully connected layer's weights: outputs = weight · inputs + bias.
#[derive(Clone, Debug)]
pub struct LinearWeights {
    /// (out, in). The inputs of `fc6` are pool5's features (7, 7, channels) in row-major order, the channel fastest;
    /// torchvision's, which go channel by channel, are reordered when loaded.
    pub weight: Array2<f32>,
    /// (out).
    pub bias: Array1<f32>,
}

/// The weights of VGG19's convolutions, in order, and the statistics of its input.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `conv1_1`, `conv1_2`, …: as many as there are.
    pub convolutions: Vec<ConvWeights>,
    /// Mean of each channel of the input, for values in 0..1.
    pub mean: [f32; 3],
    /// Standard deviation of each channel of the input, for values in 0..1.
    pub std: [f32; 3],
    /// `fc6`, `fc7`, `fc8`: as many as there are; `None` unless a layer of the classifier was requested.
    pub classifier: Option<Vec<LinearWeights>>,
    /// Where they were trained.
    pub lineage: Lineage,
    /// A message for the user, if [`find`](Self::find) fell back on a random network.
    pub note: Option<String>,
}

impl Weights {
    /// The weights of all convolutions from the first place that has them: the file named by the environment variable
    /// `IMPASTO_WEIGHTS`, `weights/vgg19.npz`, or `impasto/vgg19.npz` in the user's cache folder. If there are none, a
    /// random network; its [`note`](Self::note) then says so.
    ///
    /// # Errors
    /// If `IMPASTO_WEIGHTS` is invalid, or a file cannot be used; see [`WeightsError`].
    pub fn find() -> Result<Self, WeightsError> {
        let found = FoundWeights::find(None).map_err(WeightsError::Environment)?;
        Ok(Self { note: found.note(), ..Self::load(&found.source, None)? })
    }

    /// The weights that `deepest` needs, from a source (a file in any format that [`WeightsFile`] reads); `None` stands
    /// for all convolutions. A file may end before `deepest`; [`Vgg19::last`](crate::vgg::Vgg19::last) then gives the
    /// last available layer.
    ///
    /// # Errors
    /// If the file is missing, holds no weights, or anything in it is damaged or does not fit; see [`WeightsError`].
    pub fn load(source: &WeightSource, deepest: Option<Layer>) -> Result<Self, WeightsError> {
        match source {
            WeightSource::Random { seed } => Ok(Self::random(*seed, deepest)),
            WeightSource::File(path) => Self::from_file(path, deepest),
        }
    }
}

/// How many convolutions a layer needs.
fn convolutions_to(deepest: Option<Layer>) -> usize {
    deepest.and_then(Layer::convolution).map_or(Layer::CONVOLUTIONS, |last| last + 1)
}

/// How many fully connected layers a layer needs.
fn linears_to(deepest: Option<Layer>) -> usize {
    let linear = |layer: &Layer| layer.is_classifier() && layer.to_string().starts_with("fc");
    deepest.map_or(0, |deepest| Layer::all().filter(|layer| linear(layer) && *layer <= deepest).count())
}
