//! F(6×6, 3×3): the three maps along one axis, from the interpolation points 0, 1, −1, 2, −2, ½, −½ and ∞.
//!
//! ```text
//!      ⎡1   0  −21/4   0    21/4   0   −1  0⎤
//!      ⎢0   1    1   −17/4 −17/4   1    1  0⎥        ⎡  1      0      0  ⎤
//!      ⎢0  −1    1    17/4 −17/4  −1    1  0⎥        ⎢ −2/9   −2/9   −2/9⎥
//! Bᵀ = ⎢0  1/2  1/4  −5/2  −5/4   2    1  0⎥        ⎢ −2/9    2/9   −2/9⎥
//!      ⎢0 −1/2  1/4   5/2  −5/4  −2    1  0⎥    G = ⎢ 1/90   1/45   2/45⎥
//!      ⎢0   2    4   −5/2   −5   1/2   1  0⎥        ⎢ 1/90  −1/45   2/45⎥
//!      ⎢0  −2    4    5/2   −5  −1/2   1  0⎥        ⎢32/45  16/45   8/45⎥
//!      ⎣0  −1    0    21/4   0  −21/4  0  1⎦        ⎢32/45 −16/45   8/45⎥
//!                                                    ⎣  0      0      1  ⎦
//!      ⎡1  1  1   1   1    1     1    0⎤
//!      ⎢0  1 −1   2  −2   1/2  −1/2   0⎥
//! Aᵀ = ⎢0  1  1   4   4   1/4   1/4   0⎥
//!      ⎢0  1 −1   8  −8   1/8  −1/8   0⎥
//!      ⎢0  1  1  16  16  1/16  1/16   0⎥
//!      ⎣0  1 −1  32 −32  1/32 −1/32   1⎦
//! ```

use super::super::Real;
use super::super::simd::Simd;
use super::transforms::Map;

/// What a map has at each point: the first and the last, and between them even + odd and even − odd for each pair ±x.
#[inline(always)]
fn at_points<T: Real, S: Simd<T>>(s: S, first: S::V, [one, two, half]: [(S::V, S::V); 3], last: S::V) -> [S::V; 8] {
    [
        first,
        s.add(one.0, one.1),
        s.sub(one.0, one.1),
        s.add(two.0, two.1),
        s.sub(two.0, two.1),
        s.add(half.0, half.1),
        s.sub(half.0, half.1),
        last,
    ]
}

/// Bᵀ: tiles of inputs.
pub struct Input;

impl Map<8, 8> for Input {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, d: [S::V; 8]) -> [S::V; 8] {
        let [quarter, half, five_quarters] = [0.25, 0.5, 1.25].map(|x| s.splat(T::of(x)));
        let [two, five_halves, four] = [2.0, 2.5, 4.0].map(|x| s.splat(T::of(x)));
        let [seventeen_quarters, five, twenty_one_quarters] = [4.25, 5.0, 5.25].map(|x| s.splat(T::of(x)));
        let even = s.neg_mul_add(seventeen_quarters, d[4], s.add(d[2], d[6]));
        let odd = s.neg_mul_add(seventeen_quarters, d[3], s.add(d[1], d[5]));
        let even_2 = s.neg_mul_add(five_quarters, d[4], s.mul_add(quarter, d[2], d[6]));
        let odd_2 = s.mul_add(two, d[5], s.neg_mul_add(five_halves, d[3], s.mul(half, d[1])));
        let even_half = s.neg_mul_add(five, d[4], s.mul_add(four, d[2], d[6]));
        let odd_half = s.mul_add(half, d[5], s.neg_mul_add(five_halves, d[3], s.mul(two, d[1])));
        let first = s.mul_add(twenty_one_quarters, s.sub(d[4], d[2]), s.sub(d[0], d[6]));
        let last = s.mul_add(twenty_one_quarters, s.sub(d[3], d[5]), s.sub(d[7], d[1]));
        at_points(s, first, [(even, odd), (even_2, odd_2), (even_half, odd_half)], last)
    }
}

/// G: filters.
pub struct Filter;

impl Map<3, 8> for Filter {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, g: [S::V; 3]) -> [S::V; 8] {
        let [ninths, four] = [-2.0 / 9.0, 4.0].map(|x| s.splat(T::of(x)));
        let [one, two, eight, sixteen] = [1.0 / 90.0, 1.0 / 45.0, 8.0 / 45.0, 16.0 / 45.0].map(|x| s.splat(T::of(x)));
        let (even, odd) = (s.mul(ninths, s.add(g[0], g[2])), s.mul(ninths, g[1]));
        let (even_2, odd_2) = (s.mul(one, s.mul_add(four, g[2], g[0])), s.mul(two, g[1]));
        let (even_half, odd_half) = (s.mul(eight, s.mul_add(four, g[0], g[2])), s.mul(sixteen, g[1]));
        at_points(s, g[0], [(even, odd), (even_2, odd_2), (even_half, odd_half)], g[2])
    }
}

/// Aᵀ: products.
pub struct Output;

impl Map<8, 6> for Output {
    #[inline(always)]
    fn column<T: Real, S: Simd<T>>(s: S, m: [S::V; 8]) -> [S::V; 6] {
        let [half, quarter, eighth] = [0.5, 0.25, 0.125].map(|x| s.splat(T::of(x)));
        let [sixteenth, thirty_second] = [0.0625, 0.03125].map(|x| s.splat(T::of(x)));
        let [two, four, eight] = [2.0, 4.0, 8.0].map(|x| s.splat(T::of(x)));
        let [sixteen, thirty_two] = [16.0, 32.0].map(|x| s.splat(T::of(x)));
        let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        let (even_2, odd_2) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
        let (even_half, odd_half) = (s.add(m[5], m[6]), s.sub(m[5], m[6]));
        [
            s.add(s.add(m[0], even), s.add(even_2, even_half)),
            s.mul_add(half, odd_half, s.mul_add(two, odd_2, odd)),
            s.mul_add(quarter, even_half, s.mul_add(four, even_2, even)),
            s.mul_add(eighth, odd_half, s.mul_add(eight, odd_2, odd)),
            s.mul_add(sixteenth, even_half, s.mul_add(sixteen, even_2, even)),
            s.mul_add(thirty_second, odd_half, s.mul_add(thirty_two, odd_2, s.add(m[7], odd))),
        ]
    }
}
