//! Files of `torch.save`: a zip archive or, in the legacy format, a stream of pickles and numbers.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};

use super::foreign::FETCH;
use super::{Archive, Consumer, Header, Kind, Numbers, Problem, no_weights};

/// PyTorch's tensors by name.
pub(super) struct Torch {
    tensors: HashMap<String, Tensor>,
    file_size: u64,
}

/// Whether a file starts with the legacy format's magic number, in any pickle protocol.
pub(super) fn is_old_torch(start: &[u8]) -> bool {
    const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
    const DIGITS: &[u8] = b"119547037146038801333356";
    let start = &start[..start.len().min(64)];
    [MAGIC, DIGITS].iter().any(|magic| start.windows(magic.len()).any(|window| window == *magic))
}

impl Torch {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        Self::of(PytorchReader::new(path), path.metadata()?.len())
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, Problem> {
        let size = bytes.len() as u64;
        Self::of(PytorchReader::from_bytes(bytes, None), size)
    }

    fn of(read: Result<PytorchReader, PytorchError>, file_size: u64) -> Result<Self, Problem> {
        let reader =
            read.map_err(|error| Problem(format!("is a PyTorch file that cannot be read ({error}); {FETCH}")))?;
        if reader.is_empty() {
            return Err(Problem(format!("is a PyTorch file that holds no tensors; {FETCH}")));
        }
        Ok(Self { tensors: reader.into_tensors(), file_size })
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, Problem> {
        self.tensors.get(name).ok_or_else(|| Problem("is not there".into()))
    }
}

impl Archive for Torch {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn header(&self, name: &str) -> Result<Header, Problem> {
        let tensor = self.tensor(name)?;
        let kind = match tensor.dtype() {
            DType::F16 => Kind::Float16,
            DType::BF16 => Kind::Bfloat16,
            DType::F32 => Kind::Float32,
            DType::F64 => Kind::Float64,
            DType::U8 => Kind::Index,
            other => return Err(no_weights(format!("{other:?}").to_lowercase())),
        };
        // The reader returns numbers in native byte order.
        let numbers = Numbers { kind, big_endian: cfg!(target_endian = "big") };
        let header = Header::checked(tensor.shape().to_vec(), false, numbers)?;
        // A tensor may repeat a few numbers to fill a large shape.
        if header.bytes() > self.file_size {
            let (declared, present) = (header.bytes(), self.file_size);
            return Err(Problem(format!(
                "declares {declared} bytes (shape {:?}) but the file has {present}",
                header.shape
            )));
        }
        Ok(header)
    }

    fn read(&self, name: &str, _: &Header, consume: Consumer<'_>) -> Result<(), Problem> {
        let bytes = self.tensor(name)?.read().map_err(|error| Problem(format!("cannot be read: {error}")))?;
        consume(&mut Cursor::new(bytes) as &mut dyn Read)
    }
}
