//! The output transform: y = Aᵀ m A, and then what the sink does.

use super::super::Real;
use super::super::simd::{Job, Simd};
use super::super::sink::Sink;
use super::grid::Grid;
use super::layout::Products;
use super::transforms;

/// How many tiles ahead of its writing an output is brought near.
const AHEAD: usize = 2;

/// Transforms the tiles `first..first + count` of the panel that begins at channel `channel`.
pub struct OutputTransform<'a, T> {
    pub m: *const T,
    pub layout: Products,
    pub grid: Grid,
    pub first: usize,
    pub count: usize,
    pub channel: usize,
    /// Width of the panel in vectors, 1 or 2.
    pub vectors: usize,
    pub sink: &'a Sink<T>,
}

impl<T: Real> Job<T> for OutputTransform<'_, T> {
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
                // SAFETY: m holds 36 points of all tiles times the panel's width, and the sink has these channels.
                unsafe {
                    let m = self.m.add(from);
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
