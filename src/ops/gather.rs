//! Some positions of a feature map, as the rows of a matrix.

use std::sync::Arc;

use ndarray::{ArrayView2, ArrayViewMut2, Ix2, Ix3};

use crate::kernels::nearest::gather_rows;
use crate::tape::{Real, Var};

/// y(p) = x(`positions`\[p\]): the features (positions, channels) at those positions of a map (height, width, channels),
/// counted from 0 row by row.
///
/// VJP: dx is the sum of the dy of each position's copies, 0 elsewhere. Keeps nothing of x.
///
/// # Panics
/// If the array does not have three axes, or a position is outside the map.
pub fn gather<'t, T: Real>(x: &Var<'t, T>, positions: &Arc<[usize]>) -> Var<'t, T> {
    let (height, width, channels) = x.of_rank::<Ix3>("gather").dim();
    assert!(
        positions.iter().all(|&position| position < height * width),
        "gather: a position beyond the {height}×{width} of the map"
    );
    let elements = x.value().elements();
    let rows = ArrayView2::from_shape((height * width, channels), &elements).expect("row-major");
    let mut y = x.tape().tensor(&[positions.len(), channels]);
    let to = ArrayViewMut2::from_shape((positions.len(), channels), y.elements_mut()).expect("row-major");
    gather_rows(&rows, positions, &mut { to });
    let positions = Arc::clone(positions);
    x.tape().record("gather", &[x], y, size_of_val(&*positions), move |dy, inputs| {
        inputs.write(0, |mut dx, accumulate| {
            if !accumulate {
                dx.fill(T::zero());
            }
            let dx = dx.as_slice_mut().expect("row-major");
            let mut dx = ArrayViewMut2::from_shape((height * width, channels), dx).expect("row-major");
            let dy = dy.view().into_dimensionality::<Ix2>().expect("a matrix");
            for (&position, dy) in positions.iter().zip(dy.outer_iter()) {
                let mut dx = dx.row_mut(position);
                dx += &dy;
            }
        });
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn takes_positions_and_gives_their_gradients_back() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array3::from_shape_fn((2, 3, 2), |(i, j, c)| (100 * i + 10 * j + c) as f64));
        let y = gather(&x, &[4, 0, 4].into());
        assert_eq!(*y.value().view(), array![[110.0, 111.0], [0.0, 1.0], [110.0, 111.0]].into_dyn());
        let gradients = y.backward_from(array![[1.0, 2.0], [3.0, 4.0], [10.0, 20.0]]);
        let expected = Array3::from_shape_fn((2, 3, 2), |at| match at {
            (1, 1, c) => [11.0, 22.0][c],
            (0, 0, c) => [3.0, 4.0][c],
            _ => 0.0,
        });
        assert_eq!(gradients.get(&x).unwrap(), &expected.into_dyn());
    }

    #[test]
    fn adds_to_a_gradient_that_is_there() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array3::ones((2, 3, 1)));
        let [one, other] = [[4, 0], [5, 4]].map(|positions| gather(&x, &positions.into()));
        let gradients = (one + other).backward_from(array![[1.0], [10.0]]);
        let expected = array![[[10.0], [0.0], [0.0]], [[0.0], [11.0], [1.0]]];
        assert_eq!(gradients.get(&x).unwrap(), &expected.into_dyn());
    }

    #[test]
    fn elsewhere_the_gradient_is_0_in_memory_that_was_used_before() {
        const SIDE: usize = 128;
        let mut tape = Tape::<f64>::new();
        for number in [SIDE * SIDE, 5] {
            let x = tape.variable(Array3::ones((SIDE, SIDE, 2)));
            let positions: Arc<[usize]> = (0..number).collect();
            let mut gradients = crate::ops::sum(&gather(&x, &positions)).backward();
            let gradient = gradients.take(&x).unwrap();
            assert_eq!(gradient.view().sum(), 2.0 * number as f64);
            drop((x, gradients, gradient));
            tape.clear();
        }
    }

    #[test]
    fn agrees_with_pytorch() {
        let case = reference("gather");
        let positions: Arc<[usize]> = [7, 0, 7, 19, 11].into();
        agrees::<f64>(&case, &["x"], |x| gather(&x[0], &positions));
        agrees::<f32>(&case, &["x"], |x| gather(&x[0], &positions));
    }

    #[test]
    #[should_panic(expected = "a position beyond the 2×3 of the map")]
    fn positions_must_be_inside() {
        gather(&Tape::<f64>::new().constant(Array3::zeros((2, 3, 1))), &[6].into());
    }
}
