//! The order in which the rows of the maps are computed: arithmetic on heights only.

use std::ops::Range;

use crate::kernels::conv::ALIGNMENT;
use crate::kernels::gram::Cells;

/// The rows at whose multiples bands and shards of a map of this height and width begin, so that tiles of convolutions and cells of
/// Gram matrices are those of the whole.
pub fn alignment(height: usize, width: usize) -> usize {
    Cells::of(height, width).rows().max(ALIGNMENT)
}

/// The dependency of the rows of a map on those of the previous map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// A 3×3 convolution, optionally followed by a 2×2 pooling.
    Convolution {
        /// Whether a pooling follows.
        pooled: bool,
    },
    /// A 2×2 pooling.
    Pooling,
}

impl Dependency {
    /// Whether the result has half the height and width.
    pub fn pools(self) -> bool {
        self != Self::Convolution { pooled: false }
    }

    /// The number of rows of the result, of `height` in all, that can be computed from the first `rows` of the `input`.
    fn forward(self, rows: usize, (input, height): (usize, usize)) -> usize {
        match self {
            _ if rows == input => height,
            Self::Convolution { pooled: false } => rows.saturating_sub(1),
            Self::Convolution { pooled: true } => rows.saturating_sub(1) / 2,
            Self::Pooling => rows / 2,
        }
    }

    /// The number of rows of the input, of `height` in all, whose gradient follows from that of the first `rows` of the
    /// result, of `result` in all.
    fn backward(self, rows: usize, (height, result): (usize, usize)) -> usize {
        match self {
            _ if rows == result => height,
            Self::Convolution { pooled: false } => rows.saturating_sub(1),
            Self::Convolution { pooled: true } => (2 * rows).saturating_sub(1),
            Self::Pooling => 2 * rows,
        }
    }

    /// The first row of the input that the result's rows from `row` on depend on.
    pub fn first_input(self, row: usize) -> usize {
        match self {
            Self::Convolution { pooled: false } => row.saturating_sub(1),
            Self::Convolution { pooled: true } => (2 * row).saturating_sub(1),
            Self::Pooling => 2 * row,
        }
    }

    /// The first row of the result that the gradient of the input's rows from `row` on depends on.
    pub fn first_result(self, row: usize) -> usize {
        match self {
            Self::Convolution { pooled: false } => row.saturating_sub(1),
            Self::Convolution { pooled: true } => row.saturating_sub(1) / 2,
            Self::Pooling => row / 2,
        }
    }
}

/// The progress of each map of a segment after each step. Map 0 is the segment's input, which exists as a whole.
///
/// Rows are computed from the top down, each once, as soon as the rows they depend on exist and fill whole tiles and cells. Nothing
/// is computed twice, and the bits are those of the whole map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Rows of each map.
    pub heights: Vec<usize>,
    /// From map i to map i + 1.
    dependencies: Vec<Dependency>,
    /// By step, the first row of each map that is not yet computed.
    forward: Vec<Vec<usize>>,
    /// By step, the first row of each map whose gradient is not yet computed.
    backward: Vec<Vec<usize>>,
    /// The last map that the backward pass computes again.
    again: usize,
}

impl Schedule {
    /// The schedule of steps of `rows` rows of the input. `maps` holds height and width of the input and of each map
    /// that `dependencies` computes in turn; the backward pass computes maps 1 to `again` again.
    pub fn new(maps: &[(usize, usize)], dependencies: &[Dependency], rows: usize, again: usize) -> Self {
        let heights: Vec<usize> = maps.iter().map(|map| map.0).collect();
        let alignments: Vec<usize> = maps.iter().map(|&(height, width)| alignment(height, width)).collect();
        let whole =
            |row: usize, map: usize| if row == heights[map] { row } else { row / alignments[map] * alignments[map] };
        let steps = heights[0].div_ceil(rows.max(1)).max(1);
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        let last = dependencies.len();
        for step in 1..=steps {
            let mut there = vec![if step == steps { heights[0] } else { step * rows }];
            for (map, dependency) in dependencies.iter().enumerate() {
                let next = dependency.forward(there[map], (heights[map], heights[map + 1]));
                there.push(whole(next.min(heights[map + 1]), map + 1));
            }
            let mut gradients = vec![0; heights.len()];
            // The gradient of the last map exists as a whole; it is consumed at the pace of the input.
            let share = (there[0] * heights[last]).div_ceil(heights[0].max(1)).next_multiple_of(alignments[last]);
            gradients[last] = share.min(heights[last]);
            for map in (0..=last).rev() {
                if let Some(dependency) = dependencies.get(map) {
                    gradients[map] =
                        dependency.backward(gradients[map + 1], (heights[map], heights[map + 1])).min(heights[map]);
                }
                // A gradient overwrites the features, once these exist and the next map has been computed from them.
                if (1..=again).contains(&map) {
                    gradients[map] = gradients[map].min(there[map]);
                }
                if (1..again).contains(&map) && there[map + 1] < heights[map + 1] {
                    gradients[map] = gradients[map].min(dependencies[map].first_input(there[map + 1]));
                }
                gradients[map] = whole(gradients[map], map);
            }
            forward.push(there);
            backward.push(gradients);
        }
        Self { heights, dependencies: dependencies.to_vec(), forward, backward, again }
    }

    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.forward.len()
    }

    /// The rows of a map that a step computes.
    pub fn computed(&self, step: usize, map: usize) -> Range<usize> {
        before(&self.forward, step, map)..self.forward[step][map]
    }

    /// The rows of a map whose gradient a step computes.
    pub fn pulled(&self, step: usize, map: usize) -> Range<usize> {
        before(&self.backward, step, map)..self.backward[step][map]
    }

    /// The rows of a map held during a step of the forward pass, without those that are no longer read.
    pub fn held_forward(&self, step: usize, map: usize) -> Range<usize> {
        let first = match self.dependencies.get(map) {
            Some(dependency) => dependency.first_input(before(&self.forward, step, map + 1)),
            None => before(&self.forward, step, map),
        };
        first.min(before(&self.forward, step, map))..self.forward[step][map]
    }

    /// The rows of a map held during a step of the backward pass: gradients, followed by features that were computed
    /// again.
    pub fn held_backward(&self, step: usize, map: usize) -> Range<usize> {
        let (mut first, mut end) = (before(&self.backward, step, map), self.backward[step][map]);
        if map > 0 {
            first = first.min(self.dependencies[map - 1].first_result(before(&self.backward, step, map - 1)));
        }
        if map <= self.again {
            end = end.max(self.forward[step][map]);
            if map < self.again {
                first = first.min(self.dependencies[map].first_input(before(&self.forward, step, map + 1)));
            }
        }
        first..end
    }

    /// The largest number of rows of a map held at one time in the forward pass.
    pub fn most_forward(&self, map: usize) -> usize {
        (0..self.steps()).map(|step| self.held_forward(step, map).len()).max().unwrap_or(0)
    }

    /// The largest number of rows of a map whose gradient one step computes.
    pub fn most_pulled(&self, map: usize) -> usize {
        (0..self.steps()).map(|step| self.pulled(step, map).len()).max().unwrap_or(0)
    }

    /// The largest number of rows of a map held at one time in the backward pass.
    pub fn most_backward(&self, map: usize) -> usize {
        (0..self.steps()).map(|step| self.held_backward(step, map).len()).max().unwrap_or(0)
    }
}

fn before(rows: &[Vec<usize>], step: usize, map: usize) -> usize {
    if step == 0 { 0 } else { rows[step - 1][map] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONVOLUTION: Dependency = Dependency::Convolution { pooled: false };
    const POOLED: Dependency = Dependency::Convolution { pooled: true };

    /// Heights and widths of maps, the first of which has this size.
    fn maps(size: (usize, usize), dependencies: &[Dependency]) -> Vec<(usize, usize)> {
        let mut maps = vec![size];
        for dependency in dependencies {
            let (height, width) = maps[maps.len() - 1];
            maps.push(if *dependency == CONVOLUTION { (height, width) } else { (height / 2, width / 2) });
        }
        maps
    }

    #[test]
    fn every_row_is_computed_once_from_rows_that_are_held() {
        let chains: [&[Dependency]; 4] = [
            &[CONVOLUTION, POOLED],
            &[CONVOLUTION, CONVOLUTION, Dependency::Pooling],
            &[CONVOLUTION, POOLED, CONVOLUTION, CONVOLUTION, CONVOLUTION, POOLED],
            &[CONVOLUTION],
        ];
        for dependencies in chains {
            for size in [(2, 2), (33, 47), (301, 1000), (512, 90)] {
                let maps = maps(size, dependencies);
                for rows in [1, 16, 50, 512] {
                    for again in 0..=dependencies.len() {
                        check(&Schedule::new(&maps, dependencies, rows, again), dependencies, again);
                    }
                }
            }
        }
    }

    fn check(schedule: &Schedule, dependencies: &[Dependency], again: usize) {
        let (steps, last) = (schedule.steps(), dependencies.len());
        for map in 0..=last {
            let height = schedule.heights[map];
            for rows in [Schedule::computed, Schedule::pulled] {
                let ends: Vec<_> = (0..steps).map(|step| rows(schedule, step, map)).collect();
                assert!(ends.windows(2).all(|pair| pair[0].end == pair[1].start && pair[1].start <= pair[1].end));
                assert!(ends[0].start == 0 && ends[steps - 1].end == height);
            }
        }
        for step in 0..steps {
            for (map, dependency) in dependencies.iter().enumerate() {
                // Each step needs the rows that the next map depends on.
                let computed = schedule.computed(step, map + 1);
                if !computed.is_empty() {
                    let held = schedule.held_forward(step, map);
                    assert!(held.start <= dependency.first_input(computed.start), "{schedule:?}");
                }
                let pulled = schedule.pulled(step, map);
                if !pulled.is_empty() {
                    let held = schedule.held_backward(step, map + 1);
                    let known = schedule.pulled(step, map + 1).end;
                    assert!(held.start <= dependency.first_result(pulled.start));
                    assert!(
                        dependency.backward(known, (schedule.heights[map], schedule.heights[map + 1])) >= pulled.end
                    );
                    if (1..=again).contains(&map) {
                        assert!(schedule.computed(step, map).end >= pulled.end);
                    }
                }
            }
        }
    }

    #[test]
    fn one_step_holds_whole_maps_and_several_some_rows() {
        let dependencies = [CONVOLUTION, POOLED];
        let maps = maps((1000, 1000), &dependencies);
        let whole = Schedule::new(&maps, &dependencies, 1000, 1);
        assert_eq!((whole.steps(), whole.most_forward(1), whole.most_backward(1)), (1, 1000, 1000));
        let bands = Schedule::new(&maps, &dependencies, 32, 1);
        assert_eq!(bands.steps(), 32);
        assert!((32..72).contains(&bands.most_forward(1)) && (32..72).contains(&bands.most_backward(1)), "{bands:?}");
    }
}
