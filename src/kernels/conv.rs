//! Two-dimensional convolution: its geometry, and the choice of an algorithm.

use ndarray::{ArrayView1, ArrayView3, ArrayView4, ArrayViewMut3, ArrayViewMut4};

use strum::{Display, EnumString, VariantNames};

use super::simd::InstructionSet;
pub(crate) use super::winograd::Shape;
use super::{Buffers, Gradient, Output, Real, direct, im2col, narrow, replicate, winograd};

/// Convolutions of rows that begin at a multiple of this have the bits of the whole: the tiles of `winograd` have 4 or 6 rows.
pub const ALIGNMENT: usize = 12;

const _: () = {
    use winograd::Tile;
    assert!(ALIGNMENT.is_multiple_of(Tile::Four.outputs()) && ALIGNMENT.is_multiple_of(Tile::Six.outputs()));
};

/// The algorithm of a convolution. All agree to rounding.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, Eq, Hash, PartialEq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum ConvAlgorithm {
    /// The fastest for the shape, as measured.
    #[default]
    Auto,
    /// The definition in plain loops, with which the others are compared.
    Direct,
    /// Patches copied into the rows of a matrix, tile by tile, and multiplied by BLAS.
    Im2col,
    /// Winograd's minimal filtering F(4×4, 3×3) or F(6×6, 3×3) for 3×3 kernels with stride 1 and without dilation; `Im2col` for all
    /// others.
    Winograd,
}

impl ConvAlgorithm {
    /// All algorithms.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Direct, Self::Im2col, Self::Winograd];

    /// Whether a convolution of this geometry with a weight (out, in, kernel height, kernel width) can be computed
    /// together with a ReLU and, if `pooled`, a pooling after it, by [`forward_fused`] and
    /// [`backward_data_fused`].
    pub fn fuses(self, geometry: &ConvGeometry, weight: (usize, usize, usize, usize), pooled: bool) -> bool {
        match self.method(geometry, weight) {
            Method::Winograd | Method::Narrow => true,
            Method::Im2col => !pooled,
            Method::Direct => false,
        }
    }

    fn method(self, geometry: &ConvGeometry, weight: (usize, usize, usize, usize)) -> Method {
        let suits_winograd = (weight.2, weight.3) == (3, 3)
            && geometry.stride == [1, 1]
            && geometry.dilation == [1, 1]
            && match geometry.mode {
                PaddingMode::Zeros => geometry.padding.most() <= 3,
                PaddingMode::Replicate => geometry.padding.most() <= 1,
            };
        match self {
            Self::Auto if suits_winograd && weight.1 <= narrow::MOST_CHANNELS => Method::Narrow,
            Self::Winograd | Self::Auto if suits_winograd => Method::Winograd,
            Self::Direct => Method::Direct,
            _ => Method::Im2col,
        }
    }
}

/// The algorithm chosen for a geometry and a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Direct,
    Im2col,
    Winograd,
    Narrow,
}

/// What lies beyond the edges of a padded image, as PyTorch's `padding_mode`.
#[derive(Clone, Copy, Debug, Default, Display, EnumString, Eq, Hash, PartialEq, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum PaddingMode {
    /// Zeros.
    #[default]
    Zeros,
    /// The nearest pixel of the edge.
    Replicate,
}

/// Rows and columns added around an image, in pixels.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same padding on all four sides.
    pub const fn same(pixels: usize) -> Self {
        Self { top: pixels, left: pixels, bottom: pixels, right: pixels }
    }

    /// The padding before and after the image along an axis: 0 is vertical, 1 horizontal.
    pub(super) fn along(self, axis: usize) -> [usize; 2] {
        [[self.top, self.bottom], [self.left, self.right]][axis]
    }

    /// The largest padding of any side.
    fn most(self) -> usize {
        self.top.max(self.left).max(self.bottom).max(self.right)
    }
}

impl From<[usize; 4]> for Padding {
    /// Top, left, bottom, right: ONNX's order.
    fn from([top, left, bottom, right]: [usize; 4]) -> Self {
        Self { top, left, bottom, right }
    }
}

/// Stride, padding and dilation of a convolution, (height, width) each, and what lies in the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvGeometry {
    /// Distance between neighbouring outputs, in input positions.
    pub stride: [usize; 2],
    /// Rows and columns around the input.
    pub padding: Padding,
    /// What lies there.
    pub mode: PaddingMode,
    /// Distance between neighbouring kernel elements, in input positions.
    pub dilation: [usize; 2],
}

impl Default for ConvGeometry {
    /// Stride 1, no padding, no dilation.
    fn default() -> Self {
        Self { stride: [1, 1], padding: Padding::same(0), mode: PaddingMode::Zeros, dilation: [1, 1] }
    }
}

impl ConvGeometry {
    /// Stride 1 and `padding` on all four sides: with `padding` 1 and a 3×3 kernel, as throughout VGG, the output has
    /// the input's size.
    pub fn padded(padding: usize) -> Self {
        Self { padding: Padding::same(padding), ..Self::default() }
    }

    /// Height and width of the output for an input and a kernel of the given (height, width):
    /// ⌊(n + padding − dilation·(k−1) − 1)/stride⌋ + 1, or `None` if the kernel does not fit.
    pub fn output_size(&self, input: [usize; 2], kernel: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize| {
            let room = input[axis] + self.padding.along(axis).iter().sum::<usize>();
            let reach = self.dilation[axis] * (kernel[axis].checked_sub(1)?) + 1;
            Some(room.checked_sub(reach)? / self.stride[axis] + 1)
        };
        Some([along(0)?, along(1)?])
    }

    /// The input position that kernel element `k` reads for output position `o` along `axis`; `None` for a zero.
    pub(super) fn source(&self, axis: usize, o: usize, k: usize, input: usize) -> Option<usize> {
        let padded = o * self.stride[axis] + k * self.dilation[axis];
        let before = self.padding.along(axis)[0];
        match self.mode {
            PaddingMode::Zeros => padded.checked_sub(before).filter(|&i| i < input),
            PaddingMode::Replicate => Some(padded.saturating_sub(before).min(input.checked_sub(1)?)),
        }
    }
}

/// y(i,j,o) = b(o) + Σ x(i·s+u·d−p, j·s+v·d−p, c)·w(o,c,u,v): cross-correlation, as usual in deep learning.
///
/// `x` is (height, width, in), `weight` (out, in, kernel height, kernel width) in any memory order (fastest if it is
/// height, width, in, out), `y` (height, width, out).
///
/// # Panics
/// If the shapes do not fit.
pub fn forward<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    y: &mut ArrayViewMut3<'_, T>,
    buffers: &Buffers<T>,
) {
    check_shapes(geometry, x.dim(), weight.dim(), y.dim());
    match algorithm.method(geometry, weight.dim()) {
        Method::Direct => direct::forward(geometry, x, weight, bias, y),
        Method::Winograd | Method::Narrow if y.is_standard_layout() => {
            forward_fused(algorithm, geometry, x, weight, bias, Output::Plain(y.view_mut()), buffers);
        }
        _ => im2col::forward(geometry, x, weight, bias, y, buffers),
    }
}

/// [`forward`] fused with the operation on its result; only for what the algorithm [fuses](ConvAlgorithm::fuses).
///
/// # Panics
/// If the algorithm does not fuse that, if the shapes do not fit, or if the output is not in standard layout.
pub fn forward_fused<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    bias: Option<&ArrayView1<'_, T>>,
    output: Output<'_, T>,
    buffers: &Buffers<T>,
) {
    let pooled = matches!(output, Output::ReluMaxPool { .. } | Output::ReluAveragePool { .. });
    let (set, padding, workspace) = (InstructionSet::best(), geometry.padding, buffers.workspace());
    let view = bias.map(|bias| bias.view());
    match (algorithm.method(geometry, weight.dim()), output) {
        (Method::Im2col, Output::Relu { mut y, mask }) => {
            check_shapes(geometry, x.dim(), weight.dim(), y.dim());
            im2col::forward_relu(geometry, x, weight, bias, &mut y, mask, buffers);
        }
        (Method::Narrow, output) if !pooled => {
            narrow::forward(set, x.view(), weight.view(), view, (padding, geometry.mode), output, workspace);
        }
        (Method::Winograd | Method::Narrow, output) => {
            winograd::forward(set, x.view(), weight.view(), view, (padding, geometry.mode), output, workspace);
        }
        _ => panic!("{algorithm:?} does not fuse a convolution under {geometry:?} with what is asked for"),
    }
}

/// The gradient with respect to the input, Σ dy·w, the transposed convolution: written to `dx`, or added to it if
/// `accumulate`.
///
/// # Panics
/// If the shapes do not fit.
pub fn backward_data<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    dy: &ArrayView3<'_, T>,
    weight: &ArrayView4<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    check_shapes(geometry, dx.dim(), weight.dim(), dy.dim());
    // `backward_data_fused` replicates one pixel on all sides.
    let plain = geometry.mode == PaddingMode::Zeros || geometry.padding == Padding::same(1);
    match algorithm.method(geometry, weight.dim()) {
        Method::Direct => direct::backward_data(geometry, dy, weight, dx, accumulate),
        Method::Winograd | Method::Narrow if plain && dx.is_standard_layout() => {
            let gradient = Gradient::Plain(dy.view());
            backward_data_fused(algorithm, geometry, gradient, weight, &mut dx.view_mut(), accumulate, buffers);
        }
        _ => im2col::backward_data(geometry, dy, weight, dx, accumulate, buffers),
    }
}

/// [`backward_data`] of a gradient with respect to the result of [`forward_fused`]; only for what the algorithm
/// [fuses](ConvAlgorithm::fuses).
///
/// # Panics
/// If the algorithm does not fuse that, if the shapes do not fit, or if `dx` is not in standard layout.
pub fn backward_data_fused<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    gradient: Gradient<'_, T>,
    weight: &ArrayView4<'_, T>,
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    let (set, padding, workspace) = (InstructionSet::best(), geometry.padding, buffers.workspace());
    match (algorithm.method(geometry, weight.dim()), gradient) {
        (Method::Winograd | Method::Narrow | Method::Im2col, gradient) if geometry.mode == PaddingMode::Replicate => {
            assert_eq!(padding, Padding::same(1), "the gradient of replicated edges is that of one pixel on all sides");
            let zeros = ConvGeometry { mode: PaddingMode::Zeros, ..*geometry };
            let place = (0, [true; 2]);
            backward_data_replicated(algorithm, &zeros, gradient, weight, place, dx, accumulate, buffers);
        }
        (Method::Im2col, Gradient::Masked { dy, mask }) => {
            let mut masked = buffers.take(dy.len());
            let dy = dy.as_standard_layout();
            mask.apply(dy.as_slice().expect("standard layout"), &mut masked);
            let view = ArrayView3::from_shape(dy.dim(), &masked).expect("as long");
            im2col::backward_data(geometry, &view, weight, dx, accumulate, buffers);
            buffers.put(masked);
        }
        (Method::Narrow, gradient) => {
            narrow::data_gradient(set, gradient, weight.view(), padding, dx.view_mut(), accumulate, workspace);
        }
        (Method::Winograd, gradient) => {
            winograd::data_gradient(set, gradient, weight.view(), padding, dx.view_mut(), accumulate, workspace);
        }
        _ => panic!("{algorithm:?} does not fuse a convolution under {geometry:?} with what is asked for"),
    }
}

/// [`backward_data_fused`] of a 3×3 convolution with one pixel of padding that replicates the edges, for some rows of the input.
///
/// `geometry` has zeros in the padding. `dx` holds whole rows of the input; the first is row `above` of the gradient. `ends` says
/// whether the input ends above and below these rows.
///
/// # Panics
/// As [`backward_data_fused`].
#[allow(clippy::too_many_arguments, reason = "as backward_data_fused, and where the rows lie")]
pub fn backward_data_replicated<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    gradient: Gradient<'_, T>,
    weight: &ArrayView4<'_, T>,
    (above, ends): (usize, [bool; 2]),
    dx: &mut ArrayViewMut3<'_, T>,
    accumulate: bool,
    buffers: &Buffers<T>,
) {
    let workspace = buffers.workspace();
    // An earlier gradient is added to the sum of both parts, so that the bits do not depend on which was there first.
    let before = accumulate.then(|| replicate::take_edge(dx, ends, workspace));
    backward_data_fused(algorithm, geometry, gradient, weight, dx, accumulate, buffers);
    replicate::add_gradient(InstructionSet::best(), gradient, weight, (above, ends), dx, workspace);
    if let Some(before) = before {
        replicate::add_to_edge(dx, ends, &before);
    }
}

/// The gradient with respect to the weights: dw(o,c,u,v) = Σ x(i·s+u·d−p, j·s+v·d−p, c)·dy(i,j,o).
///
/// # Panics
/// If the shapes do not fit.
pub fn backward_weight<T: Real>(
    algorithm: ConvAlgorithm,
    geometry: &ConvGeometry,
    x: &ArrayView3<'_, T>,
    dy: &ArrayView3<'_, T>,
    dw: &mut ArrayViewMut4<'_, T>,
    buffers: &Buffers<T>,
) {
    check_shapes(geometry, x.dim(), dw.dim(), dy.dim());
    match algorithm {
        ConvAlgorithm::Direct => direct::backward_weight(geometry, x, dy, dw),
        _ => im2col::backward_weight(geometry, x, dy, dw, buffers),
    }
}

/// Multiplications of Winograd's algorithm for an output and a pair of channels, in a map of this width: 9 by the definition.
pub fn winograd_products(width: usize) -> f64 {
    let tile = winograd::Tile::of(width);
    tile.points() as f64 / tile.outputs().pow(2) as f64
}

/// Bytes of scratch memory for 3×3 convolutions of these shapes, one after the other, on `threads` threads, by the
/// fastest algorithm; see [`winograd::scratch_bytes`].
pub(crate) fn scratch_bytes<T: Real>(shapes: impl IntoIterator<Item = Shape>, threads: usize) -> usize {
    winograd::scratch_bytes::<T>(InstructionSet::best(), shapes, threads)
}

fn check_shapes(
    geometry: &ConvGeometry,
    x: (usize, usize, usize),
    weight: (usize, usize, usize, usize),
    y: (usize, usize, usize),
) {
    let size = geometry.output_size([x.0, x.1], [weight.2, weight.3]);
    assert!(
        x.2 == weight.1 && y.2 == weight.0 && size == Some([y.0, y.1]),
        "conv2d: input {x:?}, weight {weight:?} and output {y:?} do not fit under {geometry:?}"
    );
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, Array4};
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::testing::random;

    /// Shapes of all kinds: any kernel up to 4×4, stride, dilation and asymmetric padding, one pixel, one channel.
    #[derive(Debug, Clone)]
    struct Case {
        geometry: ConvGeometry,
        input: (usize, usize, usize),
        weight: (usize, usize, usize, usize),
        seed: u64,
    }

    fn modes() -> impl Strategy<Value = PaddingMode> {
        prop_oneof![Just(PaddingMode::Zeros), Just(PaddingMode::Replicate)]
    }

    fn cases() -> impl Strategy<Value = Case> {
        let pair = |range: std::ops::Range<usize>| prop::array::uniform2(range);
        (
            pair(1..12),
            1..6usize,
            1..6usize,
            pair(1..5),
            pair(1..4),
            prop::array::uniform4(0..4usize),
            modes(),
            pair(1..4),
            any::<u64>(),
        )
            .prop_map(|(size, inputs, outputs, kernel, stride, padding, mode, dilation, seed)| Case {
                geometry: ConvGeometry { stride, padding: padding.into(), mode, dilation },
                input: (size[0], size[1], inputs),
                weight: (outputs, inputs, kernel[0], kernel[1]),
                seed,
            })
            .prop_filter("the kernel fits", |case| output(case).is_some())
    }

    fn output(case: &Case) -> Option<(usize, usize, usize)> {
        let size = [case.input.0, case.input.1];
        let [height, width] = case.geometry.output_size(size, [case.weight.2, case.weight.3])?;
        Some((height, width, case.weight.0))
    }

    /// All results of one algorithm: output, dx added to ones, dw.
    fn results<T: Real>(algorithm: ConvAlgorithm, case: &Case) -> (Array3<T>, Array3<T>, Array4<T>) {
        let g = &case.geometry;
        let output = output(case).unwrap();
        let x: Array3<T> = random(case.input, case.seed);
        let w: Array4<T> = random(case.weight, case.seed ^ 1);
        let b: Array1<T> = random(output.2, case.seed ^ 2);
        let dy: Array3<T> = random(output, case.seed ^ 3);
        let nan = T::nan();
        let (mut y, mut dx) = (Array3::from_elem(output, nan), Array3::from_elem(case.input, nan));
        let mut dw = Array4::from_elem(case.weight, nan);
        let buffers = Buffers::new();
        forward(algorithm, g, &x.view(), &w.view(), Some(&b.view()), &mut y.view_mut(), &buffers);
        backward_data(algorithm, g, &dy.view(), &w.view(), &mut dx.view_mut(), false, &buffers);
        dx += T::one();
        backward_data(algorithm, g, &dy.view(), &w.view(), &mut dx.view_mut(), true, &buffers);
        backward_weight(algorithm, g, &x.view(), &dy.view(), &mut dw.view_mut(), &buffers);
        (y, dx, dw)
    }

    fn agrees_with_the_definition(algorithm: ConvAlgorithm, case: &Case) {
        let direct = results::<f64>(ConvAlgorithm::Direct, case);
        let double = results::<f64>(algorithm, case);
        approx::assert_abs_diff_eq!(double.0, direct.0, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(double.1, direct.1, epsilon = 1e-12);
        approx::assert_abs_diff_eq!(double.2, direct.2, epsilon = 1e-12);
        let single = results::<f32>(algorithm, case);
        approx::assert_abs_diff_eq!(single.0.mapv(f64::from), direct.0, epsilon = 1e-3);
        approx::assert_abs_diff_eq!(single.1.mapv(f64::from), direct.1, epsilon = 1e-3);
        approx::assert_abs_diff_eq!(single.2.mapv(f64::from), direct.2, epsilon = 1e-3);
    }

    proptest! {
        #[test]
        fn im2col_agrees_with_the_definition(case in cases()) {
            agrees_with_the_definition(ConvAlgorithm::Im2col, &case);
        }

        #[test]
        fn winograd_and_auto_agree_with_the_definition(case in cases()) {
            let Padding { top, left, bottom, right } = case.geometry.padding;
            let mode = case.geometry.mode;
            let padding = match mode {
                PaddingMode::Zeros => [top, left, bottom, right].map(|pixels| pixels.min(3)).into(),
                PaddingMode::Replicate => [top, left, bottom, right].map(|pixels| pixels.min(1)).into(),
            };
            let geometry = ConvGeometry { padding, mode, ..ConvGeometry::default() };
            let case = Case { geometry, weight: (case.weight.0, case.weight.1, 3, 3), ..case };
            if output(&case).is_some() {
                agrees_with_the_definition(ConvAlgorithm::Winograd, &case);
                agrees_with_the_definition(ConvAlgorithm::Auto, &case);
            }
        }
    }

    #[test]
    fn repeated_edges_agree_with_the_definition_over_several_tiles_and_blocks() {
        let geometry = ConvGeometry { mode: PaddingMode::Replicate, ..ConvGeometry::padded(1) };
        for (input, outputs) in [((70, 40, 2), 5), ((13, 101, 19), 35), ((1, 1, 8), 3), ((97, 1, 9), 8)] {
            let case = Case { geometry, input, weight: (outputs, input.2, 3, 3), seed: 5 };
            for algorithm in [ConvAlgorithm::Im2col, ConvAlgorithm::Winograd, ConvAlgorithm::Auto] {
                agrees_with_the_definition(algorithm, &case);
            }
        }
    }

    #[test]
    fn im2col_agrees_with_the_definition_over_several_tiles() {
        for (outputs, stride) in [(2, [1, 1]), (8, [1, 1]), (2, [2, 1])] {
            let geometry = ConvGeometry { stride, ..ConvGeometry::padded(1) };
            let case = Case { geometry, input: (70, 40, 2), weight: (outputs, 2, 3, 3), seed: 5 };
            agrees_with_the_definition(ConvAlgorithm::Im2col, &case);
        }
    }

    #[test]
    fn a_method_is_chosen_by_geometry_and_channels() {
        use ConvAlgorithm::{Auto, Direct, Im2col, Winograd};
        let padded = ConvGeometry::padded;
        for (algorithm, geometry, inputs, method) in [
            (Auto, padded(1), 7, Method::Narrow),
            (Auto, padded(2), 8, Method::Winograd),
            (Winograd, padded(0), 7, Method::Winograd),
            (Im2col, padded(1), 7, Method::Im2col),
            (Direct, padded(1), 7, Method::Direct),
        ] {
            assert_eq!(algorithm.method(&geometry, (4, inputs, 3, 3)), method, "{algorithm:?} of {inputs} channels");
        }
        // None of these is a 3×3 convolution with stride 1, no dilation and little padding.
        for (geometry, kernel) in [
            (padded(1), (3, 1)),
            (padded(1), (1, 3)),
            (ConvGeometry { stride: [1, 2], ..padded(1) }, (3, 3)),
            (ConvGeometry { dilation: [2, 1], ..padded(1) }, (3, 3)),
            (ConvGeometry { padding: [1, 1, 4, 1].into(), ..padded(1) }, (3, 3)),
            (ConvGeometry { mode: PaddingMode::Replicate, ..padded(2) }, (3, 3)),
        ] {
            for (algorithm, inputs) in [(Auto, 3), (Auto, 8), (Winograd, 8)] {
                let method = algorithm.method(&geometry, (4, inputs, kernel.0, kernel.1));
                assert_eq!(method, Method::Im2col, "{algorithm:?} of {kernel:?} under {geometry:?}");
            }
        }
        let fuses =
            |algorithm: ConvAlgorithm| [false, true].map(|pooled| algorithm.fuses(&padded(1), (4, 8, 3, 3), pooled));
        assert_eq!([Auto, Winograd, Im2col, Direct].map(fuses), [[true; 2], [true; 2], [true, false], [false; 2]]);
    }

    #[test]
    fn each_algorithm_is_really_used() {
        // Only rounding distinguishes them.
        let case = Case { geometry: ConvGeometry::padded(1), input: (9, 11, 8), weight: (5, 8, 3, 3), seed: 3 };
        let by = |algorithm| results::<f32>(algorithm, &case);
        let (direct, im2col, winograd) =
            (by(ConvAlgorithm::Direct), by(ConvAlgorithm::Im2col), by(ConvAlgorithm::Winograd));
        assert!(direct.0 != im2col.0 && direct.0 != winograd.0 && im2col.0 != winograd.0);
        assert!(direct.1 != im2col.1 && direct.1 != winograd.1 && im2col.1 != winograd.1);
        assert!(direct.2 != im2col.2, "Winograd's algorithm has no gradient of the weights of its own");
        let (x, w): (Array3<f32>, Array4<f32>) = (random(case.input, 3), random(case.weight, 3 ^ 1));
        let (b, mut y): (Array1<f32>, _) = (random(5, 3 ^ 2), Array3::zeros((9, 11, 5)));
        direct::forward(&case.geometry, &x.view(), &w.view(), Some(&b.view()), &mut y.view_mut());
        assert_eq!(direct.0, y);
        // Winograd writes maps in standard layout only; other layouts use im2col.
        let mut other = Array3::<f32>::zeros((5, 9, 11)).permuted_axes([1, 2, 0]);
        let buffers = Buffers::new();
        let (algorithm, bias) = (ConvAlgorithm::Winograd, b.view());
        forward(algorithm, &case.geometry, &x.view(), &w.view(), Some(&bias), &mut other.view_mut(), &buffers);
        assert_eq!(other, im2col.0);
        let dy: Array3<f32> = random((9, 11, 5), 3 ^ 3);
        let mut other = Array3::<f32>::ones((8, 9, 11)).permuted_axes([1, 2, 0]);
        backward_data(algorithm, &case.geometry, &dy.view(), &w.view(), &mut other.view_mut(), true, &buffers);
        let mut expected = Array3::ones((9, 11, 8));
        im2col::backward_data(&case.geometry, &dy.view(), &w.view(), &mut expected.view_mut(), true, &buffers);
        assert_eq!(other, expected);
    }

    #[test]
    fn output_sizes_follow_the_formula() {
        let plain = ConvGeometry::default();
        assert_eq!(plain.output_size([5, 7], [3, 3]), Some([3, 5]));
        assert_eq!(ConvGeometry::padded(1).output_size([5, 7], [3, 3]), Some([5, 7]));
        let odd = ConvGeometry { stride: [2, 3], padding: [1, 0, 2, 1].into(), dilation: [2, 1], ..plain };
        assert_eq!(odd.output_size([7, 5], [3, 2]), Some([3, 2]));
        assert_eq!(plain.output_size([2, 7], [3, 3]), None);
        assert_eq!(plain.output_size([2, 7], [0, 3]), None);
    }

    #[test]
    #[should_panic(expected = "conv2d: input (4, 4, 2), weight (1, 3, 3, 3) and output (2, 2, 1) do not fit")]
    fn shapes_that_do_not_fit_are_named() {
        let (x, w) = (Array3::<f32>::zeros((4, 4, 2)), Array4::zeros((1, 3, 3, 3)));
        let mut y = Array3::zeros((2, 2, 1));
        let geometry = ConvGeometry::default();
        forward(ConvAlgorithm::Direct, &geometry, &x.view(), &w.view(), None, &mut y.view_mut(), &Buffers::new());
    }
}
