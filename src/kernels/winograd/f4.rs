//! F(4×4, 3×3): the three maps along one axis, from the interpolation points 0, 1, −1, 2, −2 and ∞.
//!
//! ```text
//!      ⎡4  0 −5  0  1  0⎤        ⎡ 1/4    0     0 ⎤
//!      ⎢0 −4 −4  1  1  0⎥        ⎢−1/6  −1/6  −1/6⎥         ⎡1  1  1  1  1  0⎤
//! Bᵀ = ⎢0  4 −4 −1  1  0⎥    G = ⎢−1/6   1/6  −1/6⎥    Aᵀ = ⎢0  1 −1  2 −2  0⎥
//!      ⎢0 −2 −1  2  1  0⎥        ⎢1/24  1/12   1/6⎥         ⎢0  1  1  4  4  0⎥
//!      ⎢0  2 −1 −2  1  0⎥        ⎢1/24 −1/12   1/6⎥         ⎣0  1 −1  8 −8  1⎦
//!      ⎣0  4  0 −5  0  1⎦        ⎣  0     0     1 ⎦
//! ```

use super::super::Real;
use super::super::simd::Simd;
use super::transforms::Map;

/// Bᵀ: tiles of inputs.
pub struct Input;

impl Map<6, 6> for Input {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, d: [S::V; 6]) -> [S::V; 6] {
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
}

/// G: filters.
pub struct Filter;

impl Map<3, 6> for Filter {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, g: [S::V; 3]) -> [S::V; 6] {
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
}

/// Aᵀ: products.
pub struct Output;

impl Map<6, 4> for Output {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, m: [S::V; 6]) -> [S::V; 4] {
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
}
