//! The three linear maps of F(4×4, 3×3) on vectors of channels.
//!
//! Each two-dimensional map is a one-dimensional one along the columns and then along the rows, X ↦ M X Mᵀ. The
//! matrices are in the module's documentation.

use super::super::Real;
use super::super::simd::Simd;

/// Aᵀ's rows: outputs of a tile along one side.
pub const OUT: usize = 4;
/// Bᵀ's side: inputs of a tile along one side.
pub const IN: usize = 6;
/// Points of a transformed tile.
pub const POINTS: usize = IN * IN;

/// Bᵀ d, one column of an input tile.
#[inline(always)]
fn input_column<T: Real, S: Simd<T>>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (two, four, five) = (s.splat(T::of(2.0)), s.splat(T::of(4.0)), s.splat(T::of(5.0)));
    let a = s.neg_mul_add(four, d[2], d[4]);
    let b = s.neg_mul_add(four, d[1], d[3]);
    let c = s.sub(d[4], d[2]);
    let e = s.sub(d[3], d[1]);
    [
        s.mul_add(four, d[0], s.neg_mul_add(five, d[2], d[4])),
        s.add(a, b),
        s.sub(a, b),
        s.mul_add(two, e, c),
        s.neg_mul_add(two, e, c),
        s.mul_add(four, d[1], s.neg_mul_add(five, d[3], d[5])),
    ]
}

/// Bᵀ d B of an input tile, passed on row by row, so that the rows need no place in between.
#[inline(always)]
pub fn input<T: Real, S: Simd<T>>(s: S, d: [[S::V; 6]; 6], mut write: impl FnMut(usize, [S::V; 6])) {
    let t0 = input_column(s, [d[0][0], d[1][0], d[2][0], d[3][0], d[4][0], d[5][0]]);
    let t1 = input_column(s, [d[0][1], d[1][1], d[2][1], d[3][1], d[4][1], d[5][1]]);
    let t2 = input_column(s, [d[0][2], d[1][2], d[2][2], d[3][2], d[4][2], d[5][2]]);
    let t3 = input_column(s, [d[0][3], d[1][3], d[2][3], d[3][3], d[4][3], d[5][3]]);
    let t4 = input_column(s, [d[0][4], d[1][4], d[2][4], d[3][4], d[4][4], d[5][4]]);
    let t5 = input_column(s, [d[0][5], d[1][5], d[2][5], d[3][5], d[4][5], d[5][5]]);
    for i in 0..IN {
        write(i, input_column(s, [t0[i], t1[i], t2[i], t3[i], t4[i], t5[i]]));
    }
}

/// G g, one column of a filter.
#[inline(always)]
fn filter_column<T: Real, S: Simd<T>>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let quarter = s.splat(T::of(1.0 / 4.0));
    let sixth = s.splat(T::of(-1.0 / 6.0));
    let twelfth = s.splat(T::of(1.0 / 12.0));
    let twenty_fourth = s.splat(T::of(1.0 / 24.0));
    let even = s.mul(sixth, s.add(g[0], g[2]));
    let odd = s.mul(sixth, g[1]);
    let even_2 = s.mul(twenty_fourth, s.mul_add(s.splat(T::of(4.0)), g[2], g[0]));
    let odd_2 = s.mul(twelfth, g[1]);
    [s.mul(quarter, g[0]), s.add(even, odd), s.sub(even, odd), s.add(even_2, odd_2), s.sub(even_2, odd_2), g[2]]
}

/// G g Gᵀ of a filter, passed on row by row.
#[inline(always)]
pub fn filter<T: Real, S: Simd<T>>(s: S, g: [[S::V; 3]; 3], mut write: impl FnMut(usize, [S::V; 6])) {
    let t0 = filter_column(s, [g[0][0], g[1][0], g[2][0]]);
    let t1 = filter_column(s, [g[0][1], g[1][1], g[2][1]]);
    let t2 = filter_column(s, [g[0][2], g[1][2], g[2][2]]);
    for i in 0..IN {
        write(i, filter_column(s, [t0[i], t1[i], t2[i]]));
    }
}

/// Aᵀ m, one column of a product.
#[inline(always)]
fn output_column<T: Real, S: Simd<T>>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (two, four, eight) = (s.splat(T::of(2.0)), s.splat(T::of(4.0)), s.splat(T::of(8.0)));
    let even = s.add(m[1], m[2]);
    let odd = s.sub(m[1], m[2]);
    let even_2 = s.add(m[3], m[4]);
    let odd_2 = s.sub(m[3], m[4]);
    [
        s.add(s.add(m[0], even), even_2),
        s.mul_add(two, odd_2, odd),
        s.mul_add(four, even_2, even),
        s.add(s.mul_add(eight, odd_2, odd), m[5]),
    ]
}

/// Aᵀ m A of a product.
#[inline(always)]
pub fn output<T: Real, S: Simd<T>>(s: S, m: [[S::V; 6]; 6]) -> [[S::V; 4]; 4] {
    let t0 = output_column(s, [m[0][0], m[1][0], m[2][0], m[3][0], m[4][0], m[5][0]]);
    let t1 = output_column(s, [m[0][1], m[1][1], m[2][1], m[3][1], m[4][1], m[5][1]]);
    let t2 = output_column(s, [m[0][2], m[1][2], m[2][2], m[3][2], m[4][2], m[5][2]]);
    let t3 = output_column(s, [m[0][3], m[1][3], m[2][3], m[3][3], m[4][3], m[5][3]]);
    let t4 = output_column(s, [m[0][4], m[1][4], m[2][4], m[3][4], m[4][4], m[5][4]]);
    let t5 = output_column(s, [m[0][5], m[1][5], m[2][5], m[3][5], m[4][5], m[5][5]]);
    [
        output_column(s, [t0[0], t1[0], t2[0], t3[0], t4[0], t5[0]]),
        output_column(s, [t0[1], t1[1], t2[1], t3[1], t4[1], t5[1]]),
        output_column(s, [t0[2], t1[2], t2[2], t3[2], t4[2], t5[2]]),
        output_column(s, [t0[3], t1[3], t2[3], t3[3], t4[3], t5[3]]),
    ]
}
