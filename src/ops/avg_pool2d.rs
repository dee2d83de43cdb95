//! Average pooling.

use ndarray::Ix3;

use crate::kernels::{PoolGeometry, pooling};
use crate::tape::{Real, Var};

/// y(i,j,c) = the mean of x(r,s,c) over window (i,j) of a feature map (height, width, channels); padding counts as
/// zeros, positions that `ceil_mode` adds beyond it do not count.
///
/// VJP: each dy is divided equally among its window. Keeps nothing. Gatys et al. 2016 (section 2) prefer its pictures to those
/// of max pooling.
///
/// # Panics
/// If the array does not have three axes, if no window fits, or if the padding exceeds half of the kernel.
pub fn avg_pool2d<'t, T: Real>(x: &Var<'t, T>, geometry: &PoolGeometry) -> Var<'t, T> {
    let map = x.of_rank::<Ix3>("avg_pool2d");
    let (height, width, channels) = map.dim();
    let [rows, columns] = super::pooled_size("avg_pool2d", geometry, [height, width]);
    let mut y = x.tape().tensor(&[rows, columns, channels]);
    pooling::average_forward(geometry, &map, &mut super::feature_map_mut(&mut y));
    let geometry = *geometry;
    x.tape().record("avg_pool2d", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&[height, width, channels]);
        pooling::average_backward(&geometry, &super::feature_map(&dy), &mut super::feature_map_mut(&mut dx));
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn agrees_with_pytorch() {
        for name in ["avg_pool2d_0", "avg_pool2d_1", "avg_pool2d_2", "avg_pool2d_3"] {
            let case = reference(name);
            agrees::<f64>(&case, &["x"], |x| avg_pool2d(&x[0], &case.pool()));
            agrees::<f32>(&case, &["x"], |x| avg_pool2d(&x[0], &case.pool()));
        }
    }
}
