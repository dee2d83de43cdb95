//! What the fuzz targets have in common.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use impasto::Picture;
use impasto::picture::{Fault, Format, Provenance, Regions, SaveOptions};

/// Pixels up to which a picture is looked at as a mask and written again: more takes long and shows nothing more.
const FEW: usize = 1 << 14;

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

/// Does with a file of a picture all that the command does: it is read, whole and smaller; what is read has values from
/// 0 to 1, may be a mask, and is written again with its profile and EXIF; and the file may tell how it was made.
pub fn look_at_picture(bytes: &[u8]) {
    let whole = Picture::decode(bytes);
    in_a_file(bytes, |path| {
        let smaller = Picture::open_fitted(path, 5);
        // No profile or number can be wrong for one of them alone, but for the memory that they need.
        assert!(smaller.is_ok() == whole.is_ok() || matches!(whole, Err(Fault::Memory { .. })));
        if let Ok(picture) = smaller {
            check(&picture);
        }
        if let Ok(Some(provenance)) = Provenance::read(path) {
            provenance.as_command();
        }
    });
    let Ok(picture) = whole else { return };
    check(&picture);
    if picture.rgb.len() > 3 * FEW {
        return;
    }
    let regions = Regions::of(&picture);
    for &colour in regions.colours() {
        assert!(regions.shares(colour, [3, 5]).is_some());
    }
    let options = SaveOptions { keep_location: true, ..SaveOptions::default() };
    for format in [Format::Png, Format::Tiff] {
        if let Ok(again) = picture.encoded(format, &options) {
            Picture::decode(&again).expect("what is written can be read");
        }
    }
}

fn check(picture: &Picture) {
    let alpha = picture.alpha.iter().flatten();
    assert!(picture.rgb.iter().chain(alpha).all(|value| (0.0..=1.0).contains(value)));
}
