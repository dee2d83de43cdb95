//! How one evaluation of the network is divided: segments of its blocks, each as a whole or in bands of rows.

use std::fmt;
use std::ops::Range;

use super::Layer;
use crate::ops::{Meter, Outline, Reach, SegmentMode};

/// Number of blocks, each of which ends in a pooling.
pub(super) const BLOCKS: usize = 5;

/// Pixels from which on the first block is computed in bands. Below, all maps are near enough.
const LARGE: usize = 1 << 17;

/// Which blocks of the network are computed together, and how. All plans give the same bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    segments: Vec<(usize, SegmentMode)>,
}

impl Plan {
    /// A plan of segments from the input on: of how many blocks each consists, and how it is computed.
    ///
    /// # Panics
    /// If the blocks are not five in all, or a segment has none.
    pub fn new(segments: impl IntoIterator<Item = (usize, SegmentMode)>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        let blocks: usize = segments.iter().map(|(blocks, _)| blocks).sum();
        assert!(blocks == BLOCKS && segments.iter().all(|(blocks, _)| *blocks > 0), "a plan of {segments:?}");
        Self { segments }
    }

    /// Every block by itself, as a whole.
    pub fn whole() -> Self {
        Self::new([(1, SegmentMode::Keep); BLOCKS])
    }

    /// The fastest way for an image of that height and width: the first block in bands that stay in the cache, if its maps
    /// do not, and the others as a whole.
    pub fn fastest([height, width]: [usize; 2]) -> Self {
        let first = if height * width >= LARGE { SegmentMode::Bands(band(width, 64)) } else { SegmentMode::Keep };
        Self::new(std::iter::once((1, first)).chain([(1, SegmentMode::Keep); BLOCKS - 1]))
    }

    /// The way to targets, which have no gradient: in bands, if maps are large; the first two blocks together, so that the
    /// map between them is never whole.
    pub(crate) fn of_targets([height, width]: [usize; 2]) -> Self {
        Self::new([(2, 0), (1, 2), (1, 3), (1, 4)].map(|(count, block)| {
            let rows = rows_within(1 << 25, width, block);
            (count, if rows << block < height { SegmentMode::Bands(rows) } else { SegmentMode::Keep })
        }))
    }

    /// Plans from which to choose: all divisions into segments, each kept or in bands, which are as high as `budget` bytes
    /// allow for a block's largest map.
    pub(crate) fn all([height, width]: [usize; 2]) -> Vec<Self> {
        let mut plans = vec![Self::fastest([height, width])];
        let budgets = [23, 25, 27, 29].map(|power| 1 << power);
        for cuts in 0..1u32 << (BLOCKS - 1) {
            let mut counts = vec![1];
            for block in 1..BLOCKS {
                if cuts >> (block - 1) & 1 == 1 { counts.push(1) } else { *counts.last_mut().expect("one") += 1 }
            }
            for bands in 0..1u32 << counts.len() {
                for budget in &budgets {
                    let mut block = 0;
                    let segments = counts.iter().enumerate().map(|(index, &count)| {
                        let rows = rows_within(*budget, width, block);
                        let scale = 1 << block;
                        block += count;
                        let divided = bands >> index & 1 == 1 && rows * scale < height;
                        (count, if divided { SegmentMode::Bands(rows) } else { SegmentMode::Keep })
                    });
                    let plan = Self::new(segments);
                    if !plans.contains(&plan) {
                        plans.push(plan);
                    }
                }
            }
        }
        plans
    }

    /// The segments: their convolutions, by number from 0, and how they are computed.
    pub fn segments(&self) -> impl Iterator<Item = (Range<usize>, SegmentMode)> + '_ {
        let mut blocks = 0..0;
        self.segments.iter().map(move |(count, mode)| {
            blocks = blocks.end..blocks.end + count;
            (first_convolution(blocks.start)..first_convolution(blocks.end), *mode)
        })
    }
}

/// What one evaluation takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// The most memory at one time, in bytes, without the image itself and targets.
    pub bytes: usize,
    /// Of these, maps and what is kept.
    pub maps: usize,
    /// Seconds on one certain machine: only ratios matter.
    pub work: f64,
}

impl Cost {
    /// That of one of so many processes which share it: of the maps its own rows and some beside them, and features of so many
    /// bytes as a whole, with their gradient.
    pub(super) fn shared(self, ranks: usize, features: usize) -> Self {
        let maps = (self.maps / ranks * 5 / 4 + 2 * features).min(self.maps + 2 * features);
        Self { bytes: self.bytes - self.maps + maps, maps, work: self.work / ranks as f64 }
    }

    /// Of segments, each with whether it is really computed in bands, or by single operations.
    pub(super) fn of(segments: &[(Outline, bool)], gradient: bool) -> Self {
        let mut meter = Meter::default();
        // Single operations hold an operand or a result more.
        let beside = |(outline, divides): &(Outline, bool)| {
            let largest = (0..=outline.last()).map(|map| outline.bytes(map)).max().unwrap_or(0);
            if *divides { 0 } else { 2 * largest }
        };
        // Whether the map between a segment and the one before is there only as the input of this.
        let only_input =
            |index: usize| index > 0 && !segments[index - 1].0.stays(segments[index - 1].0.last(), gradient);
        for (index, segment) in segments.iter().enumerate() {
            meter.take(beside(segment));
            segment.0.forward(&mut meter, gradient);
            meter.put(beside(segment));
            if only_input(index) && !(gradient && segment.0.keeps_input()) {
                meter.put(segment.0.bytes(0));
            }
        }
        if gradient {
            for (index, segment) in segments.iter().enumerate().rev() {
                meter.take(beside(segment));
                segment.0.backward(&mut meter);
                meter.put(beside(segment));
                if only_input(index) && segment.0.keeps_input() {
                    meter.put(segment.0.bytes(0));
                }
            }
        }
        let maps = meter.peak();
        Self {
            bytes: maps + scratch(segments),
            maps,
            work: segments.iter().map(|(outline, _)| outline.work(gradient)).sum(),
        }
    }
}

/// Bytes of the scratch memory of kernels: transformed filters and tiles, as `kernels::winograd` has them.
fn scratch(segments: &[(Outline, bool)]) -> usize {
    /// Transformed elements of a tile, in bytes for each channel.
    const TILE: usize = 36 * 4;
    let threads = rayon::current_num_threads();
    let (mut filters, mut tiles, mut widest) = (0, 0, 0);
    for (outline, _) in segments {
        for map in (1..=outline.last()).filter(|&map| outline.reaches[map - 1] != Reach::Pooling) {
            let [height, width, inputs] = outline.shapes[map - 1];
            let (outputs, rows) = (outline.shapes[map][2], height.div_ceil(outline.bands()));
            let count = rows.div_ceil(4) * width.div_ceil(4);
            // With few tiles the filters are transformed where they are used, with many each task has its own tiles.
            filters = filters.max(if count > 128 { TILE * inputs * outputs } else { 0 });
            tiles = tiles.max(if count <= 784 { (TILE * inputs.max(outputs) * count).min(20 << 20) } else { 0 });
            widest = widest.max(inputs.max(outputs));
        }
    }
    filters + tiles + threads * (TILE * 64 * widest + (1 << 20))
}

/// Says it in words: blocks 1 to 2 in bands of 64 rows, block 3 as a whole.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = 1;
        let mut parts: Vec<(usize, usize, SegmentMode)> = Vec::new();
        for (count, mode) in &self.segments {
            match parts.last_mut() {
                // Blocks that are kept may be told together.
                Some((_, last, SegmentMode::Keep)) if *mode == SegmentMode::Keep => *last = first + count - 1,
                _ => parts.push((first, first + count - 1, *mode)),
            }
            first += count;
        }
        for (index, (first, last, mode)) in parts.into_iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let blocks = if first == last { format!("block {first}") } else { format!("blocks {first} to {last}") };
            match mode {
                SegmentMode::Keep => write!(f, "{comma}{blocks} as a whole")?,
                SegmentMode::Bands(rows) => write!(f, "{comma}{blocks} in bands of {rows} rows")?,
            }
        }
        Ok(())
    }
}

/// Rows of a band of a map of so many channels: 8 MiB in f32, which stay in a cache of the last level.
fn band(width: usize, channels: usize) -> usize {
    ((1 << 21) / (width * channels).max(1)).next_multiple_of(16).max(16)
}

/// Rows of a band of the input of a block's, so that its largest map takes no more than `bytes`.
fn rows_within(bytes: usize, width: usize, block: usize) -> usize {
    let (width, channels) = ((width >> block).max(1), [64, 128, 256, 512, 512][block]);
    let rows = (bytes / (4 * width * channels)).max(16);
    1 << rows.ilog2()
}

/// The number of the first convolution of a block.
fn first_convolution(block: usize) -> usize {
    let ends = (0..Layer::CONVOLUTIONS).filter(|&index| Layer::of_convolution(index).2.is_some());
    std::iter::once(0).chain(ends.map(|index| index + 1)).nth(block).expect("five blocks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_made_of_blocks() {
        let convolutions = |plan: &Plan| plan.segments().map(|(convolutions, _)| convolutions).collect::<Vec<_>>();
        assert_eq!(convolutions(&Plan::whole()), [0..2, 2..4, 4..8, 8..12, 12..16]);
        let plan = Plan::new([(2, SegmentMode::Bands(64)), (3, SegmentMode::Keep)]);
        assert_eq!(convolutions(&plan), [0..4, 4..16]);
        assert_eq!(plan.to_string(), "blocks 1 to 2 in bands of 64 rows, blocks 3 to 5 as a whole");
        assert_eq!(Plan::whole().to_string(), "blocks 1 to 5 as a whole");
    }
}
