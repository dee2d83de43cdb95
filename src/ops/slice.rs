//! A part of a feature map: some rows, columns and channels.

use std::ops::Range;

use ndarray::{Ix3, s};

use super::feature_map_mut;
use crate::tape::{Real, Var};

/// y = x(rows, columns, channels) of a feature map (height, width, channels); each range counts from 0.
///
/// VJP: dx = dy inside the part, 0 elsewhere. Keeps nothing.
///
/// # Panics
/// If the array does not have three axes, or a range exceeds its axis.
pub fn slice<'t, T: Real>(
    x: &Var<'t, T>,
    rows: Range<usize>,
    columns: Range<usize>,
    channels: Range<usize>,
) -> Var<'t, T> {
    let map = x.of_rank::<Ix3>("slice");
    let ends = [rows.end, columns.end, channels.end];
    let starts = [rows.start, columns.start, channels.start];
    assert!(
        starts.iter().zip(&ends).zip(map.shape()).all(|((start, end), len)| start <= end && end <= len),
        "slice: rows {rows:?}, columns {columns:?}, channels {channels:?} exceed {:?}",
        map.shape()
    );
    let part = s![rows, columns, channels];
    let shape = map.raw_dim();
    let mut y = x.tape().tensor(map.slice(part).shape());
    feature_map_mut(&mut y).assign(&map.slice(part));
    x.tape().record("slice", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&[shape[0], shape[1], shape[2]]);
        dx.fill(T::zero());
        feature_map_mut(&mut dx).slice_mut(part).assign(&super::feature_map(&dy));
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn takes_the_part_and_gives_its_gradient_back_to_it() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(Array3::from_shape_fn((3, 4, 2), |(i, j, c)| (100 * i + 10 * j + c) as f64));
        let y = slice(&x, 1..3, 2..4, 1..2);
        assert_eq!(*y.value().view(), array![[[121.0], [131.0]], [[221.0], [231.0]]].into_dyn());
        let gradients = y.backward_from(array![[[1.0], [2.0]], [[3.0], [4.0]]]);
        let expected = Array3::from_shape_fn((3, 4, 2), |at| match at {
            (1, 2, 1) => 1.0,
            (1, 3, 1) => 2.0,
            (2, 2, 1) => 3.0,
            (2, 3, 1) => 4.0,
            _ => 0.0,
        });
        assert_eq!(gradients.get(&x).unwrap(), &expected.into_dyn());
    }

    #[test]
    #[should_panic(expected = "slice: rows 0..3, columns 0..2, channels 0..5 exceed [3, 2, 4]")]
    fn the_part_must_be_inside() {
        slice(&Tape::<f64>::new().constant(Array3::zeros((3, 2, 4))), 0..3, 0..2, 0..5);
    }
}
