//! Writes npz files for numpy.

use std::io;
use std::path::Path;

use impasto::files::{check_writable, write_atomically};
use ndarray::ArrayViewD;
use npyz::WriterBuilder;
use npyz::npz::file_name_from_array_name;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::distinct::{Written, ensure_distinct};
use super::error::Error;

/// Writes named arrays, in row-major order.
pub(super) fn write(path: &Path, arrays: &[(String, ArrayViewD<'_, f32>)]) -> Result<(), Error> {
    let written = write_atomically(path, |file| {
        let mut npz = ZipWriter::new(file);
        for (name, array) in arrays {
            let shape: Vec<u64> = array.shape().iter().map(|&n| n as u64).collect();
            let options = SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Stored)
                .large_file(array.len() > 1 << 28);
            npz.start_file(file_name_from_array_name(name), options)?;
            let mut npy = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut npz).begin_nd()?;
            npy.extend(array.iter())?;
            npy.finish()?;
        }
        npz.finish()?;
        Ok::<_, io::Error>(())
    });
    written.map_err(|why| Error::file("write", path, why))
}

/// Checks before the work that the output can be written and is not an input.
pub(super) fn check(path: &Path, inputs: &[impl AsRef<Path>]) -> Result<(), Error> {
    if path.extension().is_none_or(|extension| extension != "npz") {
        return Err(Error::Usage(format!("cannot write arrays to {}: the name must end in .npz", path.display())));
    }
    ensure_distinct(&[Written::new("--output", path)], inputs)?;
    check_writable(path).map_err(|why| Error::file("write", path, why))
}
