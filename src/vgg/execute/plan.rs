//! The memory plan of one evaluation: segments of the network's blocks, each computed as a whole or in bands of rows.

use std::fmt;
use std::ops::Range;

use crate::kernels::conv::ALIGNMENT;
use crate::vgg::Layer;
use crate::vgg::network::Step;

/// Number of blocks, each of which ends in a pooling.
const BLOCKS: usize = 5;

/// From this number of pixels, the first block is computed in bands. Smaller maps stay in the cache anyway.
const LARGE: usize = 1 << 17;

/// How a segment of the network is computed. All ways give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tiling {
    /// Each map as a whole; maps under a Gram matrix are kept for the backward pass.
    Whole,
    /// In bands of this many rows of the input. The backward pass computes maps under a Gram matrix again, and the maps
    /// before them: gradient checkpointing (Chen, Xu, Zhang & Guestrin 2016, "Training deep nets with sublinear memory
    /// cost").
    Bands(usize),
}

/// Which blocks of the network are computed together, and how. All plans give the same bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan {
    segments: Vec<(usize, Tiling)>,
}

impl Plan {
    /// A plan of segments from the input on, each given by its number of blocks and its tiling.
    ///
    /// # Panics
    /// If the blocks do not add up to five, or a segment has none.
    pub fn new(segments: impl IntoIterator<Item = (usize, Tiling)>) -> Self {
        let segments: Vec<_> = segments.into_iter().collect();
        let blocks: usize = segments.iter().map(|(blocks, _)| blocks).sum();
        assert!(blocks == BLOCKS && segments.iter().all(|(blocks, _)| *blocks > 0), "a plan of {segments:?}");
        Self { segments }
    }

    /// Every block by itself, as a whole.
    pub fn whole() -> Self {
        Self::new([(1, Tiling::Whole); BLOCKS])
    }

    /// The fastest plan for an image of this height and width: the first block in bands if its maps exceed the cache,
    /// the others as a whole.
    pub fn fastest([height, width]: [usize; 2]) -> Self {
        let first = if height * width >= LARGE { Tiling::Bands(band(width, 64)) } else { Tiling::Whole };
        Self::new(std::iter::once((1, first)).chain([(1, Tiling::Whole); BLOCKS - 1]))
    }

    /// The plan for targets, which have no gradient: in bands if maps are large; the first two blocks together, so that
    /// the map between them never exists as a whole.
    pub(crate) fn of_targets([height, width]: [usize; 2]) -> Self {
        Self::new([(2, 0), (1, 2), (1, 3), (1, 4)].map(|(count, block)| {
            let rows = rows_within(1 << 25, width, block);
            (count, if rows << block < height { Tiling::Bands(rows) } else { Tiling::Whole })
        }))
    }

    /// The candidate plans: all divisions into segments, each as a whole or in bands of several heights.
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
                        (count, if divided { Tiling::Bands(rows) } else { Tiling::Whole })
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
    fn segments(&self) -> impl Iterator<Item = (Range<usize>, Tiling)> + '_ {
        let mut blocks = 0..0;
        self.segments.iter().map(move |(count, tiling)| {
            blocks = blocks.end..blocks.end + count;
            (first_convolution(blocks.start)..first_convolution(blocks.end), *tiling)
        })
    }

    /// The steps of each segment with their tiling, then those of the classifier. None is empty.
    pub(super) fn divide<'a>(&self, mut steps: &'a [Step]) -> Vec<(&'a [Step], Tiling)> {
        let mut segments = Vec::new();
        for (convolutions, tiling) in self.segments() {
            let is_here = |step: &&Step| step.layer.convolution().is_some_and(|index| index < convolutions.end);
            let (here, behind) = steps.split_at(steps.iter().take_while(is_here).count());
            segments.push((here, tiling));
            steps = behind;
        }
        segments.push((steps, Tiling::Whole));
        segments.retain(|(steps, _)| !steps.is_empty());
        segments
    }
}

/// As in "blocks 1 to 2 in bands of 64 rows, block 3 as a whole".
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = 1;
        let mut parts: Vec<(usize, usize, Tiling)> = Vec::new();
        for (count, tiling) in &self.segments {
            match parts.last_mut() {
                // Merge neighbouring blocks that are computed as a whole.
                Some((_, last, Tiling::Whole)) if *tiling == Tiling::Whole => *last = first + count - 1,
                _ => parts.push((first, first + count - 1, *tiling)),
            }
            first += count;
        }
        for (index, (first, last, tiling)) in parts.into_iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let blocks = if first == last { format!("block {first}") } else { format!("blocks {first} to {last}") };
            match tiling {
                Tiling::Whole => write!(f, "{comma}{blocks} as a whole")?,
                Tiling::Bands(rows) => write!(f, "{comma}{blocks} in bands of {rows} rows")?,
            }
        }
        Ok(())
    }
}

/// Rows of a band of a map with this many channels: 8 MiB in f32, which fit into the last-level cache.
fn band(width: usize, channels: usize) -> usize {
    ((1 << 21) / (width * channels).max(1) / ALIGNMENT * ALIGNMENT).max(ALIGNMENT)
}

/// Rows of a band of a block's input, such that the band of its largest map takes at most `bytes`.
fn rows_within(bytes: usize, width: usize, block: usize) -> usize {
    let (width, channels) = ((width >> block).max(1), [64, 128, 256, 512, 512][block]);
    let rows = bytes / (4 * width * channels);
    // Some rows more are held while they wait for the next map's.
    ALIGNMENT << (rows / 16).max(1).ilog2()
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
        let plan = Plan::new([(2, Tiling::Bands(64)), (3, Tiling::Whole)]);
        assert_eq!(convolutions(&plan), [0..4, 4..16]);
        assert_eq!(plan.to_string(), "blocks 1 to 2 in bands of 64 rows, blocks 3 to 5 as a whole");
        assert_eq!(Plan::whole().to_string(), "blocks 1 to 5 as a whole");
    }
}
