//! AVX-512 and AVX2 with FMA.

#![allow(clippy::undocumented_unsafe_blocks, reason = "one comment below holds for all of them")]
#![allow(clippy::wildcard_imports, reason = "instructions by their own names")]

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// The token of AVX-512 (the foundation with its DQ, BW and VL parts).
#[derive(Clone, Copy)]
pub struct Avx512(());

/// The token of AVX2 with FMA.
#[derive(Clone, Copy)]
pub struct Avx2(());

pub fn has_avx512() -> bool {
    has_avx2()
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
}

pub fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// # Safety
/// [`has_avx512`] must hold.
#[target_feature(enable = "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")]
pub unsafe fn run_avx512<T, K: Kernel<T>>(kernel: K)
where
    Avx512: Simd<T>,
{
    kernel.run(Avx512(()));
}

/// # Safety
/// [`has_avx2`] must hold.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run_avx2<T, K: Kernel<T>>(kernel: K)
where
    Avx2: Simd<T>,
{
    kernel.run(Avx2(()));
}

// SAFETY of every block below: the token exists only where the instructions do; pointers are the caller's.

impl Simd<f32> for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    // 14 × 2 accumulators, 2 vectors of the one factor and 1 broadcast of the other: 31 of 32 registers.
    const ROWS: usize = 14;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn greater(self, a: Self::V, b: Self::V) -> u32 {
        u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) })
    }
    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u32 {
        u32::from(unsafe { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) })
    }
    #[inline(always)]
    fn zip_low(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            _mm512_permutex2var_ps(a, _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), b)
        }
    }
    #[inline(always)]
    fn zip_high(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe {
            _mm512_permutex2var_ps(
                a,
                _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31),
                b,
            )
        }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    fn prefetch_near(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_lanes(self, from: *const f32, lanes: u32) -> Self::V {
        unsafe { _mm512_maskz_loadu_ps(lanes as u16, from) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_lanes(self, to: *mut f32, v: Self::V, lanes: u32) {
        unsafe { _mm512_mask_storeu_ps(to, lanes as u16, v) }
    }
}

impl Simd<f32> for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    // 6 × 2 accumulators, 2 vectors of the one factor and 1 broadcast of the other: 15 of 16 registers.
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> Self::V {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { _mm256_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    fn greater(self, a: Self::V, b: Self::V) -> u32 {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) as u32 }
    }
    #[inline(always)]
    fn equal(self, a: Self::V, b: Self::V) -> u32 {
        unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b)) as u32 }
    }
    #[inline(always)]
    fn zip_low(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_permute2f128_ps::<0x20>(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)) }
    }
    #[inline(always)]
    fn zip_high(self, a: Self::V, b: Self::V) -> Self::V {
        unsafe { _mm256_permute2f128_ps::<0x31>(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b)) }
    }
    #[inline(always)]
    fn prefetch(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    #[inline(always)]
    fn prefetch_near(self, from: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        unsafe { _mm256_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn load_lanes(self, from: *const f32, lanes: u32) -> Self::V {
        unsafe { _mm256_maskload_ps(from, spread_over_eight(lanes)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        unsafe { _mm256_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn store_lanes(self, to: *mut f32, v: Self::V, lanes: u32) {
        unsafe { _mm256_maskstore_ps(to, spread_over_eight(lanes), v) }
    }
}

/// All ones in the lanes whose bit is set.
#[inline(always)]
unsafe fn spread_over_eight(bits: u32) -> __m256i {
    unsafe {
        let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits as i32), lane), lane)
    }
}
