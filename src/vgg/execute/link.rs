//! Links from one map to the next: compute some rows of a map from rows of the previous one, and their gradient.

use std::ops::Range;

use ndarray::{ArrayView3, ArrayViewMut3, Ix1, Ix4, s};

use super::schedule::Dependency;
use crate::kernels::{
    BitMask, Buffers, ConvAlgorithm, ConvGeometry, Gradient, Output, PaddingMode, PoolGeometry, Pooling, conv, pooling,
};
use crate::ops::{feature_map, feature_map_mut};
use crate::tape::{Real, Tensor, Value};
use crate::vgg::Vgg19;
use crate::vgg::network::Operation;

/// The operation that computes a map from the previous one.
#[derive(Clone)]
pub enum Link<T: Real> {
    /// A 3×3 convolution with padding 1, a ReLU, and optionally a 2×2 pooling: weight (out, in, 3, 3) and bias (out).
    Convolution { weight: Value<T>, bias: Value<T>, mode: PaddingMode, pooling: Option<Pooling> },
    /// A 2×2 pooling with stride 2.
    Pooling(Pooling),
}

/// What a link keeps for the backward pass: the bits of a ReLU, or the positions of maxima.
#[derive(Default)]
pub struct Memory {
    pub mask: Option<BitMask>,
    pub places: Vec<u8>,
    /// The first kept row.
    first: usize,
}

impl Memory {
    /// The kept bytes, row after row, and the first row.
    pub fn bytes_mut(&mut self) -> (&mut [u8], usize) {
        (self.mask.as_mut().map_or(&mut self.places[..], BitMask::bytes_mut), self.first)
    }

    /// The indices of rows among the kept ones.
    fn place(&self, rows: Range<usize>) -> Range<usize> {
        rows.start - self.first..rows.end - self.first
    }

    pub fn bytes(&self) -> usize {
        self.mask.as_ref().map_or(0, BitMask::bytes) + self.places.len()
    }
}

impl<T: Real> Link<T> {
    /// The link for an operation of the network; `None` if it cannot be computed by rows.
    pub(in crate::vgg) fn of(network: &Vgg19<T>, operation: Operation) -> Option<Self> {
        match operation {
            Operation::Convolution { index, relu: true, pooled } if !network.is_seamless() => {
                let (weight, bias) = network.convolution(index).clone();
                let dim = weight.of_rank::<Ix4>("segment").dim();
                let fuses = network.algorithm().fuses(&ConvGeometry::padded(1), dim, pooled);
                let (mode, pooling) = (network.edges(), pooled.then_some(network.pooling()));
                fuses.then(|| Self::Convolution { weight, bias, mode, pooling })
            }
            Operation::Pooling => Some(Self::Pooling(network.pooling())),
            _ => None,
        }
    }

    pub fn dependency(&self) -> Dependency {
        match self {
            Self::Convolution { pooling, .. } => Dependency::Convolution { pooled: pooling.is_some() },
            Self::Pooling(_) => Dependency::Pooling,
        }
    }

    /// The shape of the result for an input of the given shape.
    pub fn shape(&self, [height, width, channels]: [usize; 3]) -> [usize; 3] {
        let channels = match self {
            Self::Convolution { weight, .. } => weight.shape()[0],
            Self::Pooling(_) => channels,
        };
        match self {
            Self::Convolution { pooling: None, .. } => [height, width, channels],
            _ => [height / 2, width / 2, channels],
        }
    }

    /// Memory for what the link keeps of an input of the given shape.
    pub fn memory(&self, input: [usize; 3], buffers: &Buffers<T>) -> Memory {
        let (rows, height) = (0..self.shape(input)[0], self.shape(input)[0]);
        self.memory_of(self.kept_rows(&rows, (input[0], height)), input, buffers)
    }

    /// Memory for some rows only, counted as by [`kept_rows`](Self::kept_rows).
    pub fn memory_of(&self, rows: Range<usize>, [_, width, channels]: [usize; 3], buffers: &Buffers<T>) -> Memory {
        let (mask, places) = match self {
            Self::Convolution { weight, .. } => {
                (Some(buffers.take_mask(rows.len(), width, weight.shape()[0])), Vec::new())
            }
            Self::Pooling(Pooling::Max) => (None, vec![0; rows.len() * (width / 2) * channels]),
            Self::Pooling(Pooling::Average) => (None, Vec::new()),
        };
        Memory { mask, places, first: rows.start }
    }

    /// The number of bytes kept for each row.
    pub fn memory_line(&self, [_, width, channels]: [usize; 3]) -> usize {
        match self {
            Self::Convolution { weight, .. } => width * weight.shape()[0].div_ceil(8),
            Self::Pooling(Pooling::Max) => width / 2 * channels,
            Self::Pooling(Pooling::Average) => 0,
        }
    }

    /// The rows of the input from which `rows` of the result are computed. The input has `input` rows, the result
    /// `height`.
    pub fn needs(&self, rows: &Range<usize>, (input, height): (usize, usize)) -> Range<usize> {
        match self {
            Self::Convolution { .. } => {
                let Range { start, end } = self.kept_rows(rows, (input, height));
                start.saturating_sub(1)..(end + 1).min(input)
            }
            Self::Pooling(_) => 2 * rows.start..if rows.end == height { input } else { 2 * rows.end },
        }
    }

    /// The rows that are kept when these rows of the result are computed: rows of the convolution's own result, or of
    /// the pooling's.
    pub fn kept_rows(&self, rows: &Range<usize>, (input, height): (usize, usize)) -> Range<usize> {
        match self {
            Self::Convolution { pooling: Some(_), .. } => {
                2 * rows.start..if rows.end == height { input } else { 2 * rows.end }
            }
            _ => rows.clone(),
        }
    }

    /// What the gradient of `rows` of the input depends on: rows that must be kept, and rows of the result with a known
    /// gradient. The input has `height` rows, the result `result`.
    pub fn reached(&self, rows: &Range<usize>, (height, result): (usize, usize)) -> (Range<usize>, Range<usize>) {
        // Rows of the convolution's result that depend on these rows of the input; whole windows if a pooling follows.
        let (scale, beside) = match self {
            Self::Convolution { pooling: None, .. } => (1, 1),
            Self::Convolution { pooling: Some(_), .. } => (2, 2),
            Self::Pooling(_) => (2, 0),
        };
        let start = rows.start.saturating_sub(beside);
        let end = if rows.end == height { height } else { (rows.end + beside).min(height) };
        let gradient = start / scale..if end == height { result } else { end / scale };
        (if let Self::Pooling(_) = self { gradient.clone() } else { start..end }, gradient)
    }

    /// Computes `rows` of the result into `y`; `x` gives rows of the input. The input has `input` rows, the result
    /// `height`.
    pub fn compute<'a>(
        &self,
        algorithm: ConvAlgorithm,
        (rows, height): (Range<usize>, usize),
        (x, input): (impl FnOnce(Range<usize>) -> ArrayView3<'a, T>, usize),
        mut y: ArrayViewMut3<'_, T>,
        memory: Option<&mut Memory>,
        buffers: &Buffers<T>,
    ) where
        T: 'a,
    {
        match self {
            Self::Convolution { weight, bias, mode, pooling } => {
                let Range { start, end } = self.kept_rows(&rows, (input, height));
                let x = x(self.needs(&rows, (input, height)));
                let (top, bottom) = (usize::from(start == 0), usize::from(end == input));
                let padding = [top, 1, bottom, 1].into();
                let geometry = ConvGeometry { padding, mode: *mode, ..ConvGeometry::default() };
                let mask = memory.map(|memory| {
                    let rows = memory.place(start..end);
                    memory.mask.as_mut().expect("of a convolution").rows_mut(rows)
                });
                let output = match pooling {
                    None => Output::Relu { y, mask },
                    Some(pooling) => Output::pooled(*pooling, y, mask),
                };
                let (weight, bias) = (weight.of_rank::<Ix4>("segment"), bias.of_rank::<Ix1>("segment"));
                conv::forward_fused(algorithm, &geometry, &x, &weight, Some(&bias), output, buffers);
            }
            Self::Pooling(kind) => {
                let (windows, x) = (PoolGeometry::square(2), x(self.needs(&rows, (input, height))));
                match kind {
                    Pooling::Average => pooling::average_forward(&windows, &x, &mut y),
                    Pooling::Max => {
                        let places = pooling::max_forward(&windows, &x, &mut y);
                        if let Some(memory) = memory {
                            let (line, rows) = (places.len() / rows.len(), memory.place(rows));
                            memory.places[rows.start * line..rows.end * line].copy_from_slice(&places);
                        }
                    }
                }
            }
        }
    }

    /// Writes the gradient of `rows` of the input into `dx`, or adds it; `dy` gives rows of the result's gradient. The
    /// input has `height` rows, the result `result`.
    #[allow(clippy::too_many_arguments, reason = "both sides of a link, and where they lie")]
    pub fn pull<'a>(
        &self,
        algorithm: ConvAlgorithm,
        (rows, height): (Range<usize>, usize),
        (dy, result): (impl FnOnce(Range<usize>) -> ArrayView3<'a, T>, usize),
        memory: &Memory,
        mut dx: ArrayViewMut3<'_, T>,
        accumulate: bool,
        buffers: &std::sync::Arc<Buffers<T>>,
    ) where
        T: 'a,
    {
        match self {
            Self::Convolution { weight, mode, pooling, .. } => {
                let (Range { start, end }, gradient) = self.reached(&rows, (height, result));
                let dy = dy(gradient);
                let mask = memory.mask.as_ref().expect("of a convolution").rows(memory.place(start..end));
                let gradient = match pooling {
                    None => Gradient::Masked { dy, mask },
                    Some(pooling) => Gradient::pooled(*pooling, dy, mask),
                };
                let padding = [1 + rows.start - start, 1, 1 + end - rows.end, 1].into();
                let geometry = ConvGeometry { padding, ..ConvGeometry::default() };
                let weight = weight.of_rank::<Ix4>("segment");
                let (weight, dx) = (&weight, &mut dx);
                match mode {
                    PaddingMode::Zeros => {
                        conv::backward_data_fused(algorithm, &geometry, gradient, weight, dx, accumulate, buffers);
                    }
                    PaddingMode::Replicate => {
                        let place = (rows.start - start, [rows.start == 0, rows.end == height]);
                        conv::backward_data_replicated(
                            algorithm, &geometry, gradient, weight, place, dx, accumulate, buffers,
                        );
                    }
                }
            }
            Self::Pooling(_) if accumulate => {
                let mut own = Tensor::unspecified(dx.shape(), buffers);
                let view = feature_map_mut(&mut own);
                self.pull(algorithm, (rows, height), (dy, result), memory, view, false, buffers);
                ndarray::Zip::from(&mut dx).and(&feature_map(&own)).par_for_each(|dx, &own| *dx += own);
            }
            Self::Pooling(kind) => {
                let (pooled, _) = self.reached(&rows, (height, result));
                let (windows, dy) = (PoolGeometry::square(2), dy(pooled.clone()));
                match kind {
                    Pooling::Average => pooling::average_backward(&windows, &dy, &mut dx),
                    Pooling::Max => {
                        let line = dy.dim().1 * dy.dim().2;
                        let pooled = memory.place(pooled);
                        let places = &memory.places[pooled.start * line..pooled.end * line];
                        pooling::max_backward(&windows, &dy, places, &mut dx);
                    }
                }
            }
        }
    }
}

/// A window of rows of a map, in memory for the largest number of rows held at one time.
pub struct Band<T: Real> {
    tensor: Tensor<T>,
    rows: Range<usize>,
}

impl<T: Real> Band<T> {
    /// An empty band with room for as many rows as the tensor has.
    pub fn new(tensor: Tensor<T>) -> Self {
        Self { tensor, rows: 0..0 }
    }

    /// Holds a whole map.
    pub fn whole(tensor: Tensor<T>) -> Self {
        let rows = 0..tensor.shape()[0];
        Self { tensor, rows }
    }

    fn line(&self) -> usize {
        self.tensor.shape()[1] * self.tensor.shape()[2]
    }

    /// Drops the rows before `rows` and makes room up to its end, unless the whole map is held.
    pub fn slide(&mut self, rows: Range<usize>) {
        let line = self.line();
        if rows.end <= self.tensor.shape()[0] && self.rows.start == 0 {
            // There is enough room without moving rows.
            self.rows.end = self.rows.end.max(rows.end);
            return;
        }
        let kept = rows.start.min(self.rows.end)..self.rows.end;
        let begin = kept.start - self.rows.start;
        self.tensor.elements_mut().copy_within(begin * line..(begin + kept.len()) * line, 0);
        self.rows = rows.start.min(kept.start)..rows.end.max(kept.end);
        debug_assert!(self.rows.len() <= self.tensor.shape()[0], "more rows than there is memory for");
    }

    fn place(&self, rows: Range<usize>) -> Range<usize> {
        debug_assert!(self.rows.start <= rows.start && rows.end <= self.rows.end, "{rows:?} of {:?}", self.rows);
        rows.start - self.rows.start..rows.end - self.rows.start
    }

    pub fn view(&self, rows: Range<usize>) -> ArrayView3<'_, T> {
        let place = self.place(rows);
        feature_map(&self.tensor).slice_move(s![place, .., ..])
    }

    pub fn view_mut(&mut self, rows: Range<usize>) -> ArrayViewMut3<'_, T> {
        let place = self.place(rows);
        feature_map_mut(&mut self.tensor).slice_move(s![place, .., ..])
    }

    /// The elements of some rows.
    pub fn elements_mut(&mut self, rows: Range<usize>) -> &mut [T] {
        let (place, line) = (self.place(rows), self.line());
        &mut self.tensor.elements_mut()[place.start * line..place.end * line]
    }

    pub fn into_tensor(self) -> Tensor<T> {
        self.tensor
    }
}
