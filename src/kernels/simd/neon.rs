//! NEON, which every 64-bit ARM processor has.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one comment below holds for all of them")]
#![allow(clippy::wildcard_imports, reason = "instructions by their own names")]

use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// The token of NEON.
#[derive(Clone, Copy)]
pub struct Neon;

pub fn run<T, K: Kernel<T>>(kernel: K)
where
    Neon: Simd<T>,
{
    kernel.run(Neon);
}

// SAFETY of every block below: NEON is part of the target; pointers are the caller's.

impl Simd<f32> for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const ROWS: usize = 12;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { vfmsq_f32(c, a, b) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
    }
    #[inline(always)]
    fn greater(self, a: Self::V, b: Self::V) -> u32 {
        unsafe { bits_of_four(vcgtq_f32(a, b)) }
    }
    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u32 {
        unsafe { bits_of_four(vceqq_f32(a, b)) }
    }
    #[inline(always)]
    fn zip_low(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vzip1q_f32(a, b) }
    }
    #[inline(always)]
    fn zip_high(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { vzip2q_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { vld1q_f32(from) }
    }
    #[inline(always)]
    unsafe fn load_lanes(self, from: *const f32, lanes: u32) -> Self::V {
        let values: [f32; 4] =
            std::array::from_fn(|i| if lanes >> i & 1 == 1 { unsafe { from.add(i).read() } } else { 0.0 });
        unsafe { vld1q_f32(values.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        unsafe { vst1q_f32(to, v) }
    }
    #[inline(always)]
    unsafe fn store_lanes(self, to: *mut f32, v: Self::V, lanes: u32) {
        let mut values = [0.0; 4];
        unsafe { vst1q_f32(values.as_mut_ptr(), v) };
        for (i, value) in values.into_iter().enumerate() {
            if lanes >> i & 1 == 1 {
                unsafe { to.add(i).write(value) }
            }
        }
    }
}

#[inline(always)]
unsafe fn bits_of_four(lanes: uint32x4_t) -> u32 {
    unsafe { vaddvq_u32(vandq_u32(lanes, vld1q_u32([1, 2, 4, 8].as_ptr()))) }
}
