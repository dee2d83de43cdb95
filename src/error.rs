//! One error type for the whole library.

use crate::jobs::{MasksError, TextureError};
use crate::objective::InversionError;
use crate::picture::PictureError;
use crate::recipe::{LayerWeightsError, ScheduleError};
use crate::run::{CheckpointError, MemoryError, StateError};
use crate::vgg::{InvalidEnvironment, InvalidSource, NetworkError, UnknownLayer, WeightsError};

/// An error of the library. Each message is one paragraph that says what was wrong and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Weights cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An invalid source of weights.
    #[error(transparent)]
    Source(#[from] InvalidSource),
    /// The environment variable `IMPASTO_WEIGHTS` is invalid.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironment),
    /// An unknown layer.
    #[error(transparent)]
    Layer(#[from] UnknownLayer),
    /// An invalid list of layers.
    #[error(transparent)]
    LayerWeights(#[from] LayerWeightsError),
    /// The network cannot compute a layer for an image.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// An inversion cannot be set up.
    #[error(transparent)]
    Inversion(#[from] InversionError),
    /// A texture cannot be made.
    #[error(transparent)]
    Texture(#[from] TextureError),
    /// Masks do not match.
    #[error(transparent)]
    Masks(#[from] MasksError),
    /// Scales and steps do not match.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A state does not belong to the run.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is not enough memory.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A watcher of a run failed, for example to write a log.
    #[error("{0}")]
    Watcher(Box<dyn std::error::Error + Send + Sync>),
}
