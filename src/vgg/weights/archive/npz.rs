//! The arrays of an npz file written by numpy.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar};
use zip::ZipArchive;

use super::zipped::true_size;
use super::{Archive, Consumer, Header, Kind, Numbers, Problem, no_weights};

/// The largest accepted header; numpy's limit is 10 000.
const LONGEST_HEADER: usize = 10_000;

/// An npz file.
pub(super) struct Npz {
    path: PathBuf,
    names: Vec<String>,
}

impl Npz {
    /// Opens a file and lists its arrays.
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let archive = ZipArchive::new(BufReader::new(File::open(path)?)).map_err(io::Error::from)?;
        let files = archive.file_names().flatten();
        let names = files.filter_map(|file| npyz::npz::array_name_from_file_name(&file).map(String::from)).collect();
        Ok(Self { path: path.into(), names })
    }

    /// Runs `f` on an entry of the archive and its true size. Opens the archive again, so that several threads can read.
    fn with<T>(&self, name: &str, f: impl FnOnce(&mut dyn Read, u64) -> Result<T, Problem>) -> Result<T, Problem> {
        let unreadable = |error: &dyn std::fmt::Display| Problem(format!("cannot be read: {error}"));
        let file = File::open(&self.path).map_err(|error| unreadable(&error))?;
        let file_size = file.metadata().map_err(|error| unreadable(&error))?.len();
        let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| unreadable(&error))?;
        let entry = npyz::npz::file_name_from_array_name(name);
        let mut entry = archive.by_name(&entry).map_err(|error| unreadable(&error))?;
        let size = true_size(&entry, file_size)?;
        f(&mut entry, size)
    }
}

impl Archive for Npz {
    fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    fn header(&self, name: &str) -> Result<Header, Problem> {
        self.with(name, header)
    }

    fn read(&self, name: &str, expected: &Header, consume: Consumer<'_>) -> Result<(), Problem> {
        self.with(name, |entry, size| {
            if header(entry, size)? != *expected {
                return Err(Problem("changed while it was read".into()));
            }
            consume(entry)
        })
    }
}

/// Reads a header and compares it with the `size` of header and data together.
fn header(entry: &mut dyn Read, size: u64) -> Result<Header, Problem> {
    let bytes = header_bytes(entry)?;
    let invalid = |what: &dyn std::fmt::Display| Problem(format!("is not a numpy array: {what}"));
    if claims_too_much(&bytes) {
        return Err(Problem("has an impossible header".into()));
    }
    let header = NpyHeader::from_reader(&bytes[..]).map_err(|error| invalid(&error))?;
    let numbers = numbers(&header.dtype())?;
    let declared = header.len().saturating_mul(numbers.bytes() as u64);
    let present = size.saturating_sub(bytes.len() as u64);
    if declared != present {
        let shape = header.shape();
        return Err(Problem(format!("declares {declared} bytes (shape {shape:?}) but the file has {present}")));
    }
    let shape = header.shape().iter().map(|&len| usize::try_from(len)).collect::<Result<_, _>>();
    let shape = shape.map_err(|error| invalid(&error))?;
    Header::checked(shape, header.order() == Order::Fortran, numbers)
}

/// The encoding of an array's numbers.
fn numbers(dtype: &DType) -> Result<Numbers, Problem> {
    if let DType::Plain(scalar) = dtype {
        let kind = match (scalar.type_char(), scalar.size_field()) {
            (TypeChar::Float, 2) => Some(Kind::Float16),
            (TypeChar::Float, 4) => Some(Kind::Float32),
            (TypeChar::Float, 8) => Some(Kind::Float64),
            (TypeChar::Uint, 1) => Some(Kind::Index),
            _ => None,
        };
        if let Some(kind) = kind {
            return Ok(Numbers { kind, big_endian: scalar.endianness() == Endianness::Big });
        }
    }
    Err(no_weights(dtype.descr()))
}

/// A header's bytes: magic, version, length and text.
fn header_bytes(entry: &mut dyn Read) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; 10];
    entry.read_exact(&mut bytes)?;
    if !bytes.starts_with(b"\x93NUMPY") {
        return Err(Problem("is not a numpy array".into()));
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

/// Whether a header's brackets or numbers exceed the parser, which multiplies all lengths unchecked and recurses for every
/// bracket.
fn claims_too_much(header: &[u8]) -> bool {
    let brackets = header.iter().filter(|byte| b"([{".contains(byte)).count();
    let text = String::from_utf8_lossy(header);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let product = numbers
        .map(|digits| digits.parse::<u64>().ok())
        .try_fold(1u64, |product, number| product.checked_mul(number?.max(1)));
    brackets > 16 || product.is_none()
}
