//! The linear maps of a tile on vectors of channels: along the columns, then along the rows.

use super::super::Real;
use super::super::simd::Simd;

/// A matrix M of `TO` rows and `FROM` columns. It is a trait's and not a closure's, because only functions can be inlined always.
pub trait Map<const FROM: usize, const TO: usize> {
    /// M x, for each channel of a vector.
    fn column<T: Real, S: Simd<T>>(s: S, x: [S::V; FROM]) -> [S::V; TO];
}

/// X ↦ M X Mᵀ for a square X, which `load` reads by row and column. The result is passed to `write` row by row, so that it needs no
/// place in between.
#[inline(always)]
pub fn both_ways<T: Real, S: Simd<T>, M: Map<FROM, TO>, const FROM: usize, const TO: usize>(
    s: S,
    load: impl Fn(usize, usize) -> S::V,
    mut write: impl FnMut(usize, [S::V; TO]),
) {
    let zero = s.splat(T::zero());
    let mut columns = [[zero; TO]; FROM];
    for j in 0..FROM {
        let mut x = [zero; FROM];
        for i in 0..FROM {
            x[i] = load(i, j);
        }
        columns[j] = M::column(s, x);
    }
    for i in 0..TO {
        let mut row = [zero; FROM];
        for j in 0..FROM {
            row[j] = columns[j][i];
        }
        write(i, M::column(s, row));
    }
}
