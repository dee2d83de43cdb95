//! Tiled execution: a segment of the network in bands of rows. Maps within it never exist as a whole.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, Ix2, Ix3};

use super::link::{Band, Link, Memory};
use super::model::SegmentModel;
use super::schedule::Schedule;
use super::{Outputs, Requested, Tiling};
use crate::kernels::gram::{self, GramSum};
use crate::kernels::{Buffers, ConvAlgorithm};
use crate::ops::feature_map;
use crate::tape::{Real, Tensor, Value, Var};

/// Several convolutions with ReLUs and poolings in turn, as by [`conv2d_relu`](crate::ops::conv2d_relu()). Returns the
/// requested observations of each map, and the last map if it is `wanted`.
///
/// `x` is (height, width, in). Rows are computed from the top down, each as soon as the rows it depends on exist, and the gradient
/// follows the same way. Only gradient checkpointing computes rows again. Keeps one bit for each element of a convolution's
/// result, and the input if rows must be computed again.
///
/// Under every tiling, the gradient of a map is summed in the same order: from its Gram matrix, from the requested
/// features, from the next map.
///
/// # Panics
/// If shapes do not fit, or the algorithm does not [fuse](ConvAlgorithm::fuses) a convolution with its pooling.
pub fn segment<'t, T: Real>(
    x: &Var<'t, T>,
    links: Vec<(Link<T>, Requested)>,
    tiling: Tiling,
    wanted: bool,
    algorithm: ConvAlgorithm,
) -> (Vec<Outputs<'t, T>>, Option<Var<'t, T>>) {
    let tape = x.tape();
    let segment = Segment::new(x, links, tiling, wanted, algorithm);
    let Forward { found, map, memories, kept } = segment.forward(x, tape.buffers());

    // The outputs in order: the features and the Gram matrix of each map, then the last map.
    let mut values = Vec::new();
    for (features, gram) in found {
        values.extend(features);
        values.extend(gram.map(Value::from));
    }
    values.extend(map);
    let input = segment.model.keeps_input().then(|| x.value().clone());
    let bytes = memories.iter().map(Memory::bytes).sum::<usize>()
        + kept.iter().flatten().map(Value::bytes).sum::<usize>()
        + input.as_ref().map_or(0, |_| x.kept_bytes());
    let requested = segment.model.requested.clone();
    let positions: Vec<_> = segment.model.shapes[1..].iter().map(|shape| shape[0] * shape[1]).collect();
    let outputs = tape.record_several("segment", &[x], values, bytes, move |cotangents, inputs| {
        let mut cotangents = cotangents.into_iter();
        let mut next = || cotangents.next().flatten();
        let mut gradients = Vec::new();
        for requested in &segment.model.requested {
            let features = if requested.features { next() } else { None };
            let gram = if requested.gram { next() } else { None };
            gradients.push(Cotangents { tensors: features.into_iter().collect(), gram: gram.map(symmetric) });
        }
        if let Some(map) = next() {
            gradients.last_mut().expect("at least one map").tensors.push(map);
        }
        let buffers = Arc::clone(inputs.buffers());
        inputs.write(0, |dx, accumulate| {
            let dx = dx.into_dimensionality::<Ix3>().expect("as the input");
            segment.backward(input.as_ref(), memories, kept, gradients, (dx, accumulate), &buffers);
        });
    });
    let mut outputs = outputs.into_iter();
    let found = requested.iter().zip(positions).map(|(requested, positions)| Outputs {
        features: requested.features.then(|| outputs.next().expect("as recorded")),
        gram: requested.gram.then(|| outputs.next().expect("as recorded")),
        positions,
    });
    let found = found.collect();
    (found, outputs.next())
}

/// The gradients that a map receives from outside the segment.
struct Cotangents<T: Real> {
    /// Gradients with respect to the map itself, in the order of addition.
    tensors: Vec<Tensor<T>>,
    /// dG + dGᵀ: the features times this are the gradient of their Gram matrix.
    gram: Option<Array2<T>>,
}

pub(super) fn symmetric<T: Real>(dg: Tensor<T>) -> Array2<T> {
    gram::symmetric(&dg.view().into_dimensionality::<Ix2>().expect("a matrix"))
}

/// A segment for an input of a given shape.
struct Segment<T: Real> {
    links: Vec<Link<T>>,
    model: SegmentModel,
    algorithm: ConvAlgorithm,
}

/// The results of the forward pass.
struct Forward<T: Real> {
    /// By map, the features and the Gram matrix.
    found: Vec<(Option<Value<T>>, Option<Array2<T>>)>,
    map: Option<Value<T>>,
    memories: Vec<Memory>,
    /// By map, features whose Gram matrix has a gradient.
    kept: Vec<Option<Value<T>>>,
}

impl<T: Real> Segment<T> {
    fn new(
        x: &Var<'_, T>,
        links: Vec<(Link<T>, Requested)>,
        tiling: Tiling,
        wanted: bool,
        algorithm: ConvAlgorithm,
    ) -> Self {
        let (links, requested): (Vec<_>, Vec<_>) = links.into_iter().unzip();
        let (height, width, channels) = x.of_rank::<Ix3>("segment").dim();
        let mut shapes = vec![[height, width, channels]];
        for link in &links {
            let shape = link.shape(shapes[shapes.len() - 1]);
            assert!(shape[0] > 0 && shape[1] > 0, "segment: no window fits into {height}×{width}");
            shapes.push(shape);
        }
        let dependencies = links.iter().map(Link::dependency).collect();
        Self {
            links,
            model: SegmentModel {
                shapes,
                dependencies,
                sampled: vec![false; requested.len()],
                requested,
                tiling,
                wanted,
            },
            algorithm,
        }
    }

    /// Memory for a number of rows of a map.
    fn rows(&self, map: usize, rows: usize, buffers: &Arc<Buffers<T>>) -> Tensor<T> {
        let [_, width, channels] = self.model.shapes[map];
        Tensor::unspecified(&[rows, width, channels], buffers)
    }

    fn forward(&self, x: &Var<'_, T>, buffers: &Arc<Buffers<T>>) -> Forward<T> {
        let (masked, last) = (x.needs_gradient(), self.links.len());
        let schedule = self.model.schedule(last, 0);
        let input = x.of_rank::<Ix3>("segment");
        let mut bands: Vec<Option<Band<T>>> = (0..=last).map(|_| None).collect();
        let mut memories: Vec<Memory> = Vec::new();
        let mut sums: Vec<Option<GramSum<T>>> = (1..=last)
            .map(|map| {
                self.model.requested[map - 1]
                    .gram
                    .then(|| GramSum::new(self.model.shapes[map][2], self.model.cells(map)))
            })
            .collect();
        for step in 0..schedule.steps() {
            for map in 1..=last {
                if masked && step == 0 {
                    memories.push(self.links[map - 1].memory(self.model.shapes[map - 1], buffers));
                }
                let rows = schedule.computed(step, map);
                if rows.is_empty() {
                    continue;
                }
                let mut band = bands[map].take().unwrap_or_else(|| {
                    if self.model.whole(map, masked) {
                        Band::whole(self.rows(map, self.model.shapes[map][0], buffers))
                    } else {
                        Band::new(self.rows(map, schedule.most_forward(map), buffers))
                    }
                });
                band.slide(schedule.held_forward(step, map));
                self.compute(map, rows.clone(), (&input, &bands), &mut band, memories.get_mut(map - 1), buffers);
                if let Some(sum) = &mut sums[map - 1] {
                    let channels = self.model.shapes[map][2];
                    let view = band.view(rows);
                    let positions = view.len() / channels;
                    sum.add(&view.into_shape_with_order((positions, channels)).expect("row-major"), buffers);
                }
                bands[map] = Some(band);
                // The previous map is no longer needed.
                if step + 1 == schedule.steps() && map > 1 && !self.model.whole(map - 1, masked) {
                    bands[map - 1] = None;
                }
            }
        }
        let grams = sums.into_iter().map(|sum| sum.map(GramSum::finish));
        let (mut found, mut kept, mut wanted) = (Vec::new(), vec![None], None);
        for (map, gram) in (1..=last).zip(grams) {
            let value =
                bands[map].take().filter(|_| self.model.whole(map, masked)).map(|band| Value::from(band.into_tensor()));
            kept.push(value.clone().filter(|_| masked && self.model.requested[map - 1].gram));
            if map == last && self.model.wanted {
                wanted.clone_from(&value);
            }
            found.push((value.filter(|_| self.model.requested[map - 1].features), gram));
        }
        Forward { found, map: wanted, memories, kept }
    }

    /// Computes rows of a map, from the input or from the band of the map before.
    fn compute(
        &self,
        map: usize,
        rows: Range<usize>,
        (input, bands): (&ArrayView3<'_, T>, &[Option<Band<T>>]),
        band: &mut Band<T>,
        memory: Option<&mut Memory>,
        buffers: &Buffers<T>,
    ) {
        let x = |rows: Range<usize>| match &bands[map - 1] {
            Some(band) => band.view(rows),
            None => input.slice(ndarray::s![rows, .., ..]),
        };
        let (height, from) = (self.model.shapes[map][0], self.model.shapes[map - 1][0]);
        let y = band.view_mut(rows.clone());
        self.links[map - 1].compute(self.algorithm, (rows, height), (x, from), y, memory, buffers);
    }

    /// Writes the gradient with respect to the input, or adds it.
    fn backward(
        &self,
        input: Option<&Value<T>>,
        mut memories: Vec<Memory>,
        mut kept: Vec<Option<Value<T>>>,
        mut cotangents: Vec<Cotangents<T>>,
        (mut dx, accumulate): (ndarray::ArrayViewMut3<'_, T>, bool),
        buffers: &Arc<Buffers<T>>,
    ) {
        let reached = |cotangents: &Cotangents<T>| cotangents.gram.is_some() || !cotangents.tensors.is_empty();
        let Some(last) = cotangents.iter().rposition(reached).map(|index| index + 1) else {
            if !accumulate {
                dx.fill(T::zero());
            }
            return;
        };
        let again = self.model.again(|map| cotangents[map - 1].gram.is_some()).unwrap_or(0);
        let schedule = self.model.schedule(last, again);
        let input = input.map(|input| input.of_rank::<Ix3>("segment"));
        // By map, gradients followed by the features that they overwrite, and whether a gradient exists beforehand.
        let mut bands: Vec<Option<Band<T>>> = (0..=last).map(|_| None).collect();
        let mut given = vec![false; last + 1];
        for map in 1..=last {
            let cotangents = &mut cotangents[map - 1];
            let features = kept[map].take().filter(|_| cotangents.gram.is_some());
            if let Some(features) = features {
                bands[map] = Some(Band::whole(features.into_tensor().unwrap_or_else(|shared| {
                    let mut copy = self.rows(map, self.model.shapes[map][0], buffers);
                    copy.assign(&shared);
                    copy
                })));
            } else if map > again && !cotangents.tensors.is_empty() {
                bands[map] = Some(Band::whole(cotangents.tensors.remove(0)));
                given[map] = true;
            }
        }
        for step in 0..schedule.steps() {
            for map in 1..=again {
                let mut band = self.slid(map, step, &schedule, &mut bands, buffers);
                let rows = schedule.computed(step, map);
                if !rows.is_empty() {
                    let input = input.as_ref().expect("kept to compute from");
                    self.compute(map, rows, (input, &bands), &mut band, None, buffers);
                }
                bands[map] = Some(band);
            }
            for map in (0..=last).rev() {
                let rows = schedule.pulled(step, map);
                let (height, result) =
                    (self.model.shapes[map][0], self.model.shapes.get(map + 1).map_or(0, |shape| shape[0]));
                if map == 0 {
                    if !rows.is_empty() {
                        let dy = |rows: Range<usize>| bands[1].as_ref().expect("held").view(rows);
                        let to = dx.slice_mut(ndarray::s![rows.clone(), .., ..]);
                        let link = &self.links[0];
                        link.pull(self.algorithm, (rows, height), (dy, result), &memories[0], to, accumulate, buffers);
                    }
                    continue;
                }
                let mut band = if map > again {
                    self.slid(map, step, &schedule, &mut bands, buffers)
                } else {
                    bands[map].take().expect("slid")
                };
                if !rows.is_empty() {
                    let mut begun = given[map];
                    let cotangents = &cotangents[map - 1];
                    if let Some(symmetric) = &cotangents.gram {
                        let f = band.elements_mut(rows.clone());
                        gram::times_in_place(f, &symmetric.view(), self.model.cells(map), buffers);
                        begun = true;
                    }
                    for tensor in &cotangents.tensors {
                        let part = feature_map(tensor).slice_move(ndarray::s![rows.clone(), .., ..]);
                        let mut to = band.view_mut(rows.clone());
                        if begun {
                            ndarray::Zip::from(&mut to).and(&part).par_for_each(|to, &part| *to += part);
                        } else {
                            to.assign(&part);
                            begun = true;
                        }
                    }
                    if map < last {
                        let dy = |rows: Range<usize>| bands[map + 1].as_ref().expect("held").view(rows);
                        let (link, to) = (&self.links[map], band.view_mut(rows.clone()));
                        link.pull(self.algorithm, (rows, height), (dy, result), &memories[map], to, begun, buffers);
                    }
                }
                bands[map] = Some(band);
                if step + 1 == schedule.steps() && map < last {
                    bands[map + 1] = None;
                    if let Some(mask) = memories[map].mask.take() {
                        buffers.put_mask(mask);
                    }
                }
            }
        }
        memories.into_iter().filter_map(|memory| memory.mask).for_each(|mask| buffers.put_mask(mask));
    }

    /// The band of a map, moved to the rows of a step of the backward pass.
    fn slid(
        &self,
        map: usize,
        step: usize,
        schedule: &Schedule,
        bands: &mut [Option<Band<T>>],
        buffers: &Arc<Buffers<T>>,
    ) -> Band<T> {
        let new = || Band::new(self.rows(map, schedule.most_backward(map), buffers));
        let mut band = bands[map].take().unwrap_or_else(new);
        band.slide(schedule.held_backward(step, map));
        band
    }
}
