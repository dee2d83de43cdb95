//! Arrays of an npz file, every claim of it checked before anything is allocated for it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use half::f16;
use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use zip::{CompressionMethod, ZipArchive};

use super::error::{MAKE_FROM_TORCHVISION, WeightsError};

/// The longest header that is read; numpy's own limit is 10 000.
const LONGEST_HEADER: usize = 10_000;

/// The most that deflate compresses.
const DEFLATE_RATIO: u64 = 1032;

/// How many bytes are read and decoded at a time: fits the caches.
const BLOCK: usize = 1 << 16;

/// An npz file.
pub(super) struct Npz {
    path: PathBuf,
    names: Vec<String>,
}

/// What an array says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) shape: Vec<usize>,
    /// Whether the first axis is the fastest.
    pub(super) fortran: bool,
    float: Float,
}

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Float {
    bytes: usize,
    big_endian: bool,
}

impl Npz {
    /// Opens a file and lists its arrays.
    pub(super) fn open(path: &Path) -> Result<Self, WeightsError> {
        let unreadable = |source| WeightsError::Read { path: path.into(), source };
        let mut start = Vec::new();
        File::open(path).and_then(|file| file.take(512).read_to_end(&mut start)).map_err(unreadable)?;
        if !start.starts_with(b"PK") {
            return Err(WeightsError::not_npz(path, foreign(&start)));
        }
        let file = File::open(path).map_err(unreadable)?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| {
            WeightsError::not_npz(path, format!("is damaged or incomplete ({error}); fetch or make it again"))
        })?;
        let files: Vec<_> = archive.file_names().flatten().collect();
        let names: Vec<String> =
            files.iter().filter_map(|file| npyz::npz::array_name_from_file_name(file)).map(Into::into).collect();
        if names.is_empty() {
            let pickled = files.iter().any(|name| name.ends_with("/data.pkl"));
            return Err(WeightsError::not_npz(path, if pickled { checkpoint() } else { "holds no arrays".into() }));
        }
        Ok(Self { path: path.into(), names })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// What the array says of itself, once this is known to be true.
    pub(super) fn header(&self, name: &str) -> Result<Header, WeightsError> {
        self.with(name, Header::read)
    }

    /// The values of the array that had this header, in the order of the file, all finite.
    pub(super) fn values(&self, name: &str, header: &Header) -> Result<Vec<f32>, WeightsError> {
        self.with(name, |entry, size| {
            if Header::read(entry, size)? != *header {
                return Err(Problem("changed while it was read".into()));
            }
            header.float.read(entry, header.shape.iter().product())
        })
    }

    /// Runs `f` on an entry of the archive and its true size. The archive is opened anew, so several threads can.
    fn with<T>(&self, name: &str, f: impl FnOnce(&mut dyn Read, u64) -> Result<T, Problem>) -> Result<T, WeightsError> {
        let damaged = |problem: String| WeightsError::array(&self.path, name, problem);
        let unreadable = |error: io::Error| damaged(format!("cannot be read: {error}"));
        let file = File::open(&self.path).map_err(unreadable)?;
        let file_size = file.metadata().map_err(unreadable)?.len();
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(error.into()))?;
        let entry = npyz::npz::file_name_from_array_name(name);
        let mut entry = archive.by_name(&entry).map_err(|error| damaged(format!("cannot be read: {error}")))?;
        let packed = entry.compressed_size();
        let most = match entry.compression() {
            CompressionMethod::Stored => packed,
            CompressionMethod::Deflated => packed.saturating_mul(DEFLATE_RATIO),
            other => return Err(damaged(format!("is packed as {other}; numpy stores or deflates"))),
        };
        let size = entry.size();
        if packed > file_size || size > most {
            return Err(damaged(format!("claims {size} bytes, packed into {packed}, in a file of {file_size} bytes")));
        }
        f(&mut entry, size).map_err(|Problem(problem)| damaged(problem))
    }
}

/// What is wrong with an array.
struct Problem(String);

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self("ends too early; fetch or make the file again".into()),
            _ => Self(format!("cannot be read: {error}")),
        }
    }
}

impl Header {
    /// Reads a header and holds it against the `size` of header and data together.
    fn read(entry: &mut dyn Read, size: u64) -> Result<Self, Problem> {
        let bytes = header_bytes(entry)?;
        let invalid = |what: &dyn std::fmt::Display| Problem(format!("is no array of numpy's: {what}"));
        if claims_too_much(&bytes) {
            return Err(Problem("has a header that cannot be true".into()));
        }
        let header = NpyHeader::from_reader(&bytes[..]).map_err(|error| invalid(&error))?;
        let float = Float::of(&header.dtype())?;
        let declared = header.len().saturating_mul(float.bytes as u64);
        let present = size.saturating_sub(bytes.len() as u64);
        if declared != present {
            let shape = header.shape();
            return Err(Problem(format!("declares {declared} bytes (shape {shape:?}) where the file has {present}")));
        }
        let shape = header.shape().iter().map(|&len| usize::try_from(len)).collect::<Result<_, _>>();
        let shape = shape.map_err(|error| invalid(&error))?;
        Ok(Self { shape, fortran: header.order() == Order::Fortran, float })
    }
}

/// A header's bytes: magic, version, length and text.
fn header_bytes(entry: &mut dyn Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; 10];
    entry.read_exact(&mut bytes)?;
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(Problem("is no array of numpy's".into()));
    }
    let mut len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    if bytes[6] > 1 {
        bytes.resize(12, 0);
        entry.read_exact(&mut bytes[10..])?;
        len = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    }
    if len > LONGEST_HEADER {
        return Err(Problem(format!("has a header of {len} bytes; an array of weights needs less than 200")));
    }
    let start = bytes.len();
    bytes.resize(start + len, 0);
    entry.read_exact(&mut bytes[start..])?;
    Ok(bytes)
}

/// Whether a header's brackets or numbers would be too much for the parser, which multiplies all lengths unchecked and
/// goes down one level for every bracket.
fn claims_too_much(header: &[u8]) -> bool {
    let brackets = header.iter().filter(|byte| b"([{".contains(byte)).count();
    let text = String::from_utf8_lossy(header);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product = numbers
        .map(|digits| digits.parse::<u64>().ok())
        .try_fold(1u64, |product, number| product.checked_mul(number?.max(1)));
    brackets > 16 || product.is_none()
}

impl Float {
    fn of(dtype: &DType) -> Result<Self, Problem> {
        if let DType::Plain(scalar) = dtype
            && scalar.type_char() == TypeChar::Float
            && let bytes @ (2 | 4 | 8) = scalar.size_field()
        {
            return Ok(Self { bytes: bytes as usize, big_endian: scalar.endianness() == Endianness::Big });
        }
        Err(Problem(format!("holds numbers of type {}; weights are float16, float32 or float64", dtype.descr())))
    }

    /// The next `len` numbers, which must be the last and finite.
    fn read(self, entry: &mut dyn Read, len: usize) -> Result<Vec<f32>, Problem> {
        let mut values = Vec::with_capacity(len);
        let mut block = vec![0; BLOCK];
        while values.len() < len {
            let block = &mut block[..BLOCK.min((len - values.len()) * self.bytes)];
            entry.read_exact(block)?;
            let start = values.len();
            self.decode(block, &mut values);
            // Without an early end, so that it vectorises.
            if !values[start..].iter().fold(true, |finite, v| finite & v.is_finite()) {
                let at = values.iter().position(|v| !v.is_finite()).unwrap_or(start);
                return Err(Problem(format!("holds {} at position {at}; weights are finite", values[at])));
            }
        }
        // The archive's checksum is compared when the entry's end is seen.
        if entry.read(&mut block[..1])? > 0 {
            return Err(Problem("is longer than it says".into()));
        }
        Ok(values)
    }

    fn decode(self, block: &[u8], values: &mut Vec<f32>) {
        fn extend<const N: usize>(block: &[u8], values: &mut Vec<f32>, number: impl Fn([u8; N]) -> f32) {
            values.extend(block.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)));
        }
        match (self.bytes, self.big_endian) {
            (2, false) => extend(block, values, |bytes| f16::from_le_bytes(bytes).to_f32()),
            (2, true) => extend(block, values, |bytes| f16::from_be_bytes(bytes).to_f32()),
            (4, false) => extend(block, values, f32::from_le_bytes),
            (4, true) => extend(block, values, f32::from_be_bytes),
            (_, false) => extend(block, values, |bytes| f64::from_le_bytes(bytes) as f32),
            (_, true) => extend(block, values, |bytes| f64::from_be_bytes(bytes) as f32),
        }
    }
}

/// What a file that is no archive seems to be.
fn foreign(start: &[u8]) -> String {
    let text = String::from_utf8_lossy(start).trim_start().to_lowercase();
    if start.is_empty() {
        "is empty; fetch or make it again".into()
    } else if start.starts_with(b"\x93NUMPY") {
        "is a single array (npy); the weights are many: save them with numpy.savez".into()
    } else if start.starts_with(b"\x89HDF") {
        "is HDF5, as Keras saves it; save its arrays with numpy.savez, under their names".into()
    } else if start.starts_with(b"\x80") {
        checkpoint()
    } else if ["<!doctype", "<html", "<?xml"].iter().any(|tag| text.starts_with(tag)) {
        "is a web page, no npz archive; the download went wrong".into()
    } else {
        "is no npz archive (as numpy.savez writes it)".into()
    }
}

fn checkpoint() -> String {
    format!(
        "is a checkpoint of PyTorch's, no npz archive; torchvision's weights are converted by: {MAKE_FROM_TORCHVISION}"
    )
}
