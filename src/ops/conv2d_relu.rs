//! Convolution, ReLU and optional pooling in one pass: the maps between them are never written to memory.

use ndarray::{Ix1, Ix3, Ix4};

use super::{avg_pool2d, conv2d, feature_map, feature_map_mut, max_pool2d, relu};
use crate::kernels::{
    BitMask, ConvAlgorithm, ConvGeometry, Gradient, Output, PaddingMode, PoolGeometry, Pooling, conv,
};
use crate::tape::{Real, Var};

/// y = pool(max(conv(x) + b, 0)) for a 3×3 convolution with stride 1 and padding 1, of zeros or of repeated edges, and a 2×2
/// pooling with stride 2 or none. The result is that of [`conv2d()`], [`relu()`] and [`max_pool2d()`] or [`avg_pool2d()`] in turn. It falls back to
/// these if the algorithm cannot fuse them or if weight or bias need a gradient.
///
/// `x` is (height, width, in), `weight` (out, in, 3, 3), `bias` (out), the result (height, width, out) or, pooled,
/// (⌊height/2⌋, ⌊width/2⌋, out).
///
/// VJP: dx = the transposed convolution of dy, where each dy goes to the position of its maximum, or a quarter of it to each
/// position of the window, and only where y > 0. Keeps one bit per element of the convolution's result.
///
/// # Panics
/// If the shapes do not match, or the image is too small for a window.
pub fn conv2d_relu<'t, T: Real>(
    x: &Var<'t, T>,
    weight: &Var<'t, T>,
    bias: &Var<'t, T>,
    pooling: Option<Pooling>,
    mode: PaddingMode,
    algorithm: ConvAlgorithm,
) -> Var<'t, T> {
    let geometry = ConvGeometry { mode, ..ConvGeometry::padded(1) };
    let (map, w) = (x.of_rank::<Ix3>("conv2d_relu"), weight.of_rank::<Ix4>("conv2d_relu"));
    let b = bias.of_rank::<Ix1>("conv2d_relu");
    let frozen = !weight.needs_gradient() && !bias.needs_gradient();
    let fuses = |pooled| frozen && algorithm.fuses(&geometry, w.dim(), pooled);
    if let Some(pooling) = pooling.filter(|_| !fuses(true)) {
        let y = conv2d_relu(x, weight, bias, None, mode, algorithm);
        return match pooling {
            Pooling::Max => max_pool2d(&y, &PoolGeometry::square(2)),
            Pooling::Average => avg_pool2d(&y, &PoolGeometry::square(2)),
        };
    }
    if !fuses(pooling.is_some()) {
        return relu(&conv2d(x, weight, Some(bias), &geometry, algorithm));
    }
    let ((height, width, inputs), outputs) = (map.dim(), w.dim().0);
    assert!(
        inputs == w.dim().1 && b.len() == outputs,
        "conv2d_relu: input {:?}, weight {:?} and bias {:?} do not fit",
        x.shape(),
        weight.shape(),
        bias.shape()
    );
    let [rows, columns] = match pooling {
        Some(_) => super::pooled_size("conv2d_relu", &PoolGeometry::square(2), [height, width]),
        None => [height, width],
    };
    let tape = x.tape();
    let mut y = tape.tensor(&[rows, columns, outputs]);
    let mut passes = x.needs_gradient().then(|| tape.buffers().take_mask(height, width, outputs));
    let (out, mask) = (feature_map_mut(&mut y), passes.as_mut().map(BitMask::view_mut));
    let output = match pooling {
        None => Output::Relu { y: out, mask },
        Some(pooling) => Output::pooled(pooling, out, mask),
    };
    conv::forward_fused(algorithm, &geometry, &map, &w, Some(&b), output, tape.buffers());

    let Some(mask) = passes else { return tape.constant(y) };
    let (kept, kept_weight) = (mask.bytes(), weight.value().clone());
    tape.record("conv2d_relu", &[x, weight, bias], y, kept, move |dy, inputs| {
        let buffers = std::sync::Arc::clone(inputs.buffers());
        inputs.write(0, |dx, accumulate| {
            let (dy, mask) = (feature_map(&dy), mask.view());
            let gradient = match pooling {
                None => Gradient::Masked { dy, mask },
                Some(pooling) => Gradient::pooled(pooling, dy, mask),
            };
            let mut dx = dx.into_dimensionality::<Ix3>().expect("as the input");
            let weight = kept_weight.of_rank::<Ix4>("conv2d_relu");
            conv::backward_data_fused(algorithm, &geometry, gradient, &weight, &mut dx, accumulate, &buffers);
        });
        buffers.put_mask(mask);
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, Array4, ArrayD};

    use super::*;
    use crate::kernels::testing::random;
    use crate::tape::Tape;

    /// Value and gradient, the gradient added to one that is there already.
    fn result(
        algorithm: ConvAlgorithm,
        pooling: Option<Pooling>,
        mode: PaddingMode,
        size: (usize, usize),
    ) -> (ArrayD<f64>, ArrayD<f64>) {
        let tape = Tape::<f64>::new();
        let x: Array3<f64> = random((size.0, size.1, 3), 1);
        let w: Array4<f64> = random((5, 3, 3, 3), 2);
        let b: Array1<f64> = random(5, 3);
        let x = tape.variable(x);
        let (w, b) = (tape.constant(w), tape.constant(b));
        let y = conv2d_relu(&x, &w, &b, pooling, mode, algorithm);
        let cotangent: Array3<f64> = random((y.shape()[0], y.shape()[1], y.shape()[2]), 4);
        let both = crate::ops::add(
            &crate::ops::sum(&crate::ops::mul(&y, &tape.constant(cotangent))),
            &crate::ops::sum(&crate::ops::square(&x)),
        );
        let mut gradients = both.backward();
        (y.to_array(), gradients.take(&x).unwrap().into_array())
    }

    #[test]
    fn by_im2col_it_is_the_composition_over_several_tiles_of_more_channels_than_a_byte_has_bits() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(random::<f64, _, _>((40, 33, 9), 1) as Array3<f64>);
        let (w, b) = (random::<f64, _, _>((20, 9, 3, 3), 2) as Array4<f64>, random::<f64, _, _>(20, 3) as Array1<f64>);
        let (w, b) = (tape.constant(w), tape.constant(b));
        let gradient = |algorithm| {
            let y = conv2d_relu(&x, &w, &b, None, PaddingMode::Zeros, algorithm);
            (y.to_array(), y.backward_from(random::<f64, _, _>((40, 33, 20), 4) as Array3<f64>).take(&x).unwrap())
        };
        let (fused, parts) = (gradient(ConvAlgorithm::Im2col), gradient(ConvAlgorithm::Direct));
        approx::assert_abs_diff_eq!(fused.0, parts.0, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(fused.1.into_array(), parts.1.into_array(), epsilon = 1e-12);
    }

    #[test]
    fn is_one_operation_where_the_algorithm_fuses_it_and_the_weights_are_frozen() {
        let operations = |algorithm, weight_needs: bool, bias_needs: bool| {
            let tape = Tape::<f32>::new();
            let x = tape.variable(Array3::ones((4, 4, 1)));
            let (w, b) = (Array4::ones((1, 1, 3, 3)), Array1::ones(1));
            let w = if weight_needs { tape.variable(w) } else { tape.constant(w) };
            let b = if bias_needs { tape.variable(b) } else { tape.constant(b) };
            conv2d_relu(&x, &w, &b, None, PaddingMode::Zeros, algorithm);
            tape.to_string()
        };
        for algorithm in [ConvAlgorithm::Winograd, ConvAlgorithm::Auto, ConvAlgorithm::Im2col] {
            assert!(operations(algorithm, false, false).contains("conv2d_relu "));
        }
        for parts in [
            operations(ConvAlgorithm::Direct, false, false),
            operations(ConvAlgorithm::Im2col, true, false),
            operations(ConvAlgorithm::Winograd, true, false),
            operations(ConvAlgorithm::Winograd, false, true),
            operations(ConvAlgorithm::Winograd, true, true),
        ] {
            assert!(parts.contains("conv2d ") && parts.contains("relu ") && !parts.contains("conv2d_relu"), "{parts}");
        }
    }

    #[test]
    fn is_the_composition_of_its_parts() {
        for size in [(2, 2), (6, 9), (7, 5), (13, 16)] {
            for pooling in [None, Some(Pooling::Max), Some(Pooling::Average)] {
                for mode in [PaddingMode::Zeros, PaddingMode::Replicate] {
                    let parts = result(ConvAlgorithm::Direct, pooling, mode, size);
                    for algorithm in [ConvAlgorithm::Winograd, ConvAlgorithm::Auto, ConvAlgorithm::Im2col] {
                        let fused = result(algorithm, pooling, mode, size);
                        approx::assert_abs_diff_eq!(fused.0, parts.0, epsilon = 1e-12);
                        approx::assert_abs_diff_eq!(fused.1, parts.1, epsilon = 1e-12);
                    }
                }
            }
        }
    }
}
