//! The schedule: divides a convolution into tasks whose data stay in the caches.
//!
//! One task takes each sum in the order of the input channels, so the result has the same bits under any division into tasks: on
//! many threads, tasks are smaller.

use rayon::prelude::*;

use super::super::shared::Shared;
use super::super::simd::InstructionSet;
use super::super::sink::Sink;
use super::super::source::Source;
use super::super::workspace::Scratch;
use super::super::{Real, Workspace};
use super::filter::{FilterTransform, Taps};
use super::grid::{Grid, Tile};
use super::input::InputTransform;
use super::layout::{BLOCK, Filters, Inputs, Products};
use super::output::OutputTransform;
use super::product::Product;

/// A prepared convolution: from a source through filters to a sink.
pub struct Convolution<'a, T> {
    pub set: InstructionSet,
    pub source: Source<'a, T>,
    pub taps: Taps<'a, T>,
    pub sink: Sink<'a, T>,
    pub grid: Grid,
    pub workspace: &'a Workspace,
}

/// Tiles of a task, at most: enough that reading the transformed filters costs little.
const TILES: usize = 56;

/// Panels of output channels by which a task multiplies transformed inputs while these are in its cache.
const PANELS: usize = 4;

/// Bytes of a position's input channels above which a task multiplies by several panels. On this, and on their size, depends the number
/// of a task's tiles.
const LARGE: usize = 1 << 10;

/// The largest number of tiles for which each task transforms its filters itself and uses them at once, if there are enough panels
/// for the threads.
const FEW: usize = 128;

/// Bytes of all transformed filters above which, too, each task transforms its own, again for each chunk of tiles: it costs little,
/// and these filters are never held.
const HUGE: usize = 40 << 20;

/// Bytes of a panel's transformed filters used at once if tiles are few: they stay in the L2 cache. If several panels go together,
/// half of it is for their products.
const NEAR: usize = 320 << 10;

/// The smallest number of tasks with which each task takes its tiles through all phases.
const TASKS: usize = 14;

/// Tasks for each thread, if there is work for so many.
const ROUNDS: usize = 3;

/// The smallest number of tiles of a task that is cut smaller for many threads.
const FEWEST: usize = 14;

/// Bytes of transformed inputs held at one time if tasks share them.
const CHUNK: usize = 20 << 20;

/// The shape of a convolution, which determines its division into tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Height and width of the result.
    pub size: [usize; 2],
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the result.
    pub outputs: usize,
}

/// The division of a convolution into tasks.
#[derive(Clone, Copy)]
enum Cut {
    /// Many tiles: filters are transformed once, then each task takes a block of tiles through all phases.
    Tiles {
        /// Tiles of a task.
        block: usize,
        /// Panels multiplied together.
        together: usize,
    },
    /// Few tiles: the inputs of all, or of a chunk, are transformed once and shared, and tasks differ in the output channels
    /// too.
    Channels {
        /// Tiles whose transformed inputs are held at one time.
        chunk: usize,
        /// Tiles and panels of a task.
        block: usize,
        together: usize,
    },
    /// Very few tiles, or huge filters: each task transforms the filters of its panel itself, a few input channels at a time, and uses
    /// them while they are in its cache.
    Panels {
        /// Tiles whose transformed inputs are held at one time.
        chunk: usize,
        /// Input channels whose filters are transformed at one time.
        depth: usize,
        /// Panels of a task, whose taps lie side by side in memory.
        together: usize,
    },
}

impl Cut {
    /// The division for panels of `panel_width` output channels on `threads` threads.
    fn of<T>(grid: &Grid, inputs: usize, outputs: usize, panel_width: usize, threads: usize) -> Self {
        let (tiles, points) = (grid.tiles, grid.tile.points());
        let panels = outputs.div_ceil(panel_width);
        // A block's transformed inputs should stay in the L2 cache, but with fewer tiles reading the filters costs
        // more.
        let large = inputs * size_of::<T>() > LARGE;
        let block = match grid.tile {
            Tile::Four if large => TILES,
            Tile::Six if 2 * inputs * size_of::<T>() <= LARGE => TILES * 3 / 4,
            _ => TILES / 2,
        };
        let together = if large { PANELS } else { 1 };
        let huge = points * inputs * outputs * size_of::<T>() > HUGE;
        let enough = match grid.tile {
            Tile::Four => block * TASKS + 1,
            Tile::Six => FEWEST * TASKS,
        };
        if !huge && tiles >= enough.max(FEWEST * ROUNDS * threads) {
            let block = block.min(tiles.div_ceil(TASKS.max(ROUNDS * threads))).max(FEWEST);
            return Self::Tiles { block: evenly(tiles, block), together };
        }
        let chunks = (points * inputs * tiles * size_of::<T>()).div_ceil(CHUNK).max(1);
        let chunk = tiles.div_ceil(chunks);
        if (tiles <= FEW || huge) && (panels >= threads || tiles < 2 * FEWEST) {
            let row = points * panel_width * size_of::<T>();
            let most = (panels / (ROUNDS * threads)).min(PANELS).min(NEAR / 2 / (chunk.max(1) * row)).max(1);
            // Numbers of channels are mostly powers of two, and the tasks then equal.
            let together = 1 << most.ilog2();
            let depth = if together > 1 { BLOCK } else { (NEAR / row / BLOCK).max(1) * BLOCK };
            return Self::Panels { chunk, depth, together };
        }
        let block = evenly(chunk, (panels * chunk).div_ceil(ROUNDS * threads).clamp(FEWEST, 64));
        let most = (panels * chunk.div_ceil(block)).div_ceil(ROUNDS * threads);
        Self::Channels { chunk, block, together: PANELS.min(panels.div_ceil(4)).min(most) }
    }

    /// Values of scratch memory: transformed filters and inputs shared by all tasks, and the memory of each task.
    fn scratch<T>(self, tile: Tile, inputs: usize, outputs: usize, panel_width: usize) -> [usize; 3] {
        let panels = outputs.div_ceil(panel_width);
        let filters = |channels| Filters::new::<T>(tile, channels, panel_width).len();
        let tiles = |count| Inputs::new::<T>(tile, count, inputs).len();
        let products = |count| Products::new::<T>(tile, count, panel_width).len();
        match self {
            Self::Tiles { block, together } => [filters(inputs) * panels, 0, tiles(block) + products(block) * together],
            Self::Channels { chunk, block, together } => {
                [filters(inputs) * panels, tiles(chunk), products(block) * together]
            }
            Self::Panels { chunk, depth, together } => {
                [0, tiles(chunk), filters(depth.min(inputs)) + products(chunk) * together]
            }
        }
    }
}

/// Bytes of scratch memory for convolutions of these shapes that use one workspace, one after the other, on `threads`
/// threads: it ends up holding the largest buffers of each kind.
pub fn scratch_bytes<T: Real>(set: InstructionSet, shapes: impl IntoIterator<Item = Shape>, threads: usize) -> usize {
    let panel_width = 2 * T::lanes(set);
    let mut most = [0; 3];
    for Shape { size: [height, width], inputs, outputs } in shapes {
        let grid = Grid::new(height, width, (0, 0));
        let cut = Cut::of::<T>(&grid, inputs, outputs, panel_width, threads);
        let scratch = cut.scratch::<T>(grid.tile, inputs, outputs, panel_width);
        most = std::array::from_fn(|kind| scratch[kind].max(most[kind]));
    }
    let [filters, inputs, own] = most;
    (filters + inputs + threads * own) * size_of::<T>()
}

impl<T: Real> Convolution<'_, T> {
    /// Computes the convolution.
    pub fn run(&self) {
        if self.grid.tiles == 0 || self.taps.outputs == 0 {
            return;
        }
        let threads = rayon::current_num_threads();
        match Cut::of::<T>(&self.grid, self.taps.inputs, self.taps.outputs, self.panel_width(), threads) {
            Cut::Tiles { block, together } => self.run_by_tiles(block, together),
            Cut::Channels { chunk, block, together } => self.run_by_channels(chunk, block, together),
            Cut::Panels { chunk, depth, together } => self.run_by_panels(chunk, depth, together),
        }
    }

    fn run_by_tiles(&self, block: usize, together: usize) {
        let inputs = self.taps.inputs;
        let (u, filters) = self.all_filters();
        let layout = Inputs::new::<T>(self.grid.tile, block, inputs);
        let products = Products::new::<T>(self.grid.tile, block, self.panel_width());
        let zeros = self.zeros();
        (0..self.grid.tiles.div_ceil(block)).into_par_iter().for_each(|task| {
            let first = task * block;
            let count = block.min(self.grid.tiles - first);
            let mut v = self.workspace.take::<T>(layout.len());
            let mut m = self.workspace.take::<T>(products.len() * together);
            // SAFETY: the block's tiles exist, `v` is this task's, and so are these tiles of the sink.
            unsafe { self.transform_inputs((first, count), (0, inputs), &zeros, (Shared::new(&mut v), 0, layout)) };
            for panel in (0..self.panels()).step_by(together) {
                let panels = (panel, together.min(self.panels() - panel));
                let u = &u[panel * filters.len()..];
                self.multiply((&v, layout), (u, filters), (&mut m, products), (0, count), (0, inputs), panels);
                // SAFETY: no other task has these tiles.
                unsafe { self.transform_outputs((&m, products), (first, count), panels) };
            }
        });
    }

    fn run_by_channels(&self, chunk: usize, block: usize, together: usize) {
        let inputs = self.taps.inputs;
        let products = Products::new::<T>(self.grid.tile, block, self.panel_width());
        // Take the filters first: they are larger and should get the largest buffer.
        let (u, filters) = self.all_filters();
        self.by_chunks(chunk, |v, (first, count)| {
            let blocks = count.div_ceil(block);
            (0..self.panels().div_ceil(together) * blocks).into_par_iter().for_each(|task| {
                let (panel, place) = (task / blocks * together, task % blocks * block);
                let panels = (panel, together.min(self.panels() - panel));
                let rows = block.min(count - place);
                let mut m = self.workspace.take::<T>(products.len() * together);
                let u = (&u[panel * filters.len()..], filters);
                self.multiply(v, u, (&mut m, products), (place, rows), (0, inputs), panels);
                // SAFETY: tasks differ in the panels or in the block of tiles.
                unsafe { self.transform_outputs((&m, products), (first + place, rows), panels) };
            });
        });
    }

    fn run_by_panels(&self, chunk: usize, depth: usize, together: usize) {
        let inputs = self.taps.inputs;
        let products = Products::new::<T>(self.grid.tile, chunk, self.panel_width());
        let filters = Filters::new::<T>(self.grid.tile, depth.min(inputs), self.panel_width());
        self.by_chunks(chunk, |v, (first, count)| {
            (0..self.panels().div_ceil(together)).into_par_iter().for_each(|task| {
                let panel = task * together;
                let panels = together.min(self.panels() - panel);
                let mut u = self.workspace.take::<T>(filters.len());
                let mut m = self.workspace.take::<T>(products.len() * together);
                for channel in (0..inputs).step_by(depth) {
                    let channels = (channel, depth.min(inputs - channel));
                    for (panel, m) in (panel..panel + panels).zip(m.chunks_exact_mut(products.len())) {
                        // SAFETY: `u` is this task's and has room for these channels of a panel.
                        unsafe { self.transform_filters(panel, channels, (Shared::new(&mut u), filters)) };
                        self.multiply(v, (&u, filters), (m, products), (0, count), channels, (panel, 1));
                    }
                }
                // SAFETY: no other task has these panels.
                unsafe { self.transform_outputs((&m, products), (first, count), (panel, panels)) };
            });
        });
    }

    /// Transforms the inputs of all tiles, a chunk at a time, and passes them to `multiply` with (first, count) of the
    /// tiles.
    fn by_chunks(&self, chunk: usize, multiply: impl Fn((&[T], Inputs), (usize, usize))) {
        let inputs = self.taps.inputs;
        let layout = Inputs::new::<T>(self.grid.tile, chunk, inputs);
        let zeros = self.zeros();
        let mut v = self.workspace.take::<T>(layout.len());
        for first in (0..self.grid.tiles).step_by(chunk) {
            let count = chunk.min(self.grid.tiles - first);
            let (slices, slice) = (inputs.div_ceil(BLOCK), 16);
            let shared = Shared::new(&mut v);
            (0..count.div_ceil(slice) * slices).into_par_iter().for_each(|task| {
                let (place, channel) = (task / slices * slice, task % slices * BLOCK);
                let tiles = (first + place, slice.min(count - place));
                let channels = (channel, inputs.min(channel + BLOCK));
                // SAFETY: tasks differ in the tiles or in the block of channels, and `v` has room for the whole chunk.
                unsafe { self.transform_inputs(tiles, channels, &zeros, (shared, place, layout)) };
            });
            multiply((&v, layout), (first, count));
        }
    }

    fn panel_width(&self) -> usize {
        2 * T::lanes(self.set)
    }

    fn panels(&self) -> usize {
        self.taps.outputs.div_ceil(self.panel_width())
    }

    /// Width of a panel in vectors: 2, or 1 for a last panel that needs no more.
    fn vectors(&self, panel: usize) -> usize {
        (self.taps.outputs - panel * self.panel_width()).div_ceil(T::lanes(self.set)).min(2)
    }

    fn zeros(&self) -> Scratch<'_, T> {
        let mut zeros = self.workspace.take(self.source.channels.max(8));
        zeros.fill(T::zero());
        zeros
    }

    /// All filters, transformed, panel by panel.
    fn all_filters(&self) -> (Scratch<'_, T>, Filters) {
        let inputs = self.taps.inputs;
        let layout = Filters::new::<T>(self.grid.tile, inputs, self.panel_width());
        let mut u = self.workspace.take::<T>(layout.len() * self.panels());
        let slices = inputs.div_ceil(BLOCK);
        let shared = Shared::new(&mut u);
        (0..self.panels() * slices).into_par_iter().for_each(|task| {
            let (panel, channel) = (task / slices, task % slices * BLOCK);
            let channels = (channel, BLOCK.min(inputs - channel));
            let at = panel * layout.len() + channel * self.vectors(panel) * T::lanes(self.set);
            // SAFETY: tasks differ in the panel or in the input channels, and `u` has room for all.
            unsafe { self.transform_filters(panel, channels, (shared.skip(at), layout)) };
        });
        (u, layout)
    }

    /// Transforms the filters of some input channels (first, count) for a panel.
    ///
    /// # Safety
    /// As [`FilterTransform::new`].
    unsafe fn transform_filters(&self, panel: usize, inputs: (usize, usize), to: (Shared<'_, T>, Filters)) {
        let width = (panel * self.panel_width(), self.vectors(panel));
        // SAFETY: the caller's.
        T::dispatch(self.set, unsafe { FilterTransform::new((&self.taps, self.grid.tile), width, inputs, to) });
    }

    /// Transforms some channels (the first, and the one after the last) of some tiles (first, count).
    ///
    /// # Safety
    /// As [`InputTransform::new`].
    unsafe fn transform_inputs(
        &self,
        tiles: (usize, usize),
        channels: (usize, usize),
        zeros: &[T],
        to: (Shared<'_, T>, usize, Inputs),
    ) {
        // SAFETY: the caller's.
        T::dispatch(self.set, unsafe { InputTransform::new((&self.source, self.grid), tiles, channels, zeros, to) });
    }

    /// Multiplies tiles and filters for some panels (first, count).
    fn multiply(
        &self,
        v: (&[T], Inputs),
        u: (&[T], Filters),
        m: (&mut [T], Products),
        rows: (usize, usize),
        channels: (usize, usize),
        (panel, panels): (usize, usize),
    ) {
        let last_vectors = self.vectors(panel + panels - 1);
        T::dispatch(self.set, Product::new(v, u, m, rows, channels, (panels, last_vectors)));
    }

    /// Transforms and writes some tiles of some panels (first, count).
    ///
    /// # Safety
    /// As [`OutputTransform::new`], for each panel.
    unsafe fn transform_outputs(
        &self,
        (m, layout): (&[T], Products),
        tiles: (usize, usize),
        (panel, panels): (usize, usize),
    ) {
        for i in 0..panels {
            let width = ((panel + i) * self.panel_width(), self.vectors(panel + i));
            let m = (&m[i * layout.len()..], layout);
            // SAFETY: the caller's.
            T::dispatch(self.set, unsafe { OutputTransform::new(m, self.grid, tiles, width, &self.sink) });
        }
    }
}

/// The block size near `block` that divides `count` into an even number of nearly equal blocks.
fn evenly(count: usize, block: usize) -> usize {
    count.div_ceil(count.div_ceil(block).next_multiple_of(2)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_memory_is_known_where_a_map_has_no_positions_too() {
        let shape = |side| Shape { size: [side; 2], inputs: 512, outputs: 512 };
        let bytes = |side| scratch_bytes::<f32>(InstructionSet::best(), [shape(side)], 2);
        assert!(bytes(0) < bytes(8));
    }

    #[test]
    fn at_least_every_second_thread_has_a_task_as_far_as_tiles_and_panels_go() {
        const WIDTH: usize = 16;
        let channels = [64, 128, 256, 512];
        for threads in [1, 2, 3, 4, 8, 16, 64] {
            for side in (4..520).step_by(4) {
                for (inputs, outputs) in channels.into_iter().flat_map(|i| channels.map(|o| (i, o))) {
                    let (grid, panels) = (Grid::new(side, side, (0, 0)), outputs / WIDTH);
                    let tiles = grid.tiles;
                    let tasks = match Cut::of::<f32>(&grid, inputs, outputs, WIDTH, threads) {
                        Cut::Tiles { block, .. } => tiles.div_ceil(block),
                        Cut::Channels { chunk, block, together } => chunk.div_ceil(block) * panels.div_ceil(together),
                        Cut::Panels { together, .. } => panels.div_ceil(together),
                    };
                    let possible = panels * (tiles / FEWEST).max(1);
                    assert!(
                        2 * tasks >= threads.min(possible),
                        "{tasks} tasks for {threads} threads: {inputs} to {outputs} channels at {side}×{side}"
                    );
                }
            }
        }
    }
}
