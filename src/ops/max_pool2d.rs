//! Maximum pooling.

use ndarray::Ix3;

use crate::kernels::{PoolGeometry, pooling};
use crate::tape::{Real, Var};

/// y(i,j,c) = the largest x(r,s,c) in window (i,j) of a feature map (height, width, channels).
///
/// VJP: each dy goes to the position of its maximum. Among equal ones it goes to the first, row by row, as in `PyTorch`.
/// Keeps one byte per output element.
///
/// # Panics
/// If the array does not have three axes, if no window fits, or if the padding exceeds half of the kernel.
pub fn max_pool2d<'t, T: Real>(x: &Var<'t, T>, geometry: &PoolGeometry) -> Var<'t, T> {
    let map = x.of_rank::<Ix3>("max_pool2d");
    let (height, width, channels) = map.dim();
    let [rows, columns] = super::pooled_size("max_pool2d", geometry, [height, width]);
    let mut y = x.tape().tensor(&[rows, columns, channels]);
    let places = pooling::max_forward(geometry, &map, &mut super::feature_map_mut(&mut y));
    let geometry = *geometry;
    x.tape().record("max_pool2d", &[x], y, places.len(), move |dy, inputs| {
        let mut dx = inputs.tensor(&[height, width, channels]);
        pooling::max_backward(&geometry, &super::feature_map(&dy), &places, &mut super::feature_map_mut(&mut dx));
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn agrees_with_pytorch() {
        for name in ["max_pool2d_0", "max_pool2d_1", "max_pool2d_2", "max_pool2d_3"] {
            let case = reference(name);
            agrees::<f64>(&case, &["x"], |x| max_pool2d(&x[0], &case.pool()));
            agrees::<f32>(&case, &["x"], |x| max_pool2d(&x[0], &case.pool()));
        }
    }
}
