//! The output transform: y = Aᵀ m A, passed to the sink.

use super::super::Real;
use super::super::simd::{Kernel, Simd};
use super::super::sink::Sink;
use super::grid::Grid;
use super::layout::Products;
use super::transforms;

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
    /// The tiles and the panel's first channel must exist in the grid and the sink, `m` must hold them at each of the 36 points
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
        for tile in 0..self.count {
            let corner = self.grid.output_corner(self.first + tile);
            if tile + AHEAD < self.count {
                let corner = self.grid.output_corner(self.first + tile + AHEAD);
                self.sink.prefetch_tile(s, corner, self.channel, self.vectors * S::LANES);
            }
            for vector in 0..self.vectors {
                let channel = self.channel + vector * S::LANES;
                let from = (tile * self.vectors + vector) * S::LANES;
                // SAFETY: m holds 36 points of all tiles times the panel's width, and the sink has these channels for this
                // thread alone, as `new` demands.
                unsafe {
                    let m = self.m.as_ptr().add(from);
                    let mut points = [[s.splat(T::zero()); 6]; 6];
                    for i in 0..6 {
                        for j in 0..6 {
                            points[i][j] = s.load(m.add((i * 6 + j) * self.layout.point));
                        }
                    }
                    self.sink.write_tile(s, corner, channel, transforms::output(s, points));
                }
            }
        }
    }
}
