//! Bilinear interpolation of feature maps, and its transpose, as products with two sparse matrices: along columns, then
//! rows.

use ndarray::{Array3, ArrayView3, ArrayViewMut3, Axis};
use rayon::prelude::*;

use super::Real;

/// The alignment of two grids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corners {
    /// Aligned at the centres of the corner pixels: `align_corners=True` of `PyTorch`. Output i of n lies at
    /// i·(m−1)/(n−1).
    Centres,
    /// Aligned at the outer edges of the pictures: `align_corners=False` of `PyTorch`. Output i of n lies at (i+½)·m/n
    /// − ½, clamped to the centres of the first and the last pixel.
    Edges,
}

/// The weights along one axis: for each output, the inputs and their weights.
struct Weights<T> {
    by_output: Vec<Vec<(usize, T)>>,
}

impl<T: Real> Weights<T> {
    fn new(from: usize, to: usize, corners: Corners) -> Self {
        let at = |i: usize| match corners {
            Corners::Centres if to > 1 => i as f64 * (from - 1) as f64 / (to - 1) as f64,
            Corners::Centres => 0.0,
            Corners::Edges => ((i as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0),
        };
        let taps = |i: usize| {
            let at = at(i);
            let low = (at.floor() as usize).min(from - 1);
            let share = if low + 1 < from { at - low as f64 } else { 0.0 };
            let taps = [(low, T::of(1.0 - share)), (low + 1, T::of(share))];
            taps.into_iter().filter(|(_, weight)| *weight != T::zero()).collect()
        };
        Self { by_output: (0..to).map(taps).collect() }
    }

    fn transposed(&self, from: usize) -> Self {
        let mut by_output = vec![Vec::new(); from];
        for (output, taps) in self.by_output.iter().enumerate() {
            for &(input, weight) in taps {
                by_output[input].push((output, weight));
            }
        }
        Self { by_output }
    }
}

/// Resizes a feature map (height, width, channels) to the shape of `y`.
///
/// # Panics
/// If a side is 0, or the channels differ.
pub fn resize<T: Real>(x: &ArrayView3<'_, T>, corners: Corners, y: &mut ArrayViewMut3<'_, T>) {
    let (from, to) = (check(x.dim(), y.dim()), y.dim());
    apply(x, [&Weights::new(from.0, to.0, corners), &Weights::new(from.1, to.1, corners)], y);
}

/// The transpose of [`resize`] from the size of `dx` to that of `dy`, which carries a gradient back.
///
/// # Panics
/// If a side is 0, or the channels differ.
pub fn resize_transposed<T: Real>(dy: &ArrayView3<'_, T>, corners: Corners, dx: &mut ArrayViewMut3<'_, T>) {
    let (to, from) = (check(dy.dim(), dx.dim()), dx.dim());
    let weights = |from, to| Weights::new(from, to, corners).transposed(from);
    apply(dy, [&weights(from.0, to.0), &weights(from.1, to.1)], dx);
}

fn check(from: (usize, usize, usize), to: (usize, usize, usize)) -> (usize, usize, usize) {
    let sides = [from.0, from.1, to.0, to.1];
    assert!(sides.iter().all(|&side| side > 0) && from.2 == to.2, "resize: from {from:?} to {to:?}");
    from
}

fn apply<T: Real>(x: &ArrayView3<'_, T>, [rows, columns]: [&Weights<T>; 2], y: &mut ArrayViewMut3<'_, T>) {
    let (height, _, channels) = x.dim();
    let mut wide = Array3::<T>::zeros((height, columns.by_output.len(), channels));
    wide.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0))).for_each(|(mut to, from)| {
        for (mut to, taps) in to.outer_iter_mut().zip(&columns.by_output) {
            for &(input, weight) in taps {
                to.zip_mut_with(&from.row(input), |to, &from| *to += weight * from);
            }
        }
    });
    y.axis_iter_mut(Axis(0)).into_par_iter().zip(&rows.by_output).for_each(|(mut to, taps)| {
        to.fill(T::zero());
        for &(input, weight) in taps {
            to.zip_mut_with(&wide.index_axis(Axis(0), input), |to, &from| *to += weight * from);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;

    fn resized(x: &Array3<f64>, to: (usize, usize), corners: Corners) -> Array3<f64> {
        let mut y = Array3::zeros((to.0, to.1, x.dim().2));
        resize(&x.view(), corners, &mut y.view_mut());
        y
    }

    #[test]
    fn a_plane_stays_a_plane_where_corners_lie_on_each_other() {
        let plane = |(height, width): (usize, usize)| {
            let share = |i: usize, n: usize| i as f64 / (n.max(2) - 1) as f64;
            Array3::from_shape_fn((height, width, 1), |(i, j, _)| 3.0 * share(i, height) - share(j, width))
        };
        for (from, to) in [((5, 7), (9, 3)), ((2, 2), (8, 1)), ((6, 5), (6, 5))] {
            approx::assert_abs_diff_eq!(resized(&plane(from), to, Corners::Centres), plane(to), epsilon = 1e-12);
        }
    }

    #[test]
    fn a_half_by_edges_is_the_mean_of_each_four_pixels() {
        let x: Array3<f64> = random((6, 8, 2), 1);
        let y = resized(&x, (3, 4), Corners::Edges);
        let mean = |(i, j, c): (usize, usize, usize)| {
            (x[[2 * i, 2 * j, c]] + x[[2 * i + 1, 2 * j, c]] + x[[2 * i, 2 * j + 1, c]] + x[[2 * i + 1, 2 * j + 1, c]])
                / 4.0
        };
        approx::assert_abs_diff_eq!(y, Array3::from_shape_fn((3, 4, 2), mean), epsilon = 1e-12);
    }

    #[test]
    fn what_was_in_the_output_does_not_count() {
        let x: Array3<f64> = random((3, 4, 2), 1);
        for corners in [Corners::Centres, Corners::Edges] {
            let mut y = Array3::from_elem((5, 2, 2), 7.0);
            resize(&x.view(), corners, &mut y.view_mut());
            assert_eq!(y, resized(&x, (5, 2), corners));
        }
    }

    #[test]
    fn the_transpose_is_one() {
        for corners in [Corners::Centres, Corners::Edges] {
            for (seed, (from, to)) in
                [((5, 7), (9, 3)), ((1, 4), (3, 9)), ((8, 6), (4, 3)), ((3, 2), (1, 1))].into_iter().enumerate()
            {
                let seed = seed as u64;
                let x: Array3<f64> = random((from.0, from.1, 3), seed);
                let dy: Array3<f64> = random((to.0, to.1, 3), seed + 10);
                let mut dx = Array3::zeros(x.dim());
                resize_transposed(&dy.view(), corners, &mut dx.view_mut());
                let (left, right) = ((resized(&x, to, corners) * &dy).sum(), (&dx * &x).sum());
                approx::assert_relative_eq!(left, right, max_relative = 1e-12);
            }
        }
    }
}
