//! One error type for the whole library.

use crate::jobs::{MasksError, TextureError};
use crate::objective::InversionError;
use crate::picture::PictureError;
use crate::recipe::{LayerWeightsError, ScheduleError};
use crate::run::{CheckpointError, MemoryError, StateError};
use crate::vgg::{InvalidEnvironment, InvalidSource, NetworkError, UnknownLayer, WeightsError};

/// Why something cannot be done. Each kind says in one paragraph what was wrong and what would be right.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A picture cannot be read or written.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// Weights cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Words that name no weights.
    #[error(transparent)]
    Source(#[from] InvalidSource),
    /// The environment names no weights.
    #[error(transparent)]
    Environment(#[from] InvalidEnvironment),
    /// An unknown layer.
    #[error(transparent)]
    Layer(#[from] UnknownLayer),
    /// A list of layers that cannot be used.
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
    /// Regions of pictures that do not go together.
    #[error(transparent)]
    Masks(#[from] MasksError),
    /// Sizes and steps that do not go together.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A state that is none of the run.
    #[error(transparent)]
    State(#[from] StateError),
    /// There is not memory enough.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Somebody who watches a run failed, as in writing a log.
    #[error("{0}")]
    Watcher(Box<dyn std::error::Error + Send + Sync>),
}
