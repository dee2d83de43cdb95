//! The input transform: V = Bᵀ d B for tiles d of pixels that overlap by two.

use super::super::Real;
use super::super::shared::Shared;
use super::super::simd::{Kernel, Simd, first_lanes};
use super::super::source::{Source, read_bits};
use super::grid::{Grid, Tile};
use super::layout::{BLOCK, Inputs};
use super::transforms::{Map, both_ways};
use super::{f4, f6};

/// Transforms the channels `channels` of the tiles `first..first + count` and stores them as tiles
/// `place..place + count` of `to`.
pub struct InputTransform<'a, T> {
    source: &'a Source<'a, T>,
    grid: Grid,
    first: usize,
    count: usize,
    channels: (usize, usize),
    /// A pixel of the padding: as many zeros as there are channels, and as many zero bytes.
    zeros: &'a [T],
    to: Shared<'a, T>,
    place: usize,
    layout: Inputs,
}

impl<'a, T: Real> InputTransform<'a, T> {
    /// Transforms `tiles` (first, count) and `channels` (the first, a multiple of `BLOCK`, and the one after the last)
    /// into the tiles from `place` on of `to`, whose layout is `layout`.
    ///
    /// # Safety
    /// The tiles and channels must exist, in the grid and in `to`; there must be as many `zeros` as the source has channels,
    /// and at least 8; and no other thread may access the rows that are written while the transform runs.
    pub unsafe fn new(
        (source, grid): (&'a Source<'a, T>, Grid),
        (first, count): (usize, usize),
        channels: (usize, usize),
        zeros: &'a [T],
        (to, place, layout): (Shared<'a, T>, usize, Inputs),
    ) -> Self {
        debug_assert!(to.len() >= layout.len() && zeros.len() >= source.channels.max(8));
        Self { source, grid, first, count, channels, zeros, to, place, layout }
    }
}

impl<T: Real> Kernel<T> for InputTransform<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        match (self.grid.tile, self.source.is_masked()) {
            (Tile::Four, false) => self.transform::<S, f4::Input, 6, false>(s),
            (Tile::Four, true) => self.transform::<S, f4::Input, 6, true>(s),
            (Tile::Six, false) => self.transform::<S, f6::Input, 8, false>(s),
            (Tile::Six, true) => self.transform::<S, f6::Input, 8, true>(s),
        }
    }
}

impl<T: Real> InputTransform<'_, T> {
    #[inline(always)]
    fn transform<S: Simd<T>, M: Map<IN, IN>, const IN: usize, const MASKED: bool>(self, s: S) {
        let outside = (self.zeros.as_ptr(), self.zeros.as_ptr().cast::<u8>());
        let mut both = [[[outside; IN]; IN]; 2];
        let [mut pixels, mut next] = both.each_mut();
        self.find_pixels(self.first, next);
        for tile in 0..self.count {
            std::mem::swap(&mut pixels, &mut next);
            if tile + 1 < self.count {
                self.find_pixels(self.first + tile + 1, next);
            }
            let mut c = self.channels.0;
            while c < self.channels.1 {
                let count = (self.source.channels - c).min(S::LANES);
                // The next tile's first two columns are mostly this tile's last two.
                for i in 0..IN {
                    for j in 2..IN {
                        s.prefetch_near(next[i][j].0.wrapping_add(c));
                    }
                }
                // SAFETY: `to` has the row of this tile in each point's block, as `new` demands; the row's length is a
                // multiple of the vector's.
                let to = unsafe {
                    self.to.as_ptr().add(c / BLOCK * self.layout.block + (self.place + tile) * BLOCK + c % BLOCK)
                };
                // SAFETY: each pixel has `count` channels from c on; where `MASKED`, those with a zero bit are not read.
                unsafe {
                    if MASKED {
                        self.store::<S, M, IN>(s, to, |i, j| {
                            let (data, mask) = pixels[i][j];
                            let lanes = read_bits::<T, S>(mask, c, count) & first_lanes(count);
                            s.load_lanes(data.wrapping_add(c), lanes)
                        });
                    } else if count == S::LANES {
                        self.store::<S, M, IN>(s, to, |i, j| s.load(pixels[i][j].0.add(c)));
                    } else {
                        self.store::<S, M, IN>(s, to, |i, j| s.load_lanes(pixels[i][j].0.add(c), first_lanes(count)));
                    }
                }
                c += S::LANES;
            }
        }
    }

    /// The addresses of the pixels of a tile and of their mask bits.
    #[inline(always)]
    fn find_pixels<const IN: usize>(&self, tile: usize, pixels: &mut [[(*const T, *const u8); IN]; IN]) {
        let outside = (self.zeros.as_ptr(), self.zeros.as_ptr().cast::<u8>());
        let (y, x) = self.grid.input_corner(tile);
        if self.source.contains(y, x, IN) {
            let (y, x) = (y as usize, x as usize);
            for i in 0..IN {
                for j in 0..IN {
                    pixels[i][j] = self.source.pixel_inside(y + i, x + j);
                }
            }
            return;
        }
        for i in 0..IN {
            for j in 0..IN {
                pixels[i][j] = self.source.pixel(y + i as isize, x + j as isize).unwrap_or(outside);
            }
        }
    }

    /// Transforms a tile and writes its points.
    ///
    /// # Safety
    /// `to` must be a tile's row at the first point of the layout, with room for a vector.
    #[inline(always)]
    unsafe fn store<S: Simd<T>, M: Map<IN, IN>, const IN: usize>(
        &self,
        s: S,
        to: *mut T,
        load: impl Fn(usize, usize) -> S::V,
    ) {
        both_ways::<T, S, M, IN, IN>(s, load, |i, row| {
            for j in 0..IN {
                // SAFETY: the caller's.
                unsafe { s.store(to.add((i * IN + j) * self.layout.point), row[j]) };
            }
        });
    }
}
