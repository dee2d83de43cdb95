//! The output side of a convolution: bias, ReLU and its mask, pooling, and the write.

use std::marker::PhantomData;

use super::simd::{Simd, first_lanes};
use super::{Output, Real};

/// The operation on a result before it is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Plain,
    Add,
    Relu,
    ReluMaxPool,
    ReluAveragePool,
}

/// The destination of results.
pub struct Sink<'a, T> {
    stage: Stage,
    data: *mut T,
    /// Laid out as in `BitMask`; null for none.
    mask: *mut u8,
    /// One per channel; null for none.
    bias: *const T,
    /// Height of the convolution's result.
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    borrow: PhantomData<(&'a mut [T], &'a [T])>,
}

// SAFETY: only unsafe functions write to it, and their callers ensure that no two threads write the same place; the
// bias is only read.
unsafe impl<T: Send + Sync> Sync for Sink<'_, T> {}

impl<'a, T: Real> Sink<'a, T> {
    /// The destination of a convolution's result of this shape.
    pub fn new<'o: 'a>(
        output: Output<'o, T>,
        bias: Option<&'a [T]>,
        (height, width, channels): (usize, usize, usize),
    ) -> Self {
        let (stage, mut data, mask) = match output {
            Output::Plain(y) => (Stage::Plain, y, None),
            Output::Add(y) => (Stage::Add, y, None),
            Output::Relu { y, mask } => (Stage::Relu, y, mask),
            Output::ReluMaxPool { y, mask } => (Stage::ReluMaxPool, y, mask),
            Output::ReluAveragePool { y, mask } => (Stage::ReluAveragePool, y, mask),
        };
        let pool = if matches!(stage, Stage::ReluMaxPool | Stage::ReluAveragePool) { 2 } else { 1 };
        assert_eq!(data.dim(), (height / pool, width / pool, channels), "an output of the wrong shape");
        assert!(data.is_standard_layout(), "an output that is not in standard layout");
        let mask = mask.map_or(std::ptr::null_mut(), |mask| {
            assert_eq!(mask.dim(), (height, width, channels), "a mask of the wrong shape");
            mask.cleared().as_mut_ptr()
        });
        let bias = bias.map_or(std::ptr::null(), |bias| {
            assert_eq!(bias.len(), channels, "a bias of {} values for {channels} channels", bias.len());
            bias.as_ptr()
        });
        Self { stage, data: data.as_mut_ptr(), mask, bias, height, width, channels, borrow: PhantomData }
    }

    /// Prefetches the destination of a tile's channels `channel..channel + count`.
    #[inline(always)]
    pub fn prefetch_tile<S: Simd<T>, const OUT: usize>(
        &self,
        s: S,
        (y, x): (usize, usize),
        channel: usize,
        count: usize,
    ) {
        let pooled = matches!(self.stage, Stage::ReluMaxPool | Stage::ReluAveragePool);
        let (y, x, width, side) =
            if pooled { (y / 2, x / 2, self.width / 2, OUT / 2) } else { (y, x, self.width, OUT) };
        for i in 0..side {
            for j in 0..side {
                let pixel = self.data.wrapping_add(((y + i) * width + x + j) * self.channels + channel);
                for c in (0..count).step_by(64 / size_of::<T>()) {
                    s.prefetch_near(pixel.wrapping_add(c));
                }
            }
        }
    }

    /// Writes `LANES` channels from `channel` on, or as many as there are, of a Winograd tile that may extend beyond the edge.
    ///
    /// # Safety
    /// The tile's first position and the first channel must lie inside, and no other thread may access these channels of the
    /// tile, or the bytes of the mask that hold their bits, meanwhile.
    #[inline(always)]
    pub unsafe fn write_tile<S: Simd<T>, const OUT: usize>(
        &self,
        s: S,
        (y, x): (usize, usize),
        channel: usize,
        tile: [[S::V; OUT]; OUT],
    ) {
        let count = (self.channels - channel).min(S::LANES);
        let (rows, columns) = ((self.height - y).min(OUT), (self.width - x).min(OUT));
        // SAFETY: the caller's; all that is written lies inside the image and the channels.
        unsafe {
            if count == S::LANES && rows == OUT && columns == OUT {
                self.write::<S, OUT, true>(s, (y, x), channel, count, (OUT, OUT), tile);
            } else {
                self.write::<S, OUT, false>(s, (y, x), channel, count, (rows, columns), tile);
            }
        }
    }

    /// The part of the tile that lies inside; all of it, and whole vectors, if `WHOLE`.
    ///
    /// # Safety
    /// As [`write_tile`](Self::write_tile).
    #[inline(always)]
    unsafe fn write<S: Simd<T>, const OUT: usize, const WHOLE: bool>(
        &self,
        s: S,
        (y, x): (usize, usize),
        channel: usize,
        count: usize,
        (rows, columns): (usize, usize),
        mut tile: [[S::V; OUT]; OUT],
    ) {
        let lanes = first_lanes(count);
        let zero = s.splat(T::zero());
        // SAFETY: the caller's.
        unsafe {
            if !self.bias.is_null() {
                let bias = s.load_lanes(self.bias.add(channel), lanes);
                for i in 0..OUT {
                    for j in 0..OUT {
                        tile[i][j] = s.add(tile[i][j], bias);
                    }
                }
            }
            match self.stage {
                Stage::Plain | Stage::Add | Stage::Relu => {
                    for i in 0..OUT {
                        for j in 0..OUT {
                            if WHOLE || (i < rows && j < columns) {
                                self.write_pixel::<S, WHOLE>(s, (y + i, x + j), channel, count, tile[i][j]);
                            }
                        }
                    }
                }
                Stage::ReluMaxPool | Stage::ReluAveragePool => {
                    for i in 0..OUT / 2 {
                        for j in 0..OUT / 2 {
                            if !(WHOLE || (2 * i + 1 < rows && 2 * j + 1 < columns)) {
                                continue;
                            }
                            let window = [
                                s.max(zero, tile[2 * i][2 * j]),
                                s.max(zero, tile[2 * i][2 * j + 1]),
                                s.max(zero, tile[2 * i + 1][2 * j]),
                                s.max(zero, tile[2 * i + 1][2 * j + 1]),
                            ];
                            self.write_window::<S, WHOLE>(s, (y + 2 * i, x + 2 * j), channel, count, window);
                        }
                    }
                }
            }
        }
    }

    /// Writes one pixel's channels, not pooled.
    ///
    /// # Safety
    /// The pixel and the channels must lie inside, and no other thread may write them.
    #[inline(always)]
    pub unsafe fn write_pixel<S: Simd<T>, const WHOLE: bool>(
        &self,
        s: S,
        (y, x): (usize, usize),
        channel: usize,
        count: usize,
        value: S::V,
    ) {
        let lanes = first_lanes(count);
        let position = y * self.width + x;
        // SAFETY: the caller's.
        unsafe {
            let to = self.data.add(position * self.channels + channel);
            let value = match self.stage {
                Stage::Add if WHOLE => s.add(s.load(to), value),
                Stage::Add => s.add(s.load_lanes(to, lanes), value),
                Stage::Relu => s.max(s.splat(T::zero()), value),
                _ => value,
            };
            if WHOLE {
                s.store(to, value);
            } else {
                s.store_lanes(to, value, lanes);
            }
            if !self.mask.is_null() {
                self.write_bits::<S>(position, channel, count, s.greater(value, s.splat(T::zero())));
            }
        }
    }

    /// Pools one window of rectified values, whose first is (y, x).
    ///
    /// # Safety
    /// The window and the channels must lie inside, and no other thread may access them meanwhile.
    #[inline(always)]
    unsafe fn write_window<S: Simd<T>, const WHOLE: bool>(
        &self,
        s: S,
        (y, x): (usize, usize),
        channel: usize,
        count: usize,
        window: [S::V; 4],
    ) {
        let zero = s.splat(T::zero());
        let positive = window.map(|value| s.greater(value, zero));
        let (value, bits) = if self.stage == Stage::ReluMaxPool {
            let value = s.max(s.max(window[0], window[1]), s.max(window[2], window[3]));
            let mut bits = [0; 4];
            let mut taken = 0;
            for i in 0..4 {
                // Of equal values the first receives the gradient, as in PyTorch.
                bits[i] = s.equal(window[i], value) & positive[i] & !taken;
                taken |= bits[i];
            }
            (value, bits)
        } else {
            let sum = s.add(s.add(window[0], window[1]), s.add(window[2], window[3]));
            (s.mul(sum, s.splat(T::of(0.25))), positive)
        };
        // SAFETY: the caller's.
        unsafe {
            let to = self.data.add((y / 2 * (self.width / 2) + x / 2) * self.channels + channel);
            if WHOLE {
                s.store(to, value);
            } else {
                s.store_lanes(to, value, first_lanes(count));
            }
            if !self.mask.is_null() {
                let position = y * self.width + x;
                self.write_bits::<S>(position, channel, count, bits[0]);
                self.write_bits::<S>(position + 1, channel, count, bits[1]);
                self.write_bits::<S>(position + self.width, channel, count, bits[2]);
                self.write_bits::<S>(position + self.width + 1, channel, count, bits[3]);
            }
        }
    }

    /// Writes the mask bits of `count` channels.
    ///
    /// # Safety
    /// There must be a mask with this position and these channels, and no other thread may access their bytes meanwhile.
    #[inline(always)]
    unsafe fn write_bits<S: Simd<T>>(&self, position: usize, channel: usize, count: usize, bits: u32) {
        let bits = bits & first_lanes(count);
        // SAFETY: the bytes written hold bits of these channels; two vectors that share a byte belong to one panel and
        // are written one after the other by one thread, the lower first.
        unsafe {
            let to = self.mask.add(position * self.channels.div_ceil(8) + channel / 8);
            match S::LANES {
                16 if count > 8 => to.cast::<u16>().write_unaligned((bits as u16).to_le()),
                4 if channel % 8 == 4 => to.write(to.read() | (bits << 4) as u8),
                _ => to.write(bits as u8),
            }
        }
    }
}
