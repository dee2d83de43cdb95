//! A part of the network in bands of rows: what lies within it is never held whole.
//!
//! | file | holds |
//! |---|---|
//! | `outline` | shapes, and what follows from them: maps held whole, memory, work |
//! | `schedule` | which rows of which map are computed when |
//! | `chain` | one band of one map, there and back |
//! | `divided` | one map divided among processes |

mod chain;
mod divided;
mod outline;
mod schedule;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, Ix2, Ix3};

use super::feature_map;
use crate::kernels::gram::{self, GramSum};
use crate::kernels::{Buffers, ConvAlgorithm, Pooling};
use crate::tape::{Real, Tensor, Value, Var};
use chain::{Band, Link, Memory};
pub(crate) use divided::{Portion, Wanted, divided, own_rows};
pub(crate) use outline::{Look, Meter, Outline, gram_work};
pub(crate) use schedule::Reach;
use schedule::Schedule;

/// How a map of a [`segment`] follows from the one before, and what is seen of it.
pub struct SegmentLink<'t, T: Real> {
    /// Weight (out, in, 3, 3) and bias (out) of a convolution with padding 1 that a ReLU follows; `None` for a pooling alone.
    pub convolution: Option<(Var<'t, T>, Var<'t, T>)>,
    /// A 2×2 pooling with stride 2, behind the convolution or alone.
    pub pooling: Option<Pooling>,
    /// Whether the map is to be seen.
    pub features: bool,
    /// Whether its Gram matrix is.
    pub gram: bool,
}

/// How a [`segment`] is computed. All ways give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SegmentMode {
    /// Each map as a whole; those under a Gram matrix are kept for the way back.
    Keep,
    /// In bands of this many rows of the input. On the way back, maps under a Gram matrix are computed again, and those
    /// before them: memory for a little time (Chen, Xu, Zhang & Guestrin 2016, "Training deep nets with sublinear memory
    /// cost").
    Bands(usize),
}

/// What is seen of a map of a [`segment`].
pub struct SegmentSeen<'t, T: Real> {
    /// The map, (height, width, channels).
    pub features: Option<Var<'t, T>>,
    /// Its Gram matrix, as by [`gram_matrix`](super::gram_matrix()).
    pub gram: Option<Var<'t, T>>,
    /// Height times width.
    pub positions: usize,
}

/// Several convolutions with ReLUs and poolings in turn, as by [`conv2d_relu`](super::conv2d_relu()), with what is seen
/// of each map on the way, and the last map if it is `wanted`.
///
/// `x` is (height, width, in). Rows come from the top down, each as soon as those are there that it depends on, and the
/// gradient follows them: nothing is computed twice but what the mode says. One bit for each element of a convolution's
/// result is kept, and the input if anything is to be computed again.
///
/// The gradient of a map is summed in one order in all modes: of its Gram matrix, of the map as it was seen, of the map
/// behind it.
///
/// # Panics
/// If shapes do not fit, a weight or bias needs a gradient, or the algorithm does not
/// [fuse](ConvAlgorithm::fuses) a convolution with its pooling.
pub fn segment<'t, T: Real>(
    x: &Var<'t, T>,
    links: &[SegmentLink<'t, T>],
    mode: SegmentMode,
    wanted: bool,
    algorithm: ConvAlgorithm,
) -> (Vec<SegmentSeen<'t, T>>, Option<Var<'t, T>>) {
    let tape = x.tape();
    let segment = Segment::new(x, links, mode, wanted, algorithm);
    let Forward { seen, map, memories, kept } = segment.forward(x, tape.buffers());

    // The outputs in order: of each map its features and its Gram matrix, and the last map.
    let mut values = Vec::new();
    for (features, gram) in seen {
        values.extend(features);
        values.extend(gram.map(Value::from));
    }
    values.extend(map);
    let input = segment.outline.keeps_input().then(|| x.value().clone());
    let bytes = memories.iter().map(Memory::bytes).sum::<usize>()
        + kept.iter().flatten().map(Value::bytes).sum::<usize>()
        + input.as_ref().map_or(0, |_| x.kept_bytes());
    let looks = segment.outline.looks.clone();
    let positions: Vec<_> = segment.outline.shapes[1..].iter().map(|shape| shape[0] * shape[1]).collect();
    let outputs = tape.record_several("segment", &[x], values, bytes, move |cotangents, inputs| {
        let mut cotangents = cotangents.into_iter();
        let mut next = || cotangents.next().flatten();
        let mut gradients = Vec::new();
        for look in &segment.outline.looks {
            let features = if look.features { next() } else { None };
            let gram = if look.gram { next() } else { None };
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
    let seen = looks.iter().zip(positions).map(|(look, positions)| SegmentSeen {
        features: look.features.then(|| outputs.next().expect("as recorded")),
        gram: look.gram.then(|| outputs.next().expect("as recorded")),
        positions,
    });
    let seen = seen.collect();
    (seen, outputs.next())
}

/// The gradients that reach a map from outside of the segment.
struct Cotangents<T: Real> {
    /// With respect to the map itself, in the order in which they are added.
    tensors: Vec<Tensor<T>>,
    /// dG + dGᵀ, by which the features are multiplied for the gradient of their Gram matrix.
    gram: Option<Array2<T>>,
}

fn symmetric<T: Real>(dg: Tensor<T>) -> Array2<T> {
    let dg = dg.view().into_dimensionality::<Ix2>().expect("a matrix");
    &dg + &dg.t()
}

/// A segment, as a function of an input of one shape.
struct Segment<T: Real> {
    links: Vec<Link<T>>,
    outline: Outline,
    algorithm: ConvAlgorithm,
}

/// What the way there leaves.
struct Forward<T: Real> {
    /// By map, the features and the Gram matrix.
    seen: Vec<(Option<Value<T>>, Option<Array2<T>>)>,
    map: Option<Value<T>>,
    memories: Vec<Memory>,
    /// By map, features whose Gram matrix has a gradient.
    kept: Vec<Option<Value<T>>>,
}

impl<T: Real> Segment<T> {
    fn new(
        x: &Var<'_, T>,
        links: &[SegmentLink<'_, T>],
        mode: SegmentMode,
        wanted: bool,
        algorithm: ConvAlgorithm,
    ) -> Self {
        let looks = links.iter().map(|link| Look { features: link.features, gram: link.gram }).collect();
        let links: Vec<Link<T>> = links.iter().map(Link::of).collect();
        let (height, width, channels) = x.of_rank::<Ix3>("segment").dim();
        let mut shapes = vec![[height, width, channels]];
        for link in &links {
            let shape = link.shape(shapes[shapes.len() - 1]);
            assert!(shape[0] > 0 && shape[1] > 0, "segment: no window fits into {height}×{width}");
            shapes.push(shape);
        }
        let reaches = links.iter().map(Link::reach).collect();
        Self { links, outline: Outline { shapes, reaches, looks, mode, wanted }, algorithm }
    }

    /// Memory for so many rows of a map.
    fn rows(&self, map: usize, rows: usize, buffers: &Arc<Buffers<T>>) -> Tensor<T> {
        let [_, width, channels] = self.outline.shapes[map];
        Tensor::unspecified(&[rows, width, channels], buffers)
    }

    fn forward(&self, x: &Var<'_, T>, buffers: &Arc<Buffers<T>>) -> Forward<T> {
        let (masked, last) = (x.needs_gradient(), self.links.len());
        let schedule = self.outline.schedule(last, 0);
        let input = x.of_rank::<Ix3>("segment");
        let mut bands: Vec<Option<Band<T>>> = (0..=last).map(|_| None).collect();
        let mut memories: Vec<Memory> = Vec::new();
        let mut sums: Vec<Option<GramSum<T>>> = (1..=last)
            .map(|map| {
                self.outline.looks[map - 1]
                    .gram
                    .then(|| GramSum::new(self.outline.shapes[map][2], self.outline.cells(map)))
            })
            .collect();
        for step in 0..schedule.steps() {
            for map in 1..=last {
                if masked && step == 0 {
                    memories.push(self.links[map - 1].memory(self.outline.shapes[map - 1], buffers));
                }
                let rows = schedule.computed(step, map);
                if rows.is_empty() {
                    continue;
                }
                let mut band = bands[map].take().unwrap_or_else(|| {
                    if self.outline.whole(map, masked) {
                        Band::whole(self.rows(map, self.outline.shapes[map][0], buffers))
                    } else {
                        Band::new(self.rows(map, schedule.most_forward(map), buffers))
                    }
                });
                band.slide(schedule.held_forward(step, map));
                self.compute(map, rows.clone(), (&input, &bands), &mut band, memories.get_mut(map - 1), buffers);
                if let Some(sum) = &mut sums[map - 1] {
                    let channels = self.outline.shapes[map][2];
                    let view = band.view(rows);
                    let positions = view.len() / channels;
                    sum.add(&view.into_shape_with_order((positions, channels)).expect("row-major"));
                }
                bands[map] = Some(band);
                // What nobody needs any more is free for the next map.
                if step + 1 == schedule.steps() && map > 1 && !self.outline.whole(map - 1, masked) {
                    bands[map - 1] = None;
                }
            }
        }
        let grams = sums.into_iter().map(|sum| sum.map(GramSum::finish));
        let (mut seen, mut kept, mut wanted) = (Vec::new(), vec![None], None);
        for (map, gram) in (1..=last).zip(grams) {
            let value = bands[map]
                .take()
                .filter(|_| self.outline.whole(map, masked))
                .map(|band| Value::from(band.into_tensor()));
            kept.push(value.clone().filter(|_| masked && self.outline.looks[map - 1].gram));
            if map == last && self.outline.wanted {
                wanted.clone_from(&value);
            }
            seen.push((value.filter(|_| self.outline.looks[map - 1].features), gram));
        }
        Forward { seen, map: wanted, memories, kept }
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
        let (height, from) = (self.outline.shapes[map][0], self.outline.shapes[map - 1][0]);
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
        let again = self.outline.again(|map| cotangents[map - 1].gram.is_some()).unwrap_or(0);
        let schedule = self.outline.schedule(last, again);
        let input = input.map(|input| input.of_rank::<Ix3>("segment"));
        // By map, gradients and behind them the features whose place they take, and whether a gradient is there first.
        let mut bands: Vec<Option<Band<T>>> = (0..=last).map(|_| None).collect();
        let mut given = vec![false; last + 1];
        for map in 1..=last {
            let cotangents = &mut cotangents[map - 1];
            let features = kept[map].take().filter(|_| cotangents.gram.is_some());
            if let Some(features) = features {
                bands[map] = Some(Band::whole(features.into_tensor().unwrap_or_else(|shared| {
                    let mut copy = self.rows(map, self.outline.shapes[map][0], buffers);
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
                    (self.outline.shapes[map][0], self.outline.shapes.get(map + 1).map_or(0, |shape| shape[0]));
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
                        gram::times_in_place(f, &symmetric.view(), self.outline.cells(map), buffers);
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

    /// The band of a map, made ready for a step of the way back.
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
