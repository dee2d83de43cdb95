//! Reads a picture in any readable format, resizes it if a size is given, and writes it in any writable
//! format.
//!
//! ```sh
//! cargo run --release --example convert -- photo.heic small.png 512
//! ```

use impasto::Picture;
use impasto::picture::{Depth, Format, SaveOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let (from, to, longest) = match &arguments[..] {
        [from, to] => (from, to, None),
        [from, to, longest] => (from, to, Some(longest.parse()?)),
        _ => return Err("give the picture to read, the one to write, and its longer side in pixels if you like".into()),
    };
    // Resized while it is decoded, so a large photograph needs little memory.
    let picture = match longest {
        Some(longest) => Picture::open_fitted(from, longest)?,
        None => Picture::open(from)?,
    };
    println!(
        "{}×{} pixels, {} profile",
        picture.width(),
        picture.height(),
        if picture.profile.is_some() { "a" } else { "no" }
    );
    let deep = matches!(Format::of(to.as_ref())?, Format::Png | Format::Tiff);
    let depth = if deep { Depth::Sixteen } else { Depth::Eight };
    let options = SaveOptions { depth, srgb: true, ..SaveOptions::default() };
    picture.save_with(to, &options)?;
    Ok(())
}
