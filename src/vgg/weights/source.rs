//! Sources of weights: their names, and the places to look for them.

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The seed of the embedded default.
const DEFAULT_SEED: u64 = 2016;

/// The path of trained weights within the working folder.
const IN_WORKING_FOLDER: &str = "weights/vgg19.npz";
const IN_CACHE_FOLDER: &str = "impasto/vgg19.npz";

/// A source of weights. It parses from `random`, `random:SEED` or a file's path, as in the environment variable
/// `IMPASTO_WEIGHTS`. (For a file named `random`, write `./random`.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightSource {
    /// A network that was never trained; see [`Weights::random`](super::Weights::random).
    Random {
        /// The seed of the network.
        seed: u64,
    },
    /// A file of weights.
    File(PathBuf),
}

impl WeightSource {
    /// Whether the weights come from a file, and so were trained.
    pub fn is_trained(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl Default for WeightSource {
    fn default() -> Self {
        Self::Random { seed: DEFAULT_SEED }
    }
}

/// An invalid source of weights.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidSource {
    /// The text after `random:` is not a seed.
    #[error("`{seed}` in `random:{seed}` is not a seed; a seed is a whole number from 0 to {max}", max = u64::MAX)]
    Seed {
        /// The text after `random:`.
        seed: String,
    },
    /// The text is empty.
    #[error("the name of the weights is empty; give a file's path, `random` or `random:SEED`")]
    Empty,
}

/// The environment variable `IMPASTO_WEIGHTS` is invalid.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment variable IMPASTO_WEIGHTS is wrong: {0}")]
pub struct InvalidEnvironment(#[from] InvalidSource);

impl FromStr for WeightSource {
    type Err = InvalidSource;

    fn from_str(words: &str) -> Result<Self, InvalidSource> {
        match words.strip_prefix("random") {
            Some("") => Ok(Self::default()),
            Some(rest) if rest.starts_with(':') => {
                let seed = &rest[1..];
                // Rust's own parser would take a sign.
                let digits = seed.bytes().all(|byte| byte.is_ascii_digit());
                let seed = seed.parse().ok().filter(|_| digits).ok_or(InvalidSource::Seed { seed: seed.into() })?;
                Ok(Self::Random { seed })
            }
            _ if words.is_empty() => Err(InvalidSource::Empty),
            _ => Ok(Self::File(words.into())),
        }
    }
}

impl fmt::Display for WeightSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random { seed } => write!(f, "random:{seed}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// The place where weights were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightsOrigin {
    /// The caller's choice.
    Chosen,
    /// The environment variable `IMPASTO_WEIGHTS`.
    Environment,
    /// `weights/vgg19.npz` below the working folder.
    WorkingFolder,
    /// `impasto/vgg19.npz` below the user's cache folder.
    CacheFolder,
    /// Nothing was found; the embedded random network is used.
    Embedded,
}

/// The weights to use, and where they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundWeights {
    /// The weights to use.
    pub source: WeightSource,
    /// Where they were found.
    pub origin: WeightsOrigin,
}

impl FoundWeights {
    /// The path of trained weights in the user's cache folder, if there is one; it serves all working folders.
    pub fn in_cache_folder() -> Option<PathBuf> {
        Some(dirs::cache_dir()?.join(IN_CACHE_FOLDER))
    }

    /// The path of trained weights in the working folder.
    pub fn in_working_folder() -> &'static Path {
        Path::new(IN_WORKING_FOLDER)
    }

    /// Looks for weights: what the caller chose, `IMPASTO_WEIGHTS` (unless empty), `weights/vgg19.npz`, `impasto/vgg19.npz`
    /// in the user's cache folder, and if none of these is there, a random network.
    ///
    /// # Errors
    /// If `IMPASTO_WEIGHTS` is `random:` with an invalid seed.
    pub fn find(chosen: Option<WeightSource>) -> Result<Self, InvalidEnvironment> {
        let environment = env::var_os("IMPASTO_WEIGHTS");
        Self::among(chosen, environment.as_deref(), dirs::cache_dir().as_deref(), Path::is_file)
    }

    /// A message for the user if no weights were found: the network is random, and what that means.
    pub fn note(&self) -> Option<String> {
        (self.origin == WeightsOrigin::Embedded).then(|| {
            format!(
                "no trained weights were found (by the environment variable IMPASTO_WEIGHTS, in {IN_WORKING_FOLDER}, or in \
                 {IN_CACHE_FOLDER} in the user's cache folder), so the embedded random network is used; it represents \
                 textures, but little of what a picture shows"
            )
        })
    }

    /// [`find`](Self::find) with everything it depends on as arguments: the value of `IMPASTO_WEIGHTS`, the user's
    /// cache folder, and whether a path is a file.
    ///
    /// # Errors
    /// If the environment's value is `random:` with an invalid seed.
    pub fn among(
        chosen: Option<WeightSource>,
        environment: Option<&OsStr>,
        cache: Option<&Path>,
        is_file: impl Fn(&Path) -> bool,
    ) -> Result<Self, InvalidEnvironment> {
        let found = |source, origin| Ok(Self { source, origin });
        if let Some(source) = chosen {
            return found(source, WeightsOrigin::Chosen);
        }
        if let Some(words) = environment.filter(|words| !words.is_empty()) {
            let source = words.to_str().map_or_else(|| Ok(WeightSource::File(words.into())), str::parse)?;
            return found(source, WeightsOrigin::Environment);
        }
        let folders = [
            (Some(PathBuf::from(IN_WORKING_FOLDER)), WeightsOrigin::WorkingFolder),
            (cache.map(|folder| folder.join(IN_CACHE_FOLDER)), WeightsOrigin::CacheFolder),
        ];
        for (path, origin) in folders {
            if let Some(path) = path.filter(|path| is_file(path)) {
                return found(WeightSource::File(path), origin);
            }
        }
        found(WeightSource::default(), WeightsOrigin::Embedded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_a_random_network_or_a_file() {
        assert_eq!("random".parse(), Ok(WeightSource::default()));
        assert_eq!("random:0".parse(), Ok(WeightSource::Random { seed: 0 }));
        assert_eq!("random:18446744073709551615".parse(), Ok(WeightSource::Random { seed: u64::MAX }));
        for path in ["a/b.npz", "./random", "random.npz", "Random", "randomised"] {
            assert_eq!(path.parse(), Ok(WeightSource::File(path.into())));
        }
        for source in ["random:7", "weights/mine.npz"] {
            assert_eq!(source.parse::<WeightSource>().unwrap().to_string(), source);
        }
    }

    #[test]
    fn bad_seeds_and_empty_words_are_refused() {
        for seed in ["", "x", "-1", "+1", "1.5", " 1", "18446744073709551616"] {
            let error = format!("random:{seed}").parse::<WeightSource>().unwrap_err();
            assert_eq!(error, InvalidSource::Seed { seed: seed.into() });
            assert!(
                error.to_string().starts_with(&format!("`{seed}` in `random:{seed}` is not a seed; a seed is a whole"))
            );
        }
        assert_eq!("".parse::<WeightSource>(), Err(InvalidSource::Empty));
    }

    #[test]
    fn places_are_tried_in_order() {
        let file = |path: &str| WeightSource::File(path.into());
        let look = |chosen, environment: Option<&str>, present: &[&str]| {
            let is_file = |path: &Path| present.iter().any(|&p| Path::new(p) == path);
            let found = FoundWeights::among(chosen, environment.map(OsStr::new), Some(Path::new("/cache")), is_file)?;
            Ok((found.source, found.origin))
        };
        let all = ["weights/vgg19.npz", "/cache/impasto/vgg19.npz"];
        assert_eq!(look(Some(file("a.npz")), Some("b.npz"), &all), Ok((file("a.npz"), WeightsOrigin::Chosen)));
        assert_eq!(look(None, Some("b.npz"), &all), Ok((file("b.npz"), WeightsOrigin::Environment)));
        let seeded = WeightSource::Random { seed: 5 };
        assert_eq!(look(None, Some("random:5"), &all), Ok((seeded, WeightsOrigin::Environment)));
        assert_eq!(
            look(None, Some("random:z"), &all),
            Err(InvalidEnvironment(InvalidSource::Seed { seed: "z".into() }))
        );
        assert_eq!(look(None, Some(""), &all), Ok((file(all[0]), WeightsOrigin::WorkingFolder)));
        assert_eq!(look(None, None, &all), Ok((file(all[0]), WeightsOrigin::WorkingFolder)));
        assert_eq!(look(None, None, &all[1..]), Ok((file(all[1]), WeightsOrigin::CacheFolder)));
        assert_eq!(look(None, None, &[]), Ok((WeightSource::default(), WeightsOrigin::Embedded)));
        let nowhere = FoundWeights::among(None, None, None, |_| false).unwrap();
        assert_eq!(nowhere.origin, WeightsOrigin::Embedded);
        assert!(nowhere.note().unwrap().contains("random") && nowhere.note().unwrap().contains("weights/vgg19.npz"));
        let present = FoundWeights::among(None, None, None, |_| true).unwrap();
        assert_eq!(present.note(), None);
    }
}
