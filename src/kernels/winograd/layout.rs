//! The layout of the scratch buffers.

/// Input channels of one block of transformed inputs. A row of a block has this fixed length, so the product reaches all rows from
/// one pointer by constant offsets.
pub const BLOCK: usize = 64;

/// `len` values rounded up to an odd number of cache lines, so that the 36 streams of a transform do not compete for the same few
/// sets of a cache.
pub const fn odd_lines(len: usize, size_of_value: usize) -> usize {
    let per_line = 64 / size_of_value;
    (len.div_ceil(per_line) | 1) * per_line
}

/// Transformed inputs V: point, block of channels, tile, channel.
#[derive(Clone, Copy)]
pub struct Inputs {
    /// From one point to the next.
    pub point: usize,
    /// From one block of channels to the next.
    pub block: usize,
}

impl Inputs {
    pub fn new<T>(tiles: usize, channels: usize) -> Self {
        let block = tiles * BLOCK;
        Self { point: odd_lines(block * channels.div_ceil(BLOCK), size_of::<T>()), block }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * super::transforms::POINTS
    }
}

/// Transformed filters U of one panel of output channels: point, input channel, output channel.
#[derive(Clone, Copy)]
pub struct Filters {
    /// From one point to the next.
    pub point: usize,
}

impl Filters {
    pub fn new<T>(channels: usize, panel: usize) -> Self {
        Self { point: odd_lines(channels * panel, size_of::<T>()) }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * super::transforms::POINTS
    }
}

/// Products M of one panel of output channels: point, tile, output channel.
#[derive(Clone, Copy)]
pub struct Products {
    /// From one point to the next.
    pub point: usize,
}

impl Products {
    pub fn new<T>(tiles: usize, panel: usize) -> Self {
        Self { point: odd_lines(tiles * panel, size_of::<T>()) }
    }

    /// Total number of values.
    pub fn len(self) -> usize {
        self.point * super::transforms::POINTS
    }
}
