//! Pictures are arrays. Draws the two pictures of `impasto demo`, a harbour at sunset and a swirl of brush
//! strokes, and more: a portrait, a fox, ink, a mosaic, cut paper and masks. Then it prints some of their values.
//!
//! ```text
//! cargo run --release --example draw_demo -- demo
//! ```
//!
//! writes `demo/content.png`, `demo/style.png`, `demo/portrait.png` and so on: the same on every run.

use std::path::Path;

use impasto::Picture;
use impasto_drawing::demo;
use ndarray::{Array3, Axis};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "demo".into());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (name, picture) in [
        ("content.png", demo::content(384, 512)),
        ("portrait.png", demo::portrait(512, 410)),
        ("fox.png", demo::fox(384, 512)),
        ("style.png", demo::style(512)),
        ("ink.png", demo::ink(512)),
        ("mosaic.png", demo::mosaic(512)),
        ("cut-paper.png", demo::cut_paper(512)),
        // Masks: where the harbour shows the sky, and one region each for two styles.
        ("sky.png", demo::sky_mask(384, 512)),
        ("white.png", flat(1.0)),
        ("black.png", flat(0.0)),
    ] {
        // A picture is an array (height, width, 3) of red, green and blue between 0 and 1.
        let colours = picture.rgb.mean_axis(Axis(0)).and_then(|row| row.mean_axis(Axis(0))).expect("some pixels");
        println!("{name}: {:?}, mean red, green and blue {colours:.2}", picture.rgb.dim());
        picture.save(folder.join(name))?;
    }
    Ok(())
}

/// A picture of one grey.
fn flat(level: f32) -> Picture {
    Picture::new(Array3::from_elem((16, 16, 3), level))
}
