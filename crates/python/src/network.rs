//! The network, and objectives to minimise with an optimiser of one's own.

use impasto::objective::{self, style_transfer};
use impasto::tape::Tape;
use impasto::vgg::{Execution, Layer, PaddingMode, Pooling, Request, Vgg19};
use ndarray::Array3;
use numpy::{PyArray1, PyArray3, PyArrayDyn};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::errors::to_python;
use crate::jobs::{SIZE, listed, shares, side, style_size};
use crate::numbers::Numbers;
use crate::options::Options;
use crate::pictures::open;
use crate::running::in_threads;
use crate::settings::{NetworkOptions, RecipeOptions};

/// VGG19 with its convolutions.
///
/// weights is a file's path, "random" or "random:SEED"; by default $IMPASTO_WEIGHTS, weights/vgg19.npz, vgg19.npz in the user's
/// cache folder for impasto, or else a random network. pool is "max" or "avg", edges "zeros" or "replicate", conv as of the command.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Network {
    vgg: Vgg19<f32>,
    pool: Option<Pooling>,
    edges: Option<PaddingMode>,
}

#[pymethods]
impl Network {
    #[new]
    #[pyo3(signature = (weights=None, **options))]
    fn new(py: Python<'_>, weights: Option<Bound<'_, PyAny>>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let all = options.map_or_else(|| Ok(PyDict::new(py)), PyDictMethods::copy)?;
        if let Some(weights) = weights {
            all.set_item("weights", weights)?;
        }
        let mut options = Options::new("Network", Some(&all), &[])?;
        let network = NetworkOptions::of(&mut options)?;
        options.end()?;
        let (pool, edges) = (network.pool, network.edges);
        Ok(Self { vgg: network.load(py, None, Pooling::default())?, pool, edges })
    }

    /// The features of a picture at one layer, or a dict of them at several.
    ///
    /// Parameters
    /// ----------
    /// image : path, array or picture of PIL
    ///     As of impasto.transfer.
    /// layers : str or list of str
    ///     Such as "relu4_1", "conv3_2" or "pool4".
    /// size : int
    ///     The longer side at which the picture is looked at, 512 by default; 0 keeps its own.
    ///
    /// Returns
    /// -------
    /// numpy.ndarray or dict
    ///     float32, height x width x channels.
    #[pyo3(signature = (image, layers, *, size=SIZE))]
    fn features<'py>(
        &self,
        image: &Bound<'py, PyAny>,
        layers: &Bound<'py, PyAny>,
        size: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = image.py();
        let names: Vec<String> = match (layers.cast::<PyList>(), layers.cast::<PyTuple>()) {
            (Err(_), Err(_)) => vec![layers.cast::<PyString>()?.to_string()],
            _ => layers.extract()?,
        };
        let parse = |name: &String| name.parse::<Layer>().map_err(|why| PyValueError::new_err(why.to_string()));
        let wanted: Vec<Layer> = names.iter().map(parse).collect::<PyResult<_>>()?;
        let picture = open(image, (size > 0).then_some(size), "image")?.with_hidden_filled();
        let network = &self.vgg;
        let found = py.detach(|| {
            in_threads(None, || {
                let tape = Tape::new();
                let image = tape.constant(network.normalise(&picture.rgb.view()));
                let request = Request::new(wanted.iter().copied(), []);
                let seen = Execution::default().observe(network, &image, &request)?;
                let arrays = wanted.iter().map(|layer| seen.features[layer].to_array());
                Ok::<_, impasto::Error>(arrays.collect::<Vec<_>>())
            })
        })?;
        let mut arrays = found.map_err(to_python)?.into_iter().map(|array| PyArrayDyn::from_owned_array(py, array));
        if layers.is_instance_of::<PyString>() {
            return Ok(arrays.next().expect("one").into_any());
        }
        let dict = PyDict::new(py);
        for (name, array) in names.iter().zip(arrays) {
            dict.set_item(name, array)?;
        }
        Ok(dict.into_any())
    }

    /// The objective of a transfer, to minimise with an optimiser of your own.
    ///
    /// content and styles are as of impasto.transfer. Options: size (512), style_size, blend, preset, strength, style_loss,
    /// content_layers, style_layers, content_weight, style_weight, tv_weight.
    ///
    /// Returns
    /// -------
    /// Objective
    ///     With .start, .shape, .value_and_gradient(x) and .picture(x).
    ///
    /// Examples
    /// --------
    /// >>> objective = impasto.Network().objective("photo.jpg", "painting.jpg", size=128)
    /// >>> found = scipy.optimize.minimize(objective.value_and_gradient, objective.start, jac=True,
    /// ...                                 method="L-BFGS-B", bounds=[(0, 1)] * objective.start.size)
    /// >>> picture = objective.picture(found.x)
    #[pyo3(signature = (content, styles, **options))]
    fn objective(
        &self,
        content: &Bound<'_, PyAny>,
        styles: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Objective> {
        let py = content.py();
        let mut options = Options::new("objective", options, &[])?;
        let mut recipe = RecipeOptions::of(&mut options)?.recipe(self.vgg.is_trained());
        recipe.pooling = self.pool.unwrap_or(recipe.pooling);
        recipe.edges = self.edges.unwrap_or(recipe.edges);
        let blend: Option<Vec<f64>> = options.object("blend").map(|blend| blend.extract()).transpose()?;
        let size = side(&mut options, "size", SIZE)?;
        let style_size = style_size(&mut options)?.or(size);
        options.end()?;
        let network = recipe.network(&self.vgg);
        let content = open(content, size, "content")?.with_hidden_filled();
        let styles = listed(styles);
        let shares = shares(blend, styles.len())?;
        let normalised = |rgb: &Array3<f32>| network.normalise(&rgb.view());
        let mut seen = Vec::new();
        for (number, (style, share)) in styles.iter().zip(shares).enumerate() {
            let style = open(style, style_size, &format!("style {number}"))?.with_hidden_filled();
            seen.push((normalised(&style.rgb), share));
        }
        let objective =
            py.detach(|| in_threads(None, || style_transfer(&recipe, &network, normalised(&content.rgb), seen)))?;
        let objective = objective.map_err(|error| to_python(error.into()))?;
        Ok(Objective { loss: objective, vgg: network, start: content.rgb })
    }

    /// The deepest layer that the weights reach.
    #[getter]
    fn last(&self) -> String {
        self.vgg.last().to_string()
    }

    /// Whether the weights were trained on pictures.
    #[getter]
    fn is_trained(&self) -> bool {
        self.vgg.is_trained()
    }

    fn __repr__(&self) -> String {
        let kind = if self.vgg.is_trained() { "trained" } else { "random" };
        format!("<impasto.Network: VGG19 to {}, {kind} weights>", self.vgg.last())
    }
}

/// A function of pictures that an optimiser minimises.
///
/// Pictures are sRGB from 0 to 1, height x width x 3, flat or not.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Objective {
    loss: objective::Objective<f32>,
    vgg: Vgg19<f32>,
    start: Array3<f32>,
}

impl Objective {
    fn rgb(&self, x: &Bound<'_, PyAny>) -> PyResult<Array3<f32>> {
        let numbers = Numbers::of(x, "x")?.array;
        let shape = self.start.dim();
        if numbers.len() != self.start.len() {
            let found = numbers.shape();
            return Err(PyTypeError::new_err(format!(
                "x has shape {found:?}, and pictures of this objective {shape:?}"
            )));
        }
        Ok(numbers.into_shape_with_order(shape).expect("as many").mapv(|x| x as f32))
    }
}

#[pymethods]
impl Objective {
    /// The content as a flat array of float64: where to start.
    #[getter]
    fn start<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        PyArray1::from_iter(py, self.start.iter().map(|&x| f64::from(x)))
    }

    /// Height, width, 3.
    #[getter]
    fn shape(&self) -> (usize, usize, usize) {
        self.start.dim()
    }

    /// The objective's value at a picture and its gradient, for scipy.optimize.minimize(jac=True).
    ///
    /// x is flat or height x width x 3, from 0 to 1. It is computed in float32.
    ///
    /// Returns
    /// -------
    /// (float, numpy.ndarray)
    ///     The gradient is float64 in the shape of x.
    fn value_and_gradient<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<(f64, Bound<'py, PyAny>)> {
        let py = x.py();
        let rgb = self.rgb(x)?;
        let (objective, network) = (&self.loss, &self.vgg);
        let evaluated = py.detach(|| {
            in_threads(None, || {
                let tape = Tape::new();
                let image = tape.variable(network.normalise(&rgb.view()));
                let evaluation = objective.evaluate(network, &image, &image)?;
                let gradient = evaluation.gradient(&image);
                let gradient =
                    gradient.map(|gradient| gradient.into_array().mapv(|g| f64::from(g) / evaluation.factor));
                Ok::<_, impasto::Error>((evaluation.total, gradient))
            })
        })?;
        let (value, gradient) = evaluated.map_err(to_python)?;
        let gradient = gradient.unwrap_or_else(|| ndarray::ArrayD::zeros(rgb.shape()));
        let mut gradient: Array3<f64> = gradient.into_dimensionality().expect("of a picture");
        // By the picture's values, not the network's input.
        for (mut plane, std) in gradient.axis_iter_mut(ndarray::Axis(2)).zip(network.std()) {
            plane /= std;
        }
        let gradient = PyArray3::from_array(py, &gradient);
        Ok((value, gradient.as_any().call_method1("reshape", (x.getattr("shape")?,))?))
    }

    /// The values of the groups of terms at a picture: "content", "style" and "tv", without the weights of the groups.
    fn terms<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
        let py = x.py();
        let rgb = self.rgb(x)?;
        let (objective, network) = (&self.loss, &self.vgg);
        let groups = py.detach(|| {
            in_threads(None, || {
                let tape = Tape::new();
                let image = tape.constant(network.normalise(&rgb.view()));
                Ok::<_, impasto::Error>(objective.evaluate(network, &image, &image)?.groups)
            })
        })?;
        let terms = PyDict::new(py);
        for group in groups.map_err(to_python)? {
            terms.set_item(group.name, group.value)?;
        }
        Ok(terms)
    }

    /// A flat array as a picture: uint8, height x width x 3.
    fn picture<'py>(&self, x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        Ok(PyArray3::from_owned_array(x.py(), crate::pictures::to_bytes(&self.rgb(x)?)))
    }
}
