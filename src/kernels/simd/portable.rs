//! Portable code: arrays of four values, which the compiler turns into the target's baseline vectors.

#![allow(clippy::float_cmp, reason = "the comparison asked for")]

use super::{Kernel, Simd};

/// The token of portable code.
#[derive(Clone, Copy)]
pub struct Portable;

pub fn run<T, K: Kernel<T>>(kernel: K)
where
    Portable: Simd<T>,
{
    kernel.run(Portable);
}

macro_rules! portable {
    ($type:ty) => {
        impl Simd<$type> for Portable {
            type V = [$type; 4];
            const LANES: usize = 4;
            const ROWS: usize = 6;

            #[inline(always)]
            fn splat(self, x: $type) -> Self::V {
                [x; 4]
            }
            #[inline(always)]
            fn add(self, a: Self::V, b: Self::V) -> Self::V {
                [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
            }
            #[inline(always)]
            fn sub(self, a: Self::V, b: Self::V) -> Self::V {
                [a[0] - b[0], a[1] - b[1], a[2] - b[2], a[3] - b[3]]
            }
            #[inline(always)]
            fn mul(self, a: Self::V, b: Self::V) -> Self::V {
                [a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]]
            }
            // Not `f32::mul_add`, which is a slow library call on targets without the instruction.
            #[inline(always)]
            fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [a[0] * b[0] + c[0], a[1] * b[1] + c[1], a[2] * b[2] + c[2], a[3] * b[3] + c[3]]
            }
            #[inline(always)]
            fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                [c[0] - a[0] * b[0], c[1] - a[1] * b[1], c[2] - a[2] * b[2], c[3] - a[3] * b[3]]
            }
            #[inline(always)]
            fn max(self, a: Self::V, b: Self::V) -> Self::V {
                std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
            }
            #[inline(always)]
            fn greater(self, a: Self::V, b: Self::V) -> u32 {
                (0..4).fold(0, |bits, i| bits | u32::from(a[i] > b[i]) << i)
            }
            #[inline(always)]
            fn equal(self, a: Self::V, b: Self::V) -> u32 {
                (0..4).fold(0, |bits, i| bits | u32::from(a[i] == b[i]) << i)
            }
            #[inline(always)]
            fn zip_low(self, a: Self::V, b: Self::V) -> Self::V {
                [a[0], b[0], a[1], b[1]]
            }
            #[inline(always)]
            fn zip_high(self, a: Self::V, b: Self::V) -> Self::V {
                [a[2], b[2], a[3], b[3]]
            }
            #[inline(always)]
            unsafe fn load(self, from: *const $type) -> Self::V {
                // SAFETY: the caller's.
                unsafe { from.cast::<[$type; 4]>().read() }
            }
            #[inline(always)]
            unsafe fn load_lanes(self, from: *const $type, lanes: u32) -> Self::V {
                // SAFETY: the caller's, for the lanes read.
                std::array::from_fn(|i| if lanes >> i & 1 == 1 { unsafe { from.add(i).read() } } else { 0.0 })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type, v: Self::V) {
                // SAFETY: the caller's.
                unsafe { to.cast::<[$type; 4]>().write(v) }
            }
            #[inline(always)]
            unsafe fn store_lanes(self, to: *mut $type, v: Self::V, lanes: u32) {
                for (i, value) in v.into_iter().enumerate() {
                    if lanes >> i & 1 == 1 {
                        // SAFETY: the caller's, for the lanes written.
                        unsafe { to.add(i).write(value) }
                    }
                }
            }
        }
    };
}

portable!(f32);
portable!(f64);
