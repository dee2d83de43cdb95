//! What the fuzz targets have in common.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Hands a file with these bytes to `read`: one file of this process, in memory where the system has such a folder.
pub fn in_a_file<T>(bytes: &[u8], read: impl FnOnce(&Path) -> T) -> T {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let path = FILE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        folder.join(format!("impasto-fuzz-{}", std::process::id()))
    });
    std::fs::write(path, bytes).expect("a place for a small file");
    read(path)
}

/// The bytes with some of them changed: each pair is a place, taken around, and a new value.
pub fn changed(bytes: &[u8], changes: &[(u16, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for &(place, value) in changes {
        let place = usize::from(place) % bytes.len();
        bytes[place] = value;
    }
    bytes
}
