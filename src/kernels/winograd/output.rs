//! The output transform: y = Aᵀ m A, passed to the sink.

use super::super::Real;
use super::super::simd::{Kernel, Simd};
use super::super::sink::Sink;
use super::grid::{Grid, Tile};
use super::layout::Products;
use super::transforms::{Map, both_ways};
use super::{f4, f6};

/// How many tiles before its write an output is prefetched.
const AHEAD: usize = 2;

/// Transforms the tiles `first..first + count` of the panel that begins at channel `channel`.
pub struct OutputTransform<'a, T> {
    m: &'a [T],
    layout: Products,
    grid: Grid,
    first: usize,
    count: usize,
    channel: usize,
    /// Width of the panel in vectors, 1 or 2.
    vectors: usize,
    sink: &'a Sink<'a, T>,
}

impl<'a, T: Real> OutputTransform<'a, T> {
    /// Transforms `tiles` (first, count) and the `panel` (first channel, width in vectors); `m` holds their products in
    /// the layout `layout`.
    ///
    /// # Safety
    /// The tiles and the panel's first channel must exist in the grid and the sink, `m` must hold them at each of the points
    /// of `layout`, and no other thread may access these channels of these tiles while the transform runs.
    pub unsafe fn new(
        (m, layout): (&'a [T], Products),
        grid: Grid,
        (first, count): (usize, usize),
        (channel, vectors): (usize, usize),
        sink: &'a Sink<'a, T>,
    ) -> Self {
        debug_assert!(m.len() >= layout.len() && first + count <= grid.tiles && channel < sink.channels);
        Self { m, layout, grid, first, count, channel, vectors, sink }
    }
}

impl<T: Real> Kernel<T> for OutputTransform<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        match self.grid.tile {
            Tile::Four => self.transform::<S, f4::Output, 6, 4>(s),
            Tile::Six => self.transform::<S, f6::Output, 8, 6>(s),
        }
    }
}

impl<T: Real> OutputTransform<'_, T> {
    #[inline(always)]
    fn transform<S: Simd<T>, M: Map<IN, OUT>, const IN: usize, const OUT: usize>(self, s: S) {
        for tile in 0..self.count {
            let corner = self.grid.output_corner(self.first + tile);
            if tile + AHEAD < self.count {
                let corner = self.grid.output_corner(self.first + tile + AHEAD);
                self.sink.prefetch_tile::<S, OUT>(s, corner, self.channel, self.vectors * S::LANES);
            }
            for vector in 0..self.vectors {
                let channel = self.channel + vector * S::LANES;
                let from = (tile * self.vectors + vector) * S::LANES;
                // SAFETY: m holds all points of all tiles times the panel's width, and the sink has these channels for this
                // thread alone, as `new` demands.
                unsafe {
                    let m = self.m.as_ptr().add(from);
                    let mut y = [[s.splat(T::zero()); OUT]; OUT];
                    let load = |i: usize, j: usize| s.load(m.add((i * IN + j) * self.layout.point));
                    both_ways::<T, S, M, IN, OUT>(s, load, |i, row| y[i] = row);
                    self.sink.write_tile(s, corner, channel, y);
                }
            }
        }
    }
}
