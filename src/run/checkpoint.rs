//! Checkpoints: a run's state in a file, from which it continues.
//!
//! A checkpoint is a safetensors file: eight bytes that say how long its header is, the header in JSON, and the arrays.
//! The text `impasto` of the header's `__metadata__` is a JSON object: `format` (1), `run` (the position of the run)
//! and `about` (the caller's data). The last array, `sha256`, is the SHA-256 of all bytes before it, which reveals any
//! damage. docs/checkpoints.md lists the arrays.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ndarray::{ArrayD, CowArray};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Outcome, State};
use crate::files::write_atomically;
use crate::objective::GroupValue;
use crate::optim;

/// The version of the format.
const FORMAT: u64 = 1;
/// The key of the metadata in the header.
const KEY: &str = "impasto";
/// The longest header that is read; it holds the command and its settings.
const LONGEST_HEADER: u64 = 1 << 20;
/// The array that holds the digest, and its length.
const DIGEST: (&str, usize) = ("sha256", 32);
/// Names of arrays: the canvas, its last sound values, the previous scale's canvas, and the prefix of the optimiser's arrays.
const PICTURE: &str = "picture";
const SOUND: &str = "sound";
const BEFORE: &str = "before";
const OPTIMIZER: &str = "optimizer.";
/// The number of values converted to bytes at a time.
const BLOCK: usize = 4096;

/// An open checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    arrays: Metadata,
    /// The offset of the arrays.
    start: u64,
    run: Map<String, Value>,
    about: Map<String, Value>,
}

/// Why a checkpoint cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be opened or read.
    #[error("cannot read the checkpoint {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// The file is not a checkpoint.
    #[error("{} is not a checkpoint of impasto", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// A checkpoint of a later version.
    #[error("{} is a checkpoint of a later version of impasto; continue with that version", path.display())]
    Later {
        /// The file.
        path: PathBuf,
    },
    /// The checkpoint has missing or changed bytes.
    #[error("the checkpoint {} is damaged ({why}); delete it and start again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The evidence.
        why: String,
    },
}

impl Checkpoint {
    /// Writes a state and the caller's data to a temporary file beside `path` and renames it: whenever the process is
    /// killed, the file holds the old state or the new one.
    ///
    /// # Errors
    /// If the file system reports an error, or if `about` is longer than about a mebibyte.
    pub fn write(path: &Path, about: &Map<String, Value>, state: &State<'_>) -> io::Result<()> {
        let run = json!({
            "scale": state.scale,
            "iteration": state.iteration,
            "iteration_of_scale": state.iteration_of_scale,
            "scale_done": state.scale_done,
            "ended": match state.ended {
                Some(Outcome::Converged) => Some("converged"),
                Some(_) => Some("complete"),
                None => None,
            },
            "random": state.random.to_string(),
            // As bits: decimal digits might round.
            "lowest": state.lowest.iter().map(|loss| loss.to_bits()).collect::<Vec<_>>(),
            "loss": state.loss.as_ref().map(|(total, groups)| json!({
                "total": total,
                "groups": groups.iter().map(|group| json!([group.name, group.value, group.terms])).collect::<Vec<_>>(),
            })),
            "elapsed": state.elapsed.as_secs_f64(),
        });
        let about = json!({"format": FORMAT, "run": run, "about": about}).to_string();
        let metadata = Some(HashMap::from([(KEY.to_owned(), about)]));
        let arrays = arrays(state);
        let mut end = 0;
        let mut place = |len: usize| {
            end += len;
            (end - len, end)
        };
        let mut infos: Vec<(String, TensorInfo)> = Vec::new();
        for (name, array) in &arrays {
            let (dtype, bytes) = array.layout();
            let data_offsets = place(bytes);
            infos.push((name.clone(), TensorInfo { dtype, shape: array.shape(), data_offsets }));
        }
        let (name, len) = DIGEST;
        infos.push((name.into(), TensorInfo { dtype: Dtype::U8, shape: vec![len], data_offsets: place(len) }));
        let mut header = serde_json::to_vec(&Metadata::new(metadata, infos).map_err(io::Error::other)?)?;
        // Arrays of 8-byte numbers must begin at multiples of 8.
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() as u64 > LONGEST_HEADER {
            return Err(io::Error::other("the command line is too long for a checkpoint"));
        }
        write_atomically(path, |file| {
            let mut file = Hashing { file, hash: Sha256::new() };
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(&header)?;
            arrays.iter().try_for_each(|(_, array)| array.write(&mut file))?;
            let digest = file.hash.finalize();
            file.file.write_all(&digest)
        })
    }

    /// Opens a checkpoint and verifies its checksum.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is not a checkpoint.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let read = |why| CheckpointError::Read { path: path.into(), why };
        let other = || CheckpointError::Other { path: path.into() };
        let damaged = |why: &str| CheckpointError::Damaged { path: path.into(), why: why.into() };
        let mut file = File::open(path).map_err(read)?;
        let size = file.metadata().map_err(read)?;
        if !size.is_file() {
            return Err(other());
        }
        let size = size.len();
        let mut start = [0; 9];
        if size < start.len() as u64 {
            return Err(other());
        }
        file.read_exact(&mut start).map_err(read)?;
        let len = start.first_chunk().map_or(0, |len| u64::from_le_bytes(*len));
        if start[8] != b'{' || !(2..=LONGEST_HEADER).contains(&len) {
            return Err(other());
        }
        if len + 8 > size {
            return Err(damaged("it ends too early"));
        }
        let mut header = vec![b'{'; len as usize];
        file.read_exact(&mut header[1..]).map_err(read)?;
        if !header.windows(KEY.len()).any(|window| window == KEY.as_bytes()) {
            return Err(other());
        }
        let unreadable = |_| damaged("its header cannot be read");
        let arrays: Metadata = serde_json::from_slice(&header).map_err(unreadable)?;
        let about = arrays.metadata().as_ref().and_then(|metadata| metadata.get(KEY)).ok_or_else(other)?;
        let mut about: Map<String, Value> = serde_json::from_str(about).map_err(unreadable)?;
        if about.get("format").and_then(Value::as_u64).is_some_and(|format| format > FORMAT) {
            return Err(CheckpointError::Later { path: path.into() });
        }
        let start = len + 8;
        let declared = start + arrays.data_len() as u64;
        if declared != size {
            return Err(damaged(&format!("it has {size} bytes instead of {declared}")));
        }
        file.seek(SeekFrom::Start(0)).map_err(read)?;
        if !digest_is_right(&file, size).map_err(read)? {
            return Err(damaged("its checksum does not match"));
        }
        let mut object = |name: &str| match about.remove(name) {
            Some(Value::Object(object)) => Ok(object),
            _ => Err(damaged(&format!("it has no `{name}`"))),
        };
        Ok(Self { path: path.into(), start, run: object("run")?, about: object("about")?, arrays })
    }

    /// The caller's data, as given to [`write`](Self::write).
    pub fn about(&self) -> &Map<String, Value> {
        &self.about
    }

    /// The number of iterations made.
    pub fn iteration(&self) -> usize {
        self.number("iteration").unwrap_or(0)
    }

    /// Reads the state. Allocates no more than the length of the file.
    ///
    /// # Errors
    /// If the file cannot be read, or lacks a part of the state.
    pub fn state(&self) -> Result<State<'static>, CheckpointError> {
        let damaged = |name: &str| CheckpointError::Damaged { path: self.path.clone(), why: format!("no `{name}`") };
        let number = |name: &str| self.number(name).ok_or_else(|| damaged(name));
        let text = |name: &str| self.run.get(name).and_then(Value::as_str);
        let floats = |name: &str| self.floats(name);
        let picture = |name: &str| -> Result<Option<CowArray<'static, f32, _>>, CheckpointError> {
            let Some(info) = self.arrays.info(name) else { return Ok(None) };
            let array = ArrayD::from_shape_vec(info.shape.clone(), floats(name)?).map_err(|_| damaged(name))?;
            Ok(Some(array.into()))
        };
        let mut optimizer = optim::State::default();
        for name in self.arrays.offset_keys() {
            let Some(own) = name.strip_prefix(OPTIMIZER) else { continue };
            match self.arrays.info(&name).map(|info| info.dtype) {
                Some(Dtype::F64) => drop(optimizer.numbers.insert(own.into(), self.doubles(&name)?)),
                _ => drop(optimizer.arrays.insert(own.into(), Cow::Owned(floats(&name)?))),
            }
        }
        Ok(State {
            scale: number("scale")?,
            iteration: number("iteration")?,
            iteration_of_scale: number("iteration_of_scale")?,
            scale_done: self.run.get("scale_done").and_then(Value::as_bool).ok_or_else(|| damaged("scale_done"))?,
            ended: match text("ended") {
                Some("converged") => Some(Outcome::Converged),
                Some(_) => Some(Outcome::Complete),
                None => None,
            },
            random: text("random").and_then(|number| number.parse().ok()).ok_or_else(|| damaged("random"))?,
            lowest: self
                .run
                .get("lowest")
                .and_then(Value::as_array)
                .map(|losses| losses.iter().filter_map(Value::as_u64).map(f64::from_bits).collect())
                .unwrap_or_default(),
            loss: self.run.get("loss").and_then(loss),
            elapsed: Duration::from_secs_f64(seconds(self.run.get("elapsed"))),
            values: picture(PICTURE)?.ok_or_else(|| damaged(PICTURE))?,
            sound: picture(SOUND)?,
            before: picture(BEFORE)?,
            optimizer,
        })
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.run.get(name)?.as_u64()?.try_into().ok()
    }

    fn floats(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        self.numbers(name, Dtype::F32, f32::from_le_bytes)
    }

    fn doubles(&self, name: &str) -> Result<Vec<f64>, CheckpointError> {
        self.numbers(name, Dtype::F64, f64::from_le_bytes)
    }

    /// The numbers of an array, of `N` bytes each.
    fn numbers<T, const N: usize>(
        &self,
        name: &str,
        dtype: Dtype,
        number: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, CheckpointError> {
        let info = self.arrays.info(name).filter(|info| info.dtype == dtype);
        let why = || format!("`{name}` is not an array of {dtype:?}");
        let info = info.ok_or_else(|| CheckpointError::Damaged { path: self.path.clone(), why: why() })?;
        let (begin, end) = info.data_offsets;
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(self.start + begin as u64))?;
            let mut file = BufReader::new(file);
            let mut bytes = [0; N];
            (0..(end - begin) / N)
                .map(|_| {
                    file.read_exact(&mut bytes)?;
                    Ok(number(bytes))
                })
                .collect::<io::Result<_>>()
        };
        read().map_err(|why| CheckpointError::Read { path: self.path.clone(), why })
    }
}

/// A duration in seconds; 0 if the value is not a valid one.
fn seconds(value: Option<&Value>) -> f64 {
    const ENDLESS: f64 = 1e12;
    value.and_then(Value::as_f64).filter(|seconds| (0.0..ENDLESS).contains(seconds)).unwrap_or(0.0)
}

/// An array to write.
enum Array<'a> {
    Floats(Vec<usize>, &'a [f32]),
    Doubles(&'a [f64]),
}

impl Array<'_> {
    fn shape(&self) -> Vec<usize> {
        match self {
            Self::Floats(shape, _) => shape.clone(),
            Self::Doubles(numbers) => vec![numbers.len()],
        }
    }

    /// The type of the numbers, and the length in bytes.
    fn layout(&self) -> (Dtype, usize) {
        match self {
            Self::Floats(_, numbers) => (Dtype::F32, size_of_val(*numbers)),
            Self::Doubles(numbers) => (Dtype::F64, size_of_val(*numbers)),
        }
    }

    fn write(&self, file: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Floats(_, numbers) => write_numbers(numbers, f32::to_le_bytes, file),
            Self::Doubles(numbers) => write_numbers(numbers, f64::to_le_bytes, file),
        }
    }
}

/// The arrays of a state with their names. Those of 8-byte numbers come first, so that every number is aligned.
fn arrays<'a>(state: &'a State<'_>) -> Vec<(String, Array<'a>)> {
    let shape = state.values.shape();
    let picture = |array: &'a CowArray<'_, f32, _>| {
        Array::Floats(array.shape().to_vec(), array.as_slice().expect("values of a canvas lie in order"))
    };
    let numbers = state.optimizer.numbers.iter().map(|(name, own)| (format!("{OPTIMIZER}{name}"), Array::Doubles(own)));
    let arrays = state.optimizer.arrays.iter();
    // A pyramid has more coefficients than the picture has numbers.
    let pixels: usize = shape.iter().product();
    let own_shape = |own: &[f32]| if own.len() == pixels { shape.to_vec() } else { vec![own.len()] };
    let arrays = arrays.map(|(name, own)| (format!("{OPTIMIZER}{name}"), Array::Floats(own_shape(own), own)));
    let pictures = [(PICTURE.into(), picture(&state.values))].into_iter();
    let sound = state.sound.iter().map(|sound| (SOUND.into(), picture(sound)));
    let before = state.before.iter().map(|before| (BEFORE.into(), picture(before)));
    numbers.chain(pictures).chain(sound).chain(before).chain(arrays).collect()
}

fn write_numbers<T: Copy, const N: usize>(
    numbers: &[T],
    bytes: fn(T) -> [u8; N],
    file: &mut impl Write,
) -> io::Result<()> {
    let mut block = Vec::with_capacity(BLOCK * N);
    for numbers in numbers.chunks(BLOCK) {
        block.clear();
        block.extend(numbers.iter().flat_map(|number| bytes(*number)));
        file.write_all(&block)?;
    }
    Ok(())
}

/// Writes to a file and hashes the bytes.
struct Hashing<W> {
    file: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a file's last bytes are the digest of the others.
fn digest_is_right(mut file: &File, size: u64) -> io::Result<bool> {
    let (_, len) = DIGEST;
    let mut hash = Sha256::new();
    io::copy(&mut file.take(size.saturating_sub(len as u64)), &mut hash)?;
    let mut digest = vec![0; len];
    file.read_exact(&mut digest)?;
    Ok(hash.finalize()[..] == digest)
}
/// Reads a total and its groups of terms.
fn loss(value: &Value) -> Option<(f64, Vec<GroupValue>)> {
    let group = |group: &Value| {
        let (name, value, terms) = serde_json::from_value(group.clone()).ok()?;
        Some(GroupValue { name, value, terms })
    };
    let groups = value.get("groups")?.as_array()?.iter().map(group).collect::<Option<_>>()?;
    Some((value.get("total")?.as_f64()?, groups))
}
