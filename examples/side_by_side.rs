//! Pictures side by side, by concatenating arrays. After `make demo`, this makes the README's picture:
//!
//! ```text
//! cargo run --release --example side_by_side -- docs/demo.jpg 240 demo/content.png demo/style.png demo/out.png
//! ```

use impasto::Picture;
use ndarray::{Array3, Axis, concatenate};

const MARGIN: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [out, height, pictures @ ..] = &words[..] else {
        return Err("give the picture to write, the height in pixels, and the pictures to show".into());
    };
    let height: usize = height.parse()?;
    let mut columns: Vec<Array3<f32>> = Vec::new();
    for path in pictures {
        let picture = Picture::open(path)?;
        let width = (picture.width() * height).div_ceil(picture.height());
        if !columns.is_empty() {
            columns.push(Array3::ones((height, MARGIN, 3)));
        }
        columns.push(picture.resized(height, width).rgb);
    }
    let views: Vec<_> = columns.iter().map(|column| column.view()).collect();
    Picture::new(concatenate(Axis(1), &views)?).save(out)?;
    Ok(())
}
