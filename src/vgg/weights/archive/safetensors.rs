//! Safetensors: the length of a header, the header in JSON, and the numbers.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, Metadata};

use super::foreign::FETCH;
use super::{Archive, Consumer, Header, Kind, Numbers, Problem, no_weights};

/// The largest accepted header. VGG19's has 5 kB.
const LONGEST_HEADER: u64 = 1 << 20;

/// The number of bytes that hold the header's length.
const LENGTH: usize = 8;

/// A safetensors file.
pub(super) struct Safetensors {
    path: PathBuf,
    metadata: Metadata,
    /// The offset of the numbers.
    start: u64,
}

/// Whether a file starts like a safetensors file: a length, then JSON.
pub(super) fn is_safetensors(start: &[u8]) -> bool {
    start.get(LENGTH) == Some(&b'{') && header_len(start).is_some_and(|len| len > 1 && len < 1 << 32)
}

/// The length of the header, from the first eight bytes.
fn header_len(start: &[u8]) -> Option<u64> {
    start.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}

impl Safetensors {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let damaged = |why: String| Problem(format!("is a damaged or incomplete safetensors file ({why}); {FETCH}"));
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut bytes = vec![0; LENGTH];
        file.read_exact(&mut bytes)?;
        let len = header_len(&bytes).filter(|&len| len <= LONGEST_HEADER && len + LENGTH as u64 <= size);
        let len = len.ok_or_else(|| damaged("its header is longer than it can be".into()))?;
        bytes.resize(LENGTH + len as usize, 0);
        file.read_exact(&mut bytes[LENGTH..])?;
        // This rejects ranges that overlap or do not fit their shapes.
        let metadata: Metadata = serde_json::from_slice(&bytes[LENGTH..]).map_err(|why| damaged(why.to_string()))?;
        let start = LENGTH as u64 + len;
        let (declared, present) = (metadata.data_len() as u64, size - start);
        if declared != present {
            return Err(damaged(format!("it declares {declared} bytes of numbers but has {present}")));
        }
        Ok(Self { path: path.into(), metadata, start })
    }

    fn info(&self, name: &str) -> Result<&safetensors::tensor::TensorInfo, Problem> {
        self.metadata.info(name).ok_or_else(|| Problem("is not there".into()))
    }
}

impl Archive for Safetensors {
    fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    fn header(&self, name: &str) -> Result<Header, Problem> {
        let info = self.info(name)?;
        let kind = match info.dtype {
            Dtype::F16 => Kind::Float16,
            Dtype::BF16 => Kind::Bfloat16,
            Dtype::F32 => Kind::Float32,
            Dtype::F64 => Kind::Float64,
            Dtype::U8 => Kind::Index,
            other => return Err(no_weights(other)),
        };
        // The header check ensured that shapes and ranges agree and that ranges do not overlap.
        Header::checked(info.shape.clone(), false, Numbers::little_endian(kind))
    }

    fn read(&self, name: &str, header: &Header, consume: Consumer<'_>) -> Result<(), Problem> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.start + self.info(name)?.data_offsets.0 as u64))?;
        consume(&mut file.take(header.bytes()))
    }
}
