//! A link of the network divided among [peers](crate::peers): each computes some rows of the map, there and back.
//!
//! Nothing is computed twice. Rows beside their own are exchanged: of the input on the way there, of the map's gradient on the
//! way back, and of the bits that the way back needs. A Gram matrix is a sum over cells of rows in one order: the sum goes from
//! one peer to the next, each adds its cells, and the last tells all. So everything has the bits that it has in one process.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{ArrayView3, Ix3, s};

use super::chain::{Link, Memory};
use super::schedule::TILE;
use super::{SegmentLink, SegmentSeen, symmetric};
use crate::kernels::gram::{self, Cells, GramCells};
use crate::kernels::{Buffers, ConvAlgorithm};
use crate::ops::{feature_map, feature_map_mut};
use crate::peers::{Peers, around, bytes, bytes_mut, share_rows};
use crate::tape::{Real, Tensor, Value, Var};

/// A map between two links.
#[derive(Clone)]
pub struct Portion<'t, T: Real> {
    /// The whole map, or this peer's own rows of it.
    pub map: Var<'t, T>,
    /// Rows of the whole map.
    pub height: usize,
    /// How much of it there is.
    pub extent: Extent,
}

impl<'t, T: Real> Portion<'t, T> {
    /// A map that every peer holds.
    pub fn whole(map: Var<'t, T>) -> Self {
        Self { height: map.shape()[0], map, extent: Extent::Whole }
    }
}

/// How much of a map a peer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Its own rows.
    Own,
}

/// The rows of a map that are a peer's own: nearly equal numbers, cut where both tiles of convolutions and cells of Gram
/// matrices begin. Some peers may have none.
fn own(height: usize, width: usize, rank: usize, size: usize) -> Range<usize> {
    let alignment = Cells::of(height, width).rows().max(TILE);
    let cut = |rank: usize| {
        let nearest = (2 * height * rank + size * alignment) / (2 * size * alignment) * alignment;
        if rank == size { height } else { nearest.min(height) }
    };
    cut(rank)..cut(rank + 1)
}

/// One link of a [`segment`](super::segment), divided among the peers: what is seen of the map, which all have as a whole, and
/// the map itself for the next link, if that is `wanted`. The same bits as a segment's.
///
/// # Panics
/// As a segment.
pub fn divided<'t, T: Real>(
    x: &Portion<'t, T>,
    link: &SegmentLink<'t, T>,
    wanted: Option<Extent>,
    algorithm: ConvAlgorithm,
    peers: &Arc<dyn Peers>,
) -> (SegmentSeen<'t, T>, Option<Portion<'t, T>>) {
    let tape = x.map.tape();
    let divided = Divided::new(x, Link::of(link), algorithm, peers);
    let (height, positions) = (divided.result[0], divided.result[0] * divided.result[1]);
    let masked = x.map.needs_gradient();
    let (y, memory) = divided.forward(x, masked, link.features || wanted == Some(Extent::Whole), tape.buffers());
    let gram = link.gram.then(|| divided.gram(&y.own()));

    // The outputs in order: the features, the Gram matrix, the map.
    let mut values: Vec<Value<T>> = Vec::new();
    values.extend(link.features.then(|| y.value.clone()));
    values.extend(gram.map(Value::from));
    values.extend(wanted.map(|extent| match extent {
        Extent::Whole => y.value.clone(),
        Extent::Own => y.own_value(tape.buffers()),
    }));
    let kept = (masked && link.gram).then_some(y);
    let bytes = memory.as_ref().map_or(0, Memory::bytes) + kept.as_ref().map_or(0, |y| y.value.bytes());
    let (features, has_gram) = (link.features, link.gram);
    let outputs = tape.record_several("divided", &[&x.map], values, bytes, move |cotangents, inputs| {
        let mut cotangents = cotangents.into_iter();
        let mut next = |is_there: bool| if is_there { cotangents.next().flatten() } else { None };
        let (features, gram) = (next(features), next(has_gram));
        let map = next(wanted.is_some());
        // Gradients of what is whole, and of what are own rows.
        let whole = features.into_iter();
        let (whole, map) =
            if wanted == Some(Extent::Whole) { (whole.chain(map).collect(), None) } else { (whole.collect(), map) };
        let cotangents = Cotangents { gram: kept.zip(gram), whole, own: map };
        let buffers = Arc::clone(inputs.buffers());
        inputs.write(0, |dx, accumulate| {
            let dx = dx.into_dimensionality::<Ix3>().expect("as the input");
            divided.backward(memory.expect("kept for the way back"), cotangents, (dx, accumulate), &buffers);
        });
    });
    let mut outputs = outputs.into_iter();
    let mut next = |is_there: bool| is_there.then(|| outputs.next().expect("as recorded"));
    let seen = SegmentSeen { features: next(link.features), gram: next(link.gram), positions };
    let map = wanted.map(|extent| Portion { map: next(true).expect("as recorded"), height, extent });
    (seen, map)
}

/// The gradients that reach the map.
struct Cotangents<T: Real> {
    /// The features, and the gradient of their Gram matrix.
    gram: Option<(Rows<T>, Tensor<T>)>,
    /// With respect to the whole map; then of this peer's own rows. In the order in which they are added.
    whole: Vec<Tensor<T>>,
    own: Option<Tensor<T>>,
}

/// Rows of a map, a peer's own among them.
struct Rows<T: Real> {
    value: Value<T>,
    /// The rows that are held, and those that are own.
    held: Range<usize>,
    own: Range<usize>,
}

impl<T: Real> Rows<T> {
    /// This peer's own.
    fn own(&self) -> ArrayView3<'_, T> {
        let rows =
            if self.own.is_empty() { 0..0 } else { self.own.start - self.held.start..self.own.end - self.held.start };
        self.value.of_rank::<Ix3>("divided").slice_move(s![rows, .., ..])
    }

    /// This peer's own rows as a value.
    fn own_value(&self, buffers: &Arc<Buffers<T>>) -> Value<T> {
        if self.held == self.own {
            return self.value.clone();
        }
        let own = self.own();
        let mut copy = Tensor::unspecified(own.shape(), buffers);
        feature_map_mut(&mut copy).assign(&own);
        copy.into()
    }
}

/// A link, the shapes before and behind it, and who has which of their rows.
struct Divided<T: Real> {
    link: Link<T>,
    algorithm: ConvAlgorithm,
    /// (height, width, channels) of the whole maps.
    input: [usize; 3],
    result: [usize; 3],
    /// How much of the input there is.
    extent: Extent,
    /// Rows of input and result by peer.
    own_input: Vec<Range<usize>>,
    own_result: Vec<Range<usize>>,
    peers: Arc<dyn Peers>,
}

impl<T: Real> Divided<T> {
    fn new(x: &Portion<'_, T>, link: Link<T>, algorithm: ConvAlgorithm, peers: &Arc<dyn Peers>) -> Self {
        let (_, width, channels) = x.map.of_rank::<Ix3>("divided").dim();
        let input = [x.height, width, channels];
        let result = link.shape(input);
        let rows = |shape: [usize; 3]| {
            (0..peers.size()).map(|rank| own(shape[0], shape[1], rank, peers.size())).collect::<Vec<_>>()
        };
        let (own_input, own_result) = (rows(input), rows(result));
        Self { link, algorithm, input, result, extent: x.extent, own_input, own_result, peers: Arc::clone(peers) }
    }

    fn heights(&self) -> (usize, usize) {
        (self.input[0], self.result[0])
    }

    /// For each peer, rows that follow from those that are its own; none where it has none.
    fn from(own: &[Range<usize>], rows: impl Fn(&Range<usize>) -> Range<usize>) -> Vec<Range<usize>> {
        own.iter().map(|own| if own.is_empty() { 0..0 } else { rows(own) }).collect()
    }

    /// The map, as this peer's own rows or as a whole, and what is remembered of it for a way back.
    fn forward(
        &self,
        x: &Portion<'_, T>,
        masked: bool,
        whole: bool,
        buffers: &Arc<Buffers<T>>,
    ) -> (Rows<T>, Option<Memory>) {
        let (rank, [height, width, channels]) = (self.peers.rank(), self.result);
        let x = self.input_rows(x, buffers);
        let own = self.own_result[rank].clone();
        let remembered = Self::from(&self.own_result, |rows| self.link.remembered(rows, self.heights()));
        let reached = Self::from(&self.own_input, |rows| self.link.reached(rows, self.heights()).0);
        let mut memory =
            masked.then(|| self.link.memory_of(around(&remembered[rank], &reached[rank]), self.input, buffers));
        let held = if whole { 0..height } else { own.clone() };
        let mut y = Tensor::unspecified(&[held.len(), width, channels], buffers);
        if !own.is_empty() {
            let from = x.value.of_rank::<Ix3>("divided");
            let from =
                |rows: Range<usize>| from.slice_move(s![rows.start - x.held.start..rows.end - x.held.start, .., ..]);
            let to = feature_map_mut(&mut y).slice_move(s![own.start - held.start..own.end - held.start, .., ..]);
            let (rows, input) = ((own.clone(), height), self.input[0]);
            self.link.compute(self.algorithm, rows, (from, input), to, memory.as_mut(), buffers);
        }
        let line = self.link.memory_line(self.input);
        if let Some(memory) = memory.as_mut().filter(|_| line > 0) {
            share_rows(&*self.peers, line, (&remembered, &reached), memory.bytes_mut());
        }
        if whole {
            let needs = vec![0..height; self.peers.size()];
            let line = width * channels * size_of::<T>();
            share_rows(&*self.peers, line, (&self.own_result, &needs), (bytes_mut(y.elements_mut()), 0));
        }
        (Rows { value: y.into(), held, own }, memory)
    }

    /// The input's rows that the own rows of the result are computed from.
    fn input_rows(&self, x: &Portion<'_, T>, buffers: &Arc<Buffers<T>>) -> Rows<T> {
        let (rank, [height, width, channels]) = (self.peers.rank(), self.input);
        let own = self.own_input[rank].clone();
        if self.extent == Extent::Whole {
            return Rows { value: x.map.value().clone(), held: 0..height, own };
        }
        let needs = Self::from(&self.own_result, |rows| self.link.needs(rows, self.heights()));
        let held = around(&own, &needs[rank]);
        let mut rows = Tensor::unspecified(&[held.len(), width, channels], buffers);
        if !own.is_empty() {
            let own = own.start - held.start..own.end - held.start;
            feature_map_mut(&mut rows).slice_mut(s![own, .., ..]).assign(&x.map.of_rank::<Ix3>("divided"));
        }
        let line = width * channels * size_of::<T>();
        share_rows(&*self.peers, line, (&self.own_input, &needs), (bytes_mut(rows.elements_mut()), held.start));
        Rows { value: rows.into(), held, own }
    }

    /// The Gram matrix of the whole map, of which this peer has the given rows.
    fn gram(&self, own: &ArrayView3<'_, T>) -> ndarray::Array2<T> {
        let (rank, last) = (self.peers.rank(), self.peers.size() - 1);
        let [height, width, channels] = self.result;
        let f = own.into_shape_with_order((own.len() / channels, channels)).expect("row-major");
        let cells = GramCells::of(&f, Cells::of(height, width));
        let receive = |sum: &mut [T]| {
            if rank > 0 {
                self.peers.exchange(&[], &mut [(rank - 1, bytes_mut(sum))]);
            }
        };
        let send = |sum: &[T]| {
            if rank < last {
                self.peers.exchange(&[(rank + 1, bytes(sum))], &mut []);
            }
        };
        let mut gram = cells.sum(receive, send);
        self.peers.broadcast(last, bytes_mut(gram.as_slice_mut().expect("row-major")));
        gram
    }

    /// Writes the gradient with respect to the input, or adds it.
    fn backward(
        &self,
        memory: Memory,
        cotangents: Cotangents<T>,
        (mut dx, accumulate): (ndarray::ArrayViewMut3<'_, T>, bool),
        buffers: &Arc<Buffers<T>>,
    ) {
        let rank = self.peers.rank();
        let own = self.own_input[rank].clone();
        let reached = cotangents.gram.is_some() || cotangents.own.is_some() || !cotangents.whole.is_empty();
        if reached {
            let (dy, first) = self.gradient_of_map(cotangents, buffers);
            if !own.is_empty() {
                let dy =
                    |rows: Range<usize>| feature_map(&dy).slice_move(s![rows.start - first..rows.end - first, .., ..]);
                let start = if self.extent == Extent::Whole { own.start } else { 0 };
                let to = dx.slice_mut(s![start..start + own.len(), .., ..]);
                let rows = (own, self.input[0]);
                self.link.pull(self.algorithm, rows, (dy, self.result[0]), &memory, to, accumulate, buffers);
            }
            if self.extent == Extent::Whole {
                let [height, width, channels] = self.input;
                let needs = vec![0..height; self.peers.size()];
                let all = bytes_mut(dx.as_slice_mut().expect("a gradient in row-major order"));
                share_rows(&*self.peers, width * channels * size_of::<T>(), (&self.own_input, &needs), (all, 0));
            }
        } else if !accumulate {
            dx.fill(T::zero());
        }
        if let Some(mask) = memory.mask {
            buffers.put_mask(mask);
        }
    }

    /// The gradient of the map at all rows that reach this peer's own rows of the input, and the first of the rows.
    fn gradient_of_map(&self, cotangents: Cotangents<T>, buffers: &Arc<Buffers<T>>) -> (Tensor<T>, usize) {
        let (rank, [height, width, channels]) = (self.peers.rank(), self.result);
        let own = self.own_result[rank].clone();
        let needs = Self::from(&self.own_input, |rows| self.link.reached(rows, self.heights()).1);
        let held = around(&own, &needs[rank]);
        let mut rows = Tensor::unspecified(&[held.len(), width, channels], buffers);
        if !own.is_empty() {
            let place = own.start - held.start..own.end - held.start;
            let mut begun = false;
            if let Some((features, gram)) = cotangents.gram {
                let line = width * channels;
                let to = &mut rows.elements_mut()[place.start * line..place.end * line];
                let features = features.own();
                let features = features.as_slice().expect("row-major");
                gram::times(features, &symmetric(gram).view(), to, Cells::of(height, width), false);
                begun = true;
            }
            let mut to = feature_map_mut(&mut rows).slice_move(s![place, .., ..]);
            let whole = cotangents.whole.iter().map(|map| feature_map(map).slice_move(s![own.clone(), .., ..]));
            for part in whole.chain(cotangents.own.iter().map(|map| feature_map(map))) {
                if begun {
                    ndarray::Zip::from(&mut to).and(&part).par_for_each(|to, &part| *to += part);
                } else {
                    to.assign(&part);
                    begun = true;
                }
            }
        }
        let line = width * channels * size_of::<T>();
        share_rows(&*self.peers, line, (&self.own_result, &needs), (bytes_mut(rows.elements_mut()), held.start));
        (rows, held.start)
    }
}
