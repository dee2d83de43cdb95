//! The order of work: how a convolution is cut into tasks whose data stay in the caches.
//!
//! The cut depends on the problem's size and the instruction set only, and each sum is taken in the order of the input
//! channels by one task, so the result has the same bits on any number of threads.

use rayon::prelude::*;

use super::super::shared::Shared;
use super::super::simd::InstructionSet;
use super::super::sink::Sink;
use super::super::source::Source;
use super::super::workspace::Scratch;
use super::super::{Real, Workspace};
use super::filter::{FilterTransform, Taps};
use super::grid::Grid;
use super::input::InputTransform;
use super::layout::{BLOCK, Filters, Inputs, Products};
use super::output::OutputTransform;
use super::product::Product;
use super::transforms::POINTS;

/// A convolution made ready: from a source through filters to a sink.
pub struct Convolution<'a, T> {
    pub set: InstructionSet,
    pub source: Source<T>,
    pub taps: Taps<T>,
    pub sink: Sink<T>,
    pub grid: Grid,
    pub workspace: &'a Workspace,
}

/// Tiles that a task takes together: enough that reading the transformed filters costs little.
const TILES: usize = 56;

/// Panels of output channels that a task multiplies transformed inputs by while these are near.
const PANELS: usize = 4;

/// Bytes of one transformed tile, of all input channels, above which `TILES` and `PANELS` are used; half of `TILES`
/// and single panels below.
const LARGE: usize = 40 << 10;

/// Tiles up to which each task transforms the filters it needs, and uses them at once.
const FEW: usize = 128;

/// Bytes of transformed filters of a panel that are used at once where tiles are few: they stay in the L2 cache.
const NEAR: usize = 320 << 10;

/// Fewest tasks that the tiles must yield for each to take its tiles through all phases.
const TASKS: usize = 14;

/// Bytes of transformed inputs that are held at one time where tasks share them.
const CHUNK: usize = 20 << 20;

impl<T: Real> Convolution<'_, T> {
    /// Computes it.
    pub fn run(&self) {
        let Grid { tiles, .. } = self.grid;
        if tiles == 0 || self.taps.outputs == 0 {
            return;
        }
        // A block's transformed inputs should stay in the L2 cache, but few tiles make more of reading the filters.
        let large = POINTS * self.taps.inputs * size_of::<T>() > LARGE;
        let (block, panels) = if large { (TILES, PANELS) } else { (TILES / 2, 1) };
        if tiles > block * TASKS {
            self.run_by_tiles(block, panels);
        } else {
            self.run_by_channels();
        }
    }

    /// Many tiles: filters are transformed once, then each task takes a block of tiles through all phases.
    fn run_by_tiles(&self, block: usize, together: usize) {
        let inputs = self.taps.inputs;
        let block = evenly(self.grid.tiles, block);
        let (u, filters) = self.all_filters();
        let layout = Inputs::new::<T>(block, inputs);
        let products = Products::new::<T>(block, self.panel_width());
        let zeros = self.zeros();
        (0..self.grid.tiles.div_ceil(block)).into_par_iter().for_each(|task| {
            let first = task * block;
            let count = block.min(self.grid.tiles - first);
            let mut v = self.workspace.take::<T>(layout.len());
            let mut m = self.workspace.take::<T>(products.len() * together);
            self.transform_inputs((first, count), (0, inputs), &zeros, v.as_mut_ptr(), 0, layout);
            for panel in (0..self.panels()).step_by(together) {
                let panels = (panel, together.min(self.panels() - panel));
                let u = u[panel * filters.len()..].as_ptr();
                let products_of = (m.as_mut_ptr(), products);
                self.multiply((v.as_ptr(), layout), (u, filters), products_of, (0, count), (0, inputs), panels);
                self.transform_outputs((m.as_ptr(), products), (first, count), panels);
            }
        });
    }

    /// Few tiles: the inputs of all, or of a chunk, are transformed once and shared, and tasks differ in the output
    /// channels too. If the tiles are very few, each task transforms the filters of its panel itself, from some input
    /// channels after the other, and uses them while they are in its cache.
    fn run_by_channels(&self) {
        let inputs = self.taps.inputs;
        let chunks = (POINTS * inputs * self.grid.tiles * size_of::<T>()).div_ceil(CHUNK).max(1);
        let chunk = self.grid.tiles.div_ceil(chunks);
        let layout = Inputs::new::<T>(chunk, inputs);
        let few = self.grid.tiles <= FEW;
        let block = if few { chunk } else { evenly(chunk, 64) };
        let together = if few { 1 } else { PANELS.min(self.panels().div_ceil(4)) };
        let products = Products::new::<T>(block, self.panel_width());
        let zeros = self.zeros();
        // The filters first, which are larger: they are to have the largest buffer there is.
        let all_filters = (!few).then(|| self.all_filters());
        let mut v = self.workspace.take::<T>(layout.len());
        let shared = Shared(v.as_mut_ptr());
        for first in (0..self.grid.tiles).step_by(chunk) {
            let count = chunk.min(self.grid.tiles - first);
            let (slices, slice) = (inputs.div_ceil(BLOCK), 16);
            (0..count.div_ceil(slice) * slices).into_par_iter().for_each(|task| {
                let (place, channel) = (task / slices * slice, task % slices * BLOCK);
                // Tasks differ in the tiles or in the block of channels.
                self.transform_inputs(
                    (first + place, slice.min(count - place)),
                    (channel, inputs.min(channel + BLOCK)),
                    &zeros,
                    shared.at(0),
                    place,
                    layout,
                );
            });
            if let Some((u, filters)) = &all_filters {
                let blocks = count.div_ceil(block);
                (0..self.panels().div_ceil(together) * blocks).into_par_iter().for_each(|task| {
                    let (panel, place) = (task / blocks * together, task % blocks * block);
                    let panels = (panel, together.min(self.panels() - panel));
                    let rows = block.min(count - place);
                    let mut m = self.workspace.take::<T>(products.len() * together);
                    let u = u[panel * filters.len()..].as_ptr();
                    self.multiply(
                        (shared.at(0).cast_const(), layout),
                        (u, *filters),
                        (m.as_mut_ptr(), products),
                        (place, rows),
                        (0, inputs),
                        panels,
                    );
                    self.transform_outputs((m.as_ptr(), products), (first + place, rows), panels);
                });
            } else {
                let channel = POINTS * self.panel_width() * size_of::<T>();
                let depth = (NEAR / channel / BLOCK).max(1) * BLOCK;
                let filters = Filters::new::<T>(depth.min(inputs), self.panel_width());
                (0..self.panels()).into_par_iter().for_each(|panel| {
                    let mut u = self.workspace.take::<T>(filters.len());
                    let mut m = self.workspace.take::<T>(products.len());
                    let v = (shared.at(0).cast_const(), layout);
                    for channel in (0..inputs).step_by(depth) {
                        let channels = (channel, depth.min(inputs - channel));
                        self.transform_filters(panel, channels, filters, u.as_mut_ptr());
                        let (u, m) = ((u.as_ptr(), filters), (m.as_mut_ptr(), products));
                        self.multiply(v, u, m, (0, count), channels, (panel, 1));
                    }
                    self.transform_outputs((m.as_ptr(), products), (first, count), (panel, 1));
                });
            }
        }
    }

    fn panel_width(&self) -> usize {
        2 * T::lanes(self.set)
    }

    fn panels(&self) -> usize {
        self.taps.outputs.div_ceil(self.panel_width())
    }

    /// Width of a panel in vectors: 2, but for a last one that needs only 1.
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
        let layout = Filters::new::<T>(inputs, self.panel_width());
        let mut u = self.workspace.take::<T>(layout.len() * self.panels());
        let slices = inputs.div_ceil(BLOCK);
        let shared = Shared(u.as_mut_ptr());
        (0..self.panels() * slices).into_par_iter().for_each(|task| {
            let (panel, channel) = (task / slices, task % slices * BLOCK);
            // Tasks differ in the panel or in the input channels.
            let channels = (channel, BLOCK.min(inputs - channel));
            let at = panel * layout.len() + channel * self.vectors(panel) * T::lanes(self.set);
            self.transform_filters(panel, channels, layout, shared.at(at));
        });
        (u, layout)
    }

    /// Transforms the filters from some input channels, the first and how many, to a panel.
    fn transform_filters(&self, panel: usize, inputs: (usize, usize), layout: Filters, to: *mut T) {
        let (first, vectors) = (panel * self.panel_width(), self.vectors(panel));
        T::dispatch(self.set, FilterTransform { taps: &self.taps, first, vectors, inputs, to, layout });
    }

    fn transform_inputs(
        &self,
        (first, count): (usize, usize),
        channels: (usize, usize),
        zeros: &[T],
        to: *mut T,
        place: usize,
        layout: Inputs,
    ) {
        let (source, grid) = (&self.source, self.grid);
        T::dispatch(self.set, InputTransform { source, grid, first, count, channels, zeros, to, place, layout });
    }

    fn multiply(
        &self,
        (v, v_layout): (*const T, Inputs),
        (u, u_layout): (*const T, Filters),
        (m, m_layout): (*mut T, Products),
        rows: (usize, usize),
        channels: (usize, usize),
        (panel, panels): (usize, usize),
    ) {
        let last_vectors = self.vectors(panel + panels - 1);
        let product = Product { v, v_layout, u, u_layout, m, m_layout, rows, channels, panels, last_vectors };
        T::dispatch(self.set, product);
    }

    fn transform_outputs(
        &self,
        (m, layout): (*const T, Products),
        (first, count): (usize, usize),
        (panel, panels): (usize, usize),
    ) {
        let (grid, sink) = (self.grid, &self.sink);
        for i in 0..panels {
            let (channel, vectors) = ((panel + i) * self.panel_width(), self.vectors(panel + i));
            let m = m.wrapping_add(i * layout.len());
            T::dispatch(self.set, OutputTransform { m, layout, grid, first, count, channel, vectors, sink });
        }
    }
}

/// The size of a block near `block` that cuts `count` into an even number of nearly equal ones.
fn evenly(count: usize, block: usize) -> usize {
    count.div_ceil(count.div_ceil(block).next_multiple_of(2)).max(1)
}
