//! VGG19 (Simonyan & Zisserman 2014): layer names, weights, preprocessing, and the features of an image.
//!
//! The book explains it in [chapter 6](../../../book/html/06-vgg19.html) (`docs/book/src/06-vgg19.md`).

pub(crate) mod execute;
mod layer;
mod network;
mod normalisation;
mod summary;
mod weights;

pub use crate::kernels::{PaddingMode, Pooling};
pub use execute::{Execution, GramMatrix, Observation, Plan, Request, Tiling};
pub use layer::{Layer, UnknownLayer};
pub use network::{NetworkError, Vgg19};
pub use normalisation::Normalisation;
pub use summary::LayerSummary;
pub use weights::{
    ConvWeights, Evidence, Format, FoundWeights, Input, InvalidEnvironment, InvalidSource, Lineage, LinearWeights,
    Precision, Recognised, StoredConv, WeightSource, Weights, WeightsError, WeightsFile, WeightsOrigin,
};
