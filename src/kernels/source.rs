//! The input side of a convolution or its gradient: an image, optionally masked, optionally pooled.

use std::marker::PhantomData;

use ndarray::ArrayView3;

use super::simd::{Simd, first_lanes};
use super::{Gradient, PaddingMode, Real};

/// An image to be convolved, (height, width, channels), optionally masked and un-pooled.
///
/// Its element (y, x, c) is `data[y >> shift, x >> shift, c]` where the mask has a one or there is no mask, else 0.
pub struct Source<'a, T> {
    data: *const T,
    /// Laid out as in `BitMask`; null for none.
    mask: *const u8,
    pub height: usize,
    pub width: usize,
    pub channels: usize,
    /// 1 where `data` is pooled, 0 where it is not.
    shift: u32,
    beyond: PaddingMode,
    borrow: PhantomData<&'a [T]>,
}

// SAFETY: the borrowed data are only read.
unsafe impl<T: Sync> Sync for Source<'_, T> {}

impl<'a, T: Real> Source<'a, T> {
    /// An unmasked image, which must be in standard layout, and what lies beyond its edges.
    pub fn new(x: &'a ArrayView3<'_, T>, beyond: PaddingMode) -> Self {
        assert!(x.is_standard_layout(), "an image that is not in standard layout");
        let (height, width, channels) = x.dim();
        let (data, mask) = (x.as_ptr(), std::ptr::null());
        Self { data, mask, height, width, channels, shift: 0, beyond, borrow: PhantomData }
    }

    /// Whether it has a mask.
    pub fn is_masked(&self) -> bool {
        !self.mask.is_null()
    }

    /// The addresses of the channels of pixel (y, x) and of their mask bits; `None` for zeros beyond the edges.
    #[inline(always)]
    pub fn pixel(&self, y: isize, x: isize) -> Option<(*const T, *const u8)> {
        let inside = |at: isize, len: usize| match self.beyond {
            PaddingMode::Zeros => usize::try_from(at).ok().filter(|at| *at < len),
            PaddingMode::Replicate => Some(at.clamp(0, len as isize - 1) as usize),
        };
        Some(self.pixel_inside(inside(y, self.height)?, inside(x, self.width)?))
    }

    /// Copies the channels of pixel (y, x), which may lie beyond the edges.
    pub fn copy_pixel(&self, y: isize, x: isize, to: &mut [T]) {
        assert_eq!(to.len(), self.channels, "another number of channels");
        let Some((data, mask)) = self.pixel(y, x) else { return to.fill(T::zero()) };
        for (c, to) in to.iter_mut().enumerate() {
            // SAFETY: the pixel has these channels and, where there is a mask, their bits; masked values are not read.
            *to = unsafe {
                let passes = mask.is_null() || mask.add(c / 8).read() >> (c % 8) & 1 == 1;
                if passes { data.add(c).read() } else { T::zero() }
            };
        }
    }

    /// Whether a square of this side whose first pixel is (y, x) lies inside.
    #[inline(always)]
    pub fn contains(&self, y: isize, x: isize, side: usize) -> bool {
        y >= 0 && x >= 0 && y as usize + side <= self.height && x as usize + side <= self.width
    }

    /// The same as [`pixel`](Self::pixel) for a pixel inside.
    #[inline(always)]
    pub fn pixel_inside(&self, y: usize, x: usize) -> (*const T, *const u8) {
        // A last odd row or column, which pooling dropped, has no data; its mask bits are zero, so its data are never
        // read.
        let (data_y, data_x, data_width) = (y >> self.shift, x >> self.shift, self.width >> self.shift);
        let data = self.data.wrapping_add((data_y * data_width + data_x) * self.channels);
        let mask = if self.mask.is_null() {
            self.mask
        } else {
            self.mask.wrapping_add((y * self.width + x) * self.channels.div_ceil(8))
        };
        (data, mask)
    }
}

/// Calls `read` with a gradient as a source and the factor of all its values.
pub fn with_gradient<T: Real>(gradient: Gradient<'_, T>, read: impl FnOnce(Source<'_, T>, T)) {
    let (height, width, channels) = gradient.dim();
    let quarter = T::of(0.25);
    let (dy, mask, shift, scale) = match gradient {
        Gradient::Plain(dy) => (dy, None, 0, T::one()),
        Gradient::Masked { dy, mask } => (dy, Some(mask), 0, T::one()),
        Gradient::MaxPooled { dy, mask } => (dy, Some(mask), 1, T::one()),
        Gradient::AveragePooled { dy, mask } => (dy, Some(mask), 1, quarter),
    };
    assert_eq!(dy.dim(), (height >> shift, width >> shift, channels), "a gradient and a mask that do not fit together");
    let dy = dy.as_standard_layout();
    let mask = mask.map_or(std::ptr::null(), |mask| mask.bytes().as_ptr());
    let (data, beyond) = (dy.as_ptr(), PaddingMode::Zeros);
    read(Source { data, mask, height, width, channels, shift, beyond, borrow: PhantomData }, scale);
}

/// The mask bits of channels `c..c + count`, with `count` ≤ `LANES` and c a multiple of `LANES`.
///
/// # Safety
/// `mask` points to the bits of a position that has so many channels.
#[inline(always)]
pub unsafe fn read_bits<T, S: Simd<T>>(mask: *const u8, c: usize, count: usize) -> u32 {
    // SAFETY: the bytes read hold bits of the requested channels.
    unsafe {
        let low = u32::from(mask.add(c / 8).read());
        match S::LANES {
            16 if count > 8 => u32::from(mask.add(c / 8).cast::<u16>().read_unaligned().to_le()),
            16 | 8 => low,
            _ => low >> (c % 8) & first_lanes(S::LANES),
        }
    }
}
