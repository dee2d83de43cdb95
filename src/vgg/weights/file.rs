//! A network's weights put together from the arrays of a file.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array4, ArrayView, ArrayView2, ArrayView4, Dimension, Ix2, Ix4, ShapeBuilder, s};
use rayon::prelude::*;

use super::super::Layer;
use super::names::{self, Role};
use super::npz::{Header, Npz};
use super::{
    CLASSIFIER_SIDE, ConvWeights, Lineage, LinearWeights, STATISTICS, Weights, WeightsError, convolutions_to,
    linears_to,
};

/// Channels in and out that are reordered at a time: 9 kB.
const TILE: usize = 16;

/// The classifier's layers.
const LINEARS: [&str; 3] = ["fc6", "fc7", "fc8"];

impl Weights {
    /// The weights in an npz file; see [`load`](Self::load). The arrays may have our names (`conv1_1.weight`,
    /// `conv1_1.bias`), torchvision's (`features.0.weight` or `0.weight`), or Keras's (`block1_conv1/kernel`, with
    /// kernels (3, 3, in, out)), and be of float16, float32 or float64. `input.mean` and `input.std` are optional.
    /// Arrays of other names are ignored.
    ///
    /// # Errors
    /// If the file is missing, is no npz, or anything in it is damaged or does not fit; see [`WeightsError`].
    pub fn from_npz(path: &Path, deepest: Option<Layer>) -> Result<Self, WeightsError> {
        let file = Network::open(path)?;
        let convolutions = file.convolutions(convolutions_to(deepest))?;
        let (mean, std) = file.statistics()?;
        let outputs = convolutions.last().map_or(0, |last| last.outputs);
        let linears = match linears_to(deepest) {
            0 => None,
            _ if convolutions.len() < Layer::CONVOLUTIONS => None,
            count => Some(file.linears(count, outputs)?),
        };
        let read = |conv| file.convolution(conv);
        let convolutions = in_order(convolutions.par_iter().map(read).collect())?;
        let read = |linears: Vec<_>| in_order(linears.par_iter().map(|linear| file.linear(linear)).collect());
        let classifier = linears.map(read).transpose()?;
        Ok(Self { convolutions, mean, std, classifier, lineage: Lineage::Unknown })
    }
}

/// All results, or the first error.
fn in_order<T>(results: Vec<Result<T, WeightsError>>) -> Result<Vec<T>, WeightsError> {
    results.into_iter().collect()
}

/// A file and what its arrays are.
struct Network {
    npz: Npz,
    names: BTreeMap<Role, String>,
}

/// An array whose shape is known to be right.
struct Checked<'a> {
    name: &'a str,
    header: Header,
}

/// A convolution that fits, but is not read yet.
struct Convolution<'a> {
    kernel: Checked<'a>,
    bias: Checked<'a>,
    /// Whether the kernel is (3, 3, in, out).
    keras: bool,
    outputs: usize,
}

/// A fully connected layer that fits, but is not read yet.
struct Linear<'a> {
    matrix: Checked<'a>,
    bias: Checked<'a>,
    /// If the inputs are features: how many channels they have.
    channels: Option<usize>,
}

impl Network {
    fn open(path: &Path) -> Result<Self, WeightsError> {
        let npz = Npz::open(path)?;
        let mut names = BTreeMap::new();
        let mut found: Vec<&String> = npz.names().iter().collect();
        found.sort();
        for name in &found {
            let Some(role) = names::role(name) else { continue };
            if let Some(other) = names.insert(role, (*name).clone()) {
                let problem = format!("has the same array twice, as `{other}` and as `{name}`; leave one of them out");
                return Err(WeightsError::names(path, problem));
            }
        }
        if !names.keys().any(|role| matches!(role, Role::Kernel(_) | Role::Bias(_))) {
            let shown: Vec<String> = found.iter().take(8).map(|name| format!("`{name}`")).collect();
            let more = if found.len() > 8 { ", …" } else { "" };
            let shown = shown.join(", ");
            let problem = format!(
                "has no array of VGG19's convolutions; its arrays are {shown}{more}, expected are {}",
                names::EXPECTED
            );
            return Err(WeightsError::names(path, problem));
        }
        Ok(Self { npz, names })
    }

    fn error(&self, array: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::array(self.npz.path(), array, problem)
    }

    /// The names of the first layers, as many as there are without gaps: weight and bias of each.
    fn chain<const N: usize>(
        &self,
        layers: &[String; N],
        weight: fn(usize) -> Role,
        bias: fn(usize) -> Role,
    ) -> Result<Vec<(&str, &str)>, WeightsError> {
        let present = |index: usize| (self.names.get(&weight(index)), self.names.get(&bias(index)));
        let last = (0..N).rev().find(|&index| present(index) != (None, None));
        let missing = |part: &str, index: usize, other: &str| {
            let problem = format!("has no {part} of {} although it has `{other}`", layers[index]);
            Err(WeightsError::names(self.npz.path(), problem))
        };
        (0..last.map_or(0, |last| last + 1))
            .map(|index| match present(index) {
                (Some(weight), Some(bias)) => Ok((weight.as_str(), bias.as_str())),
                (None, Some(bias)) => missing("weight", index, bias),
                (Some(weight), None) => missing("bias", index, weight),
                (None, None) => {
                    let later = last.map_or((None, None), present);
                    missing("weight", index, later.0.or(later.1).map_or("", |name| name))
                }
            })
            .collect()
    }

    /// The first `count` convolutions, or as many as there are, their shapes checked against each other.
    fn convolutions(&self, count: usize) -> Result<Vec<Convolution<'_>>, WeightsError> {
        let layers: [String; Layer::CONVOLUTIONS] = std::array::from_fn(|index| Layer::stage(index).0.to_string());
        let chain = self.chain(&layers, Role::Kernel, Role::Bias)?;
        let mut inputs = 3;
        let mut convolutions = Vec::new();
        for ((kernel, bias), layer) in chain.into_iter().zip(&layers).take(count) {
            let kernel = Checked { name: kernel, header: self.npz.header(kernel)? };
            let shape = &kernel.header.shape;
            let keras = match shape[..] {
                [3, 3, _, _] => names::is_keras(kernel.name) || !matches!(shape[..], [_, _, 3, 3]),
                [_, _, 3, 3] => false,
                _ => {
                    let problem = format!("has the shape {shape:?}; a kernel is (out, in, 3, 3) or (3, 3, in, out)");
                    return Err(self.error(kernel.name, problem));
                }
            };
            let (outputs, found) = if keras { (shape[3], shape[2]) } else { (shape[0], shape[1]) };
            if found != inputs || outputs == 0 {
                let problem =
                    format!("is for {found} channels in and {outputs} out; {layer} has {inputs} in, and some out");
                return Err(self.error(kernel.name, problem));
            }
            let bias = self.expect(bias, &[outputs])?;
            convolutions.push(Convolution { kernel, bias, keras, outputs });
            inputs = outputs;
        }
        Ok(convolutions)
    }

    /// The first `count` fully connected layers, or as many as there are, their shapes checked against each other.
    fn linears(&self, count: usize, channels: usize) -> Result<Vec<Linear<'_>>, WeightsError> {
        let chain = self.chain(&LINEARS.map(String::from), Role::Matrix, Role::LinearBias)?;
        let mut inputs = channels * CLASSIFIER_SIDE * CLASSIFIER_SIDE;
        let mut linears = Vec::new();
        for (index, (matrix, bias)) in chain.into_iter().take(count).enumerate() {
            let matrix = Checked { name: matrix, header: self.npz.header(matrix)? };
            let shape = &matrix.header.shape;
            let outputs = match shape[..] {
                [outputs, found] if found == inputs && outputs > 0 => outputs,
                _ => {
                    let problem = format!("has the shape {shape:?}; {} is (out, {inputs})", LINEARS[index]);
                    return Err(self.error(matrix.name, problem));
                }
            };
            let bias = self.expect(bias, &[outputs])?;
            linears.push(Linear { matrix, bias, channels: (index == 0).then_some(channels) });
            inputs = outputs;
        }
        Ok(linears)
    }

    /// The array, whose shape must be this.
    fn expect<'a>(&self, name: &'a str, shape: &[usize]) -> Result<Checked<'a>, WeightsError> {
        let header = self.npz.header(name)?;
        if header.shape != shape {
            return Err(self.error(name, format!("has the shape {:?} instead of {shape:?}", header.shape)));
        }
        Ok(Checked { name, header })
    }

    fn values(&self, array: &Checked<'_>) -> Result<Vec<f32>, WeightsError> {
        self.npz.values(array.name, &array.header)
    }

    /// Mean and standard deviation of the input.
    fn statistics(&self) -> Result<([f32; 3], [f32; 3]), WeightsError> {
        let read = |role, otherwise| {
            let Some(name) = self.names.get(&role) else { return Ok(otherwise) };
            let values = self.values(&self.expect(name, &[3])?)?;
            Ok([values[0], values[1], values[2]])
        };
        let (mean, std) = (read(Role::Mean, STATISTICS.0)?, read(Role::Std, STATISTICS.1)?);
        match self.names.get(&Role::Std) {
            Some(name) if std.iter().any(|&v| v <= 0.0) => {
                Err(self.error(name, format!("holds {std:?}; standard deviations are positive")))
            }
            _ => Ok((mean, std)),
        }
    }

    fn convolution(&self, conv: &Convolution<'_>) -> Result<ConvWeights, WeightsError> {
        let values = self.values(&conv.kernel)?;
        let kernel = view::<Ix4>(&conv.kernel, &values);
        let kernel = if conv.keras { kernel } else { kernel.permuted_axes([2, 3, 1, 0]) };
        let kernel = if kernel.is_standard_layout() {
            let shape = kernel.raw_dim();
            Array4::from_shape_vec(shape, values).expect("the view has the same shape")
        } else {
            reordered(&kernel)
        };
        Ok(ConvWeights { weight: kernel.permuted_axes([3, 2, 0, 1]), bias: self.values(&conv.bias)?.into() })
    }

    fn linear(&self, linear: &Linear<'_>) -> Result<LinearWeights, WeightsError> {
        let values = self.values(&linear.matrix)?;
        let matrix = view::<Ix2>(&linear.matrix, &values);
        let weight = match linear.channels {
            Some(channels) => channels_last(&matrix, channels),
            None => matrix.as_standard_layout().into_owned(),
        };
        Ok(LinearWeights { weight, bias: self.values(&linear.bias)?.into() })
    }
}

/// The values in the shape and order that the header says, which has `D`'s number of axes.
fn view<'a, D: Dimension>(array: &Checked<'_>, values: &'a [f32]) -> ArrayView<'a, f32, D> {
    let Header { shape, fortran, .. } = &array.header;
    let view = ArrayView::from_shape(shape.clone().set_f(*fortran), values).expect("as many values as the shape has");
    view.into_dimensionality().expect("as many axes as were checked")
}

/// A matrix for features (7, 7, channels) from one for features (channels, 7, 7).
fn channels_last(matrix: &ArrayView2<'_, f32>, channels: usize) -> Array2<f32> {
    let area = CLASSIFIER_SIDE * CLASSIFIER_SIDE;
    let mut copy = Array2::zeros(matrix.raw_dim());
    copy.outer_iter_mut().into_par_iter().zip(matrix.outer_iter()).for_each(|(row, source)| {
        let source = source.to_shape((channels, area)).expect("a matrix for so many channels");
        let mut row = row.into_shape_with_order((area, channels)).expect("rows are contiguous");
        row.assign(&source.t());
    });
    copy
}

/// A copy in row-major order, tile by tile, so that both sides' cache lines are used whole.
fn reordered(kernel: &ArrayView4<'_, f32>) -> Array4<f32> {
    let mut copy = Array4::zeros(kernel.raw_dim());
    let (.., inputs, outputs) = kernel.dim();
    for i in (0..inputs).step_by(TILE) {
        for o in (0..outputs).step_by(TILE) {
            let tile = s![.., .., i..inputs.min(i + TILE), o..outputs.min(o + TILE)];
            copy.slice_mut(tile).assign(&kernel.slice(tile));
        }
    }
    copy
}
