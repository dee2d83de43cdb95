//! Style transfer, textures and inversion.

use impasto::jobs::{Colours, Masks};
use impasto::objective::{Priors, Selection, texture_layers, texture_layers_up_to};
use impasto::optim::Method;
use impasto::picture::{ColourMap, Picture, Regions};
use impasto::recipe::{Scales, Steps};
use impasto::run::Start;
use impasto::vgg::{Layer, Pooling};
use impasto::{Invert, Preset, Texture, Transfer};
use numpy::PyArray3;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::options::Options;
use crate::pictures::{Given, open, to_bytes};
use crate::running::complete;
use crate::settings::{NetworkOptions, RecipeOptions, RunOptions};

/// The longer side of pictures where nobody says.
pub(crate) const SIZE: usize = 512;

/// The largest side of a picture.
const LARGEST: usize = 65_536;

/// A longer side in pixels: None of 0, which keeps each picture's own.
pub(crate) fn side(options: &mut Options<'_>, name: &'static str, default: usize) -> PyResult<Option<usize>> {
    let meaning = "pixels from 0 to 65536; 0 keeps the picture's own";
    let side = options.number(name, |side: &usize| *side <= LARGEST, meaning)?.unwrap_or(default);
    Ok((side > 0).then_some(side))
}

/// The value of `size`.
#[derive(Clone, Copy)]
enum Side {
    /// Each picture's own.
    Own,
    /// A longer side in pixels.
    Pixels(usize),
    /// As large as memory allows, up to the picture's own.
    Max,
}

impl Side {
    fn of(options: &mut Options<'_>, default: usize) -> PyResult<Self> {
        let side = options.parsed("size", |text| match text.parse() {
            _ if text == "max" => Ok(Self::Max),
            Ok(0) => Ok(Self::Own),
            Ok(side @ 1..=LARGEST) => Ok(Self::Pixels(side)),
            _ => Err("give pixels from 0 to 65536, where 0 keeps the picture's own, or \"max\""),
        })?;
        Ok(side.unwrap_or(Self::Pixels(default)))
    }
}

/// The longer side of styles; None for that of the content.
pub(crate) fn style_size(options: &mut Options<'_>) -> PyResult<Option<usize>> {
    options.number("style_size", |side: &usize| (16..=LARGEST).contains(side), "pixels from 16 to 65536")
}

/// One picture or a list of them.
pub(crate) fn listed<'py>(pictures: &Bound<'py, PyAny>) -> Vec<Bound<'py, PyAny>> {
    match (pictures.cast::<PyList>(), pictures.cast::<PyTuple>()) {
        (Ok(list), _) => list.iter().collect(),
        (_, Ok(tuple)) => tuple.iter().collect(),
        _ => vec![pictures.clone()],
    }
}

/// What every job takes: its options, those of the run and of the network, and the seed.
struct Call<'py> {
    options: Options<'py>,
    run: RunOptions,
    network: NetworkOptions,
    seed: u64,
}

impl<'py> Call<'py> {
    /// `own` are the options with a place in the function's signature, and `known` what is read elsewhere.
    fn new(
        function: &'static str,
        known: &[&'static str],
        given: Option<&Bound<'py, PyDict>>,
        own: &[(&str, Option<&Bound<'py, PyAny>>)],
        callback: Option<&Bound<'py, PyAny>>,
        py: Python<'py>,
    ) -> PyResult<Self> {
        if callback.is_some_and(|callback| !callback.is_callable()) {
            return Err(PyTypeError::new_err("callback is not a function of a Progress"));
        }
        let all = given.map_or_else(|| Ok(PyDict::new(py)), PyDictMethods::copy)?;
        for (name, value) in own {
            if let Some(value) = value {
                all.set_item(name, value)?;
            }
        }
        let mut options = Options::new(function, Some(&all), known)?;
        let seed = options.parsed("seed", seed)?.unwrap_or(0);
        let (run, network) = (RunOptions::of(&mut options)?, NetworkOptions::of(&mut options)?);
        Ok(Self { options, run, network, seed })
    }
}

/// A seed: a number, or one that is drawn.
fn seed(text: &str) -> Result<u64, &'static str> {
    match text.parse() {
        _ if text == "random" || text == "-1" => Ok(rand::random::<u32>().into()),
        parsed => parsed.map_err(|_| "give a number of 0 or more, or \"random\""),
    }
}

/// Repaint a picture in another's style.
///
/// content and styles are paths, arrays of height x width x 3 (uint8 from 0 to 255, or floats from 0 to 1; with 4 channels the
/// last is opacity) or pictures of PIL; styles is one or a list.
///
/// Parameters
/// ----------
/// size : int or "max"
///     The longer side in pixels, 512 by default; 0 keeps each picture's own, "max" is as large as memory allows, up to that of
///     content.
/// strength : float
///     How freely to paint, from 0 (hardly changed) to 1.
/// colors : str
///     "style", "content", "match" or "only".
/// seed : int or "random"
///     Of all random numbers.
/// memory : int or str
///     The most memory to use, in bytes or as in "4G"; by default 80 % of what is free. The result does not depend on it.
/// callback : callable
///     Gets a Progress after each iteration (.iteration, .iterations, .loss, .terms, .size, .done, .elapsed, .picture) and stops
///     the run by returning False; the picture so far is then the result.
/// options
///     The command's options by their names, with _ for -: preset, style_loss, content_layers, style_layers, content_weight,
///     style_weight, tv_weight, blend, style_size, scales, steps, finish, optimizer, lr, clamp, no_clamp, tolerance, average,
///     init (may be a picture), color_map, content_mask, style_mask, paint_transparent, weights, pool, edges, conv, threads. Lists stand
///     for values with commas, dicts for LAYER=WEIGHT.
///
/// Returns
/// -------
/// numpy.ndarray
///     uint8, height x width x 3, in sRGB: what the command writes to a PNG.
///
/// Raises
/// ------
/// OSError for a file, ValueError for an option, TypeError for an option that does not exist, MemoryError where `memory` is not
/// enough. Ctrl-C ends the run after the iteration.
///
/// Examples
/// --------
/// >>> picture = impasto.transfer("photo.jpg", "painting.jpg", size=256, steps=100, strength=0.7)
#[pyfunction]
#[pyo3(signature = (
    content, styles, *, size=None, strength=None, colors="style", seed=None, memory=None, callback=None, **options
))]
pub(crate) fn transfer<'py>(
    content: &Bound<'py, PyAny>,
    styles: &Bound<'py, PyAny>,
    size: Option<Bound<'py, PyAny>>,
    strength: Option<Bound<'py, PyAny>>,
    colors: &str,
    seed: Option<Bound<'py, PyAny>>,
    memory: Option<Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let py = content.py();
    let own = [
        ("size", size.as_ref()),
        ("strength", strength.as_ref()),
        ("seed", seed.as_ref()),
        ("memory", memory.as_ref()),
    ];
    let Call { mut options, run, network, seed } =
        Call::new("transfer", &["colors", "callback"], options, &own, callback, py)?;
    let recipe = RecipeOptions::of(&mut options)?;
    let scales: Option<Scales> = options.parsed("scales", str::parse)?;
    let finish = options.parsed("finish", finish)?;
    let map: Option<ColourMap> = options.named("color_map")?;
    let blend: Option<Vec<f64>> = options.object("blend").map(|blend| blend.extract()).transpose()?;
    let paint_transparent = options.flag("paint_transparent")?.unwrap_or(false);
    let (init, content_mask) = (options.object("init"), options.object("content_mask"));
    let style_mask = options.object("style_mask");

    let trained = network.found.source.is_trained();
    let mut recipe = recipe.recipe(trained);
    recipe.method = run.method(recipe.method)?;
    recipe.rate = run.rate(recipe.rate);
    recipe.clamp = run.clamp.unwrap_or(recipe.clamp);
    recipe.pooling = network.pool.unwrap_or(recipe.pooling);
    recipe.edges = network.edges.unwrap_or(recipe.edges);
    recipe.scales = scales.unwrap_or(recipe.scales);
    recipe.steps = run.steps.clone().unwrap_or(recipe.steps);
    recipe.finish = match finish {
        Some(None) => recipe.finish,
        Some(Some(0)) => None,
        Some(Some(steps)) => Some(recipe.finish.unwrap_or_default().with_steps(steps)),
        None => recipe.finish.filter(|_| run.steps.is_none()),
    };
    let size = Side::of(&mut options, recipe.scales.last().unwrap_or(SIZE))?;
    let style_size = style_size(&mut options)?;
    options.end()?;

    let colours = colours(colors, map)?;
    let (content, styles) = (Given::new(content, "content")?, listed(styles));
    let shares = shares(blend, styles.len())?;
    let given = styles.iter().enumerate().map(|(number, style)| Given::new(style, &format!("style {number}")));
    let styles: Vec<(Given, f64)> =
        given.zip(shares).map(|(style, share)| Ok((style?, share))).collect::<PyResult<_>>()?;
    let (start, masks) = (start(init.as_ref())?, masks(content_mask.as_ref(), style_mask.as_ref())?);
    let loaded = match colours {
        Some(_) => Some(network.load(py, Some(recipe.deepest()), Pooling::default())?),
        None => None,
    };
    let size = match (&loaded, size) {
        (Some(loaded), Side::Max) => {
            let of_style = |(style, share): &(Given, f64)| Ok((style.dimensions()?, *share));
            let dimensions: Vec<_> = styles.iter().map(of_style).collect::<PyResult<_>>()?;
            Some(content.largest(run.memory, |content| {
                let fitted = dimensions
                    .iter()
                    .map(|(style, share)| (style.fitted(style_size.unwrap_or(content.longest())), *share));
                let own = Transfer::new(content, content, loaded, Preset::default());
                let (recipe, masks, start) = (recipe.clone(), masks.clone(), start.clone());
                Transfer { styles: fitted.collect(), recipe, masks, start, ..own }.work()
            })?)
        }
        (None, Side::Max) => {
            return Err(PyValueError::new_err("size=\"max\" is for painting; give pixels with colors=\"only\""));
        }
        (_, Side::Own) => None,
        (_, Side::Pixels(side)) => Some(side),
    };
    let content = content.at(size)?;
    let at_size = |(style, share): (Given, f64)| Ok((style.at(style_size.or(size))?, share));
    let styles: Vec<(Picture, f64)> = styles.into_iter().map(at_size).collect::<PyResult<_>>()?;
    let borrowed = || styles.iter().map(|(style, share)| (style, *share)).collect::<Vec<_>>();
    let (Some(colours), Some(loaded)) = (colours, loaded) else {
        let picture = py.detach(|| content.in_colours_of(&borrowed(), map.unwrap_or_default()));
        return Ok(PyArray3::from_owned_array(py, to_bytes(&picture.rgb)));
    };
    let job = Transfer {
        styles: borrowed(),
        recipe,
        colours,
        masks,
        paint_transparent,
        start,
        seed,
        ..Transfer::new(&content, &content, &loaded, Preset::default())
    };
    complete(py, &run.manner, callback, &|| job.clone().run_within(run.memory))
}

/// The colours asked for; None for those of the style and nothing else of it.
fn colours(colors: &str, map: Option<ColourMap>) -> PyResult<Option<Colours>> {
    let colours = match colors {
        "style" => Some(Colours::Style),
        "content" => Some(Colours::Content),
        "match" => Some(Colours::Match(map.unwrap_or_default())),
        "only" => None,
        _ => return Err(PyValueError::new_err(format!("colors is {colors}: give style, content, match or only"))),
    };
    if map.is_some() && matches!(colours, Some(Colours::Style | Colours::Content)) {
        return Err(PyValueError::new_err("color_map is for colors=\"match\" and colors=\"only\""));
    }
    Ok(colours)
}

/// What `init` says: a name, or a picture.
fn start(init: Option<&Bound<'_, PyAny>>) -> PyResult<Start> {
    let Some(init) = init else { return Ok(Start::Content) };
    let name = init.cast::<PyString>().ok().map(ToString::to_string);
    Ok(match name.as_deref() {
        Some("content") => Start::Content,
        Some("noise") => Start::Noise,
        Some("style") => Start::Style,
        _ => Start::Picture(open(init, None, "init")?),
    })
}

fn masks(content: Option<&Bound<'_, PyAny>>, styles: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Masks>> {
    let regions = |mask: &Bound<'_, PyAny>, what| Ok::<_, PyErr>(Regions::of(&open(mask, None, what)?));
    match (content, styles) {
        (None, None) => Ok(None),
        (Some(content), Some(styles)) => {
            let styles = listed(styles).iter().map(|mask| regions(mask, "style_mask")).collect::<PyResult<_>>()?;
            Ok(Some(Masks { content: regions(content, "content_mask")?, styles }))
        }
        _ => Err(PyValueError::new_err("content_mask and style_mask go together; give both, or neither")),
    }
}

/// The iterations of the finish; None for the preset's.
fn finish(text: &str) -> Result<Option<usize>, &'static str> {
    match text.parse() {
        _ if text == "auto" => Ok(None),
        Ok(steps) if steps <= 1_000_000_000 => Ok(Some(steps)),
        _ => Err("give \"auto\", or a number of iterations; 0 for none"),
    }
}

/// The share of each style; they sum to 1.
pub(crate) fn shares(blend: Option<Vec<f64>>, styles: usize) -> PyResult<Vec<f64>> {
    if styles == 0 {
        return Err(PyValueError::new_err("there is no style; give one, or a list of them"));
    }
    let parts = blend.unwrap_or_else(|| vec![1.0; styles]);
    if parts.len() != styles || parts.iter().any(|part| *part <= 0.0 || !part.is_finite()) {
        return Err(PyValueError::new_err(format!(
            "blend is {parts:?}, and there are {styles} styles; give a number above 0 for each, in their order"
        )));
    }
    let sum: f64 = parts.iter().sum();
    Ok(parts.into_iter().map(|part| part / sum).collect())
}

/// Make a picture from noise that looks like the example in every part.
///
/// example is a path, an array or a picture of PIL, as of transfer.
///
/// Parameters
/// ----------
/// size : int or (width, height)
///     In pixels; by default the example's.
/// seed, memory, callback
///     As of transfer.
/// options
///     The command's options: example_size, seamless, no_histogram, layers, up_to, scales, steps, optimizer, lr, clamp, no_clamp,
///     tolerance, average, weights, pool, edges, conv, threads.
///
/// Returns
/// -------
/// numpy.ndarray
///     uint8, height x width x 3, in sRGB.
#[pyfunction]
#[pyo3(signature = (example, *, size=None, seed=None, memory=None, callback=None, **options))]
pub(crate) fn texture<'py>(
    example: &Bound<'py, PyAny>,
    size: Option<Bound<'py, PyAny>>,
    seed: Option<Bound<'py, PyAny>>,
    memory: Option<Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let py = example.py();
    let own = [("size", size.as_ref()), ("seed", seed.as_ref()), ("memory", memory.as_ref())];
    let Call { mut options, run, network, seed } = Call::new("texture", &["callback"], options, &own, callback, py)?;
    let size = options.parsed("size", width_and_height)?;
    let example_size = side(&mut options, "example_size", 256)?;
    let seamless = options.flag("seamless")?.unwrap_or(false);
    let histogram = !options.flag("no_histogram")?.unwrap_or(false);
    let layers = options.parsed("layers", str::parse)?;
    let up_to: Option<Layer> = options.parsed("up_to", str::parse)?;
    let scales = options.parsed("scales", str::parse)?;
    options.end()?;
    let layers = match (layers, up_to) {
        (Some(_), Some(_)) => return Err(PyValueError::new_err("give layers or up_to, not both")),
        (Some(layers), None) => layers,
        (None, Some(deepest)) => texture_layers_up_to(deepest),
        (None, None) => texture_layers(),
    };
    let method = run.method(Method::Lbfgs)?;
    let example = open(example, example_size, "example")?;
    let loaded = network.load(py, layers.layers().max(), Pooling::Average)?;
    let default = Texture::new(&example, &loaded);
    let job = Texture {
        layers,
        size: size.unwrap_or(default.size),
        seamless,
        histogram,
        method,
        rate: run.rate(default.rate),
        scales: scales.unwrap_or_else(|| default.scales.clone()),
        steps: run.steps.clone().unwrap_or_else(|| default.steps.clone()),
        clamp: run.clamp.unwrap_or(default.clamp),
        seed,
        ..default
    };
    complete(py, &run.manner, callback, &|| job.clone().run_within(run.memory))
}

/// Height and width of `N` or `WIDTH,HEIGHT`.
fn width_and_height(text: &str) -> Result<[usize; 2], &'static str> {
    let (width, height) = text.split_once(',').unwrap_or((text, text));
    let side = |text: &str| text.trim().parse().ok().filter(|n: &usize| (1..=LARGEST).contains(n));
    let sides = side(height).zip(side(width)).map(|(height, width)| [height, width]);
    sides.ok_or("give pixels from 1 to 65536, as in 256 or (512, 256)")
}

/// X, Y, width and height in positions of a layer; of a patch in the middle only its side.
fn crop(text: &str) -> Result<Vec<usize>, &'static str> {
    let numbers: Option<Vec<usize>> = text.split(',').map(|number| number.trim().parse().ok()).collect();
    let is_right = |numbers: &Vec<usize>| {
        matches!(numbers[..], [side] if side > 0) || matches!(numbers[..], [_, _, w, h] if w > 0 && h > 0)
    };
    numbers.filter(is_right).ok_or("give the side of the patch in the middle, as in 5, or (x, y, width, height)")
}

/// The rows and columns of a crop.
fn patch(crop: Vec<usize>, size: [usize; 2], layer: Layer) -> [std::ops::Range<usize>; 2] {
    match crop[..] {
        [x, y, width, height] => [y..y + height, x..x + width],
        _ => size.map(|length| {
            let start = (length / layer.stride()).saturating_sub(crop[0]) / 2;
            start..start + crop[0]
        }),
    }
}

/// Find a picture with the same features at a layer, from noise.
///
/// image is a path, an array or a picture of PIL, as of transfer; layer a name such as "relu4_1", or of the classifier "fc6" to
/// "fc8", for which the image is brought to 224 x 224 pixels.
///
/// Parameters
/// ----------
/// size, seed, memory, callback
///     As of transfer.
/// options
///     The command's options: preset ("fast" or "mahendran"), init (a picture), jitter, channels (as in "0..16"), crop, alpha, beta,
///     lambda_alpha, lambda_tv, steps, optimizer, lr, clamp, no_clamp, tolerance, average, weights, pool, edges, conv, threads.
///
/// Returns
/// -------
/// numpy.ndarray
///     uint8, height x width x 3, in sRGB.
#[pyfunction]
#[pyo3(signature = (image, layer, *, size=None, seed=None, memory=None, callback=None, **options))]
pub(crate) fn invert<'py>(
    image: &Bound<'py, PyAny>,
    layer: &str,
    size: Option<Bound<'py, PyAny>>,
    seed: Option<Bound<'py, PyAny>>,
    memory: Option<Bound<'py, PyAny>>,
    callback: Option<&Bound<'py, PyAny>>,
    options: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let py = image.py();
    let layer: Layer = layer.parse().map_err(|why| PyValueError::new_err(format!("layer is {layer}: {why}")))?;
    let own = [("size", size.as_ref()), ("seed", seed.as_ref()), ("memory", memory.as_ref())];
    let Call { mut options, run, network, seed } =
        Call::new("invert", &["layer", "callback"], options, &own, callback, py)?;
    let size = Side::of(&mut options, SIZE)?;
    let published = options.parsed("preset", |name| match name {
        "fast" => Ok(false),
        "mahendran" => Ok(true),
        _ => Err("give fast or mahendran"),
    })?;
    let published = published.unwrap_or(false);
    let init = options.object("init");
    let jitter = options.number("jitter", |n: &usize| *n <= 256, "pixels from 0 to 256")?.unwrap_or(0);
    let channels = options.parsed("channels", |text| {
        let ends = text.split_once("..").and_then(|(a, b)| Some(a.parse().ok()?..b.parse().ok()?));
        let range = ends.filter(|range: &std::ops::Range<usize>| !range.is_empty());
        range.ok_or("give the first channel and the one after the last, as in \"0..16\"")
    })?;
    let crop = options.parsed("crop", crop)?;
    let priors = if published { Priors::published(layer) } else { Priors::light(layer) };
    let not_negative = |x: &f64| *x >= 0.0 && x.is_finite();
    let priors = Priors {
        alpha: options.number("alpha", |x: &f64| *x >= 1.0 && not_negative(x), "a number of 1 or more")?.unwrap_or(6.0),
        beta: options.number("beta", |x: &f64| *x > 0.0 && not_negative(x), "a number above 0")?.unwrap_or(2.0),
        lambda_alpha: options.number("lambda_alpha", not_negative, "0 or more")?.unwrap_or(priors.lambda_alpha),
        lambda_tv: options.number("lambda_tv", not_negative, "0 or more")?.unwrap_or(priors.lambda_tv),
    };
    options.end()?;
    let own = match (published, jitter) {
        (true, _) => Method::Momentum,
        (false, 0) => Method::Lbfgs,
        (false, _) => Method::Adam,
    };
    let method = run.method(own)?;
    if method == Method::Lbfgs && jitter > 0 {
        return Err(PyValueError::new_err(
            "jitter changes the objective at every iteration, which lbfgs cannot follow",
        ));
    }
    let steps = match run.steps.as_ref().map(Steps::given) {
        None => None,
        Some([steps]) => Some(*steps),
        Some(_) => return Err(PyValueError::new_err("steps is one number here: an inversion has one scale")),
    };
    let start = match &init {
        None => None,
        Some(init) if init.cast::<PyString>().is_ok_and(|name| name == "noise") => None,
        Some(init) => Some(open(init, None, "init")?),
    };
    let image = Given::new(image, "image")?;
    let loaded = network.load(py, Some(layer), Pooling::default())?;
    let image = if layer.is_classifier() {
        image.at(None)?.resized(224, 224)
    } else {
        let size = match size {
            Side::Own => None,
            Side::Pixels(side) => Some(side),
            Side::Max => Some(
                image.largest(run.memory, |image| Invert { method, ..Invert::new(image, &loaded, layer) }.work())?,
            ),
        };
        image.at(size)?
    };
    let default = Invert::new(&image, &loaded, layer);
    let rate = if method == Method::Momentum { Invert::PUBLISHED_RATE } else { Invert::ADAM_RATE };
    let job = Invert {
        selection: Selection { patch: crop.map(|crop| patch(crop, [image.height(), image.width()], layer)), channels },
        priors,
        start,
        method,
        rate: run.lr.unwrap_or(rate),
        steps: steps.unwrap_or(default.steps),
        clamp: run.clamp.unwrap_or(default.clamp),
        jitter,
        seed,
        ..default
    };
    complete(py, &run.manner, callback, &|| job.clone().run_within(run.memory))
}
