//! Laplacian pyramids (Burt & Adelson 1983) with bilinear interpolation, as in Kolkin et al. 2022: each level is what a
//! picture loses when it is halved and resized back, and the residual is the last halved picture.

use ndarray::{Array3, ArrayView3};

use super::Real;
use super::bilinear::{Corners, resize, resize_transposed};

/// Height and width of each level of a pyramid and of the residual: each half of the previous one, rounded down, while
/// both sides are at least 2; at most `levels` levels.
pub fn sizes([height, width]: [usize; 2], levels: usize) -> Vec<[usize; 2]> {
    let halves = |size: &[usize; 2]| (size[0] >= 2 && size[1] >= 2).then(|| size.map(|side| side / 2));
    std::iter::successors(Some([height, width]), halves).take(levels + 1).collect()
}

/// The picture of a pyramid: starting from the residual, repeatedly resizes the sum to the next level and adds it.
///
/// # Panics
/// If there are no levels, or they differ in channels.
pub fn synthesis<T: Real>(levels: &[ArrayView3<'_, T>]) -> Array3<T> {
    let (rest, levels) = levels.split_last().expect("a pyramid has at least its rest");
    levels.iter().rev().fold(rest.to_owned(), |picture, level| {
        let mut larger = Array3::zeros(level.dim());
        resize(&picture.view(), Corners::Edges, &mut larger.view_mut());
        larger += level;
        larger
    })
}

/// The transpose of [`synthesis`]: the gradient of each level of these `sizes` from the gradient of the picture.
///
/// # Panics
/// If the first size is not the gradient's.
pub fn synthesis_transposed<T: Real>(gradient: Array3<T>, sizes: &[[usize; 2]]) -> Vec<Array3<T>> {
    let (height, width, channels) = gradient.dim();
    assert_eq!(sizes.first(), Some(&[height, width]), "synthesis_transposed: another size");
    let mut levels = vec![gradient];
    for [height, width] in &sizes[1..] {
        let mut smaller = Array3::zeros((*height, *width, channels));
        resize_transposed(&levels[levels.len() - 1].view(), Corners::Edges, &mut smaller.view_mut());
        levels.push(smaller);
    }
    levels
}

/// A picture without its level `first`, all coarser levels and the residual, for a pyramid of these `sizes`: the picture less what
/// is left of it after `first` halvings, resized back.
///
/// # Panics
/// If the first size is not the picture's.
pub fn finer_than<T: Real>(first: usize, picture: Array3<T>, sizes: &[[usize; 2]]) -> Array3<T> {
    let (height, width, channels) = picture.dim();
    assert_eq!(sizes.first(), Some(&[height, width]), "finer_than: another size");
    let Some(sizes) = sizes.get(..=first) else { return picture };
    let resized = |picture: Array3<T>, &[height, width]: &[usize; 2]| {
        let mut other = Array3::zeros((height, width, channels));
        resize(&picture.view(), Corners::Edges, &mut other.view_mut());
        other
    };
    let smallest = sizes[1..].iter().fold(picture.clone(), resized);
    picture - sizes[..first].iter().rev().fold(smallest, resized)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::testing::random;

    #[test]
    fn sizes_halve_down_to_one_pixel() {
        assert_eq!(sizes([9, 20], 2), [[9, 20], [4, 10], [2, 5]]);
        assert_eq!(sizes([5, 4], 8), [[5, 4], [2, 2], [1, 1]]);
        assert_eq!(sizes([1, 7], 3), [[1, 7]]);
    }

    #[test]
    fn finer_levels_are_what_synthesis_makes_of_them() {
        let picture: Array3<f64> = random((19, 12, 3), 1);
        let sizes = sizes([19, 12], 3);
        let finer = |first| finer_than(first, picture.clone(), &sizes);
        assert_eq!((finer(0), finer(4)), (Array3::zeros((19, 12, 3)), picture.clone()));
        for first in 1..4 {
            let mut levels = Vec::new();
            let mut rest = picture.clone();
            for &[height, width] in &sizes[1..] {
                let mut smaller = Array3::zeros((height, width, 3));
                resize(&rest.view(), Corners::Edges, &mut smaller.view_mut());
                let mut larger = Array3::zeros(rest.dim());
                resize(&smaller.view(), Corners::Edges, &mut larger.view_mut());
                levels.push(rest - larger);
                rest = smaller;
            }
            levels.push(rest);
            levels.iter_mut().skip(first).for_each(|level| level.fill(0.0));
            let views: Vec<_> = levels.iter().map(|level| level.view()).collect();
            approx::assert_abs_diff_eq!(finer(first), synthesis(&views), epsilon = 1e-14);
        }
    }

    #[test]
    fn the_transpose_is_one() {
        let sizes = sizes([9, 14], 3);
        let levels: Vec<Array3<f64>> =
            sizes.iter().enumerate().map(|(seed, &[h, w])| random((h, w, 3), seed as u64)).collect();
        let views: Vec<_> = levels.iter().map(|level| level.view()).collect();
        let gradient: Array3<f64> = random((9, 14, 3), 9);
        let left = (&synthesis(&views) * &gradient).sum();
        let right: f64 =
            synthesis_transposed(gradient, &sizes).iter().zip(&levels).map(|(g, level)| (g * level).sum()).sum();
        approx::assert_relative_eq!(left, right, max_relative = 1e-12);
    }
}
