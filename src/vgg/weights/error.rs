//! What can be wrong with weights.

use std::io;
use std::path::{Path, PathBuf};

/// Makes `weights/vgg19.npz` from torchvision's trained VGG19, in a shell.
pub const MAKE_FROM_TORCHVISION: &str = "python3 -c \"import numpy, torchvision; numpy.savez('weights/vgg19.npz', \
    **{k: v.numpy() for k, v in \
    torchvision.models.vgg19(weights='IMAGENET1K_V1').features.state_dict().items()})\"";

/// Why a file of weights cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file cannot be opened or read.
    #[error("the weights file `{}` cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is something else than an npz archive.
    #[error("the weights file `{}` {problem}", path.display())]
    NotNpz {
        /// The file.
        path: PathBuf,
        /// What it seems to be, and what to do.
        problem: String,
    },
    /// The arrays' names do not make up a network.
    #[error("the weights file `{}` {problem}", path.display())]
    Names {
        /// The file.
        path: PathBuf,
        /// Which names are missing, doubled or unknown.
        problem: String,
    },
    /// One array is damaged or does not fit.
    #[error("the array `{array}` in the weights file `{}` {problem}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// The array's name.
        array: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl WeightsError {
    pub(super) fn array(path: &Path, array: &str, problem: impl Into<String>) -> Self {
        Self::Array { path: path.into(), array: array.into(), problem: problem.into() }
    }

    pub(super) fn names(path: &Path, problem: impl Into<String>) -> Self {
        Self::Names { path: path.into(), problem: problem.into() }
    }

    pub(super) fn not_npz(path: &Path, problem: impl Into<String>) -> Self {
        Self::NotNpz { path: path.into(), problem: problem.into() }
    }
}
