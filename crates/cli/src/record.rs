//! The record of how a picture is made: the command, every setting by name, the weights. Pictures and checkpoints
//! contain it.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use impasto::picture::Provenance;
use impasto::vgg::WeightSource;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::Error;
use super::invocation::{Invocation, without};
use super::options;

/// How a picture is made.
pub(super) struct Record {
    /// The words of the command, without options of checkpoints.
    words: Vec<String>,
    settings: Map<String, Value>,
    weights: Weights,
}

/// The weights' hash.
enum Weights {
    Unknown,
    Hashing(JoinHandle<Result<String, Error>>),
    Known(String),
}

impl Record {
    pub(super) fn new(invocation: &Invocation) -> Self {
        let mut settings = invocation.settings.clone();
        settings.retain(|name, _| options::is_recorded(name));
        Self { words: without_checkpoints(&invocation.words), settings, weights: Weights::Unknown }
    }

    /// The record of one of many transfers: the words after `transfer`, the given settings by name, and the hashes of
    /// all files that are read. All of it is known before anything is loaded.
    pub(super) fn of_transfer(
        words: Vec<String>,
        mut settings: Map<String, Value>,
        inputs: &[PathBuf],
        weights: &WeightSource,
    ) -> Result<Self, Error> {
        let inputs = inputs.iter().map(|path| hash("open the picture", path));
        settings.insert("inputs".into(), inputs.collect::<Result<Vec<_>, _>>()?.into());
        let weights = Weights::of(weights);
        Ok(Self { words: std::iter::once("transfer".to_owned()).chain(words).collect(), settings, weights })
    }

    /// Records the value of a setting that the command line leaves open.
    pub(super) fn set(&mut self, name: &str, value: impl Display) {
        self.settings.insert(name.into(), value.to_string().into());
    }

    /// Records the weights; their file is hashed in the background. A file is recorded by name and hash, without its
    /// folder, which may reveal the user's name.
    pub(super) fn set_weights(&mut self, source: &WeightSource) {
        match source {
            WeightSource::File(path) => self.set("weights", path.file_name().unwrap_or_default().display()),
            WeightSource::Random { .. } => self.set("weights", source),
        }
        self.weights = Weights::of(source);
    }

    /// The settings on which the iterations depend.
    pub(super) fn settings(&self) -> &Map<String, Value> {
        &self.settings
    }

    /// The weights' hash, as in `sha256:…`, or their name if they are random.
    pub(super) fn weights(&mut self) -> Result<Option<&str>, Error> {
        if let Weights::Hashing(_) = self.weights
            && let Weights::Hashing(thread) = std::mem::replace(&mut self.weights, Weights::Unknown)
        {
            let hash = thread.join().map_err(|_| Error::Failure("hashing the weights failed".into()))?;
            self.weights = Weights::Known(hash?);
        }
        Ok(if let Weights::Known(hash) = &self.weights { Some(hash) } else { None })
    }

    /// The record as stored in the picture.
    pub(super) fn provenance(&mut self) -> Result<Provenance, Error> {
        let weights = self.weights()?.map(str::to_owned);
        Ok(Provenance { settings: self.settings.clone(), weights, ..Provenance::new(self.words.iter().cloned()) })
    }
}

impl Weights {
    /// The weights of a source; their file is hashed in the background.
    fn of(source: &WeightSource) -> Self {
        match source {
            WeightSource::File(path) => {
                let path = path.clone();
                Self::Hashing(std::thread::spawn(move || hash("read", &path)))
            }
            WeightSource::Random { .. } => Self::Known(source.to_string()),
        }
    }
}

/// A file's SHA-256, as in `sha256:…`; `what` is the operation for error messages.
pub(super) fn hash(what: &str, path: &Path) -> Result<String, Error> {
    checksum(path).map(|(_, hash)| format!("sha256:{hash}")).map_err(|why| Error::file(what, path, why))
}

/// A file's length and SHA-256.
pub(super) fn checksum(path: &Path) -> io::Result<(u64, String)> {
    let mut hasher = Sha256::new();
    let size = io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok((size, format!("{:x}", hasher.finalize())))
}

/// The words that make the same picture without checkpoints.
fn without_checkpoints(words: &[String]) -> Vec<String> {
    without(words, options::checkpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pictures_command_knows_nothing_of_checkpoints() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let line =
            "transfer --checkpoint a a.png --resume b.png --checkpoint-every=3 --steps 3 --checkpoint=c -o d.png";
        assert_eq!(without_checkpoints(&words(line)), words("transfer a.png b.png --steps 3 -o d.png"));
        assert_eq!(without_checkpoints(&words("texture -- --resume")), words("texture -- --resume"));
    }
}
