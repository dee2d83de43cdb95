//! A network's first stage and the Gram matrix inside it, in bands of rows: the map between the two convolutions, the
//! largest array of all, is never held whole.

use std::cell::RefCell;
use std::ops::Range;
use std::rc::Rc;

use ndarray::{Array1, Array2, ArrayView3, ArrayViewMut2, ArrayViewMut3, Ix1, Ix2, Ix3, Ix4, s};

use super::{conv2d_relu, feature_map, feature_map_mut, gram_matrix};
use crate::kernels::{
    BitMask, Buffers, ConvAlgorithm, ConvGeometry, Gradient, Output, PoolGeometry, Pooling, conv, gram,
};
use crate::tape::{Real, Tensor, Value, Var};

/// Elements of a band of the map between the convolutions: 8 MiB in f32, which stay in a cache of the last level.
const BAND: usize = 1 << 21;

/// Weight and bias of a convolution.
type Layer<'a, 't, T> = (&'a Var<'t, T>, &'a Var<'t, T>);

/// With F = max(conv(x) + b₁, 0): the Gram matrix of F, as [`gram_matrix`](super::gram_matrix()), and
/// pool(max(conv(F) + b₂, 0)), as [`conv2d_relu`](super::conv2d_relu()) computes both. Convolutions are 3×3 with stride 1
/// and padding 1.
///
/// `x` is (height, width, in), weights (out, in, 3, 3), biases (out); the Gram matrix is (channels of F)², the map
/// (⌊height/2⌋, ⌊width/2⌋, out).
///
/// F is computed band by band, and once more for the VJP, which keeps x and the bits of the second ReLU: memory for a
/// little time (Chen, Xu, Zhang & Guestrin 2016, "Training deep nets with sublinear memory cost"). Where weights need
/// a gradient, or the algorithm does not fuse, it is the composition of the two operations named above.
///
/// # Panics
/// If the shapes do not fit, or the image is too small for a window.
pub fn stage_with_gram<'t, T: Real>(
    x: &Var<'t, T>,
    first: Layer<'_, 't, T>,
    second: Layer<'_, 't, T>,
    pooling: Pooling,
    algorithm: ConvAlgorithm,
) -> (Var<'t, T>, Var<'t, T>) {
    in_bands(BAND, x, first, second, pooling, algorithm)
}

fn in_bands<'t, T: Real>(
    elements: usize,
    x: &Var<'t, T>,
    first: Layer<'_, 't, T>,
    second: Layer<'_, 't, T>,
    pooling: Pooling,
    algorithm: ConvAlgorithm,
) -> (Var<'t, T>, Var<'t, T>) {
    let (height, width, _) = x.of_rank::<Ix3>("stage_with_gram").dim();
    let [w1, w2] = [first.0, second.0].map(|weight| weight.of_rank::<Ix4>("stage_with_gram").dim());
    let fuses = |weight, pooled| algorithm.fuses(&ConvGeometry::padded(1), weight, pooled);
    let frozen = [first.0, first.1, second.0, second.1].iter().all(|var| !var.needs_gradient());
    if !frozen || !fuses(w1, false) || !fuses(w2, true) {
        let map = conv2d_relu(x, first.0, first.1, None, algorithm);
        return (gram_matrix(&map), conv2d_relu(&map, second.0, second.1, Some(pooling), algorithm));
    }
    let tape = x.tape();
    let values = |(weight, bias): Layer<'_, 't, T>| (weight.value().clone(), bias.value().clone());
    let size = (height, width, w1.0);
    let rows = (elements / (width * w1.0).max(1)).next_multiple_of(16).max(16);
    let (first, second) = (values(first), values(second));
    let stage = Stage { image: x.value().clone(), first, second, size, rows, pooling, algorithm };
    let [rows, columns] = super::pooled_size("stage_with_gram", &PoolGeometry::square(2), [height, width]);
    let mut y = tape.tensor(&[rows, columns, w2.0]);
    let (g, masks) = stage.forward(feature_map_mut(&mut y), x.needs_gradient(), tape.buffers());

    // Two results, one VJP: each result leaves its cotangent here, and the operation before them, which has no elements of
    // its own and so comes later on the way back, takes both.
    let cotangents = Rc::new(RefCell::new((None, None)));
    let kept = x.kept_bytes() + masks.iter().map(BitMask::bytes).sum::<usize>();
    let taken = Rc::clone(&cotangents);
    let both = tape.record("stage_with_gram", &[x], Array1::zeros(0), kept, move |_, inputs| {
        let (dg, dy) = taken.take();
        let buffers = std::sync::Arc::clone(inputs.buffers());
        inputs.write(0, |dx, accumulate| {
            let mut dx = dx.into_dimensionality::<Ix3>().expect("as the image");
            if !accumulate {
                dx.fill(T::zero());
            }
            stage.backward(dg, dy, &masks, dx, &buffers);
        });
        masks.into_iter().rev().for_each(|mask| buffers.put_mask(mask));
    });
    let nothing = || Tensor::from(Array1::zeros(0));
    let left = Rc::clone(&cotangents);
    let g = tape.record("gram_matrix of a stage", &[&both], g, 0, move |dg, inputs| {
        left.borrow_mut().0 = Some(dg);
        inputs.add(0, nothing());
    });
    let y = tape.record("map of a stage", &[&both], y, 0, move |dy, inputs| {
        cotangents.borrow_mut().1 = Some(dy);
        inputs.add(0, nothing());
    });
    (g, y)
}

/// The stage as a function of an image.
struct Stage<T: Real> {
    image: Value<T>,
    first: (Value<T>, Value<T>),
    second: (Value<T>, Value<T>),
    /// Of F: (height, width, channels).
    size: (usize, usize, usize),
    /// Rows of a band: a multiple of a Winograd tile's and of a pooling's, so that both lie as in the whole map.
    rows: usize,
    pooling: Pooling,
    algorithm: ConvAlgorithm,
}

/// Some rows of F, with those beside them that the second convolution sees, and the rows of the image that these see.
struct Band {
    rows: Range<usize>,
    map: Range<usize>,
    image: Range<usize>,
}

impl Band {
    /// The rows of F that are the band's own, within those that it has.
    fn own(&self) -> Range<usize> {
        self.rows.start - self.map.start..self.rows.end - self.map.start
    }

    /// The rows of the pooled map.
    fn pooled(&self) -> Range<usize> {
        self.rows.start / 2..self.rows.end / 2
    }
}

/// The 3×3 convolution from rows `from` of something `height` rows high to rows `to`.
fn between(from: &Range<usize>, to: &Range<usize>, height: usize) -> ConvGeometry {
    debug_assert!(from.start == to.start.saturating_sub(1) && from.end == (to.end + 1).min(height));
    let (top, bottom) = (usize::from(to.start == 0), usize::from(to.end == height));
    ConvGeometry { padding: [top, 1, bottom, 1], ..ConvGeometry::default() }
}

impl<T: Real> Stage<T> {
    /// The bands, from the top.
    fn bands(&self) -> impl Iterator<Item = Band> + use<T> {
        let (height, rows) = (self.size.0, self.rows);
        let around = move |rows: &Range<usize>| rows.start.saturating_sub(1)..(rows.end + 1).min(height);
        (0..height).step_by(rows).map(move |start| {
            let rows = start..(start + rows).min(height);
            let map = around(&rows);
            Band { image: around(&map), map, rows }
        })
    }

    /// Writes the pooled map, and gives the Gram matrix and, if asked for, the bits of the second ReLU by band.
    fn forward(&self, mut y: ArrayViewMut3<'_, T>, masked: bool, buffers: &Buffers<T>) -> (Array2<T>, Vec<BitMask>) {
        let (height, width, channels) = self.size;
        let mut g = Array2::zeros((channels, channels));
        let mut masks = Vec::new();
        for band in self.bands() {
            let map = self.map(&band, None, buffers);
            let view = ArrayView3::from_shape((band.map.len(), width, channels), &map).expect("as long");
            let own = view.slice_move(s![band.own(), .., ..]);
            let own = own.into_shape_with_order((band.rows.len() * width, channels)).expect("row-major");
            g += &gram::gram(&own);

            let mut mask = masked.then(|| buffers.take_mask());
            let (y, to) = (y.slice_mut(s![band.pooled(), .., ..]), mask.as_mut());
            let output = Output::pooled(self.pooling, y, to);
            let geometry = between(&band.map, &band.rows, height);
            let (weight, bias) = (self.second.0.of_rank::<Ix4>("weight"), self.second.1.of_rank::<Ix1>("bias"));
            let view = ArrayView3::from_shape((band.map.len(), width, channels), &map).expect("as long");
            conv::forward_fused(self.algorithm, &geometry, &view, &weight, Some(&bias), output, buffers);
            masks.extend(mask);
            buffers.put(map);
        }
        (g, masks)
    }

    /// Adds the gradient with respect to the image to `dx`.
    fn backward(
        &self,
        dg: Option<Tensor<T>>,
        dy: Option<Tensor<T>>,
        masks: &[BitMask],
        mut dx: ArrayViewMut3<'_, T>,
        buffers: &Buffers<T>,
    ) {
        let (height, width, channels) = self.size;
        // As in `gram_matrix`: dF = F·(dG + dGᵀ).
        let symmetric = dg.map(|dg| {
            let dg = dg.view().into_dimensionality::<Ix2>().expect("a matrix");
            &dg + &dg.t()
        });
        let mut passes = buffers.take_mask();
        for (band, mask) in self.bands().zip(masks) {
            // What the Gram matrix gives takes the place of F; rows beside the band's own are other bands' to add.
            let mut map = self.map(&band, Some(&mut passes), buffers);
            let (own, line) = (band.own(), width * channels);
            map[..own.start * line].fill(T::zero());
            map[own.end * line..].fill(T::zero());
            let rows = &mut map[own.start * line..own.end * line];
            match &symmetric {
                Some(symmetric) => {
                    let shape = (rows.len() / channels, channels);
                    let mut rows = ArrayViewMut2::from_shape(shape, rows).expect("whole rows");
                    gram::times_in_place(&mut rows, &symmetric.view(), buffers);
                }
                None => rows.fill(T::zero()),
            }
            let mut gradient = ArrayViewMut3::from_shape((band.map.len(), width, channels), &mut map).expect("as long");
            if let Some(dy) = &dy {
                let dy = feature_map(dy).slice_move(s![band.pooled(), .., ..]);
                let from = Gradient::pooled(self.pooling, dy, mask);
                let geometry = between(&band.map, &band.rows, height);
                let weight = self.second.0.of_rank::<Ix4>("weight");
                conv::backward_data_fused(self.algorithm, &geometry, from, &weight, &mut gradient, true, buffers);
            }
            let from = Gradient::Masked { dy: gradient.view(), mask: &passes };
            let geometry = between(&band.image, &band.map, height);
            let weight = self.first.0.of_rank::<Ix4>("weight");
            let mut dx = dx.slice_mut(s![band.image, .., ..]);
            conv::backward_data_fused(self.algorithm, &geometry, from, &weight, &mut dx, true, buffers);
            buffers.put(map);
        }
        buffers.put_mask(passes);
    }

    /// F in a band, and the bits of its ReLU.
    fn map(&self, band: &Band, mask: Option<&mut BitMask>, buffers: &Buffers<T>) -> Vec<T> {
        let (height, width, channels) = self.size;
        let mut map = buffers.take(band.map.len() * width * channels);
        let y = ArrayViewMut3::from_shape((band.map.len(), width, channels), &mut map).expect("as long");
        let image = self.image.of_rank::<Ix3>("stage_with_gram");
        let image = image.slice_move(s![band.image.clone(), .., ..]);
        let (weight, bias) = (self.first.0.of_rank::<Ix4>("weight"), self.first.1.of_rank::<Ix1>("bias"));
        let geometry = between(&band.image, &band.map, height);
        let output = Output::Relu { y, mask };
        conv::forward_fused(self.algorithm, &geometry, &image, &weight, Some(&bias), output, buffers);
        map
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, Array4, ArrayD};

    use super::*;
    use crate::kernels::testing::random;
    use crate::ops::{add, mul, sum};
    use crate::tape::Tape;

    /// The sum of both results times constants, those asked for, and its gradient; `dx` is added to another gradient.
    fn results(
        size: (usize, usize),
        channels: usize,
        pooling: Pooling,
        (with_gram, with_map): (bool, bool),
        banded: bool,
    ) -> (f64, ArrayD<f64>) {
        let tape = Tape::<f64>::new();
        let x = tape.variable(random::<f64, _, _>((size.0, size.1, 3), 1) as Array3<f64>);
        let constant =
            |shape: (usize, usize, usize, usize), seed| tape.constant(random::<f64, _, _>(shape, seed) as Array4<f64>);
        let bias = |len: usize, seed| tape.constant(random::<f64, _, _>(len, seed) as Array1<f64>);
        let (w1, b1) = (constant((channels, 3, 3, 3), 2), bias(channels, 3));
        let (w2, b2) = (constant((5, channels, 3, 3), 4), bias(5, 5));
        let algorithm = ConvAlgorithm::Auto;
        let (g, y) = if banded {
            in_bands(1, &x, (&w1, &b1), (&w2, &b2), pooling, algorithm)
        } else {
            let map = conv2d_relu(&x, &w1, &b1, None, algorithm);
            (gram_matrix(&map), conv2d_relu(&map, &w2, &b2, Some(pooling), algorithm))
        };
        assert_eq!(tape.to_string().contains("stage_with_gram"), banded);
        let times = |value: &Var<'_, f64>, seed| -> ArrayD<f64> {
            let shape = value.shape();
            random::<f64, _, _>(shape, seed)
        };
        let mut total = sum(&mul(&x, &x));
        if with_gram {
            total = add(&total, &sum(&mul(&g, &tape.constant(times(&g, 6)))));
        }
        if with_map {
            total = add(&total, &sum(&mul(&y, &tape.constant(times(&y, 7)))));
        }
        let value = total.scalar();
        (value, total.backward().take(&x).unwrap().into_array())
    }

    #[test]
    fn is_the_composition_of_its_parts_for_one_band_and_for_several() {
        // Bands of 16 rows; odd heights and widths, a last band of one row.
        for (size, channels) in [((2, 2), 3), ((7, 9), 4), ((33, 44), 8), ((48, 5), 9), ((47, 46), 17)] {
            for pooling in [Pooling::Max, Pooling::Average] {
                for wanted in [(true, true), (true, false), (false, true)] {
                    let (value, gradient) = results(size, channels, pooling, wanted, true);
                    let expected = results(size, channels, pooling, wanted, false);
                    approx::assert_relative_eq!(value, expected.0, max_relative = 1e-10);
                    let largest = expected.1.iter().fold(0.0f64, |m, v| m.max(v.abs()));
                    approx::assert_abs_diff_eq!(gradient, expected.1, epsilon = 1e-11 * largest);
                }
            }
        }
    }

    #[test]
    fn is_made_of_its_parts_where_weights_need_a_gradient_or_the_algorithm_does_not_fuse() {
        let operations = |algorithm, variable: usize| {
            let tape = Tape::<f64>::new();
            let x = tape.variable(Array3::ones((4, 4, 3)));
            let of = |index: usize, shape: &[usize]| {
                let ones = ArrayD::ones(shape);
                if index == variable { tape.variable(ones) } else { tape.constant(ones) }
            };
            let (w1, b1, w2, b2) = (of(0, &[9, 3, 3, 3]), of(1, &[9]), of(2, &[5, 9, 3, 3]), of(3, &[5]));
            let (g, y) = stage_with_gram(&x, (&w1, &b1), (&w2, &b2), Pooling::Max, algorithm);
            assert_eq!((g.shape(), y.shape()), (&[9, 9][..], &[2, 2, 5][..]));
            tape.to_string()
        };
        let whole = operations(ConvAlgorithm::Auto, usize::MAX);
        assert!(whole.contains("stage_with_gram"), "{whole}");
        // The image, 384 B, and a bit for each of 5 channels at 16 positions.
        assert!(whole.ends_with("keeping 400 B for the backward pass"), "{whole}");
        let parts = (0..4).map(|variable| operations(ConvAlgorithm::Auto, variable));
        let others = [ConvAlgorithm::Im2col, ConvAlgorithm::Direct].map(|algorithm| operations(algorithm, usize::MAX));
        for parts in parts.chain(others) {
            assert!(!parts.contains("stage_with_gram") && parts.contains("gram_matrix"), "{parts}");
        }
    }

    #[test]
    fn bands_cover_all_rows_once_and_see_what_they_need() {
        let tape = Tape::<f32>::new();
        let value = |shape: &[usize]| tape.constant(ArrayD::zeros(shape)).value().clone();
        let stage = Stage {
            image: value(&[40, 4, 3]),
            first: (value(&[1, 3, 3, 3]), value(&[1])),
            second: (value(&[1, 1, 3, 3]), value(&[1])),
            size: (40, 4, 1),
            rows: 16,
            pooling: Pooling::Max,
            algorithm: ConvAlgorithm::Auto,
        };
        let bands: Vec<_> = stage.bands().map(|band| (band.rows.clone(), band.map.clone(), band.image)).collect();
        assert_eq!(bands, [(0..16, 0..17, 0..18), (16..32, 15..33, 14..34), (32..40, 31..40, 30..40)]);
    }
}
