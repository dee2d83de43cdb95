//! Downloads the convolutions' tensors of a safetensors file on a server as a smaller safetensors file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use impasto::vgg::WeightsFile;
use safetensors::tensor::{Metadata, TensorInfo};

use super::Stopped;
use super::https::Remote;

/// The number of bytes that hold the header's length, and the longest header that is fetched.
const LENGTH: u64 = 8;
const LONGEST_HEADER: u64 = 1 << 20;

/// Downloads the tensors; `start` is the beginning of the file. Checks names, types and shapes before requesting any
/// numbers.
pub(super) fn download(remote: &mut Remote<'_, '_>, mut start: Vec<u8>, path: &Path) -> Result<(), Stopped> {
    let damaged = |why: &str| Stopped::Failed(format!("the file is damaged safetensors: {why}"));
    let len = start.first_chunk().map_or(0, |&bytes| u64::from_le_bytes(bytes));
    if len > LONGEST_HEADER {
        return Err(damaged("its header is longer than it can be"));
    }
    let begin = LENGTH + len;
    if (start.len() as u64) < begin {
        remote.read(start.len() as u64..begin, &mut start)?;
    }
    start.truncate(begin as usize);
    let json = start.get(LENGTH as usize..).unwrap_or_default();
    let metadata: Metadata = serde_json::from_slice(json).map_err(|error| damaged(&error.to_string()))?;
    let declared = begin + metadata.data_len() as u64;
    if remote.total.is_some_and(|total| total != declared) {
        return Err(damaged(&format!("its header declares {declared} bytes, the server has {:?}", remote.total)));
    }

    let wanted: Vec<(String, TensorInfo)> = metadata
        .offset_keys()
        .into_iter()
        .filter(|name| WeightsFile::names_convolution(name))
        .filter_map(|name| metadata.info(&name).cloned().map(|info| (name, info)))
        .collect();
    if wanted.is_empty() {
        let shown: Vec<String> = metadata.offset_keys().into_iter().take(4).collect();
        return Err(Stopped::Failed(format!("the file has no tensor of VGG19's; it has {}, …", shown.join(", "))));
    }
    let header = header(&wanted).ok_or_else(|| damaged("its tensors overlap"))?;
    let size: u64 = wanted.iter().map(|(_, info)| len_of(info)).sum();
    let mut file = File::create(path)?;
    file.write_all(&header)?;
    file.set_len(header.len() as u64 + size)?;
    WeightsFile::open(path).and_then(|file| file.convolutions()).map_err(|error| Stopped::Failed(error.problem()))?;

    remote.expected = Some(start.len() as u64 + size);
    file.seek(SeekFrom::Start(header.len() as u64))?;
    // Adjacent tensors are requested together.
    for run in wanted.chunk_by(|(_, one), (_, next)| one.data_offsets.1 == next.data_offsets.0) {
        let offset = |offset: usize| begin + offset as u64;
        let part = offset(run[0].1.data_offsets.0)..offset(run[run.len() - 1].1.data_offsets.1);
        let (expected, before) = (part.end - part.start, file.stream_position()?);
        remote.read(part, &mut file)?;
        let got = file.stream_position()? - before;
        if got != expected {
            return Err(Stopped::Failed(format!("the server sent {got} of {expected} bytes")));
        }
    }
    Ok(())
}

/// Whether the beginning of a file is that of safetensors: the header's length and its first brace.
pub(super) fn is_safetensors(start: &[u8]) -> bool {
    let len = start.first_chunk().map(|&bytes| u64::from_le_bytes(bytes));
    start.get(LENGTH as usize) == Some(&b'{') && len.is_some_and(|len| len > 1 && len < 1 << 32)
}

fn len_of(info: &TensorInfo) -> u64 {
    (info.data_offsets.1 - info.data_offsets.0) as u64
}

/// The header of a file with these tensors only, one after the other.
fn header(tensors: &[(String, TensorInfo)]) -> Option<Vec<u8>> {
    let mut end = 0;
    let moved = tensors.iter().map(|(name, info)| {
        let begin = end;
        end += len_of(info) as usize;
        (name.clone(), TensorInfo { data_offsets: (begin, end), ..info.clone() })
    });
    let metadata = Metadata::new(None, moved.collect()).ok()?;
    let mut json = serde_json::to_vec(&metadata).ok()?;
    json.resize(json.len().next_multiple_of(8), b' ');
    Some([&(json.len() as u64).to_le_bytes(), json.as_slice()].concat())
}
