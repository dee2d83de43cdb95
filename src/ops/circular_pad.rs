//! Circular padding: beyond an edge the map continues at the opposite one.

use ndarray::Ix3;

use super::{feature_map, feature_map_mut};
use crate::tape::{Real, Var};

/// y(i,j,c) = x((i−p) mod height, (j−p) mod width, c): a feature map (height, width, channels) with `pixels` = p rows and
/// columns added on all four sides. An unpadded convolution of the result is a convolution on a torus, so a picture made with
/// such convolutions tiles.
///
/// VJP: each dx is the sum of the dy of its copies. Keeps nothing.
///
/// # Panics
/// If the array does not have three axes.
pub fn circular_pad<'t, T: Real>(x: &Var<'t, T>, pixels: usize) -> Var<'t, T> {
    let map = x.of_rank::<Ix3>("circular_pad");
    let (height, width, channels) = map.dim();
    // The source of row or column `i` of the result.
    let source = move |i: usize, len: usize| (i + len * pixels.div_ceil(len.max(1)) - pixels) % len;
    let mut y = x.tape().tensor(&[height + 2 * pixels, width + 2 * pixels, channels]);
    let mut padded = feature_map_mut(&mut y);
    for (i, mut row) in padded.outer_iter_mut().enumerate() {
        let from = map.index_axis(ndarray::Axis(0), source(i, height));
        for (j, mut pixel) in row.outer_iter_mut().enumerate() {
            pixel.assign(&from.row(source(j, width)));
        }
    }
    x.tape().record("circular_pad", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&[height, width, channels]);
        dx.fill(T::zero());
        let mut sum = feature_map_mut(&mut dx);
        for (i, row) in feature_map(&dy).outer_iter().enumerate() {
            let mut to = sum.index_axis_mut(ndarray::Axis(0), source(i, height));
            for (j, pixel) in row.outer_iter().enumerate() {
                let mut to = to.row_mut(source(j, width));
                to += &pixel;
            }
        }
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn wraps_around() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]]);
        let y = circular_pad(&x, 1);
        let expected = array![
            [6.0, 4.0, 5.0, 6.0, 4.0],
            [3.0, 1.0, 2.0, 3.0, 1.0],
            [6.0, 4.0, 5.0, 6.0, 4.0],
            [3.0, 1.0, 2.0, 3.0, 1.0],
        ];
        assert_eq!(y.of_rank::<Ix3>("test").index_axis(ndarray::Axis(2), 0), expected);
        // Every element counts once for each of its copies.
        let gradients = y.backward_from(Array3::ones((4, 5, 1)));
        assert_eq!(gradients.get(&x).unwrap(), &array![[[4.0], [2.0], [4.0]], [[4.0], [2.0], [4.0]]].into_dyn());
    }

    #[test]
    fn more_than_once_around() {
        let tape = Tape::<f64>::new();
        let y = circular_pad(&tape.constant(array![[[1.0], [2.0]]]), 3);
        let y = y.of_rank::<Ix3>("test");
        assert_eq!(y.slice(ndarray::s![0, .., 0]), array![2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0]);
        assert_eq!(y.dim().0, 7);
    }
}
