//! The filter transform: U = G g Gᵀ, stored as the product reads it.

use std::marker::PhantomData;

use ndarray::ArrayView4;

use super::super::Real;
use super::super::shared::Shared;
use super::super::simd::{Kernel, MAX_LANES, Simd, first_lanes};
use super::grid::Tile;
use super::layout::Filters;
use super::transforms::{Map, both_ways};
use super::{f4, f6};

/// 3×3 filters of a convolution from `inputs` to `outputs` channels: the tap (i, j) from
/// input channel k to output channel n is `data[i · row + j · column + k · input + n · output]`.
///
/// For a data gradient, inputs and outputs are exchanged, and `data` points to the last tap with `row` and `column`
/// reversed, which turns the filters by 180°.
pub struct Taps<'a, T> {
    data: *const T,
    row: isize,
    column: isize,
    input: isize,
    output: isize,
    pub inputs: usize,
    pub outputs: usize,
    /// The factor of all taps.
    scale: T,
    borrow: PhantomData<&'a [T]>,
}

// SAFETY: the borrowed data are only read.
unsafe impl<T: Sync> Sync for Taps<'_, T> {}

impl<'a, T: Real> Taps<'a, T> {
    /// The filters `weights`, (out, in, 3, 3), as they are.
    pub fn forward(weights: &'a ArrayView4<'_, T>) -> Self {
        let (outputs, inputs, rows, columns) = weights.dim();
        assert_eq!((rows, columns), (3, 3), "Winograd convolution is for filters of 3×3");
        let &[output, input, row, column] = weights.strides() else { unreachable!("four axes") };
        let (data, scale) = (weights.as_ptr(), T::one());
        Self { data, row, column, input, output, inputs, outputs, scale, borrow: PhantomData }
    }

    /// The same filters times a factor.
    pub fn scaled(self, scale: T) -> Self {
        Self { scale, ..self }
    }

    /// Where the tap (i, j) from input channel k to output channel n is.
    #[inline(always)]
    fn at(&self, (i, j): (usize, usize), k: usize, n: usize) -> *const T {
        self.data.wrapping_offset(
            i as isize * self.row + j as isize * self.column + k as isize * self.input + n as isize * self.output,
        )
    }

    /// The filters `weights`, (out, in, 3, 3), turned by 180° with input and output exchanged.
    pub fn backward(weights: &'a ArrayView4<'_, T>) -> Self {
        let taps = Self::forward(weights);
        Self {
            data: taps.data.wrapping_offset(2 * (taps.row + taps.column)),
            row: -taps.row,
            column: -taps.column,
            input: taps.output,
            output: taps.input,
            inputs: taps.outputs,
            outputs: taps.inputs,
            scale: taps.scale,
            borrow: PhantomData,
        }
    }
}

/// Transforms the filters from some input channels to the panel of output channels that begins at `first` and has the
/// width of `vectors` vectors.
pub struct FilterTransform<'a, T> {
    taps: &'a Taps<'a, T>,
    tile: Tile,
    first: usize,
    vectors: usize,
    /// First input channel and count.
    inputs: (usize, usize),
    to: Shared<'a, T>,
    layout: Filters,
}

impl<'a, T: Real> FilterTransform<'a, T> {
    /// Transforms the input channels `inputs` (first, count) for the panel of `vectors` vectors from output channel
    /// `first` on. `to` begins with the first of these input channels in the panel.
    ///
    /// # Safety
    /// The channels must exist, `to` must have room for them at each of the points of `layout`, and no other thread may
    /// access that room while the transform runs.
    pub unsafe fn new(
        (taps, tile): (&'a Taps<'a, T>, Tile),
        (first, vectors): (usize, usize),
        inputs: (usize, usize),
        (to, layout): (Shared<'a, T>, Filters),
    ) -> Self {
        Self { taps, tile, first, vectors, inputs, to, layout }
    }
}

impl<T: Real> Kernel<T> for FilterTransform<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        match self.tile {
            Tile::Four => self.transform::<S, f4::Filter, 6>(s),
            Tile::Six => self.transform::<S, f6::Filter, 8>(s),
        }
    }
}

impl<T: Real> FilterTransform<'_, T> {
    #[inline(always)]
    fn transform<S: Simd<T>, M: Map<3, IN>, const IN: usize>(self, s: S) {
        let width = self.vectors * S::LANES;
        let scale = s.splat(self.taps.scale);
        let mut square = [[s.splat(T::zero()); MAX_LANES]; 9];
        let (channel, channels) = self.inputs;
        for k in (0..channels).step_by(S::LANES) {
            let inputs = (channels - k).min(S::LANES);
            // All vectors of a panel at once: they share the cache lines that are read and written.
            for vector in 0..self.vectors {
                let n = self.first + vector * S::LANES;
                let outputs = (self.taps.outputs - n).min(S::LANES);
                for i in 0..3 {
                    for j in 0..3 {
                        // SAFETY: the requested taps and channels exist, as `new` demands.
                        unsafe { self.load(s, &mut square[i * 3 + j], (i, j), (channel + k, inputs), (n, outputs)) };
                    }
                }
                for l in 0..inputs {
                    self.prefetch(s, (channel + k + S::LANES, n), l);
                    let tap = |i: usize, j: usize| s.mul(square[i * 3 + j][l], scale);
                    both_ways::<T, S, M, 3, IN>(s, tap, |i, row| {
                        for j in 0..IN {
                            let place = (i * IN + j) * self.layout.point + (k + l) * width + vector * S::LANES;
                            // SAFETY: `to` has room for these channels at each point, as `new` demands.
                            unsafe { s.store(self.to.as_ptr().add(place), row[j]) };
                        }
                    });
                }
            }
        }
    }

    /// Prefetches part `l` of what [`load`](Self::load) reads from input channel k and output channel n on: no processor foresees
    /// so many short rows.
    #[inline(always)]
    fn prefetch<S: Simd<T>>(&self, s: S, (k, n): (usize, usize), l: usize) {
        let (k, n) = if self.taps.output == 1 { (k + l, n) } else { (k, n + l) };
        for i in 0..3 {
            for j in 0..3 {
                s.prefetch_near(self.taps.at((i, j), k, n));
            }
        }
    }

    /// Sets `square[l]` to one tap of input channel k + l and output channels n.., with zeros beyond the last.
    ///
    /// # Safety
    /// The tap and the channels must exist.
    #[inline(always)]
    unsafe fn load<S: Simd<T>>(
        &self,
        s: S,
        square: &mut [S::V; MAX_LANES],
        (i, j): (usize, usize),
        (k, inputs): (usize, usize),
        (n, outputs): (usize, usize),
    ) {
        let taps = self.taps;
        let at = |k: usize, n: usize| taps.at((i, j), k, n);
        // SAFETY: the caller's.
        unsafe {
            if taps.output == 1 {
                for l in 0..inputs {
                    square[l] = s.load_lanes(at(k + l, n), first_lanes(outputs));
                }
            } else if taps.input == 1 {
                for l in 0..S::LANES {
                    let lanes = if l < outputs { first_lanes(inputs) } else { 0 };
                    square[l] = s.load_lanes(at(k, n + l), lanes);
                }
                s.transpose(square);
            } else {
                for l in 0..inputs {
                    let mut values = [T::zero(); MAX_LANES];
                    for (m, value) in values.iter_mut().enumerate().take(outputs) {
                        *value = at(k + l, n + m).read();
                    }
                    square[l] = s.load(values.as_ptr());
                }
            }
        }
    }
}
