//! Laplacian pyramids (Burt & Adelson 1983) with bilinear interpolation, as Kolkin et al. 2022 optimise them.

use super::{add, resize_bilinear, sub};
use crate::kernels::bilinear::Corners;
use crate::kernels::pyramid::sizes;
use crate::tape::{Real, Var};

/// The levels of a feature map (height, width, channels), from fine to coarse, and the residual. A level is x −
/// up(down(x)), where down halves both sides, rounded down, and up resizes back; the next level is that of down(x).
/// Stops after `levels` levels or at a side of one pixel.
///
/// VJP: those of the operations it records.
///
/// # Panics
/// If the array does not have three axes, or a side is 0.
pub fn laplacian_pyramid<'t, T: Real>(x: &Var<'t, T>, levels: usize) -> Vec<Var<'t, T>> {
    let mut pyramid = Vec::new();
    let mut rest = x.clone();
    for pair in sizes([x.shape()[0], x.shape()[1]], levels).windows(2) {
        let smaller = resize_bilinear(&rest, pair[1], Corners::Edges);
        pyramid.push(sub(&rest, &resize_bilinear(&smaller, pair[0], Corners::Edges)));
        rest = smaller;
    }
    pyramid.push(rest);
    pyramid
}

/// The feature map of a pyramid, the inverse of [`laplacian_pyramid`]. The pyramid holds the levels from fine to
/// coarse, and the residual.
///
/// VJP: those of the operations it records.
///
/// # Panics
/// If the pyramid is empty, or its levels differ in channels.
pub fn from_laplacian_pyramid<'t, T: Real>(pyramid: &[Var<'t, T>]) -> Var<'t, T> {
    let (rest, levels) = pyramid.split_last().expect("from_laplacian_pyramid: a pyramid has at least its rest");
    levels.iter().rev().fold(rest.clone(), |map, level| {
        add(&resize_bilinear(&map, [level.shape()[0], level.shape()[1]], Corners::Edges), level)
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn a_pyramid_is_all_of_its_map() {
        let tape = Tape::<f64>::new();
        let x: Array3<f64> = random((11, 6, 2), 1);
        for levels in [0, 1, 2, 8] {
            let pyramid = laplacian_pyramid(&tape.constant(x.clone()), levels);
            assert_eq!(pyramid.len(), levels.min(2) + 1);
            approx::assert_abs_diff_eq!(
                from_laplacian_pyramid(&pyramid).to_array(),
                x.clone().into_dyn(),
                epsilon = 1e-12
            );
        }
        let flat = laplacian_pyramid(&tape.constant(Array3::from_elem((8, 8, 1), 0.5)), 2);
        assert!(
            flat[..2].iter().all(|level| level.value().iter().all(|v| v.abs() < 1e-12)),
            "an even map has no detail"
        );
    }

    #[test]
    fn agrees_with_pytorch() {
        for level in 0..3 {
            let case = reference(&format!("laplacian_pyramid_{level}"));
            agrees::<f64>(&case, &["x"], |x| laplacian_pyramid(&x[0], 2).swap_remove(level));
            agrees::<f32>(&case, &["x"], |x| laplacian_pyramid(&x[0], 2).swap_remove(level));
        }
        let case = reference("from_laplacian_pyramid");
        agrees::<f64>(&case, &["x", "middle", "rest"], from_laplacian_pyramid);
        agrees::<f32>(&case, &["x", "middle", "rest"], from_laplacian_pyramid);
    }
}
