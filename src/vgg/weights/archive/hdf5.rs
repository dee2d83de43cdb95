//! HDF5, the format of Keras: a tree of groups with arrays as leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};

use super::foreign::{self, FETCH};
use super::{Archive, Consumer, DEFLATE_RATIO, Header, Kind, MOST_NUMBERS, Numbers, Problem, no_weights};

/// Keras nests groups three or four deep.
const DEEPEST: usize = 8;

/// VGG19 with its full training state has a few hundred arrays.
const MOST_ARRAYS: usize = 10_000;

/// Arrays by their path in the file.
pub(super) struct Hdf5 {
    arrays: BTreeMap<String, Dataset>,
    file_size: u64,
}

/// Whether a file starts with HDF5's signature.
pub(super) fn is_hdf5(start: &[u8]) -> bool {
    start.starts_with(b"\x89HDF\r\n\x1a\n")
}

/// Limits for reading.
fn limits() -> OpenOptions {
    let most = 4 * MOST_NUMBERS;
    OpenOptions::default().with_max_read_bytes(most).with_max_chunk_bytes(most).with_max_object_header_bytes(1 << 22)
}

impl Hdf5 {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        Self::of(Hdf5File::open_with_options(path, limits()), path.metadata()?.len())
    }

    pub(super) fn from_bytes(bytes: Vec<u8>) -> Result<Self, Problem> {
        if !is_hdf5(&bytes) {
            return Err(Problem(foreign::name(&bytes[..bytes.len().min(512)])));
        }
        let size = bytes.len() as u64;
        Self::of(Hdf5File::from_vec_with_options(bytes, limits()), size)
    }

    fn of(opened: hdf5_reader::error::Result<Hdf5File>, file_size: u64) -> Result<Self, Problem> {
        let mut file = Self { arrays: BTreeMap::new(), file_size };
        let mut seen = BTreeSet::new();
        let collected = opened.and_then(|opened| file.collect(&opened.root_group()?, "", DEEPEST, &mut seen));
        collected.map_err(|error| Problem(format!("is HDF5 that cannot be read ({error}); {FETCH}")))?;
        if file.arrays.is_empty() {
            return Err(Problem(format!("is HDF5 that holds no arrays; {FETCH}")));
        }
        Ok(file)
    }

    /// Adds the arrays of a group and of its subgroups. Skips groups that were visited before, since groups may contain themselves.
    fn collect(
        &mut self,
        group: &Group,
        path: &str,
        deepest: usize,
        seen: &mut BTreeSet<u64>,
    ) -> hdf5_reader::error::Result<()> {
        if !seen.insert(group.address()) || deepest == 0 {
            return Ok(());
        }
        let (groups, arrays) = group.members()?;
        for array in arrays {
            if self.arrays.len() < MOST_ARRAYS {
                self.arrays.insert(format!("{path}{}", array.name()), array);
            }
        }
        for group in &groups {
            self.collect(group, &format!("{path}{}/", group.name()), deepest - 1, seen)?;
        }
        Ok(())
    }

    fn array(&self, name: &str) -> Result<&Dataset, Problem> {
        self.arrays.get(name).ok_or_else(|| Problem("is not there".into()))
    }
}

impl Archive for Hdf5 {
    fn names(&self) -> Vec<String> {
        self.arrays.keys().cloned().collect()
    }

    fn header(&self, name: &str) -> Result<Header, Problem> {
        let array = self.array(name)?;
        let (kind, order) = match *array.dtype() {
            Datatype::FloatingPoint { size: 2, byte_order } => (Kind::Float16, byte_order),
            Datatype::FloatingPoint { size: 4, byte_order } => (Kind::Float32, byte_order),
            Datatype::FloatingPoint { size: 8, byte_order } => (Kind::Float64, byte_order),
            ref other => return Err(no_weights(format!("{other:?}"))),
        };
        let shape = array.shape().iter().map(|&side| usize::try_from(side).unwrap_or(usize::MAX)).collect();
        let numbers = Numbers { kind, big_endian: order == ByteOrder::BigEndian };
        let header = Header::checked(shape, false, numbers)?;
        if header.bytes() > self.file_size.saturating_mul(DEFLATE_RATIO) {
            let (declared, present) = (header.bytes(), self.file_size);
            return Err(Problem(format!(
                "declares {declared} bytes (shape {:?}) but the file has {present}",
                header.shape
            )));
        }
        Ok(header)
    }

    fn read(&self, name: &str, _: &Header, consume: Consumer<'_>) -> Result<(), Problem> {
        let read = self.array(name)?.read_raw_bytes();
        let bytes = read.map_err(|error| Problem(format!("cannot be read: {error}")))?;
        consume(&mut Cursor::new(bytes) as &mut dyn Read)
    }
}
