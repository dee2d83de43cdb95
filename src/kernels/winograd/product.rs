//! The 36 small matrix products M = V U of a block of tiles and a panel of output channels.
//!
//! Both factors were stored by their transforms in the order in which they are read here: there is no packing. A
//! register tile of up to `ROWS` tiles × 2 vectors of output channels is accumulated over all input channels.

use super::super::Real;
use super::super::simd::{Job, Simd};
use super::layout::{BLOCK, Filters, Inputs, Products};

/// Multiplies, for each point in `points`, tiles `rows` of `v` by the panel `u`, into the same tiles of `m`.
pub struct Product<T> {
    pub v: *const T,
    pub v_layout: Inputs,
    pub u: *const T,
    pub u_layout: Filters,
    pub m: *mut T,
    pub m_layout: Products,
    pub points: (usize, usize),
    /// First tile and count in `v`; in `m` they begin at 0.
    pub rows: (usize, usize),
    /// Input channels.
    pub channels: usize,
    /// Width of the panel in vectors, 1 or 2.
    pub vectors: usize,
}

impl<T: Real> Job<T> for Product<T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (first, count) = self.rows;
        let groups = count.div_ceil(S::ROWS);
        for point in self.points.0..self.points.1 {
            for group in 0..groups {
                // Groups that differ by at most one row.
                let (begin, end) = (count * group / groups, count * (group + 1) / groups);
                // SAFETY: the buffers hold these rows, as their layouts say.
                unsafe {
                    let v = self.v.add(point * self.v_layout.point + (first + begin) * BLOCK);
                    let u = self.u.add(point * self.u_layout.point);
                    let m = self.m.add(point * self.m_layout.point + begin * self.vectors * S::LANES);
                    if self.vectors == 2 {
                        multiply::<T, S, 2>(s, end - begin, self.channels, v, self.v_layout.block, u, m);
                    } else {
                        multiply::<T, S, 1>(s, end - begin, self.channels, v, self.v_layout.block, u, m);
                    }
                }
            }
        }
    }
}

/// m = v u for `rows` ≤ `ROWS` rows: v holds rows of `BLOCK` values, further blocks of columns being `block` apart; u
/// and m hold rows of N vectors.
///
/// # Safety
/// v and u must be readable and m writable as described.
#[inline(always)]
pub unsafe fn multiply<T: Real, S: Simd<T>, const N: usize>(
    s: S,
    rows: usize,
    depth: usize,
    v: *const T,
    block: usize,
    u: *const T,
    m: *mut T,
) {
    macro_rules! by_rows {
        ($($rows:literal)*) => {
            match rows {
                // SAFETY: the caller's.
                $($rows if $rows <= S::ROWS => unsafe { multiply_rows::<T, S, $rows, N>(s, depth, v, block, u, m) },)*
                _ => unreachable!("more rows than the register tile has"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

#[inline(always)]
unsafe fn multiply_rows<T: Real, S: Simd<T>, const R: usize, const N: usize>(
    s: S,
    depth: usize,
    mut v: *const T,
    block: usize,
    mut u: *const T,
    m: *mut T,
) {
    let mut sums = [[s.splat(T::zero()); N]; R];
    let mut left = depth;
    // SAFETY: the caller's.
    unsafe {
        while left > 0 {
            let columns = left.min(BLOCK);
            for k in 0..columns {
                let mut factors = [s.splat(T::zero()); N];
                for n in 0..N {
                    factors[n] = s.load(u.add(n * S::LANES));
                }
                for r in 0..R {
                    let x = s.splat(v.add(r * BLOCK + k).read());
                    for n in 0..N {
                        sums[r][n] = s.mul_add(x, factors[n], sums[r][n]);
                    }
                }
                u = u.add(N * S::LANES);
            }
            v = v.wrapping_add(block);
            left -= columns;
        }
        for r in 0..R {
            for n in 0..N {
                s.store(m.add((r * N + n) * S::LANES), sums[r][n]);
            }
        }
    }
}
