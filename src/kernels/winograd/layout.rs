//! The layout of the scratch buffers.

use super::grid::Tile;

/// Input channels of one block of transformed inputs. A row of a block has this fixed length, so the product reaches all rows from
/// one pointer by constant offsets.
pub const BLOCK: usize = 64;

/// `len` values rounded up to an odd number of cache lines, so that the many streams of a transform do not compete for the same few
/// sets of a cache.
pub const fn odd_lines(len: usize, size_of_value: usize) -> usize {
    let per_line = 64 / size_of_value;
    (len.div_ceil(per_line) | 1) * per_line
}

/// Transformed inputs V: point, block of channels, tile, channel.
#[derive(Clone, Copy)]
pub struct Inputs {
    points: usize,
    /// From one point to the next.
    pub point: usize,
    /// From one block of channels to the next.
    pub block: usize,
}

impl Inputs {
    pub fn new<T>(tile: Tile, tiles: usize, channels: usize) -> Self {
        let block = tiles * BLOCK;
        Self { points: tile.points(), point: odd_lines(block * channels.div_ceil(BLOCK), size_of::<T>()), block }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * self.points
    }
}

/// Transformed filters U of one panel of output channels: point, input channel, output channel.
#[derive(Clone, Copy)]
pub struct Filters {
    points: usize,
    /// From one point to the next.
    pub point: usize,
}

impl Filters {
    pub fn new<T>(tile: Tile, channels: usize, panel: usize) -> Self {
        Self { points: tile.points(), point: odd_lines(channels * panel, size_of::<T>()) }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * self.points
    }
}

/// Products M of one panel of output channels: point, tile, output channel.
#[derive(Clone, Copy)]
pub struct Products {
    pub points: usize,
    /// From one point to the next.
    pub point: usize,
}

impl Products {
    pub fn new<T>(tile: Tile, tiles: usize, panel: usize) -> Self {
        Self { points: tile.points(), point: odd_lines(tiles * panel, size_of::<T>()) }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * self.points
    }
}
