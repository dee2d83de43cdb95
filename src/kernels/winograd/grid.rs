//! The grid of tiles of an output.

use super::transforms::OUT;

/// Tiles of 4×4 outputs, in row-major order; the last of a row or column may extend beyond the edge.
#[derive(Clone, Copy)]
pub struct Grid {
    pub columns: usize,
    pub tiles: usize,
    /// Position in the input of the first tile's first pixel: minus the padding.
    pub origin: (isize, isize),
}

impl Grid {
    /// Covers an output of this height and width.
    pub fn new(height: usize, width: usize, origin: (isize, isize)) -> Self {
        let (rows, columns) = (height.div_ceil(OUT), width.div_ceil(OUT));
        Self { columns, tiles: rows * columns, origin }
    }

    /// The first output of a tile.
    #[inline(always)]
    pub fn output_corner(&self, tile: usize) -> (usize, usize) {
        (tile / self.columns * OUT, tile % self.columns * OUT)
    }

    /// The first input of a tile, which may lie in the padding.
    #[inline(always)]
    pub fn input_corner(&self, tile: usize) -> (isize, isize) {
        let (y, x) = self.output_corner(tile);
        (y as isize + self.origin.0, x as isize + self.origin.1)
    }
}
