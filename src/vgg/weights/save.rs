//! Saving weights in an npz file.

use std::io::{self, Seek, Write};
use std::path::Path;

use half::f16;
use npyz::npz::file_name_from_array_name;
use npyz::{AutoSerialize, WriteOptions, WriterBuilder};
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

use super::super::Layer;
use super::Weights;
use crate::files::write_atomically;

/// The largest number of values in a table; indices are bytes.
const LONGEST_TABLE: usize = 256;

/// The precision of saved numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precision {
    /// Exact, in the fewest bytes.
    Exact,
    /// Kernels are rounded to float16, unless they have so few different values that a table is exact and no larger: VGG19 takes
    /// 40 MB. Biases are exact.
    Half,
}

impl Weights {
    /// Writes the convolutions and the statistics of the input to an npz file, as [`WeightsFile`](super::WeightsFile) reads
    /// them. The classifier is left out. A kernel of at most 256 different values is written as indices (uint8) into
    /// `NAME.table`; other arrays are float16 if the precision allows it, else float32.
    ///
    /// # Errors
    /// If the file system reports an error. A file that existed at the path is then unchanged.
    pub fn save(&self, path: &Path, precision: Precision) -> io::Result<()> {
        write_atomically(path, |file| {
            let mut npz = ZipWriter::new(file);
            for (index, conv) in self.convolutions.iter().enumerate() {
                let layer = Layer::of_convolution(index).0;
                let kernel: Vec<f32> = conv.weight.iter().copied().collect();
                write_kernel(&mut npz, &format!("{layer}.weight"), &kernel, conv.weight.shape(), precision)?;
                let bias = conv.bias.to_vec();
                write_floats(&mut npz, &format!("{layer}.bias"), &bias, &[bias.len()], Precision::Exact)?;
            }
            write(&mut npz, "input.mean", self.mean, &[3])?;
            write(&mut npz, "input.std", self.std, &[3])?;
            npz.finish()?;
            Ok(())
        })
    }
}

fn write_kernel<W: Write + Seek>(
    npz: &mut ZipWriter<W>,
    name: &str,
    values: &[f32],
    shape: &[usize],
    precision: Precision,
) -> io::Result<()> {
    match table(values) {
        Some(table) => {
            let place =
                |value: &f32| table.binary_search_by(|other| other.total_cmp(value)).expect("all are in it") as u8;
            write(npz, name, values.iter().map(place), shape)?;
            write(npz, &format!("{name}.table"), table.iter().copied(), &[table.len()])
        }
        None => write_floats(npz, name, values, shape, precision),
    }
}

fn write_floats<W: Write + Seek>(
    npz: &mut ZipWriter<W>,
    name: &str,
    values: &[f32],
    shape: &[usize],
    precision: Precision,
) -> io::Result<()> {
    let kept = |&value: &f32| {
        let rounded = f16::from_f32(value);
        rounded.to_f32() == value || precision == Precision::Half && rounded.is_finite()
    };
    if values.iter().all(kept) {
        write(npz, name, values.iter().map(|&value| f16::from_f32(value)), shape)
    } else {
        write(npz, name, values.iter().copied(), shape)
    }
}

/// All different values, sorted; `None` if there are too many.
fn table(values: &[f32]) -> Option<Vec<f32>> {
    let mut table: Vec<f32> = Vec::new();
    for value in values {
        if let Err(place) = table.binary_search_by(|other| other.total_cmp(value)) {
            if table.len() == LONGEST_TABLE {
                return None;
            }
            table.insert(place, *value);
        }
    }
    Some(table)
}

/// Writes an array in row-major order.
fn write<W: Write + Seek, T: AutoSerialize>(
    npz: &mut ZipWriter<W>,
    name: &str,
    values: impl IntoIterator<Item = T>,
    shape: &[usize],
) -> io::Result<()> {
    let shape: Vec<u64> = shape.iter().map(|&side| side as u64).collect();
    npz.start_file(
        file_name_from_array_name(name),
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored),
    )?;
    let mut npy = WriteOptions::new().default_dtype().shape(&shape).writer(npz).begin_nd()?;
    npy.extend(values)?;
    npy.finish()
}
