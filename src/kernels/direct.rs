//! Convolution by definition, in plain loops. Slow and simple: tests compare the other algorithms with it.

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4};

use super::{ConvGeometry, Real};

/// See [`super::conv::forward`].
pub fn forward<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    y: &mut ArrayViewMut3<'_, T>,
) {
    match bias {
        Some(bias) => y.assign(bias),
        None => y.fill(T::zero()),
    }
    for_each_product(geometry, x.dim(), weight.dim(), y.dim(), |(i, j), (o, c, u, v), (r, s)| {
        y[[i, j, o]] += x[[r, s, c]] * weight[[o, c, u, v]];
    });
}

/// See [`super::conv::backward_data`].
pub fn backward_data<T: Real>(
    geometry: &ConvGeometry,
    dy: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
) {
    if !accumulate {
        dx.fill(T::zero());
    }
    for_each_product(geometry, dx.dim(), weight.dim(), dy.dim(), |(i, j), (o, c, u, v), (r, s)| {
        dx[[r, s, c]] += dy[[i, j, o]] * weight[[o, c, u, v]];
    });
}

/// See [`super::conv::backward_weight`].
pub fn backward_weight<T: Real>(
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    dy: &ArrayView3<'_, T>,
    dw: &mut ArrayViewMut4<'_, T>,
) {
    dw.fill(T::zero());
    for_each_product(geometry, x.dim(), dw.dim(), dy.dim(), |(i, j), (o, c, u, v), (r, s)| {
        dw[[o, c, u, v]] += x[[r, s, c]] * dy[[i, j, o]];
    });
}

/// Calls `product` for every term of the convolution's sum: output position (i, j), weight (o, c, u, v), input
/// position (r, s).
fn for_each_product(
    geometry: &ConvGeometry,
    (height, width, _): (usize, usize, usize),
    (outputs, inputs, kernel_height, kernel_width): (usize, usize, usize, usize),
    (output_height, output_width, _): (usize, usize, usize),
    mut product: impl FnMut((usize, usize), (usize, usize, usize, usize), (usize, usize)),
) {
    for i in 0..output_height {
        for j in 0..output_width {
            for u in 0..kernel_height {
                for v in 0..kernel_width {
                    let row = geometry.source(0, i, u, height);
                    let column = geometry.source(1, j, v, width);
                    let (Some(r), Some(s)) = (row, column) else { continue };
                    for c in 0..inputs {
                        for o in 0..outputs {
                            product((i, j), (o, c, u, v), (r, s));
                        }
                    }
                }
            }
        }
    }
}
