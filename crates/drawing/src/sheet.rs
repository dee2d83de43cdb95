//! Contact sheets: rows of pictures with captions.

use ndarray::{Array3, s};
use plotters::backend::BitMapBackend;
use plotters::drawing::IntoDrawingArea;
use plotters::style::{BLACK, Color, IntoFont};

use super::{ADVANCE, FONT, load_font};
use impasto::picture::Picture;

/// Pixels between cells, and around the sheet.
const GAP: usize = 8;
/// Smallest and largest size of the captions' font, in pixels.
const FONT_SIZES: (usize, usize) = (13, 18);
/// Pixels between a picture and its caption.
const SPACE: usize = 5;

/// A picture with lines of text under it.
#[derive(Clone, Debug)]
pub struct Tile {
    /// The picture, drawn at its own size.
    pub picture: Picture,
    /// The caption.
    pub caption: Vec<String>,
}

/// Pictures in rows, each with a caption, on white.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// The title; empty for none.
    pub title: String,
    /// The rows from top to bottom. A column is as wide as its widest tile, a row as high as its highest.
    pub rows: Vec<Vec<Tile>>,
}

/// The layout, in pixels.
struct Layout {
    font: usize,
    columns: Vec<usize>,
    rows: Vec<usize>,
    top: usize,
}

impl Sheet {
    /// The sheet as a picture.
    pub fn draw(&self) -> Picture {
        load_font();
        let layout = self.layout();
        let title = (self.title.chars().count() as f64 * ADVANCE * layout.font as f64).ceil() as usize + 2 * GAP;
        let width = (GAP + layout.columns.iter().map(|width| width + GAP).sum::<usize>()).max(title);
        let height = layout.top + layout.rows.iter().map(|height| height + GAP).sum::<usize>();
        let mut canvas = Array3::from_elem((height, width, 3), u8::MAX);
        let mut texts = vec![(self.title.clone(), [GAP, GAP])];
        let mut top = layout.top;
        for (row, row_height) in self.rows.iter().zip(&layout.rows) {
            let mut left = GAP;
            for (tile, column_width) in row.iter().zip(&layout.columns) {
                let rgb = &tile.picture.rgb;
                let (h, w) = (rgb.dim().0, rgb.dim().1);
                canvas
                    .slice_mut(s![top..top + h, left..left + w, ..])
                    .zip_mut_with(rgb, |byte, &value| *byte = (value.clamp(0.0, 1.0) * 255.0).round() as u8);
                for (line, text) in tile.caption.iter().enumerate() {
                    texts.push((text.clone(), [left, top + h + SPACE + line_height(layout.font) * line]));
                }
                left += column_width + GAP;
            }
            top += row_height + GAP;
        }
        let pixels = canvas.as_slice_mut().expect("standard layout");
        let area = BitMapBackend::with_buffer(pixels, (width as u32, height as u32)).into_drawing_area();
        let style = (FONT, layout.font as f64).into_font().color(&BLACK.to_rgba());
        for (text, [x, y]) in texts {
            area.draw_text(&text, &style, (x as i32, y as i32)).expect("drawing into memory");
        }
        drop(area);
        Picture::new(canvas.mapv(|byte| f32::from(byte) / 255.0))
    }

    fn layout(&self) -> Layout {
        let tiles = || self.rows.iter().flatten();
        let longest = tiles().flat_map(|tile| &tile.caption).map(|line| line.chars().count()).max().unwrap_or(0);
        let widest = tiles().map(|tile| tile.picture.width()).max().unwrap_or(0);
        // The largest font in which the longest line fits under the widest picture.
        let fitting = widest as f64 / (ADVANCE * longest.max(1) as f64);
        let font = (fitting as usize).clamp(FONT_SIZES.0, FONT_SIZES.1);
        let text_width = |tile: &Tile| {
            let longest = tile.caption.iter().map(|line| line.chars().count()).max().unwrap_or(0);
            (longest as f64 * ADVANCE * font as f64).ceil() as usize
        };
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let column = |index: usize| {
            let tiles = self.rows.iter().filter_map(|row| row.get(index));
            tiles.map(|tile| tile.picture.width().max(text_width(tile))).max().unwrap_or(0)
        };
        let row = |row: &Vec<Tile>| {
            let heights = row.iter().map(|tile| tile.picture.height() + SPACE + tile.caption.len() * line_height(font));
            heights.max().unwrap_or(0)
        };
        let top = if self.title.is_empty() { GAP } else { 2 * GAP + line_height(font) };
        Layout { font, columns: (0..count).map(column).collect(), rows: self.rows.iter().map(row).collect(), top }
    }
}

fn line_height(font: usize) -> usize {
    font + font / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tile(width: usize, height: usize, level: f32, caption: &[&str]) -> Tile {
        let picture = Picture::new(Array3::from_elem((height, width, 3), level));
        Tile { picture, caption: caption.iter().map(|&line| line.into()).collect() }
    }

    fn sheet(captions: [&str; 2]) -> Picture {
        let rows = vec![vec![tile(60, 40, 0.2, &[captions[0]]), tile(60, 40, 0.8, &[captions[1], "error 1"])]];
        Sheet { title: "title".into(), rows }.draw()
    }

    /// Whether a part of the sheet has anything dark on its white.
    fn written(sheet: &Picture, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> bool {
        sheet.rgb.slice(s![rows, columns, ..]).iter().any(|&v| v < 0.5)
    }

    #[test]
    fn pictures_stand_where_they_belong_with_captions_under_them() {
        let sheet = sheet(["relu1_1", "relu2_1"]);
        // 60 pixels for 7 letters: a font of 14 pixels, lines of 17.
        assert_eq!((sheet.width(), sheet.height()), (8 + 68 + 68, 16 + 17 + 40 + 5 + 34 + 8));
        assert!((sheet.rgb[[40, 30, 0]] - 0.2).abs() < 0.01 && (sheet.rgb[[40, 100, 0]] - 0.8).abs() < 0.01);
        assert!(written(&sheet, 8..30, 8..60), "a title");
        assert!(written(&sheet, 78..94, 8..68) && written(&sheet, 78..94, 76..136), "captions");
        assert!(!written(&sheet, 95..111, 8..68) && written(&sheet, 95..111, 76..136), "a second line only at one");
    }

    #[test]
    fn other_labels_are_other_pictures_and_long_ones_widen_their_column() {
        let (one, other) = (sheet(["relu1_1", "relu2_1"]), sheet(["relu1_1", "relu2_2"]));
        assert_eq!(one.rgb.dim(), other.rgb.dim());
        assert_ne!(one, other);
        let long = sheet(["relu1_1", "a caption much wider than the picture"]);
        assert_eq!(long.width(), 8 + 68 + (37.0 * ADVANCE * 13.0_f64).ceil() as usize + 8);
    }

    #[test]
    fn nothing_is_an_empty_sheet() {
        let empty = Sheet { title: String::new(), rows: Vec::new() }.draw();
        assert_eq!((empty.width(), empty.height()), (16, 8));
    }
}
