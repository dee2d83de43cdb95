//! Filters in memory where cache lines begin.

use ndarray::{Array1, Array4, s};

/// Filters, (out, in, 3, 3), with the same values in the same order of memory, but from the beginning of a cache line on. Their
/// transform reads one line of each of many rows; if the rows began within lines, it would read two.
pub(crate) fn by_cache_lines(weight: Array4<f32>) -> Array4<f32> {
    const LINE: usize = 64;
    let rows = weight.permuted_axes([2, 3, 1, 0]);
    let rows = if rows.is_standard_layout() && !(rows.as_ptr() as usize).is_multiple_of(LINE) {
        let values = vec![0.0; rows.len() + LINE / size_of::<f32>()];
        let skip = values.as_ptr().align_offset(LINE).min(LINE / size_of::<f32>());
        let values = Array1::from_vec(values).slice_move(s![skip..skip + rows.len()]);
        let mut aligned = values.into_shape_with_order(rows.raw_dim()).expect("as many values");
        aligned.assign(&rows);
        aligned
    } else {
        rows
    };
    rows.permuted_axes([3, 2, 0, 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_begin_at_cache_lines_and_keep_their_values_and_strides() {
        for (inputs, outputs) in [(3, 64), (5, 7), (64, 128)] {
            let values = (0..9 * inputs * outputs).map(|i| i as f32).collect();
            let kernel = Array4::from_shape_vec((3, 3, inputs, outputs), values).unwrap();
            let weight = kernel.permuted_axes([3, 2, 0, 1]);
            let aligned = by_cache_lines(weight.clone());
            assert_eq!((&aligned, aligned.strides()), (&weight, weight.strides()));
            assert!((aligned.as_ptr() as usize).is_multiple_of(64), "{inputs} to {outputs} channels");
        }
        // Filters in another order of memory stay as they are.
        let other = Array4::<f32>::ones((4, 2, 3, 3));
        assert_eq!(by_cache_lines(other.clone()), other);
    }
}
