//! Pictures are arrays. Draws the two pictures of `impasto demo`, a harbour at sunset and a swirl of brush
//! strokes, and a second style, a mosaic. Then it prints some of their values.
//!
//! ```text
//! cargo run --release --example draw_demo -- demo
//! ```
//!
//! writes `demo/content.png`, `demo/style.png` and `demo/mosaic.png`: the same on every run.

use std::path::Path;

use impasto_drawing::demo;
use ndarray::Axis;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "demo".into());
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (name, picture) in
        [("content.png", demo::content(384, 512)), ("style.png", demo::style(512)), ("mosaic.png", demo::mosaic(512))]
    {
        // A picture is an array (height, width, 3) of red, green and blue between 0 and 1.
        let colours = picture.rgb.mean_axis(Axis(0)).and_then(|row| row.mean_axis(Axis(0))).expect("some pixels");
        println!("{name}: {:?}, mean red, green and blue {colours:.2}", picture.rgb.dim());
        picture.save(folder.join(name))?;
    }
    Ok(())
}
