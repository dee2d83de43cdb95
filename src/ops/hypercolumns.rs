//! Hypercolumns: the features of several layers at one position, one behind the other (Hariharan, Arbeláez, Girshick & Malik
//! 2015), weighed as Kolkin et al. 2022, "Neural Neighbor Style Transfer", section 3.1, have them.

use ndarray::{ArrayViewMut3, Ix3, Zip, s};

use super::{feature_map, feature_map_mut};
use crate::kernels::bilinear::{self, Corners};
use crate::tape::{Real, Var};

/// y(p, ·) = the features of all `maps` at position p of the grid (height, width), counted row by row: (positions, ΣC). Each
/// map (height, width, C) is resized to the grid by bilinear interpolation between the [centres](Corners::Centres) of its
/// corners and divided by its number of channels C.
///
/// VJP: of each map the transpose, divided by C. Keeps nothing.
///
/// # Panics
/// If there are no maps, one has not three axes, or a side is 0.
pub fn hypercolumns<'t, T: Real>(maps: &[Var<'t, T>], [height, width]: [usize; 2]) -> Var<'t, T> {
    let tape = maps.first().expect("hypercolumns: at least one map").tape();
    let shapes: Vec<[usize; 3]> = maps.iter().map(|map| map.of_rank::<Ix3>("hypercolumns").dim().into()).collect();
    let columns: usize = shapes.iter().map(|shape| shape[2]).sum();
    let mut y = tape.tensor(&[height, width, columns]);
    let mut begin = 0;
    for map in maps {
        let map = map.of_rank::<Ix3>("hypercolumns");
        let channels = map.dim().2;
        let mut part = feature_map_mut(&mut y);
        let mut part = part.slice_mut(s![.., .., begin..begin + channels]);
        if (map.dim().0, map.dim().1) == (height, width) {
            part.assign(&map);
        } else {
            bilinear::resize(&map, Corners::Centres, &mut part);
        }
        divide(&mut part, channels);
        begin += channels;
    }
    let y = y.reshaped(&[height * width, columns]);
    let inputs: Vec<&Var<'t, T>> = maps.iter().collect();
    tape.record("hypercolumns", &inputs, y, 0, move |dy, inputs| {
        let dy = dy.reshaped(&[height, width, columns]);
        let dy = feature_map(&dy);
        let mut begin = 0;
        for (index, &[rows, cells, channels]) in shapes.iter().enumerate() {
            let part = dy.slice(s![.., .., begin..begin + channels]);
            begin += channels;
            if !inputs.wanted(index) {
                continue;
            }
            let mut dx = inputs.tensor(&[rows, cells, channels]);
            let mut to = feature_map_mut(&mut dx);
            if [rows, cells] == [height, width] {
                to.assign(&part);
            } else {
                bilinear::resize_transposed(&part, Corners::Centres, &mut to);
            }
            divide(&mut to, channels);
            inputs.add(index, dx);
        }
    })
}

fn divide<T: Real>(map: &mut ArrayViewMut3<'_, T>, channels: usize) {
    let factor = T::of(1.0 / channels as f64);
    Zip::from(map).par_for_each(|v| *v *= factor);
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;
    use crate::ops::testing::{agrees, reference};
    use crate::tape::Tape;

    #[test]
    fn features_stand_one_behind_the_other() {
        let tape = Tape::<f64>::new();
        let fine = tape.constant(Array3::from_shape_fn((3, 5, 2), |(i, j, c)| (100 * i + 10 * j + c) as f64));
        let coarse = tape.constant(Array3::from_shape_fn((2, 3, 1), |(i, j, _)| (10 * i + j) as f64));
        // Every second row and column of the one, the other as it is.
        let expected = array![
            [0.0, 0.5, 0.0],
            [10.0, 10.5, 1.0],
            [20.0, 20.5, 2.0],
            [100.0, 100.5, 10.0],
            [110.0, 110.5, 11.0],
            [120.0, 120.5, 12.0]
        ];
        approx::assert_abs_diff_eq!(
            hypercolumns(&[fine, coarse], [2, 3]).to_array(),
            expected.into_dyn(),
            epsilon = 1e-12
        );
    }

    #[test]
    fn agrees_with_pytorch() {
        for name in ["hypercolumns_0", "hypercolumns_1"] {
            let case = reference(name);
            let size = ["height", "width"].map(|side| case.number(side) as usize);
            agrees::<f64>(&case, &["x", "other"], |x| hypercolumns(x, size));
            agrees::<f32>(&case, &["x", "other"], |x| hypercolumns(x, size));
        }
    }
}
