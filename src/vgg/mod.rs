//! VGG19 (Simonyan & Zisserman 2014): layer names, weights, preprocessing, and the features of an image.

mod layer;
mod network;
mod plan;
mod summary;
mod weights;

pub use crate::kernels::Pooling;
pub use layer::{Layer, UnknownLayer};
pub use network::{GramMatrix, Measured, NetworkError, Vgg19};
pub use plan::Plan;
pub use summary::LayerSummary;
pub use weights::{
    ConvWeights, Evidence, Format, FoundWeights, Input, InvalidEnvironment, InvalidSource, Lineage, LinearWeights,
    Precision, Recognised, StoredConv, WeightSource, Weights, WeightsError, WeightsFile, WeightsOrigin,
};
