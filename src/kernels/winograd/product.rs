//! The small matrix products M = V U, one for each point, of a block of tiles and a panel of output channels.
//!
//! The transforms stored both factors in the order in which they are read here, so nothing is packed. A
//! register tile of up to `ROWS` tiles × 2 vectors of output channels is accumulated over all input channels.

use super::super::Real;
use super::super::simd::{Kernel, Simd};
use super::layout::{BLOCK, Filters, Inputs, Products};

/// Multiplies, for each point, tiles `rows` of `v` by some panels of `u`, into the same tiles of those panels of `m`.
pub struct Product<'a, T> {
    v: &'a [T],
    v_layout: Inputs,
    /// The first panel; the others follow.
    u: &'a [T],
    u_layout: Filters,
    /// The first panel; the others follow.
    m: &'a mut [T],
    m_layout: Products,
    /// First tile and count in `v`; in `m` they begin at 0.
    rows: (usize, usize),
    /// First input channel, a multiple of `BLOCK`, and count; `u` begins with the first. From the second range of channels
    /// on, products are added to what `m` holds.
    channels: (usize, usize),
    panels: usize,
    /// Width in vectors, 1 or 2, of the last panel; that of the others is 2.
    last_vectors: usize,
}

impl<'a, T: Real> Product<'a, T> {
    /// The product of `rows` (first, count) of `v` over `channels` (the first, a multiple of `BLOCK`, and the count)
    /// for `panels` panels of `u`, of which the last is `last_vectors` vectors wide and the others two.
    ///
    /// # Panics
    /// If a slice is shorter than its layout says.
    pub fn new(
        (v, v_layout): (&'a [T], Inputs),
        (u, u_layout): (&'a [T], Filters),
        (m, m_layout): (&'a mut [T], Products),
        rows: (usize, usize),
        channels: (usize, usize),
        (panels, last_vectors): (usize, usize),
    ) -> Self {
        assert!(v.len() >= v_layout.len() && u.len() >= panels * u_layout.len() && m.len() >= panels * m_layout.len());
        Self { v, v_layout, u, u_layout, m, m_layout, rows, channels, panels, last_vectors }
    }
}

impl<T: Real> Kernel<T> for Product<'_, T> {
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let ((first, count), (channel, channels)) = (self.rows, self.channels);
        // With these, every row and column lies in its point's part of its buffer.
        let blocks = (channel + channels).div_ceil(BLOCK);
        let width = if self.panels > 1 { 2 } else { self.last_vectors } * S::LANES;
        assert!(channel.is_multiple_of(BLOCK) && (1..=2).contains(&self.last_vectors));
        assert!((first + count) * BLOCK <= self.v_layout.block && blocks * self.v_layout.block <= self.v_layout.point);
        assert!(channels * width <= self.u_layout.point && count * width <= self.m_layout.point);
        let depth = Depth { channels, more: channel > 0 };
        let groups = count.div_ceil(S::ROWS);
        // The groups of a panel prefetch the next panel's filters in equal parts: a burst would have to wait for the L3 cache.
        let line = 64 / size_of::<T>();
        let (steps, lines) = (channels.div_ceil(line), (channels * width).div_ceil(line));
        let share = lines.div_ceil((groups * steps).max(1));
        // Groups that differ by at most one row.
        let begin = |group: usize| count * group / groups;
        let v = |point: usize, group: usize| {
            let block = point * self.v_layout.point + channel / BLOCK * self.v_layout.block;
            self.v.as_ptr().wrapping_add(block + (first + begin(group)) * BLOCK)
        };
        let u = |point: usize, panel: usize| {
            self.u.as_ptr().wrapping_add(point * self.u_layout.point + panel * self.u_layout.len())
        };
        for point in 0..self.m_layout.points {
            for panel in 0..self.panels {
                let vectors = if panel + 1 == self.panels { self.last_vectors } else { 2 };
                let m = self.m.as_mut_ptr().wrapping_add(point * self.m_layout.point + panel * self.m_layout.len());
                for group in 0..groups {
                    let rows = begin(group + 1) - begin(group);
                    let m = m.wrapping_add(begin(group) * vectors * S::LANES);
                    let (next_left, next_right) = match (group + 1 < groups, panel + 1 < self.panels) {
                        (true, true) => (v(point, group + 1), u(point, panel + 1)),
                        (true, false) => (v(point, group + 1), u(point + 1, 0)),
                        (false, true) => (v(point, 0), u(point, panel + 1)),
                        (false, false) => (v(point + 1, 0), u(point + 1, 0)),
                    };
                    let first = group * steps * share;
                    let next = Next {
                        left: next_left,
                        right: next_right.wrapping_add(first * line),
                        lines: if first < lines { share } else { 0 },
                    };
                    let left = Left { data: v(point, group), block: self.v_layout.block };
                    let m = To { data: m, row: vectors * S::LANES };
                    // SAFETY: the buffers hold these rows, as was checked above and in `new`.
                    unsafe {
                        if vectors == 2 {
                            multiply::<T, S, 2>(s, (rows, depth), left, u(point, panel), m, next);
                        } else {
                            multiply::<T, S, 1>(s, (rows, depth), left, u(point, panel), m, next);
                        }
                    }
                }
            }
        }
    }
}

/// The range of a small product's sum.
#[derive(Clone, Copy)]
pub struct Depth {
    pub channels: usize,
    /// Whether it continues a sum that `m` holds.
    pub more: bool,
}

/// The left factor of a small product: rows of `BLOCK` values; further columns follow `block` values later.
#[derive(Clone, Copy)]
pub struct Left<T> {
    pub data: *const T,
    pub block: usize,
}

/// The result of a small product: rows of some vectors, each `row` values after the one before.
#[derive(Clone, Copy)]
pub struct To<T> {
    pub data: *mut T,
    pub row: usize,
}

/// What to prefetch for the next products: the left factor, and for each cache line of its rows some `lines` from `right` on.
#[derive(Clone, Copy)]
pub struct Next<T> {
    pub left: *const T,
    pub right: *const T,
    pub lines: usize,
}

/// m = left · right, or m + that, for `rows` ≤ `ROWS` rows: `right` and `m` hold rows of N vectors, those of `right` without gaps.
///
/// # Safety
/// The factors must be readable and m writable as described.
#[inline(always)]
pub unsafe fn multiply<T: Real, S: Simd<T>, const N: usize>(
    s: S,
    (rows, depth): (usize, Depth),
    left: Left<T>,
    right: *const T,
    m: To<T>,
    next: Next<T>,
) {
    macro_rules! by_rows {
        ($($rows:literal)*) => {
            match rows {
                $($rows if const { $rows <= S::ROWS } => {
                    // SAFETY: the caller's.
                    unsafe { multiply_rows::<T, S, $rows, N>(s, depth, left, right, m, next) }
                })*
                _ => unreachable!("more rows than the register tile has"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
}

/// [`multiply`] for `R` rows.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn multiply_rows<T: Real, S: Simd<T>, const R: usize, const N: usize>(
    s: S,
    depth: Depth,
    mut left: Left<T>,
    mut right: *const T,
    m: To<T>,
    mut next: Next<T>,
) {
    let line = 64 / size_of::<T>();
    let mut sums = [[s.splat(T::zero()); N]; R];
    let mut remaining = depth.channels;
    // SAFETY: the caller's.
    unsafe {
        if depth.more {
            for r in 0..R {
                for n in 0..N {
                    sums[r][n] = s.load(m.data.add(r * m.row + n * S::LANES));
                }
            }
        }
        while remaining > 0 {
            let columns = remaining.min(BLOCK);
            let mut k = 0;
            while k < columns {
                for r in 0..R {
                    s.prefetch(next.left.wrapping_add(r * BLOCK + k));
                }
                for i in 0..next.lines {
                    s.prefetch(next.right.wrapping_add(i * line));
                }
                next.right = next.right.wrapping_add(next.lines * line);
                let end = columns.min(k + line);
                while k < end {
                    let mut factors = [s.splat(T::zero()); N];
                    for n in 0..N {
                        factors[n] = s.load(right.add(n * S::LANES));
                    }
                    for r in 0..R {
                        let x = s.splat(left.data.add(r * BLOCK + k).read());
                        for n in 0..N {
                            sums[r][n] = s.mul_add(x, factors[n], sums[r][n]);
                        }
                    }
                    right = right.add(N * S::LANES);
                    k += 1;
                }
            }
            left.data = left.data.wrapping_add(left.block);
            next.left = next.left.wrapping_add(left.block);
            remaining -= columns;
        }
        for r in 0..R {
            for n in 0..N {
                s.store(m.data.add(r * m.row + n * S::LANES), sums[r][n]);
            }
        }
    }
}
