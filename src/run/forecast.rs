//! Estimates of a job's memory and time before it begins.

use std::collections::BTreeSet;
use std::fmt;
use std::time::{Duration, Instant};

use ndarray::Array3;

use crate::error::Error;
use crate::objective::{Place, quarter};
use crate::ops::{add, scale, squared_error};
use crate::optim::Method;
use crate::recipe::{Grid, Scale};
use crate::tape::{Tape, Var};
use crate::vgg::{Execution, Layer, Plan, Request, Vgg19};

/// What determines the cost of an iteration: sizes, the places that the objective observes, and the optimiser.
#[derive(Clone)]
pub struct Load {
    /// Height and width of the picture that the network sees.
    pub size: [usize; 2],
    /// Pixels that the canvas has beyond it on the right and at the bottom.
    pub margin: usize,
    /// Height and width of the pictures that targets are computed from.
    pub examples: Vec<[usize; 2]>,
    /// The places that terms observe.
    pub places: BTreeSet<Place>,
    /// Layers whose features are matched with those of the examples, and the positions there.
    pub matched: Option<(BTreeSet<Layer>, Grid)>,
    /// Layers whose features are summed by regions, and the number of regions; `None` for the picture as a whole.
    pub guided: Option<(BTreeSet<Layer>, usize)>,
    /// The optimiser.
    pub method: Method,
    /// The network.
    pub network: Vgg19<f32>,
    /// How many processes share an evaluation.
    pub ranks: usize,
}

/// The work of a job, derived from the sizes of its pictures alone.
#[derive(Clone)]
pub struct Work {
    /// The scales, painted one after the other.
    pub scales: Vec<Scale>,
    /// The load of each scale.
    pub loads: Vec<Load>,
    /// Bytes of the pictures that the job holds throughout.
    pub held: usize,
}

/// The estimate for one scale of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleForecast {
    /// Longer side and steps.
    pub scale: Scale,
    /// Height and width.
    pub size: [usize; 2],
    /// The memory plan of the evaluations.
    pub plan: Plan,
    /// The peak memory of the whole process at this scale, in bytes.
    pub memory: usize,
    /// The part of `memory` for maps, also unused ones, and the point that is evaluated.
    pub(super) buffers: usize,
    /// The time of a step, in seconds of [`Speed::REFERENCE`].
    step: f64,
    /// The time of the work done once at this scale: targets and the canvas. In the same unit.
    once: f64,
}

/// The estimate of a job's memory and time.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// The scales, from small to large.
    pub scales: Vec<ScaleForecast>,
}

/// No plan fits into the allowed memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a picture of {}×{} pixels needs at least {} of memory this way, and {} may be used",
    size[1],
    size[0],
    Bytes(*needed),
    Bytes(*allowed)
)]
pub struct MemoryError {
    /// Height and width.
    pub size: [usize; 2],
    /// The memory of the plan that needs least, in bytes.
    pub needed: usize,
    /// The allowed memory, in bytes.
    pub allowed: usize,
}

/// The speed of a machine: its time relative to that of the reference machine, so larger is slower.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(f64);

impl Speed {
    /// The machine called Zen 4 in docs/performance.md, with both of its cores.
    pub const REFERENCE: Self = Self(1.0);
}

/// Bytes of the process without pictures, weights and maps: code, threads, BLAS's buffers.
const BASE: usize = 17 << 20;

/// The allocator's overhead as a share of the requested memory, as measured.
const HOLES: f64 = 0.02;

/// Unused buffers may exceed the peak by the maps' memory divided by this, so that none is freed between steps.
const SPARE: usize = 4;

/// The largest such memory, in bytes. Larger pictures would need more, and gain little.
const MOST_SPARE: usize = 32 << 20;

/// Matrices in f64 that a distance of moments takes: targets, moments, derivatives.
const MATRICES: usize = 6;

/// Seconds of a pass over the picture or a vector of the optimiser, per pixel.
const PASS: f64 = 2e-9;

impl Work {
    /// The forecast within a memory limit for the whole process, in bytes: at each size the fastest plan that fits.
    ///
    /// # Errors
    /// If a picture is too small for the deepest layer, or if the memory is too little at some scale (the error names
    /// the scale that needs most).
    pub fn forecast(&self, memory: usize) -> Result<Forecast, Error> {
        for load in &self.loads {
            let guided = load.guided.iter().flat_map(|(layers, _)| layers).copied();
            let deepest = load.places.iter().filter_map(|place| place.layer()).chain(guided).max();
            deepest.map_or(Ok(()), |layer| load.network.check(load.size, layer))?;
        }
        Ok(self.within(memory)?)
    }

    /// [`forecast`](Self::forecast) without the check of sizes.
    pub(super) fn within(&self, memory: usize) -> Result<Forecast, MemoryError> {
        let loads = self.scales.iter().zip(&self.loads);
        let scales: Vec<_> = loads.map(|(scale, load)| load.forecast(*scale, self.held, memory)).collect();
        let errors = scales.iter().filter_map(|scale| scale.as_ref().err());
        if let Some(most) = errors.max_by_key(|error| error.needed) {
            return Err(*most);
        }
        Ok(Forecast { scales: scales.into_iter().flatten().collect() })
    }

    /// The speed of this machine at evaluations of the last scale, measured in about a second.
    pub fn speed(&self) -> Speed {
        self.loads.last().map_or(Speed::REFERENCE, Load::speed)
    }
}

impl Forecast {
    /// The peak memory of the whole process, in bytes.
    pub fn memory(&self) -> usize {
        self.scales.iter().map(|scale| scale.memory).max().unwrap_or(0)
    }

    /// The time of the job.
    pub fn time(&self, speed: Speed) -> Duration {
        let seconds: f64 = self.scales.iter().map(ScaleForecast::work).sum();
        Duration::from_secs_f64(seconds * speed.0)
    }

    /// The speed of this machine if the share `done` of the job took so long; `None` if the two numbers do not
    /// determine it.
    pub fn speed(&self, done: f64, took: Duration) -> Option<Speed> {
        let speed = took.as_secs_f64() / (done * self.time(Speed::REFERENCE).as_secs_f64());
        (speed.is_finite() && speed > 0.0).then_some(Speed(speed))
    }

    /// The share of the job that is done after this many iterations of the scale `index`.
    pub(super) fn done(&self, index: usize, iterations: usize) -> f64 {
        let all: f64 = self.scales.iter().map(ScaleForecast::work).sum();
        let before: f64 = self.scales[..index].iter().map(ScaleForecast::work).sum();
        let now = &self.scales[index];
        let own = if iterations < now.scale.steps { now.once + now.step * iterations as f64 } else { now.work() };
        if all > 0.0 { (before + own) / all } else { 0.0 }
    }
}

impl ScaleForecast {
    fn work(&self) -> f64 {
        self.once + self.step * self.scale.steps as f64
    }

    /// The time of a step.
    pub fn step(&self, speed: Speed) -> Duration {
        Duration::from_secs_f64(self.step * speed.0)
    }
}

impl Load {
    /// The layers of the places for which `is` holds.
    fn layers(&self, is: impl Fn(&Place) -> bool) -> BTreeSet<Layer> {
        self.places.iter().filter(|place| is(place)).filter_map(|place| place.layer()).collect()
    }

    /// What the network must observe.
    fn request(&self) -> Request {
        let mut request = crate::objective::request(&self.places);
        request.sampled.extend(self.matched.iter().flat_map(|(layers, _)| layers));
        // The gradients of the maps of hypercolumns, and of those that regions sum, are all there at once.
        request.sampled.extend(self.columns());
        request.sampled.extend(self.guided.iter().flat_map(|(layers, _)| layers));
        request.features.extend(&request.sampled);
        request
    }

    /// Bytes of a matrix of channels by channels for each of these layers.
    fn matrix_bytes(&self, layers: &BTreeSet<Layer>) -> usize {
        layers.iter().map(|layer| self.network.channels(*layer).pow(2) * size_of::<f32>()).sum()
    }

    /// Bytes of what the regions add, and the work of their sums in one evaluation beside that of moments.
    fn guiding(&self) -> (usize, f64) {
        /// Bytes a pixel and region: shares of the picture and of its style, and their roots at each layer; measured.
        const SHARES: usize = 60;
        let Some((layers, regions)) = &self.guided else { return (0, 0.0) };
        let maps: Vec<_> = layers.iter().map(|layer| self.network.map_bytes(*layer, self.size)).collect();
        let largest = maps.iter().max().copied().unwrap_or(0);
        // Features stay until their last region's turn, beside the gradients that the others gave.
        let others = if *regions > 1 { maps.iter().sum::<usize>() - largest } else { 0 };
        let beside = others.max(if self.matched.is_some() { largest } else { 0 });
        let shares = regions * SHARES * self.size.iter().product::<usize>();
        if !self.moments().is_empty() {
            return (beside + shares, 0.0);
        }
        // Of each region the target, the sum, and their difference.
        let matrices = 3 * regions * self.matrix_bytes(layers);
        let sums: f64 = layers.iter().map(|layer| self.network.gram_work(*layer, self.size)).sum();
        // Forward and backward.
        (beside + shares + matrices, 2.0 * *regions as f64 * sums)
    }

    /// The layers whose moments are observed.
    fn moments(&self) -> BTreeSet<Layer> {
        self.layers(|place| matches!(place, Place::Moments(_)))
    }

    /// The work of the moments of an image of this height and width.
    fn moments_work(&self, size: [usize; 2]) -> f64 {
        self.moments().into_iter().map(|layer| self.network.gram_work(layer, size)).sum()
    }

    /// Bytes of the matched features, and the work of the search in one evaluation.
    fn matching(&self) -> (usize, f64) {
        let Some((layers, grid)) = &self.matched else { return (0, 0.0) };
        let (mut bytes, mut work) = (0, 0.0);
        for &layer in layers {
            let map = |size: [usize; 2]| size.map(|side| side / layer.stride());
            let every = |stride: usize, [height, width]: [usize; 2]| height.div_ceil(stride) * width.div_ceil(stride);
            let channels = self.network.channels(layer);
            let offered = |size: &[usize; 2]| every(grid.stride_in_style(map(*size)), map(*size));
            let candidates: usize = self.examples.iter().skip(1).map(offered).sum();
            let own = every(grid.stride_in_picture(layer, map(self.size)), map(self.size));
            // The candidates, the picture's own centred features, and their matches.
            bytes += (candidates + 2 * own) * channels * size_of::<f32>();
            // As much work as a Gram matrix with as many products.
            work += Vgg19::<f32>::products_work(own * candidates * channels);
        }
        (bytes, work)
    }

    /// The layers of hypercolumns.
    fn columns(&self) -> BTreeSet<Layer> {
        let columns = self.places.iter().filter(|place| matches!(place, Place::Hypercolumns(_)));
        columns.flat_map(|place| place.maps().layers()).collect()
    }

    /// Bytes of the hypercolumns of an image of that height and width.
    fn column_bytes(&self, size: [usize; 2]) -> usize {
        let columns: usize = self.columns().into_iter().map(|layer| self.network.channels(layer)).sum();
        quarter(size).iter().product::<usize>() * columns * size_of::<f32>()
    }

    /// The work of matching hypercolumns, done once, and of making and pulling them back in an evaluation.
    fn columns_work(&self) -> (f64, f64) {
        /// Seconds for a byte that is resized: read, and written twice.
        const RESIZED: f64 = 2e-10;
        /// The share of the time of other matrix products, whose rows are shorter.
        const LONG_ROWS: f64 = 0.75;
        let styles: usize = self.examples.iter().skip(1).map(|size| quarter(*size).iter().product::<usize>()).sum();
        let own = self.column_bytes(self.size);
        let maps: usize = self.columns().into_iter().map(|layer| self.network.map_bytes(layer, self.size)).sum();
        let products = Vgg19::<f32>::products_work(own / size_of::<f32>() * styles);
        (LONG_ROWS * products, (2 * maps + 4 * own) as f64 * RESIZED)
    }

    fn forecast(&self, scale: Scale, held: usize, memory: usize) -> Result<ScaleForecast, MemoryError> {
        let request = self.request();
        let pixels = |[height, width]: [usize; 2]| height * width;
        let bytes = |size| 12 * pixels(size);
        let picture = bytes(self.size.map(|side| side + self.margin));
        let vectors = match self.method {
            // Two moments, and the last picture whose value is known.
            Method::Adam => 3,
            // Coefficients are a third more than pixels, and with Adam's moments there are a gradient and a change of them.
            Method::PyramidAdam => 7,
            Method::Momentum => 2,
            // Pairs of differences, and the points of a line search.
            Method::Lbfgs => 2 * scale.steps.saturating_sub(1).min(20) + 6,
        };
        // Held throughout: canvas, point, optimiser, targets.
        let wanted = self.layers(|place| matches!(place, Place::Features(_)));
        let targets: usize = wanted.iter().map(|layer| self.network.map_bytes(*layer, self.size)).sum();
        let window = if self.margin > 0 { 2 * picture } else { 0 };
        let moments = MATRICES * size_of::<f64>() / size_of::<f32>() * self.matrix_bytes(&self.moments());
        // Of each style but the first, whose place the blend takes.
        let grams = self.layers(|place| matches!(place, Place::Gram(_)));
        let blended = self.examples.len().saturating_sub(2) * self.matrix_bytes(&grams);
        let fixed = BASE + self.network.bytes() + held;
        let (matched, search) = self.matching();
        let own_columns = self.column_bytes(self.size);
        // The picture's, whose place their gradient takes, their matches, and what they are by the positions' weights.
        let columns = if self.guided.is_some() { 3 } else { 2 } * own_columns;
        let (guided, by_regions) = self.guiding();
        let statistics = moments + blended + guided;
        let always = fixed + (2 + vectors) * picture + window + targets + statistics + matched + columns;
        let usable = (memory as f64 / (1.0 + HOLES)) as usize;
        let (plan, cost) = self.network.plan_within(self.size, &request, self.ranks, usable.saturating_sub(always));
        let evaluation = always + cost.bytes;

        // Before the first evaluation: the examples at this scale, as pictures and as inputs, and the computation of
        // targets.
        let examples: usize = self.examples.iter().map(|size| bytes(*size)).sum();
        let ways = self.examples.iter().map(|size| (self.network.target_cost(*size, &request), *size));
        let (mut way, mut once) = (0, 0.0);
        for (cost, size) in ways {
            way = way.max(cost.bytes);
            once += cost.work + self.moments_work(size);
        }
        // While hypercolumns are matched, after the network has seen the pictures: the styles', as they are and centred, and the
        // picture's with their matches.
        let styles_columns: usize = self.examples.iter().skip(1).map(|size| self.column_bytes(*size)).sum();
        let matched = 2 * styles_columns + 3 * own_columns;
        let before = fixed + picture + 2 * examples + 2 * targets + (way + own_columns).max(matched);
        // After the last: the picture while it is written.
        let behind = fixed + (5 + vectors) * picture;
        let with = |spare: usize| ((evaluation + spare).max(before).max(behind) as f64 * (1.0 + HOLES)) as usize;
        let needed = with(0);
        if needed > memory {
            return Err(MemoryError { size: self.size, needed, allowed: memory });
        }
        // In a little more memory than the peak needs, every buffer stays until the next step.
        let maps = cost.maps + picture;
        // Moments need their largest memory for matrices, when few maps are in use.
        let spare = if self.moments().is_empty() { maps / SPARE } else { 0 };
        let spare = if spare <= MOST_SPARE && with(spare) <= memory { spare } else { 0 };
        let passes = (2 * vectors + 6) as f64 * PASS * pixels(self.size) as f64;
        let (matching, resizing) = self.columns_work();
        once += matching;
        let sums = 2.0 * self.moments_work(self.size) + by_regions;
        let step = cost.work + search + resizing + sums + passes;
        Ok(ScaleForecast { scale, size: self.size, plan, memory: with(spare), buffers: maps + spare, step, once })
    }

    /// Measures the speed of this machine with evaluations of a small picture, in about a second.
    pub fn speed(&self) -> Speed {
        const SIDE: usize = 224;
        let (request, network) = (self.request(), &self.network);
        let image =
            Array3::from_shape_fn((SIDE, SIDE, 3), |(i, j, c)| ((i * 31 + j * 17 + c * 7) % 13) as f32 / 6.0 - 1.0);
        let mut tape = Tape::new();
        let begin = Instant::now();
        let mut best = f64::INFINITY;
        for round in 0.. {
            let from = Instant::now();
            {
                let image = tape.variable(image.clone());
                let Ok(observed) = Execution::default().observe(network, &image, &request) else {
                    return Speed::REFERENCE;
                };
                let values = observed.features.into_values().chain(observed.grams.into_values().map(|gram| gram.value));
                let total = values.map(small_error).reduce(|a, b| add(&a, &b));
                let Some(total) = total else { return Speed::REFERENCE };
                total.backward();
            }
            tape.clear();
            // The first round also waits for memory from the system.
            if round > 0 {
                best = best.min(from.elapsed().as_secs_f64());
            }
            if round >= 2 && begin.elapsed() > Duration::from_millis(600) {
                break;
            }
        }
        let size = [SIDE, SIDE];
        let cost = network.cost(&Plan::fastest(size), size, &request, true);
        Speed(best / cost.work)
    }
}

/// The squared error from zero, scaled to stay in range.
fn small_error(value: Var<'_, f32>) -> Var<'_, f32> {
    let zero = value.tape().constant(ndarray::ArrayD::zeros(value.shape()));
    scale(&squared_error(&value, &zero), 1e-9)
}

/// An amount of memory that prints as in 512 MB or 1.50 GB, in units of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.0 as f64 / f64::from(1 << 20);
        match mib {
            ..10.0 => write!(f, "{mib:.1} MB"),
            10.0..1000.0 => write!(f, "{mib:.0} MB"),
            _ => write!(f, "{:.2} GB", mib / 1024.0),
        }
    }
}
