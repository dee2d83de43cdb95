//! The network in motion: features of an image, as deep as they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array3, ArrayView3, Axis, Ix4};

use super::plan::Cost;
use super::{Layer, Lineage, Plan, Weights};
use crate::kernels::{ConvAlgorithm, ConvGeometry, PoolGeometry, Pooling};
use crate::ops::{self, Look, Outline, Portion, Reach, SegmentLink, SegmentMode, SegmentSeen, Wanted};
use crate::peers::Peers;
use crate::tape::{Real, Tape, Value, Var};

/// Why features cannot be computed.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum NetworkError {
    /// The weights end before the layer.
    #[error("the weights end before {layer}; the last layer available is {last}")]
    Missing {
        /// The layer asked for.
        layer: Layer,
        /// The deepest layer that the weights reach.
        last: Layer,
    },
    /// The classifier takes images of one size.
    #[error("{layer} needs an image of 224×224 pixels, not {width}×{height}")]
    Classifier {
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// The layer asked for.
        layer: Layer,
    },
    /// The poolings before the layer leave nothing of the image.
    #[error("an image of {width}×{height} pixels is too small for {layer}, which needs at least {least}×{least}")]
    TooSmall {
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
        /// The layer asked for.
        layer: Layer,
        /// The smallest side that leaves a position at that layer.
        least: usize,
    },
}

/// VGG19's convolutional part (Simonyan & Zisserman 2014, configuration E): sixteen 3×3 convolutions with ReLUs, in five
/// blocks that end in a 2×2 pooling, and the classifier's layers where the weights have them. Its weights are frozen. A clone shares them.
#[derive(Clone)]
pub struct Vgg19<T: Real> {
    convolutions: Vec<(Value<T>, Value<T>)>,
    /// fc6, fc7 and fc8, as far as they were asked for.
    classifier: Vec<(Value<T>, Value<T>)>,
    mean: [f64; 3],
    std: [f64; 3],
    lineage: Lineage,
    pooling: Pooling,
    algorithm: ConvAlgorithm,
    seamless: bool,
    /// How an evaluation is divided; `None` for the fastest way.
    plan: Option<Plan>,
    /// Those who compute the same evaluation, if they are several.
    peers: Option<Arc<dyn Peers>>,
}

/// What [`Vgg19::measure`] finds, by layer.
pub struct Measured<'t, T: Real> {
    /// Features, (height, width, channels).
    pub features: BTreeMap<Layer, Var<'t, T>>,
    /// Gram matrices of features.
    pub grams: BTreeMap<Layer, GramMatrix<'t, T>>,
}

/// A Gram matrix and of how many positions it is the sum.
pub struct GramMatrix<'t, T: Real> {
    /// FᵀF, (channels, channels), not normalised; see [`ops::gram_matrix`](ops::gram_matrix()).
    pub value: Var<'t, T>,
    /// M, the height times the width of the features F.
    pub positions: usize,
}

impl<'t, T: Real> GramMatrix<'t, T> {
    fn of(features: &Var<'t, T>) -> Self {
        let positions = features.shape()[0] * features.shape()[1];
        Self { value: ops::gram_matrix(features), positions }
    }
}

/// A convolution with its ReLU and perhaps a pooling, or a pooling alone.
struct Part {
    /// Whose features the result is.
    layer: Layer,
    convolution: Option<usize>,
    pooled: bool,
    look: Look,
}

impl<T: Real> Vgg19<T> {
    /// The network with the given weights, maximum pooling, and the fastest algorithms.
    pub fn new(weights: Weights) -> Self {
        let convolutions = weights.convolutions.into_iter();
        let convolutions = convolutions.map(|conv| (cast(conv.weight), cast(conv.bias))).collect();
        let classifier = weights.classifier.unwrap_or_default().into_iter();
        let classifier = classifier.map(|linear| (cast(linear.weight), cast(linear.bias))).collect();
        Self {
            convolutions,
            classifier,
            mean: weights.mean.map(f64::from),
            std: weights.std.map(f64::from),
            lineage: weights.lineage,
            pooling: Pooling::default(),
            algorithm: ConvAlgorithm::default(),
            seamless: false,
            plan: None,
            peers: None,
        }
    }

    /// The same network with another pooling.
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// The same network with its convolutions computed in another way.
    pub fn with_algorithm(self, algorithm: ConvAlgorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The same network with convolutions that wrap around the edges in place of zeros beyond them. Where height and width
    /// are multiples of the deepest layer's stride, features then move with a picture that is rolled by that stride.
    pub fn seamless(self) -> Self {
        Self { seamless: true, ..self }
    }

    /// The same network with evaluations divided as `plan` says; without one, in the fastest way. Convolutions that wrap
    /// around the edges, those whose raw results are seen, and those of algorithms that do not fuse a ReLU and a pooling
    /// are not divided.
    pub fn with_plan(self, plan: Plan) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// Whether the other is this network, computed in the same way: both then see the same of every picture, to the bit.
    pub(crate) fn sees_like(&self, other: &Self) -> bool {
        let weights = |network: &Self| -> Vec<_> {
            network.convolutions.iter().flat_map(|(weight, bias)| [weight.as_ptr(), bias.as_ptr()]).collect()
        };
        let manner = |network: &Self| (network.pooling, network.algorithm, network.seamless);
        weights(self) == weights(other) && manner(self) == manner(other)
    }

    /// The same network with each evaluation divided among peers, who all must make the same ones: to the bit what one
    /// process comes to. Each computes some rows of every map as a whole, whatever the [plan](Self::with_plan); what plans do
    /// not divide, and whatever needs a whole map but its Gram matrix, all compute for themselves.
    pub fn with_peers(self, peers: Arc<dyn Peers>) -> Self {
        Self { peers: Some(peers).filter(|peers| peers.size() > 1), ..self }
    }

    /// The same network for this process by itself.
    pub fn alone(self) -> Self {
        Self { peers: None, ..self }
    }

    /// Those who compute the same evaluation, if they are several.
    pub(crate) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.peers.as_ref()
    }

    /// Among how many peers an evaluation is divided.
    pub(crate) fn ranks(&self) -> usize {
        self.peers.as_ref().map_or(1, |peers| peers.size())
    }

    /// The deepest layer that the weights reach.
    pub fn last(&self) -> Layer {
        let (_, relu, pool) = Layer::of_convolution(self.convolutions.len() - 1);
        let deepest = pool.unwrap_or(relu);
        // Each fully connected layer but fc8 has a ReLU behind it.
        let classifier = Layer::all().filter(|layer| layer.is_classifier());
        let reached = (2 * self.classifier.len()).min(5);
        if self.convolutions.len() == Layer::CONVOLUTIONS {
            classifier.take(reached).last().unwrap_or(deepest)
        } else {
            deepest
        }
    }

    /// Shapes of the convolutions' weights, in order.
    pub(super) fn weight_shapes(&self) -> impl Iterator<Item = [usize; 4]> + '_ {
        self.convolutions.iter().map(|(weight, _)| weight.of_rank::<Ix4>("conv2d").dim().into())
    }

    /// Mean of each channel of the input, for values in 0..1.
    pub fn mean(&self) -> [f64; 3] {
        self.mean
    }

    /// Standard deviation of each channel of the input, for values in 0..1.
    pub fn std(&self) -> [f64; 3] {
        self.std
    }

    /// Where the weights were trained.
    pub fn lineage(&self) -> Lineage {
        self.lineage
    }

    /// Whether the weights have seen pictures; see [`Lineage::is_trained`].
    pub fn is_trained(&self) -> bool {
        self.lineage.is_trained()
    }

    /// The spread of natural colours in units of the network's input: 1 for torchvision's statistics, about 58 for a network
    /// whose input is in grey levels of 0..255.
    pub fn spread(&self) -> f64 {
        const TORCHVISION: f64 = (0.229 + 0.224 + 0.225) / 3.0;
        TORCHVISION * 3.0 / self.std.iter().sum::<f64>()
    }

    /// The network's input for an image with values in 0..1: (pixel − mean)/std, channel by channel.
    pub fn normalise(&self, rgb: &ArrayView3<'_, f32>) -> Array3<T> {
        let mut image = rgb.mapv(|v| T::of(f64::from(v)));
        for (channel, mut plane) in image.axis_iter_mut(Axis(2)).enumerate() {
            let (mean, std) = (T::of(self.mean[channel]), T::of(self.std[channel]));
            plane.mapv_inplace(|v| (v - mean) / std);
        }
        image
    }

    /// The image of a network's input; values may lie outside of 0..1.
    pub fn denormalise(&self, image: &ArrayView3<'_, T>) -> Array3<f32> {
        let mut rgb = image.mapv(|v| Real::to_f64(v) as f32);
        for (channel, mut plane) in rgb.axis_iter_mut(Axis(2)).enumerate() {
            let (mean, std) = (self.mean[channel] as f32, self.std[channel] as f32);
            plane.mapv_inplace(|v| v * std + mean);
        }
        rgb
    }

    /// The features of a normalised image (height, width, 3) at the given layers, each (height, width, channels).
    /// The network runs only as deep as the deepest of them.
    ///
    /// # Errors
    /// If the weights end before a layer, or the image is too small for it.
    ///
    /// # Panics
    /// If the image has not three axes with three channels.
    pub fn features<'t>(
        &self,
        image: &Var<'t, T>,
        layers: impl IntoIterator<Item = Layer>,
    ) -> Result<BTreeMap<Layer, Var<'t, T>>, NetworkError> {
        Ok(self.measure(image, &layers.into_iter().collect(), &BTreeSet::new())?.features)
    }

    /// What objectives compare: the features of a normalised image at some layers, and the Gram matrices of those at
    /// others, as the network's [plan](Self::with_plan) says. The network runs only as deep as the deepest of them.
    ///
    /// # Errors
    /// If the weights end before a layer, or the image is too small for it.
    ///
    /// # Panics
    /// If the image has not three axes with three channels.
    pub fn measure<'t>(
        &self,
        image: &Var<'t, T>,
        features: &BTreeSet<Layer>,
        grams: &BTreeSet<Layer>,
    ) -> Result<Measured<'t, T>, NetworkError> {
        self.measure_by_rows(image, features, &BTreeSet::new(), grams)
    }

    /// The same, where features at layers `by_rows` may be each peer's [own rows](ops::own_rows) of them alone.
    pub(crate) fn measure_by_rows<'t>(
        &self,
        image: &Var<'t, T>,
        whole: &BTreeSet<Layer>,
        by_rows: &BTreeSet<Layer>,
        grams: &BTreeSet<Layer>,
    ) -> Result<Measured<'t, T>, NetworkError> {
        let features = &(whole | by_rows);
        let mut measured = Measured { features: BTreeMap::new(), grams: BTreeMap::new() };
        let layers: BTreeSet<Layer> = features.union(grams).copied().collect();
        let Some(&deepest) = layers.last() else { return Ok(measured) };
        let size = [image.shape()[0], image.shape()[1]];
        self.check(size, deepest)?;
        let plan = match &self.plan {
            _ if self.peers.is_some() => Plan::whole(),
            _ if !image.needs_gradient() => Plan::of_targets(size),
            Some(plan) => plan.clone(),
            None => Plan::fastest(size),
        };
        if !image.needs_gradient() {
            // Targets are computed once: memory that one layer has left is not to add to that of the others.
            image.tape().buffers().limit(self.cost(&plan, size, (features, grams), false).maps);
        }
        let mut held = Vec::new();
        let mut see = |layer, value: &Var<'t, T>| {
            // Without a gradient a Gram matrix can be had at once, and its features be let go.
            let gram = (grams.contains(&layer) && !value.needs_gradient()).then(|| GramMatrix::of(value));
            let features = (features.contains(&layer) || gram.is_none()).then(|| value.clone());
            held.push((layer, features, gram));
        };
        let mut x = Some(Portion::whole(image.clone()));
        let segments: Vec<_> = plan.segments().collect();
        for (index, (convolutions, mode)) in segments.iter().enumerate() {
            let Some(input) = x.take() else { break };
            let parts = self.parts(convolutions.clone(), features, grams, deepest);
            let Some(last) = parts.last() else { break };
            let divides = |convolutions: &Range<usize>| {
                let parts = self.parts(convolutions.clone(), features, grams, deepest);
                self.divides(convolutions.clone(), &layers, &parts)
            };
            let mut measure = |part: &Part, seen: SegmentSeen<'t, T>| {
                let SegmentSeen { features, gram, positions } = seen;
                measured.features.extend(features.map(|features| (part.layer, features)));
                measured.grams.extend(gram.map(|value| (part.layer, GramMatrix { value, positions })));
            };
            if !divides(convolutions) {
                x = self.compose(convolutions.clone(), input.map, &layers, deepest, &mut see).map(Portion::whole);
            } else if let Some(peers) = &self.peers {
                // The first link of the next segment, if that is divided too.
                let behind = segments.get(index + 1).filter(|(convolutions, _)| divides(convolutions));
                let behind = behind.and_then(|(convolutions, _)| {
                    self.parts(convolutions.clone(), features, grams, deepest).into_iter().next()
                });
                let links: Vec<_> = parts.iter().chain(&behind).map(|part| self.link(part, image.tape())).collect();
                let mut portion = Some(input);
                for (index, part) in parts.iter().enumerate() {
                    let Some(input) = portion.take() else { break };
                    let wanted = match links.get(index + 1) {
                        _ if part.layer == deepest => Wanted::Nothing,
                        Some(next) => Wanted::By(next),
                        None => Wanted::Whole,
                    };
                    let wanted = (&wanted, !whole.contains(&part.layer));
                    let (seen, map) = ops::divided(&input, &links[index], wanted, self.algorithm, peers);
                    measure(part, seen);
                    portion = map;
                }
                x = portion;
            } else {
                let links: Vec<_> = parts.iter().map(|part| self.link(part, image.tape())).collect();
                let (seen, map) = ops::segment(&input.map, &links, *mode, last.layer < deepest, self.algorithm);
                parts.iter().zip(seen).for_each(|(part, seen)| measure(part, seen));
                x = map.map(Portion::whole);
            }
        }
        let x = x.map(|x| x.map);
        if let Some(x) = x {
            self.classify(x, &layers, deepest, &mut see);
        }
        // Gram matrices are the last on the tape, so that their gradients can take the place of the features kept for them.
        for (layer, value, gram) in held {
            let gram = gram.or_else(|| value.as_ref().filter(|_| grams.contains(&layer)).map(GramMatrix::of));
            measured.grams.extend(gram.map(|gram| (layer, gram)));
            measured.features.extend(value.filter(|_| features.contains(&layer)).map(|value| (layer, value)));
        }
        Ok(measured)
    }

    /// Some convolutions, as far as they are needed, with their ReLUs and poolings.
    fn parts(
        &self,
        convolutions: Range<usize>,
        features: &BTreeSet<Layer>,
        grams: &BTreeSet<Layer>,
        deepest: Layer,
    ) -> Vec<Part> {
        let mut parts = Vec::new();
        for index in convolutions.filter(|&index| index < self.convolutions.len()) {
            let (conv, relu, pool) = Layer::of_convolution(index);
            if conv > deepest {
                break;
            }
            let mut part = |layer, convolution, pooled| {
                let look = Look { features: features.contains(&layer), gram: grams.contains(&layer) };
                parts.push(Part { layer, convolution, pooled, look });
            };
            // What nobody asked to see is never written: the ReLU, and the pooling behind it, are computed with the
            // convolution.
            match pool.filter(|_| deepest > relu) {
                Some(pool) if features.contains(&relu) || grams.contains(&relu) => {
                    part(relu, Some(index), false);
                    part(pool, None, true);
                }
                Some(pool) => part(pool, Some(index), true),
                None => part(relu, Some(index), false),
            }
        }
        parts
    }

    /// A part as [`ops::segment`] takes it.
    fn link<'t>(&self, part: &Part, tape: &'t Tape<T>) -> SegmentLink<'t, T> {
        let convolution = part.convolution.map(|index| {
            let (weight, bias) = &self.convolutions[index];
            (tape.constant(weight), tape.constant(bias))
        });
        let Look { features, gram } = part.look;
        SegmentLink { convolution, pooling: part.pooled.then_some(self.pooling), features, gram }
    }

    /// Whether a segment can be computed by [`ops::segment`]: nothing but ReLUs and poolings is seen in it, edges are zeros,
    /// and the algorithm fuses them with the convolutions.
    fn divides(&self, mut convolutions: Range<usize>, layers: &BTreeSet<Layer>, parts: &[Part]) -> bool {
        let fuses = |part: &Part| {
            let weight = part.convolution.map(|index| self.convolutions[index].0.of_rank::<Ix4>("segment").dim());
            weight.is_none_or(|weight| self.algorithm.fuses(&ConvGeometry::padded(1), weight, part.pooled))
        };
        // Rows of patches are products of BLAS, whose bits depend on the other rows.
        let alike = self.peers.is_none() || self.algorithm != ConvAlgorithm::Im2col;
        alike
            && !self.seamless
            && convolutions.all(|index| !layers.contains(&Layer::of_convolution(index).0))
            && parts.iter().all(fuses)
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> usize {
        let all = self.convolutions.iter().chain(&self.classifier);
        all.map(|(weight, bias)| weight.bytes() + bias.bytes()).sum()
    }

    /// Bytes of the features at a layer of an image of that height and width.
    pub(crate) fn map_bytes(&self, layer: Layer, size: [usize; 2]) -> usize {
        self.map_shape(layer, size).iter().product::<usize>() * size_of::<T>()
    }

    /// The work of the Gram matrix of the features at a layer of such an image, or of its gradient, as in [`Cost::work`].
    pub(crate) fn gram_work(&self, layer: Layer, size: [usize; 2]) -> f64 {
        ops::gram_work(self.map_shape(layer, size))
    }

    /// The work of a matrix product of so many multiplications, as in [`Cost::work`].
    pub(crate) fn products_work(&self, multiplications: usize) -> f64 {
        const CHANNELS: usize = 256;
        ops::gram_work([1, multiplications / (CHANNELS * CHANNELS), CHANNELS])
    }

    /// The shape of the features at a layer of an image of that height and width; without channels where it has none.
    fn map_shape(&self, layer: Layer, [height, width]: [usize; 2]) -> [usize; 3] {
        [height / layer.stride(), width / layer.stride(), self.channels(layer)]
    }

    /// The channels of the features at a layer; 0 where the weights do not reach it.
    pub(crate) fn channels(&self, layer: Layer) -> usize {
        let weight = layer.convolution().and_then(|index| self.convolutions.get(index));
        weight.map_or(0, |(weight, _)| weight.shape()[0])
    }

    /// The fastest plan that does with so many bytes, or the one that does with the fewest.
    pub(crate) fn plan_within(
        &self,
        size: [usize; 2],
        places: (&BTreeSet<Layer>, &BTreeSet<Layer>),
        bytes: usize,
    ) -> (Plan, Cost) {
        let costed = |plan: Plan| {
            let cost = self.cost(&plan, size, places, true);
            (plan, cost)
        };
        if self.ranks() > 1 {
            let (plan, cost) = costed(Plan::whole());
            let whole: usize = places.0.iter().map(|layer| self.map_bytes(*layer, size)).sum();
            return (plan, cost.shared(self.ranks(), whole));
        }
        let fastest = costed(Plan::fastest(size));
        if fastest.1.bytes <= bytes {
            return fastest;
        }
        let better = |a: (Plan, Cost), b: (Plan, Cost)| {
            let fits = b.1.bytes <= bytes;
            let first =
                if a.1.bytes <= bytes { !fits || a.1.work <= b.1.work } else { !fits && a.1.bytes <= b.1.bytes };
            if first { a } else { b }
        };
        Plan::all(size).into_iter().map(costed).fold(fastest, better)
    }

    /// What the way to targets costs.
    pub(crate) fn target_cost(&self, size: [usize; 2], places: (&BTreeSet<Layer>, &BTreeSet<Layer>)) -> Cost {
        self.cost(&Plan::of_targets(size), size, places, false)
    }

    /// What an evaluation costs for an image of that height and width, looked at as by [`Vgg19::measure`].
    pub(crate) fn cost(
        &self,
        plan: &Plan,
        [height, width]: [usize; 2],
        (features, grams): (&BTreeSet<Layer>, &BTreeSet<Layer>),
        gradient: bool,
    ) -> Cost {
        let layers: BTreeSet<Layer> = features.union(grams).copied().collect();
        let Some(&deepest) = layers.last() else { return Cost::default() };
        let mut shape = [height, width, 3];
        let mut outlines = Vec::new();
        for (convolutions, mode) in plan.segments() {
            let parts = self.parts(convolutions.clone(), features, grams, deepest);
            let Some(last) = parts.last() else { break };
            let divides = self.divides(convolutions, &layers, &parts);
            let mut shapes = vec![shape];
            for part in &parts {
                let scale = if part.pooled { 2 } else { 1 };
                let channels = part.convolution.map_or(shape[2], |index| self.convolutions[index].0.shape()[0]);
                shape = [shape[0] / scale, shape[1] / scale, channels];
                shapes.push(shape);
            }
            let reach = |part: &Part| match part.convolution {
                Some(_) => Reach::Convolution { pooled: part.pooled },
                None => Reach::Pooling,
            };
            let reaches = parts.iter().map(reach).collect();
            let looks = parts.iter().map(|part| part.look).collect();
            let mode = if divides { mode } else { SegmentMode::Keep };
            outlines.push((Outline { shapes, reaches, looks, mode, wanted: last.layer < deepest }, divides));
        }
        Cost::of(&outlines, gradient)
    }

    /// Some convolutions with their ReLUs and poolings, one operation for each, from the input `x` on. Hands the features at
    /// `layers` to `see` as soon as they are computed, in order of depth; what `see` does not keep is freed before the next
    /// layer. Gives the last map, if something deeper is wanted.
    fn compose<'t>(
        &self,
        convolutions: Range<usize>,
        mut x: Var<'t, T>,
        layers: &BTreeSet<Layer>,
        deepest: Layer,
        see: &mut impl FnMut(Layer, &Var<'t, T>),
    ) -> Option<Var<'t, T>> {
        let tape = x.tape();
        for index in convolutions.filter(|&index| index < self.convolutions.len()) {
            let (conv, relu, pool) = Layer::of_convolution(index);
            let (weight, bias) = &self.convolutions[index];
            let (weight, bias) = (tape.constant(weight), tape.constant(bias));
            let pool = pool.filter(|_| deepest > relu);
            if self.seamless || layers.contains(&conv) {
                x = if self.seamless {
                    let wrapped = ops::circular_pad(&x, 1);
                    ops::conv2d(&wrapped, &weight, Some(&bias), &ConvGeometry::default(), self.algorithm)
                } else {
                    ops::conv2d(&x, &weight, Some(&bias), &ConvGeometry::padded(1), self.algorithm)
                };
                if layers.contains(&conv) {
                    see(conv, &x);
                }
                if conv == deepest {
                    return None;
                }
                x = ops::relu(&x);
            } else {
                let fused = pool.filter(|_| !layers.contains(&relu)).map(|_| self.pooling);
                x = ops::conv2d_relu(&x, &weight, &bias, fused, self.algorithm);
                if fused.is_some() {
                    if let Some(pool) = pool.filter(|pool| layers.contains(pool)) {
                        see(pool, &x);
                    }
                    if pool == Some(deepest) {
                        return None;
                    }
                    continue;
                }
            }
            if layers.contains(&relu) {
                see(relu, &x);
            }
            if let Some(pool) = pool {
                x = self.pool(&x);
                if layers.contains(&pool) {
                    see(pool, &x);
                }
            }
            if deepest == relu || pool == Some(deepest) {
                return None;
            }
        }
        Some(x)
    }

    /// The classifier's layers, from pool5's features on.
    fn classify<'t>(
        &self,
        mut x: Var<'t, T>,
        layers: &BTreeSet<Layer>,
        deepest: Layer,
        see: &mut impl FnMut(Layer, &Var<'t, T>),
    ) {
        let mut linears = self.classifier.iter();
        for (index, layer) in Layer::all().filter(|layer| layer.is_classifier() && *layer <= deepest).enumerate() {
            // fc6, relu6, fc7, relu7, fc8.
            x = if index % 2 == 0 {
                let (weight, bias) = linears.next().expect("checked to be there");
                ops::linear(&x, &x.tape().constant(weight), &x.tape().constant(bias))
            } else {
                ops::relu(&x)
            };
            if layers.contains(&layer) {
                see(layer, &x);
            }
        }
    }

    fn pool<'t>(&self, x: &Var<'t, T>) -> Var<'t, T> {
        let windows = PoolGeometry::square(2);
        match self.pooling {
            Pooling::Max => ops::max_pool2d(x, &windows),
            Pooling::Average => ops::avg_pool2d(x, &windows),
        }
    }

    /// Whether the network can compute a layer for an image of that height and width.
    ///
    /// # Errors
    /// If the weights end before the layer, or the image's size does not do for it.
    pub fn check(&self, [height, width]: [usize; 2], layer: Layer) -> Result<(), NetworkError> {
        if layer > self.last() {
            return Err(NetworkError::Missing { layer, last: self.last() });
        }
        let least = layer.stride();
        if layer.is_classifier() && [height / 32, width / 32] != [7, 7] {
            return Err(NetworkError::Classifier { height, width, layer });
        }
        if height.min(width) < least {
            return Err(NetworkError::TooSmall { height, width, layer, least });
        }
        Ok(())
    }
}

/// An array in another precision, in the same memory order.
fn cast<T: Real, D: ndarray::Dimension>(array: ndarray::Array<f32, D>) -> Value<T> {
    array.mapv(|v| T::of(f64::from(v))).into()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::tape::Tape;

    #[test]
    fn the_classifier_follows_on_pool5_of_an_image_of_its_size() {
        let relu7 = "relu7".parse().unwrap();
        let weights = Weights::random_with_widths([2; 5], 1, Some(relu7));
        let (fc6, fc7) = match weights.classifier.as_deref() {
            Some([fc6, fc7]) => (fc6.clone(), fc7.clone()),
            other => panic!("fc6 and fc7 are needed for relu7, not {other:?}"),
        };
        let network = Vgg19::<f32>::new(weights);
        assert_eq!(network.last(), relu7);
        let tape = Tape::new();
        let image =
            tape.variable(Array3::from_shape_fn((224, 224, 3), |(i, j, c)| ((i * j + c) % 9) as f32 / 4.0 - 1.0));
        let layers = ["pool5", "fc6", "relu6", "relu7"].map(|name| name.parse::<Layer>().unwrap());
        let features = network.features(&image, layers).unwrap();
        let flat = |layer: Layer| ndarray::Array1::from(features[&layer].value().elements().into_owned());
        let expected = fc6.weight.dot(&flat(layers[0])) + &fc6.bias;
        approx::assert_abs_diff_eq!(flat(layers[1]), expected, epsilon = 1e-4);
        let expected = (fc7.weight.dot(&expected.mapv(|v| v.max(0.0))) + &fc7.bias).mapv(|v| v.max(0.0));
        approx::assert_abs_diff_eq!(flat(layers[3]), expected, epsilon = 1e-4);
        let gradients = ops::sum(&features[&relu7]).backward();
        assert!(gradients.get(&image).unwrap().iter().any(|&g| g != 0.0));

        let small = tape.constant(Array3::zeros((223, 224, 3)));
        let error = network.features(&small, [relu7]).err().unwrap().to_string();
        assert_eq!(error, "relu7 needs an image of 224×224 pixels, not 224×223");
        let fc8 = "fc8".parse().unwrap();
        let error = network.features(&image, [fc8]).err().unwrap();
        assert_eq!(error, NetworkError::Missing { layer: fc8, last: relu7 });
    }
}
