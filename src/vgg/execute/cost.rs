//! The memory and time of an evaluation, computed from shapes alone, and the choice of a plan by them.

use std::collections::BTreeSet;

use super::model::{MemoryMeter, SegmentModel, gram_work};
use super::schedule::Dependency;
use super::{Plan, Request, Requested, Tiling};
use crate::kernels::conv::{self, Shape};
use crate::kernels::gram;
use crate::tape::Real;
use crate::vgg::network::{Operation, Step};
use crate::vgg::{Layer, Vgg19};

/// The cost of one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// The peak memory in bytes, without the image itself and targets.
    pub bytes: usize,
    /// The part of `bytes` for maps and for what the backward pass keeps.
    pub maps: usize,
    /// Seconds on the reference machine (Zen 4 in docs/performance.md); only ratios matter.
    pub work: f64,
}

impl Cost {
    /// The cost for each of `ranks` ranks: its own rows of the maps with some neighbouring ones, and whole features of
    /// `features` bytes with their gradient.
    fn sharded(self, ranks: usize, features: usize) -> Self {
        let maps = (self.maps / ranks * 5 / 4 + 2 * features).min(self.maps + 2 * features);
        Self { bytes: self.bytes - self.maps + maps, maps, work: self.work / ranks as f64 }
    }

    /// The cost of segments, each with whether it can be tiled or is computed by single operations.
    fn of(segments: &[(SegmentModel, bool)], gradient: bool) -> Self {
        let mut meter = MemoryMeter::default();
        // Single operations hold one more operand or result.
        let beside = |(model, divides): &(SegmentModel, bool)| {
            let largest = (0..=model.last()).map(|map| model.bytes(map)).max().unwrap_or(0);
            if *divides { 0 } else { 2 * largest }
        };
        // Whether the map between a segment and the previous one is only needed as this segment's input.
        let only_input =
            |index: usize| index > 0 && !segments[index - 1].0.stays(segments[index - 1].0.last(), gradient);
        for (index, segment) in segments.iter().enumerate() {
            meter.allocate(beside(segment));
            segment.0.forward(&mut meter, gradient);
            meter.free(beside(segment));
            if only_input(index) && !(gradient && segment.0.keeps_input()) {
                meter.free(segment.0.bytes(0));
            }
        }
        if gradient {
            meter.allocate(segments.iter().map(|(model, _)| model.sampled_bytes()).sum());
            for (index, segment) in segments.iter().enumerate().rev() {
                meter.allocate(beside(segment));
                segment.0.backward(&mut meter);
                meter.free(beside(segment));
                if only_input(index) && segment.0.keeps_input() {
                    meter.free(segment.0.bytes(0));
                }
            }
        }
        let maps = meter.peak();
        Self {
            bytes: maps + scratch(segments),
            maps,
            work: segments.iter().map(|(model, _)| model.work(gradient)).sum(),
        }
    }
}

/// Bytes of scratch memory for convolutions, their gradients, and Gram matrices.
fn scratch(segments: &[(SegmentModel, bool)]) -> usize {
    let threads = rayon::current_num_threads();
    let (mut shapes, mut grams) = (Vec::new(), 0);
    for (model, _) in segments {
        for map in 1..=model.last() {
            let [height, width, inputs] = model.shapes[map - 1];
            let outputs = model.shapes[map][2];
            if model.dependencies[map - 1] != Dependency::Pooling {
                let size = [height.div_ceil(model.bands()), width];
                shapes.push(Shape { size, inputs, outputs });
                shapes.push(Shape { size, inputs: outputs, outputs: inputs });
            }
            if model.requested[map - 1].gram {
                grams = grams.max(gram::scratch_bytes::<f32>(outputs, model.cells(map), threads));
            }
        }
    }
    conv::scratch_bytes::<f32>(shapes, threads) + grams
}

impl<T: Real> Vgg19<T> {
    /// The fastest plan for an image of this height and width that fits into `bytes`, or else the plan that needs
    /// least; and the cost of an evaluation for each of `ranks` ranks.
    pub(crate) fn plan_within(&self, size: [usize; 2], request: &Request, ranks: usize, bytes: usize) -> (Plan, Cost) {
        let costed = |plan: Plan| {
            let cost = self.cost(&plan, size, request, true);
            (plan, cost)
        };
        if ranks > 1 {
            let (plan, cost) = costed(Plan::whole());
            let whole: usize = request.features.iter().map(|layer| self.map_bytes(*layer, size)).sum();
            return (plan, cost.sharded(ranks, whole));
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

    /// The cost of computing targets.
    pub(crate) fn target_cost(&self, size: [usize; 2], request: &Request) -> Cost {
        self.cost(&Plan::of_targets(size), size, request, false)
    }

    /// The cost of an evaluation under a plan, in one process, for an image of this height and width.
    pub(crate) fn cost(&self, plan: &Plan, [height, width]: [usize; 2], request: &Request, gradient: bool) -> Cost {
        // The raw result of a convolution costs as much as the rectified one.
        let layers: BTreeSet<Layer> = request.layers().into_iter().map(Layer::rectified).collect();
        let requested = |layer: Layer| {
            let asked = |set: &BTreeSet<Layer>| set.iter().any(|asked| asked.rectified() == layer);
            Requested { features: asked(&request.features), gram: asked(&request.grams) }
        };
        let tiles: Vec<_> =
            plan.divide(&self.steps(&request.layers())).iter().map(|(steps, _)| self.tiles(steps)).collect();
        let steps = self.steps(&layers);
        let steps: Vec<Step> = steps.into_iter().filter(|step| !step.layer.is_classifier()).collect();
        let (mut shape, mut models) = ([height, width, 3], Vec::new());
        let segments = plan.divide(&steps);
        let deepest = layers.last().copied();
        for (index, (steps, tiling)) in segments.into_iter().enumerate() {
            let (mut shapes, mut dependencies) = (vec![shape], Vec::new());
            for step in steps {
                let (channels, dependency) = match step.operation {
                    Operation::Convolution { index, pooled, .. } => {
                        (self.convolution(index).0.shape()[0], Dependency::Convolution { pooled })
                    }
                    _ => (shape[2], Dependency::Pooling),
                };
                let scale = if dependency.pools() { 2 } else { 1 };
                shape = [shape[0] / scale, shape[1] / scale, channels];
                shapes.push(shape);
                dependencies.push(dependency);
            }
            let requested = steps.iter().map(|step| requested(step.layer)).collect();
            let sampled = steps.iter().map(|step| request.sampled.contains(&step.layer)).collect();
            let tiling = if tiles[index] { tiling } else { Tiling::Whole };
            models.push((
                SegmentModel {
                    shapes,
                    dependencies,
                    requested,
                    sampled,
                    tiling,
                    wanted: steps.last().map(|step| step.layer) < deepest,
                },
                tiles[index],
            ));
        }
        Cost::of(&models, gradient)
    }

    /// Bytes of the features at a layer for an image of this height and width.
    pub(crate) fn map_bytes(&self, layer: Layer, size: [usize; 2]) -> usize {
        self.map_shape(layer, size).iter().product::<usize>() * size_of::<T>()
    }

    /// The work of the Gram matrix of those features, or of its gradient, in units of [`Cost::work`].
    pub(crate) fn gram_work(&self, layer: Layer, size: [usize; 2]) -> f64 {
        gram_work(self.map_shape(layer, size))
    }

    /// The work of a matrix product with this number of multiplications, in units of [`Cost::work`].
    pub(crate) fn products_work(multiplications: usize) -> f64 {
        // At the speed of a Gram matrix with this many channels.
        const CHANNELS: usize = 256;
        gram_work([1, multiplications / (CHANNELS * CHANNELS), CHANNELS])
    }

    /// The shape of the features at a layer for an image of this height and width, with 0 channels if the weights do
    /// not reach it.
    fn map_shape(&self, layer: Layer, [height, width]: [usize; 2]) -> [usize; 3] {
        [height / layer.stride(), width / layer.stride(), self.channels(layer)]
    }
}
