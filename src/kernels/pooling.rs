//! Maximum and average over windows of a feature map, for each channel.

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3};
use rayon::prelude::*;

use strum::{Display, EnumString, VariantNames};

use super::Real;

/// How a window is summarised.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, PartialEq, Eq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum Pooling {
    /// By its maximum, as VGG19 was trained.
    #[default]
    Max,
    /// By its average, which Gatys et al. 2016 (section 2) prefer for synthesis.
    #[strum(serialize = "avg")]
    Average,
}

/// Windows of a pooling, (height, width) each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PoolGeometry {
    /// Size of a window; at most 256 elements.
    pub kernel: [usize; 2],
    /// Distance between neighbouring windows.
    pub stride: [usize; 2],
    /// Rows and columns around the input, the same on opposite sides; at most half the kernel. Ignored by maxima,
    /// counted as zeros by averages.
    pub padding: [usize; 2],
    /// Whether a last window that reaches beyond the input is kept (as long as it begins inside), as in `PyTorch`.
    pub ceil_mode: bool,
}

impl PoolGeometry {
    /// Adjacent windows of `size`×`size`; those that do not fit are left out. VGG's poolings have size 2.
    pub fn square(size: usize) -> Self {
        Self { kernel: [size; 2], stride: [size; 2], padding: [0; 2], ceil_mode: false }
    }

    /// Height and width of the output, or `None` where no window fits.
    pub fn output_size(&self, input: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let (n, k, s, p) = (input[axis], self.kernel[axis], self.stride[axis], self.padding[axis]);
            let room = (n + 2 * p).checked_sub(k)?;
            let windows = if self.ceil_mode { room.div_ceil(s) } else { room / s } + 1;
            // A last window must not begin in the padding.
            Some(if self.ceil_mode && (windows - 1) * s >= n + p { windows - 1 } else { windows })
        };
        Some([along(0)?, along(1)?])
    }

    /// The part of window `o` that lies inside an input of `n` elements, and the index of its first element within
    /// the window.
    fn window(&self, axis: usize, o: usize, n: usize) -> (Range<usize>, usize) {
        let begin = o * self.stride[axis];
        let first = begin.max(self.padding[axis]);
        let end = (begin + self.kernel[axis]).min(n + self.padding[axis]);
        (first - self.padding[axis]..end.max(first) - self.padding[axis], first - begin)
    }

    /// The divisor of an average over window (i, j): the number of its elements including padding, but without those
    /// that `ceil_mode` adds.
    fn divisor(&self, [i, j]: [usize; 2], input: [usize; 2]) -> usize {
        let along = |axis: usize, o: usize| {
            let begin = o * self.stride[axis];
            (begin + self.kernel[axis]).min(input[axis] + 2 * self.padding[axis]) - begin
        };
        along(0, i) * along(1, j)
    }
}

/// y(i,j,c) = the largest x(r,s,c) in window (i,j). Returns the place of each maximum within its window, row by row;
/// ties go to the first. NaN counts as largest.
///
/// # Panics
/// If the shapes do not fit or the kernel has more than 256 elements.
pub fn max_forward<T: Real>(geometry: &PoolGeometry, x: &ArrayView3<'_, T>, y: &mut ArrayViewMut3<'_, T>) -> Vec<u8> {
    check(geometry, x.dim(), y.dim());
    let (height, width, channels) = x.dim();
    let (_, output_width, _) = y.dim();
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("row-major");
    let mut places = vec![0; y.len()];
    let rows = y.as_slice_mut().expect("row-major").par_chunks_mut(output_width * channels);
    rows.zip(places.par_chunks_mut(output_width * channels)).enumerate().for_each(|(i, (y, places))| {
        let (rows, top) = geometry.window(0, i, height);
        for (j, (y, places)) in y.chunks_exact_mut(channels).zip(places.chunks_exact_mut(channels)).enumerate() {
            let (columns, left) = geometry.window(1, j, width);
            for (u, r) in rows.clone().enumerate() {
                for (v, s) in columns.clone().enumerate() {
                    let place = ((u + top) * geometry.kernel[1] + v + left) as u8;
                    let x = &x[(r * width + s) * channels..][..channels];
                    // The first element counts even if it is −∞.
                    if u == 0 && v == 0 {
                        y.copy_from_slice(x);
                        places.fill(place);
                        continue;
                    }
                    // Two loops over arrays of one width each are vectorised, one over both is not.
                    let larger = |x: T, y: T| x > y || x.is_nan();
                    for ((at, &y), &x) in places.iter_mut().zip(&*y).zip(x) {
                        *at = if larger(x, y) { place } else { *at };
                    }
                    for (y, &x) in y.iter_mut().zip(x) {
                        *y = if larger(x, *y) { x } else { *y };
                    }
                }
            }
        }
    });
    places
}

/// The gradient of [`max_forward`]: each dy goes to the place of its maximum. `dx` is overwritten.
///
/// # Panics
/// If the shapes do not fit.
pub fn max_backward<T: Real>(
    geometry: &PoolGeometry,
    dy: &ArrayView3<'_, T>,
    places: &[u8],
    dx: &mut ArrayViewMut3<'_, T>,
) {
    let channels = dx.dim().2;
    scatter(geometry, dy, dx, |window, element, dy, dx| {
        let places = &places[window * channels..][..channels];
        for ((dx, &dy), &place) in dx.iter_mut().zip(dy).zip(places) {
            *dx += if usize::from(place) == element { dy } else { T::zero() };
        }
    });
}

/// y(i,j,c) = the mean of x(r,s,c) over window (i,j), the padding counting as zeros.
///
/// # Panics
/// If the shapes do not fit.
pub fn average_forward<T: Real>(geometry: &PoolGeometry, x: &ArrayView3<'_, T>, y: &mut ArrayViewMut3<'_, T>) {
    check(geometry, x.dim(), y.dim());
    let (height, width, channels) = x.dim();
    let (_, output_width, _) = y.dim();
    let x = x.as_standard_layout();
    let x = x.as_slice().expect("row-major");
    let rows = y.as_slice_mut().expect("row-major").par_chunks_mut(output_width * channels);
    rows.enumerate().for_each(|(i, y)| {
        let (rows, _) = geometry.window(0, i, height);
        for (j, y) in y.chunks_exact_mut(channels).enumerate() {
            let (columns, _) = geometry.window(1, j, width);
            y.fill(T::zero());
            for r in rows.clone() {
                for s in columns.clone() {
                    let x = &x[(r * width + s) * channels..][..channels];
                    y.iter_mut().zip(x).for_each(|(y, &x)| *y += x);
                }
            }
            let share = T::one() / T::of(geometry.divisor([i, j], [height, width]) as f64);
            for y in y.iter_mut() {
                *y *= share;
            }
        }
    });
}

/// The gradient of [`average_forward`]: each dy is shared equally by its window. `dx` is overwritten.
///
/// # Panics
/// If the shapes do not fit.
pub fn average_backward<T: Real>(geometry: &PoolGeometry, dy: &ArrayView3<'_, T>, dx: &mut ArrayViewMut3<'_, T>) {
    let (height, width, _) = dx.dim();
    let output_width = dy.dim().1;
    scatter(geometry, dy, dx, |window, _, dy, dx| {
        let at = [window / output_width, window % output_width];
        let share = T::one() / T::of(geometry.divisor(at, [height, width]) as f64);
        dx.iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy * share);
    });
}

/// Calls `add(window, element of the window, its dy, the dx there)` for every element of every window.
fn scatter<T: Real>(
    geometry: &PoolGeometry,
    dy: &ArrayView3<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    add: impl Fn(usize, usize, &[T], &mut [T]) + Sync,
) {
    check(geometry, dx.dim(), dy.dim());
    let (height, width, channels) = dx.dim();
    let (output_height, output_width, _) = dy.dim();
    let dy = dy.as_standard_layout();
    let dy = dy.as_slice().expect("row-major");
    // Each task owns some rows of the input. Where windows do not overlap, no window has two owners.
    let owned = geometry.stride[0].max(1);
    let rows = dx.as_slice_mut().expect("row-major").par_chunks_mut(owned * width * channels);
    rows.enumerate().for_each(|(chunk, dx)| {
        dx.fill(T::zero());
        let own = chunk * owned..chunk * owned + dx.len() / (width * channels);
        let first = (own.start + geometry.padding[0] + 1).saturating_sub(geometry.kernel[0]).div_ceil(owned);
        let last = (own.end - 1 + geometry.padding[0]) / owned;
        for i in first..(last + 1).min(output_height) {
            let (window_rows, top) = geometry.window(0, i, height);
            for (u, r) in window_rows.enumerate().filter(|(_, r)| own.contains(r)) {
                for j in 0..output_width {
                    let window = i * output_width + j;
                    let dy = &dy[window * channels..][..channels];
                    let (columns, left) = geometry.window(1, j, width);
                    for (v, s) in columns.enumerate() {
                        let element = (u + top) * geometry.kernel[1] + v + left;
                        add(window, element, dy, &mut dx[((r - own.start) * width + s) * channels..][..channels]);
                    }
                }
            }
        }
    });
}

fn check(geometry: &PoolGeometry, x: (usize, usize, usize), y: (usize, usize, usize)) {
    let size = geometry.output_size([x.0, x.1]);
    let fits = x.2 == y.2 && size == Some([y.0, y.1]);
    assert!(fits, "pooling: input {x:?} and output {y:?} do not fit under {geometry:?}");
    let [height, width] = geometry.kernel;
    let half = geometry.padding[0] <= height / 2 && geometry.padding[1] <= width / 2;
    assert!(half, "pooling: the padding {:?} is more than half of the kernel {height}×{width}", geometry.padding);
    assert!(height * width <= 256, "pooling: the kernel {height}×{width} has more than 256 elements");
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::kernels::testing::random;

    fn column(values: &[f64]) -> Array3<f64> {
        Array3::from_shape_vec((values.len(), 1, 1), values.to_vec()).unwrap()
    }

    #[test]
    fn output_sizes_follow_pytorch() {
        let pool = |kernel, stride, padding, ceil_mode| PoolGeometry {
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: [padding; 2],
            ceil_mode,
        };
        assert_eq!(PoolGeometry::square(2).output_size([5, 4]), Some([2, 2]));
        assert_eq!(PoolGeometry::square(2).output_size([1, 4]), None);
        assert_eq!(pool(2, 2, 0, true).output_size([5, 4]), Some([3, 2]));
        assert_eq!(pool(3, 2, 1, false).output_size([5, 6]), Some([3, 3]));
        // A window that would begin in the padding is dropped: 3 + 2·1 − 2 → ⌈3/3⌉ + 1 = 2 begins at 3 < 4, but at
        // n = 2 the second begins at 3 = 2 + 1.
        assert_eq!(pool(2, 3, 1, true).output_size([3, 2]), Some([2, 1]));
    }

    #[test]
    fn windows_are_summarised_and_their_gradients_spread_as_defined() {
        let pool = |kernel, stride, padding, ceil_mode| PoolGeometry { kernel, stride, padding, ceil_mode };
        for geometry in [
            PoolGeometry::square(2),
            pool([3, 2], [2, 1], [1, 0], false),
            pool([2, 3], [3, 2], [1, 1], true),
            pool([3, 3], [1, 2], [0, 1], true),
            pool([5, 4], [1, 1], [2, 2], false),
            pool([2, 2], [2, 2], [1, 1], false),
        ] {
            let (height, width, channels) = (7, 6, 3);
            let x: Array3<f64> = random((height, width, channels), 1);
            let [rows, columns] = geometry.output_size([height, width]).unwrap();
            let dy: Array3<f64> = random((rows, columns, channels), 2);
            let zeros = || Array3::<f64>::zeros((height, width, channels));
            let (mut max, mut mean) = (Array3::zeros(dy.dim()), Array3::zeros(dy.dim()));
            let (mut max_dx, mut mean_dx) = (zeros(), zeros());
            for ((i, j, c), &dy) in dy.indexed_iter() {
                // In the padded input, without what `ceil_mode` adds.
                let along = |axis: usize, o: usize, n: usize| {
                    let begin = o * geometry.stride[axis];
                    begin..(begin + geometry.kernel[axis]).min(n + 2 * geometry.padding[axis])
                };
                let window: Vec<_> =
                    along(0, i, height).flat_map(|r| along(1, j, width).map(move |s| (r, s))).collect();
                let inside = window.iter().filter_map(|&(r, s)| {
                    let (r, s) = (r.checked_sub(geometry.padding[0])?, s.checked_sub(geometry.padding[1])?);
                    x.get((r, s, c)).map(|&x| ((r, s, c), x))
                });
                let inside: Vec<_> = inside.collect();
                let &(place, largest) = inside.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
                max[[i, j, c]] = largest;
                max_dx[place] += dy;
                mean[[i, j, c]] = inside.iter().map(|(_, x)| x).sum::<f64>() / window.len() as f64;
                for &(place, _) in &inside {
                    mean_dx[place] += dy / window.len() as f64;
                }
            }
            let (mut y, mut dx) = (Array3::zeros(dy.dim()), zeros());
            let places = max_forward(&geometry, &x.view(), &mut y.view_mut());
            assert_eq!(y, max, "{geometry:?}");
            max_backward(&geometry, &dy.view(), &places, &mut dx.view_mut());
            approx::assert_abs_diff_eq!(dx, max_dx, epsilon = 1e-15);
            average_forward(&geometry, &x.view(), &mut y.view_mut());
            approx::assert_abs_diff_eq!(y, mean, epsilon = 1e-15);
            average_backward(&geometry, &dy.view(), &mut dx.view_mut());
            approx::assert_abs_diff_eq!(dx, mean_dx, epsilon = 1e-15);
        }
    }

    #[test]
    fn ties_go_to_the_first_maximum() {
        let x = Array3::from_shape_vec((2, 2, 1), vec![1.0, 3.0, 3.0, 3.0]).unwrap();
        let mut y = Array3::zeros((1, 1, 1));
        assert_eq!(max_forward(&PoolGeometry::square(2), &x.view(), &mut y.view_mut()), [1]);
        let mut dx = Array3::from_elem((2, 2, 1), f64::NAN);
        max_backward(&PoolGeometry::square(2), &array![[[5.0]]].view(), &[1], &mut dx.view_mut());
        assert_eq!(dx.into_raw_vec_and_offset().0, [0.0, 5.0, 0.0, 0.0]);
    }

    #[test]
    fn rows_that_no_window_sees_get_no_gradient() {
        let geometry = PoolGeometry { kernel: [2, 1], stride: [3, 1], padding: [0, 0], ceil_mode: false };
        let x = column(&[1.0, 2.0, 9.0, 4.0, 3.0, 7.0, 8.0]);
        let mut y = Array3::zeros((2, 1, 1));
        let places = max_forward(&geometry, &x.view(), &mut y.view_mut());
        assert_eq!((y.into_raw_vec_and_offset().0, &places[..]), (vec![2.0, 4.0], &[1, 0][..]));
        let mut dx = column(&[f64::NAN; 7]);
        max_backward(&geometry, &column(&[1.0, 2.0]).view(), &places, &mut dx.view_mut());
        assert_eq!(dx.into_raw_vec_and_offset().0, [0.0, 1.0, 0.0, 2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn nan_and_minus_infinity_come_through() {
        let geometry = PoolGeometry { kernel: [2, 1], stride: [2, 1], padding: [0, 0], ceil_mode: false };
        let x = column(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 1.0, f64::NAN]);
        let mut y = Array3::zeros((2, 1, 1));
        let places = max_forward(&geometry, &x.view(), &mut y.view_mut());
        assert_eq!((y[[0, 0, 0]], places), (f64::NEG_INFINITY, vec![0, 1]));
        assert!(y[[1, 0, 0]].is_nan());
    }

    fn average_into(shape: (usize, usize, usize)) {
        let x = Array3::<f32>::zeros((4, 4, 2));
        average_forward(&PoolGeometry::square(2), &x.view(), &mut Array3::zeros(shape).view_mut());
    }

    #[test]
    #[should_panic(expected = "pooling: input (4, 4, 2) and output (2, 2, 3) do not fit under")]
    fn channels_must_agree() {
        average_into((2, 2, 3));
    }

    #[test]
    #[should_panic(expected = "pooling: input (4, 4, 2) and output (2, 1, 2) do not fit under")]
    fn sizes_must_fit() {
        average_into((2, 1, 2));
    }

    #[test]
    #[should_panic(expected = "pooling: the padding [2, 0] is more than half of the kernel 3×1")]
    fn too_much_padding_is_refused() {
        let geometry = PoolGeometry { kernel: [3, 1], stride: [1, 1], padding: [2, 0], ceil_mode: false };
        average_forward(&geometry, &column(&[1.0]).view(), &mut column(&[0.0; 3]).view_mut());
    }

    #[test]
    #[should_panic(expected = "pooling: the padding [0, 2] is more than half of the kernel 1×3")]
    fn too_much_padding_of_columns_is_refused_too() {
        let geometry = PoolGeometry { kernel: [1, 3], stride: [1, 1], padding: [0, 2], ceil_mode: false };
        average_forward(&geometry, &column(&[1.0]).view(), &mut Array3::zeros((1, 3, 1)).view_mut());
    }
}
