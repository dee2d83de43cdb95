//! The grid of tiles of an output.

/// The size of tiles: F(m×m, 3×3) computes m×m outputs from (m+2)×(m+2) inputs by (m+2)² multiplications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// F(4×4, 3×3): 2.25 multiplications an output.
    Four,
    /// F(6×6, 3×3): 1.78 multiplications an output, but transformed filters are 1.8 times as large.
    Six,
}

impl Tile {
    /// The tile for an output of this width: larger ones where there are enough of them.
    ///
    /// It depends on nothing else, so that bands of rows that begin at multiples of both sides have the bits of the whole.
    pub const fn of(width: usize) -> Self {
        if width >= WIDE { Self::Six } else { Self::Four }
    }

    /// Outputs along one side.
    pub const fn outputs(self) -> usize {
        match self {
            Self::Four => 4,
            Self::Six => 6,
        }
    }

    /// Inputs along one side.
    pub const fn inputs(self) -> usize {
        self.outputs() + 2
    }

    /// Multiplications.
    pub const fn points(self) -> usize {
        self.inputs() * self.inputs()
    }
}

/// The smallest width for which larger tiles are faster.
const WIDE: usize = 64;

/// Tiles of outputs, in row-major order; the last of a row or column may extend beyond the edge.
#[derive(Clone, Copy)]
pub struct Grid {
    pub tile: Tile,
    pub columns: usize,
    pub tiles: usize,
    /// Position in the input of the first tile's first pixel: minus the padding.
    pub origin: (isize, isize),
}

impl Grid {
    /// Covers an output of this height and width.
    pub fn new(height: usize, width: usize, origin: (isize, isize)) -> Self {
        let tile = Tile::of(width);
        let (rows, columns) = (height.div_ceil(tile.outputs()), width.div_ceil(tile.outputs()));
        Self { tile, columns, tiles: rows * columns, origin }
    }

    /// The first output of a tile.
    #[inline(always)]
    pub fn output_corner(&self, tile: usize) -> (usize, usize) {
        (tile / self.columns * self.tile.outputs(), tile % self.columns * self.tile.outputs())
    }

    /// The first input of a tile, which may lie in the padding.
    #[inline(always)]
    pub fn input_corner(&self, tile: usize) -> (isize, isize) {
        let (y, x) = self.output_corner(tile);
        (y as isize + self.origin.0, x as isize + self.origin.1)
    }
}
