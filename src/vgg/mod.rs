//! VGG19 (Simonyan & Zisserman 2014): layer names, weights, preprocessing, and the features of an image.

pub(crate) mod execute;
mod layer;
mod network;
mod normalisation;
mod summary;
mod weights;

pub use crate::kernels::Pooling;
pub use execute::{Execution, GramMatrix, Observation, Plan, Request, Tiling};
pub use layer::{Layer, UnknownLayer};
pub use network::{NetworkError, Vgg19};
pub use normalisation::Normalisation;
pub use summary::LayerSummary;
pub use weights::{
    ConvWeights, Evidence, Format, FoundWeights, Input, InvalidEnvironment, InvalidSource, Lineage, LinearWeights,
    Precision, Recognised, StoredConv, WeightSource, Weights, WeightsError, WeightsFile, WeightsOrigin,
};
