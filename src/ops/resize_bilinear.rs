//! Resizing of a feature map by bilinear interpolation.

use ndarray::{ArrayViewMut3, Ix3};

use super::{feature_map, feature_map_mut};
use crate::kernels::bilinear::{self, Corners};
use crate::tape::{Real, Var};

/// A feature map (height, width, channels), resized to `height`×`width`: each y(i,j,c) is interpolated between the four
/// positions of x around its point, as by `PyTorch`'s `interpolate` in its mode `bilinear`. `corners` says how the two
/// grids are aligned.
///
/// VJP: the transpose. Keeps nothing.
///
/// # Panics
/// If the array does not have three axes, or a side is 0.
pub fn resize_bilinear<'t, T: Real>(x: &Var<'t, T>, [height, width]: [usize; 2], corners: Corners) -> Var<'t, T> {
    let map = x.of_rank::<Ix3>("resize_bilinear");
    let mut y = x.tape().tensor(&[height, width, map.dim().2]);
    bilinear::resize(&map, corners, &mut feature_map_mut(&mut y));
    let shape = x.shape().to_vec();
    x.tape().record("resize_bilinear", &[x], y, 0, move |dy, inputs| {
        let mut dx = inputs.tensor(&shape);
        let mut to: ArrayViewMut3<'_, T> = feature_map_mut(&mut dx);
        bilinear::resize_transposed(&feature_map(&dy), corners, &mut to);
        inputs.add(0, dx);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{agrees, reference};

    #[test]
    fn agrees_with_pytorch() {
        for (name, corners) in [("resize_bilinear_0", Corners::Centres), ("resize_bilinear_1", Corners::Edges)] {
            let case = reference(name);
            let size = ["height", "width"].map(|side| case.number(side) as usize);
            agrees::<f64>(&case, &["x"], |x| resize_bilinear(&x[0], size, corners));
            agrees::<f32>(&case, &["x"], |x| resize_bilinear(&x[0], size, corners));
        }
    }
}
