//! The order of work: how a convolution is cut into tasks whose data stay in the caches.
//!
//! The cut depends on the problem's size and the instruction set only, and each sum is taken in the order of the input
//! channels by one task, so the result has the same bits on any number of threads.

use rayon::prelude::*;

use super::super::simd::InstructionSet;
use super::super::{Real, Workspace};
use super::filter::{FilterTransform, Taps};
use super::grid::Grid;
use super::input::{InputTransform, Source};
use super::layout::{BLOCK, Filters, Inputs, Products};
use super::output::{OutputTransform, Sink};
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

/// A pointer that tasks write disjoint parts through.
#[derive(Clone, Copy)]
struct Shared<T>(*mut T);

// SAFETY: each use says why its parts are disjoint.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    fn at(self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}

/// Transformed filters up to this size are made once and shared by all tasks; larger ones are made a panel at a time.
const SHARED_FILTERS: usize = 12 << 20;

/// Transformed inputs of a chunk of tiles up to this size, when filters are made a panel at a time.
const CHUNK: usize = 20 << 20;

impl<T: Real> Convolution<'_, T> {
    /// Computes it.
    pub fn run(&self) {
        if self.grid.tiles == 0 || self.taps.outputs == 0 {
            return;
        }
        let filters = POINTS * self.taps.inputs * self.taps.outputs * size_of::<T>();
        if filters > SHARED_FILTERS || self.grid.tiles < 128 && self.panels() >= 4 {
            self.run_by_channels();
        } else {
            self.run_by_tiles();
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

    fn zeros(&self) -> super::super::workspace::Scratch<'_, T> {
        let mut zeros = self.workspace.take(self.source.channels.max(8));
        zeros.fill(T::zero());
        zeros
    }

    /// Many tiles, few channels: filters are transformed once, then each task takes a block of tiles through all
    /// phases.
    fn run_by_tiles(&self) {
        let inputs = self.taps.inputs;
        let panels = self.panels();
        let filters = Filters::new::<T>(inputs, self.panel_width());
        let mut u = self.workspace.take::<T>(filters.len() * panels);
        let shared = Shared(u.as_mut_ptr());
        let slices = inputs.div_ceil(BLOCK);
        (0..panels * slices).into_par_iter().for_each(|task| {
            let (panel, slice) = (task / slices, task % slices);
            // Tasks differ in the panel or in the input channels.
            self.transform_filters(
                panel,
                (slice * BLOCK, inputs.min((slice + 1) * BLOCK)),
                filters,
                shared.at(panel * filters.len()),
            );
        });

        let block = self.tiles_per_block();
        let layout = Inputs::new::<T>(block, inputs);
        let products = Products::new::<T>(block, self.panel_width());
        let zeros = self.zeros();
        (0..self.grid.tiles.div_ceil(block)).into_par_iter().for_each(|task| {
            let first = task * block;
            let count = block.min(self.grid.tiles - first);
            let mut v = self.workspace.take::<T>(layout.len());
            let mut m = self.workspace.take::<T>(products.len());
            self.transform_inputs((first, count), (0, inputs), &zeros, v.as_mut_ptr(), 0, layout);
            for panel in 0..panels {
                let u = shared.at(panel * filters.len());
                self.multiply((v.as_ptr(), layout), (u, filters), (m.as_mut_ptr(), products), (0, count), panel);
                self.transform_outputs((m.as_ptr(), products), (first, count), panel);
            }
        });
    }

    /// Many channels: the inputs of a chunk of tiles are transformed once, then each task transforms the filters of a
    /// panel of output channels, uses them at once for all these tiles and never writes them to memory.
    fn run_by_channels(&self) {
        let inputs = self.taps.inputs;
        let chunks = (POINTS * inputs * self.grid.tiles * size_of::<T>()).div_ceil(CHUNK).max(1);
        let chunk = self.grid.tiles.div_ceil(chunks);
        let layout = Inputs::new::<T>(chunk, inputs);
        let filters = Filters::new::<T>(inputs, self.panel_width());
        let group = chunk.min(64);
        let products = Products::new::<T>(group, self.panel_width());
        let zeros = self.zeros();
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
            (0..self.panels()).into_par_iter().for_each(|panel| {
                let mut u = self.workspace.take::<T>(filters.len());
                let mut m = self.workspace.take::<T>(products.len());
                self.transform_filters(panel, (0, inputs), filters, u.as_mut_ptr());
                for place in (0..count).step_by(group) {
                    let rows = group.min(count - place);
                    let v = shared.at(0).cast_const();
                    self.multiply((v, layout), (u.as_ptr(), filters), (m.as_mut_ptr(), products), (place, rows), panel);
                    self.transform_outputs((m.as_ptr(), products), (first + place, rows), panel);
                }
            });
        }
    }

    /// Few enough that the transformed inputs fit in a part of the L2 cache.
    fn tiles_per_block(&self) -> usize {
        let rows = T::rows(self.set);
        let budget = (320 << 10) / (POINTS * self.taps.inputs.max(1) * size_of::<T>());
        (budget / rows * rows).clamp(28 / rows * rows, 8 * rows)
    }

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
        panel: usize,
    ) {
        let (channels, vectors) = (self.taps.inputs, self.vectors(panel));
        let points = (0, POINTS);
        T::dispatch(self.set, Product { v, v_layout, u, u_layout, m, m_layout, points, rows, channels, vectors });
    }

    fn transform_outputs(&self, (m, layout): (*const T, Products), (first, count): (usize, usize), panel: usize) {
        let (channel, vectors) = (panel * self.panel_width(), self.vectors(panel));
        let (grid, sink) = (self.grid, &self.sink);
        T::dispatch(self.set, OutputTransform { m, layout, grid, first, count, channel, vectors, sink });
    }
}
