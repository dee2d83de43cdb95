//! Valid and invalid npz files for tests.

use std::io::Write;
use std::path::PathBuf;

use half::f16;
use ndarray::{ArrayD, ArrayViewD};
use tempfile::TempDir;
use zip::write::{SimpleFileOptions, ZipWriter};

/// The bytes of an array as numpy writes it; `order` is `C` or `F`, `dtype` for example `<f4`.
pub(super) fn npy(dtype: &str, order: char, array: &ArrayViewD<'_, f32>) -> Vec<u8> {
    let data = if order == 'F' { array.t() } else { array.view() };
    let bytes = data.iter().flat_map(|&v| match dtype {
        "<f2" => f16::from_f32(v).to_le_bytes().to_vec(),
        ">f2" => f16::from_f32(v).to_be_bytes().to_vec(),
        "<f4" => v.to_le_bytes().to_vec(),
        ">f4" => v.to_be_bytes().to_vec(),
        "<f8" => f64::from(v).to_le_bytes().to_vec(),
        ">f8" => f64::from(v).to_be_bytes().to_vec(),
        _ => unimplemented!("{dtype}"),
    });
    let shape: Vec<String> = array.shape().iter().map(ToString::to_string).collect();
    let shape = shape.join(", ") + if shape.len() == 1 { "," } else { "" };
    let fortran = if order == 'F' { "True" } else { "False" };
    let mut npy = header(&format!("{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': ({shape}), }}"));
    npy.extend(bytes);
    npy
}

/// The header of an array with this text.
pub(super) fn header(text: &str) -> Vec<u8> {
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(u16::try_from(text.len() + 1).unwrap().to_le_bytes());
    header.extend(text.bytes());
    header.push(b'\n');
    header
}

/// Arrays by name, each as its bytes.
pub(super) type Arrays = Vec<(String, Vec<u8>)>;

/// An array of float32 by its name.
pub(super) fn array(name: &str, array: &ArrayD<f32>) -> (String, Vec<u8>) {
    (name.into(), npy("<f4", 'C', &array.view()))
}

/// Writes an npz file (deflated) into a folder that vanishes with the first result.
pub(super) fn npz(arrays: &Arrays) -> (TempDir, PathBuf) {
    let (folder, path) = file(b"");
    let mut npz = ZipWriter::new(std::fs::File::create(&path).unwrap());
    for (name, bytes) in arrays {
        npz.start_file(npyz::npz::file_name_from_array_name(name), SimpleFileOptions::default()).unwrap();
        npz.write_all(bytes).unwrap();
    }
    npz.finish().unwrap();
    (folder, path)
}

/// Writes a file into a folder that vanishes with the first result.
pub(super) fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.npz");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}
