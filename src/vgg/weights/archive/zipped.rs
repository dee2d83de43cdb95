//! Zip archives: numpy's, PyTorch's, and two kinds that contain one of the other files.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::read::ZipFile;
use zip::{CompressionMethod, ZipArchive};

use super::foreign::FETCH;
use super::hdf5::Hdf5;
use super::npz::Npz;
use super::torch::Torch;
use super::{Archive, DEFLATE_RATIO, Format, Problem};

/// The largest file that is unpacked from an archive into memory: Keras's VGG19 with its classifier has 575 MB.
const LARGEST_INSIDE: u64 = 1 << 30;

/// Opens a zip archive by its contents.
pub(super) fn open(path: &Path) -> Result<(Format, Box<dyn Archive>), Problem> {
    let damaged =
        |error: &dyn std::fmt::Display| Problem(format!("is damaged or incomplete ({error}); fetch or make it again"));
    let file = File::open(path)?;
    let file_size = file.metadata()?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(&error))?;
    let find = |end: &str| archive.file_names().flatten().find(|name| name.ends_with(end)).map(String::from);
    if find(".npy").is_some() {
        return Ok((Format::Npz, Box::new(Npz::open(path)?)));
    }
    if find("data.pkl").is_some() {
        return Ok((Format::Torch, Box::new(Torch::open(path)?)));
    }
    let (wheel, keras) = (find("_notop_q.bin"), find("model.weights.h5"));
    let Some(name) = wheel.as_deref().or(keras.as_deref()) else {
        let shown: Vec<String> = archive.file_names().flatten().take(3).map(|name| format!("`{name}`")).collect();
        let holds = if shown.is_empty() { "nothing".into() } else { shown.join(", ") };
        return Err(Problem(format!("is a zip archive that holds no arrays (it holds {holds}); {FETCH}")));
    };
    let mut entry = archive.by_name(name).map_err(|error| damaged(&error))?;
    let size = true_size(&entry, file_size)?;
    if size > LARGEST_INSIDE {
        return Err(Problem(format!("holds `{name}` of {size} bytes, which is too large to be VGG19's weights")));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| damaged(&error))?;
    if wheel.is_some() {
        Ok((Format::Wheel, Box::new(Torch::from_bytes(bytes)?)))
    } else {
        Ok((Format::Hdf5, Box::new(Hdf5::from_bytes(bytes)?)))
    }
}

/// The unpacked size of an entry, if it is plausible in a file of this size.
pub(super) fn true_size<R: Read>(entry: &ZipFile<'_, R>, file_size: u64) -> Result<u64, Problem> {
    let packed = entry.compressed_size();
    let most = match entry.compression() {
        CompressionMethod::Stored => packed,
        CompressionMethod::Deflated => packed.saturating_mul(DEFLATE_RATIO),
        other => return Err(Problem(format!("is packed as {other}; expected stored or deflated"))),
    };
    let size = entry.size();
    if packed > file_size || size > most {
        return Err(Problem(format!("claims {size} bytes, packed into {packed}, in a file of {file_size} bytes")));
    }
    Ok(size)
}
