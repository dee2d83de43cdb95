//! Vectors of floats, and the choice of instruction set at run time.
//!
//! A kernel is written once, as a [`Kernel`] generic over [`Simd`], and [`SimdReal::dispatch`] runs it compiled for the
//! requested instruction set: AVX-512, AVX2 with FMA, NEON, or portable code. A value of a type that implements
//! [`Simd`] is a token: it exists only where the processor has the instructions, so its methods are safe to call.

#![allow(clippy::inline_always, reason = "instructions of a set can only be inlined into functions compiled for it")]

use std::sync::OnceLock;

#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

/// The largest number of lanes of any instruction set: AVX-512 with `f32`.
pub const MAX_LANES: usize = 16;

/// The largest [`Simd::ROWS`].
pub const MAX_ROWS: usize = 14;

/// An instruction set's vectors of `T`.
///
/// Every method is `#[inline(always)]`: it must become part of a function compiled for the instruction set.
pub trait Simd<T>: Copy {
    /// A vector register (or a few) holding `LANES` values.
    type V: Copy;

    /// Number of values in a vector: 4, 8 or 16.
    const LANES: usize;

    /// Rows of the matrix product's register tile of `ROWS` × 2 vectors; at most [`MAX_ROWS`].
    const ROWS: usize;

    /// All lanes `x`.
    fn splat(self, x: T) -> Self::V;
    /// a + b
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// a − b
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// a · b + c, rounded once where the instruction set can.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// c − a · b, rounded once where the instruction set can.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of a and b; b if one is not a number.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// One bit per lane, lane 0 lowest: a > b.
    fn greater(self, a: Self::V, b: Self::V) -> u32;
    /// One bit per lane, lane 0 lowest: a = b.
    fn equal(self, a: Self::V, b: Self::V) -> u32;
    /// The first halves of a and b, interleaved: a₀ b₀ a₁ b₁ …
    fn zip_low(self, a: Self::V, b: Self::V) -> Self::V;
    /// The second halves of a and b, interleaved.
    fn zip_high(self, a: Self::V, b: Self::V) -> Self::V;

    /// Prefetches the cache line at `from` into the L2 cache. Any address is allowed.
    #[inline(always)]
    fn prefetch(self, from: *const T) {
        let _ = from;
    }

    /// Prefetches the cache line at `from` into the L1 cache. Any address is allowed.
    #[inline(always)]
    fn prefetch_near(self, from: *const T) {
        let _ = from;
    }

    /// `LANES` values from `from` on.
    ///
    /// # Safety
    /// All of them must be readable.
    unsafe fn load(self, from: *const T) -> Self::V;

    /// The values whose bit in `lanes` is set, 0 in the other lanes.
    ///
    /// # Safety
    /// Those values must be readable; the others are not touched.
    unsafe fn load_lanes(self, from: *const T, lanes: u32) -> Self::V;

    /// Writes `LANES` values.
    ///
    /// # Safety
    /// All of them must be writable.
    unsafe fn store(self, to: *mut T, v: Self::V);

    /// Writes the lanes whose bit in `lanes` is set.
    ///
    /// # Safety
    /// Those must be writable; the others are not touched.
    unsafe fn store_lanes(self, to: *mut T, v: Self::V, lanes: u32);

    /// Transposes a square of `LANES` vectors of `LANES` values, by log₂ `LANES` perfect shuffles.
    #[inline(always)]
    fn transpose(self, square: &mut [Self::V; MAX_LANES]) {
        let half = Self::LANES / 2;
        let mut step = 1;
        while step < Self::LANES {
            let before = *square;
            for i in 0..half {
                square[2 * i] = self.zip_low(before[i], before[i + half]);
                square[2 * i + 1] = self.zip_high(before[i], before[i + half]);
            }
            step *= 2;
        }
    }
}

/// The bits of the first `count` lanes.
#[inline(always)]
pub const fn first_lanes(count: usize) -> u32 {
    if count >= 32 { u32::MAX } else { (1 << count) - 1 }
}

/// A kernel, compiled once for each instruction set.
pub trait Kernel<T> {
    /// Runs the kernel. Must be `#[inline(always)]`, as must every function it calls with the token.
    fn run<S: Simd<T>>(self, simd: S);
}

/// The set that kernels use.
static BEST: OnceLock<InstructionSet> = OnceLock::new();

/// An instruction set of this processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstructionSet(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
    Portable,
}

impl InstructionSet {
    /// All instruction sets of this processor, best first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if x86::has_avx512() {
                all.push(Self(Kind::Avx512));
            }
            if x86::has_avx2() {
                all.push(Self(Kind::Avx2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Self(Kind::Neon));
        all.push(Self(Kind::Portable));
        all
    }

    /// The best instruction set of this processor.
    pub fn best() -> Self {
        *BEST.get_or_init(|| Self::all()[0])
    }

    /// Limits kernels to the instruction set of this name. Returns false if the processor lacks it, or if kernels already use another.
    pub fn limit(name: &str) -> bool {
        let named = Self::all().into_iter().find(|set| set.name().eq_ignore_ascii_case(name));
        named.is_some_and(|set| *BEST.get_or_init(|| set) == set)
    }

    /// The name of the instruction set.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => "NEON",
            Kind::Portable => "portable",
        }
    }
}

/// A float type for which kernels can be dispatched.
pub trait SimdReal: Sized {
    /// Number of values in a vector of `set`, [`Simd::LANES`].
    fn lanes(set: InstructionSet) -> usize;

    /// Runs `kernel` compiled for `set`.
    fn dispatch<K: Kernel<Self>>(set: InstructionSet, kernel: K);
}

impl SimdReal for f32 {
    fn lanes(set: InstructionSet) -> usize {
        match set.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => <x86::Avx512 as Simd<f32>>::LANES,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => <x86::Avx2 as Simd<f32>>::LANES,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => <neon::Neon as Simd<f32>>::LANES,
            Kind::Portable => <portable::Portable as Simd<f32>>::LANES,
        }
    }

    #[inline]
    fn dispatch<K: Kernel<Self>>(set: InstructionSet, kernel: K) {
        match set.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: an `InstructionSet` of this kind is made only where the processor has it.
            Kind::Avx512 => unsafe { x86::run_avx512(kernel) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Kind::Avx2 => unsafe { x86::run_avx2(kernel) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => neon::run(kernel),
            Kind::Portable => portable::run(kernel),
        }
    }
}

/// `f64` serves to check gradients of small arrays: it uses portable code, compiled once, for every instruction set.
impl SimdReal for f64 {
    fn lanes(_: InstructionSet) -> usize {
        <portable::Portable as Simd<f64>>::LANES
    }

    #[inline]
    fn dispatch<K: Kernel<Self>>(_: InstructionSet, kernel: K) {
        portable::run(kernel);
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, clippy::undocumented_unsafe_blocks, reason = "exact values; all slices hold enough of them")]
mod tests {
    use super::*;

    /// Checks every operation of an instruction set against plain arithmetic.
    struct Check;

    macro_rules! check {
        ($type:ty) => {
            impl Kernel<$type> for Check {
                #[inline(always)]
                fn run<S: Simd<$type>>(self, s: S) {
                    let n = S::LANES;
                    assert!(n <= MAX_LANES && S::ROWS <= MAX_ROWS);
                    let a: Vec<$type> = (0..n).map(|i| i as $type - 2.5).collect();
                    let b: Vec<$type> =
                        (0..n).map(|i| if i % 3 == 0 { a[i] } else { 7.0 - 2.0 * i as $type }).collect();
                    // SAFETY: the slices hold `LANES` values, as do all those below.
                    let (va, vb) = unsafe { (s.load(a.as_ptr()), s.load(b.as_ptr())) };
                    let out = |v: S::V| {
                        let mut out = vec![0.0; n];
                        unsafe { s.store(out.as_mut_ptr(), v) };
                        out
                    };
                    let each = |f: &dyn Fn($type, $type) -> $type| -> Vec<$type> {
                        a.iter().zip(&b).map(|(&a, &b)| f(a, b)).collect()
                    };
                    let bits = |f: &dyn Fn($type, $type) -> bool| -> u32 {
                        a.iter().zip(&b).enumerate().map(|(i, (a, b))| u32::from(f(*a, *b)) << i).sum()
                    };
                    assert_eq!(out(s.splat(3.0)), vec![3.0; n]);
                    assert_eq!(out(s.add(va, vb)), each(&|a, b| a + b));
                    assert_eq!(out(s.sub(va, vb)), each(&|a, b| a - b));
                    assert_eq!(out(s.mul(va, vb)), each(&|a, b| a * b));
                    assert_eq!(out(s.mul_add(va, vb, va)), each(&|a, b| a * b + a));
                    assert_eq!(out(s.neg_mul_add(va, vb, va)), each(&|a, b| a - a * b));
                    assert_eq!(out(s.max(va, vb)), each(&|a, b| a.max(b)));
                    assert_eq!(s.greater(va, vb), bits(&|a, b| a > b));
                    assert_eq!(s.equal(va, vb), bits(&|a, b| a == b));
                    let not_a_number = out(s.max(s.splat(0.0), s.splat(<$type>::NAN)));
                    assert!(not_a_number.iter().all(|x| x.is_nan()));
                    let zipped: Vec<$type> = (0..n).flat_map(|i| [a[i], b[i]]).collect();
                    assert_eq!(out(s.zip_low(va, vb)), zipped[..n]);
                    assert_eq!(out(s.zip_high(va, vb)), zipped[n..]);
                    for lanes in [0, 1, first_lanes(n - 1), 0b1010 & first_lanes(n), first_lanes(n)] {
                        let kept = |i: usize| lanes >> i & 1 == 1;
                        let expected: Vec<$type> = (0..n).map(|i| if kept(i) { a[i] } else { 0.0 }).collect();
                        assert_eq!(out(unsafe { s.load_lanes(a.as_ptr(), lanes) }), expected);
                        let mut stored = b.clone();
                        unsafe { s.store_lanes(stored.as_mut_ptr(), va, lanes) };
                        let expected: Vec<$type> = (0..n).map(|i| if kept(i) { a[i] } else { b[i] }).collect();
                        assert_eq!(stored, expected);
                    }
                    let mut square = [s.splat(0.0); MAX_LANES];
                    let at = |row: usize, column: usize| (row * 100 + column) as $type;
                    for (row, v) in square.iter_mut().enumerate().take(n) {
                        let values: Vec<$type> = (0..n).map(|column| at(row, column)).collect();
                        *v = unsafe { s.load(values.as_ptr()) };
                    }
                    s.transpose(&mut square);
                    for (row, &v) in square.iter().enumerate().take(n) {
                        assert_eq!(out(v), (0..n).map(|column| at(column, row)).collect::<Vec<_>>());
                    }
                }
            }
        };
    }
    check!(f32);
    check!(f64);

    #[test]
    fn every_operation_of_every_instruction_set_is_plain_arithmetic() {
        for set in InstructionSet::all() {
            f32::dispatch(set, Check);
            f64::dispatch(set, Check);
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_sets_are_those_whose_instructions_the_processor_has() {
        let names: Vec<_> = InstructionSet::all().into_iter().map(InstructionSet::name).collect();
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl");
        assert_eq!([names.contains(&"AVX2"), names.contains(&"AVX-512")], [avx2, avx2 && avx512]);
    }

    #[test]
    fn the_best_set_can_be_limited_only_to_one_that_exists_and_not_after_its_use() {
        assert!(!InstructionSet::limit("AVX"));
        let best = InstructionSet::best();
        assert!(InstructionSet::limit(&best.name().to_lowercase()));
        assert!(best.name() == "portable" || !InstructionSet::limit("portable"));
        assert_eq!(InstructionSet::best(), best);
    }

    #[test]
    fn the_best_set_is_the_first_and_portable_code_is_always_there() {
        let all = InstructionSet::all();
        assert_eq!(InstructionSet::best(), all[0]);
        assert_eq!(all.last().unwrap().name(), "portable");
    }
}
