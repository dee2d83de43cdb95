//! Lesson 2: pictures are arrays. Draws the two pictures of `make demo`, a harbour at sunset and a swirl of brush
//! strokes, by computing every pixel.
//!
//! ```text
//! cargo run --release --example 02_draw_demo -- demo
//! ```
//!
//! writes `demo/content.png` and `demo/style.png`: the same on every run.

mod harbour;
mod noise;
mod strokes;

use std::path::Path;

use impasto::picture::Picture;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "demo".into());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    // A picture is an array (height, width, 3) of red, green and blue between 0 and 1, and no more than that.
    Picture::new(harbour::draw(384, 512)).save(&folder.join("content.png"))?;
    Picture::new(strokes::paint(512)).save(&folder.join("style.png"))?;
    println!("drew {0}/content.png and {0}/style.png", folder.display());
    Ok(())
}
