//! A link of the network divided among [peers](crate::peers): each computes some rows of the map, there and back.
//!
//! Nothing is computed twice. A few rows beside their own are exchanged: of the map on the way there, of its gradient on the
//! way back, and of the bits that the way back needs. A Gram matrix is a sum over cells of rows in one order: the sum goes from
//! one peer to the next, each adds its cells, and the last tells all. So everything has the bits that it has in one process.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, ArrayViewMut3, Ix3, Zip, s};

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
    /// The rows that are held here.
    pub map: Var<'t, T>,
    held: Held,
    /// Rows of the whole map.
    height: usize,
}

/// Which rows of a map a peer holds.
#[derive(Clone, Debug)]
enum Held {
    /// All of them, as all peers do.
    Whole,
    /// Its own and some beside them, which the next link needs.
    Some(Range<usize>),
}

impl<'t, T: Real> Portion<'t, T> {
    /// A map that every peer holds.
    pub fn whole(map: Var<'t, T>) -> Self {
        Self { height: map.shape()[0], map, held: Held::Whole }
    }

    /// The first row that is held.
    fn first(&self) -> usize {
        match &self.held {
            Held::Whole => 0,
            Held::Some(rows) => rows.start,
        }
    }
}

/// What becomes of the map behind a link, beside what is seen of it.
pub enum Wanted<'a, 't, T: Real> {
    /// Nothing.
    Nothing,
    /// All peers go on with the whole of it.
    Whole,
    /// Each goes on with its rows through this link.
    By(&'a SegmentLink<'t, T>),
}

/// The rows of a map that are a peer's own: nearly equal numbers, cut where both tiles of convolutions and cells of Gram
/// matrices begin. Some peers may have none.
pub fn own_rows(height: usize, width: usize, rank: usize, size: usize) -> Range<usize> {
    let alignment = Cells::of(height, width).rows().max(TILE);
    let cut = |rank: usize| {
        let nearest = (2 * height * rank + size * alignment) / (2 * size * alignment) * alignment;
        if rank == size { height } else { nearest.min(height) }
    };
    cut(rank)..cut(rank + 1)
}

/// One link of a [`segment`](super::segment()), divided among the peers: what is seen of the map, which all have as a whole,
/// and the map itself, if it is wanted. The same bits as a segment's. Features that are seen `by_rows` are each peer's [own
/// rows](own_rows) of them.
///
/// # Panics
/// As a segment.
pub fn divided<'t, T: Real>(
    x: &Portion<'t, T>,
    link: &SegmentLink<'t, T>,
    (wanted, by_rows): (&Wanted<'_, 't, T>, bool),
    algorithm: ConvAlgorithm,
    peers: &Arc<dyn Peers>,
) -> (SegmentSeen<'t, T>, Option<Portion<'t, T>>) {
    let tape = x.map.tape();
    let divided = Divided::new(x, link, wanted, algorithm, peers);
    let masked = x.map.needs_gradient();
    let whole = link.features && !by_rows || matches!(wanted, Wanted::Whole);
    let (y, memory) = divided.forward(x, masked, whole, tape.buffers());
    let gram = link.gram.then(|| divided.gram(&y.view(divided.own())));

    // The outputs in order: the features, the Gram matrix, the map.
    let mut values: Vec<Value<T>> = Vec::new();
    values.extend(link.features.then(|| if by_rows { y.part(divided.own(), tape.buffers()) } else { y.value.clone() }));
    values.extend(gram.map(Value::from));
    let held = match wanted {
        Wanted::Nothing => None,
        Wanted::Whole => Some(Held::Whole),
        Wanted::By(_) => Some(Held::Some(divided.beside())),
    };
    values.extend(held.as_ref().map(|held| match held {
        Held::Some(rows) => y.part(rows.clone(), tape.buffers()),
        Held::Whole => y.value.clone(),
    }));

    let (height, positions) = (divided.result[0], divided.result[0] * divided.result[1]);
    let kept = (masked && link.gram).then_some(y);
    let bytes = memory.as_ref().map_or(0, Memory::bytes) + kept.as_ref().map_or(0, |y| y.value.bytes());
    let (features, has_gram, map) = (link.features, link.gram, held.clone());
    let outputs = tape.record_several("divided", &[&x.map], values, bytes, move |cotangents, inputs| {
        let mut cotangents = cotangents.into_iter();
        let mut next = |is_there: bool| if is_there { cotangents.next().flatten() } else { None };
        let (features, gram) = (next(features), next(has_gram));
        let own = features.as_ref().filter(|_| by_rows).map(|_| divided.own().start);
        let features = features.map(|features| (features, own.unwrap_or(0)));
        let mut cotangents = Cotangents { gram: kept.zip(gram), seen: features.into_iter().collect(), beside: None };
        match map {
            None => {}
            Some(Held::Whole) => cotangents.seen.extend(next(true).map(|map| (map, 0))),
            Some(Held::Some(_)) => cotangents.beside = next(true),
        }
        let buffers = Arc::clone(inputs.buffers());
        inputs.write(0, |dx, accumulate| {
            let dx = dx.into_dimensionality::<Ix3>().expect("as the input");
            divided.backward(memory.expect("kept for the way back"), cotangents, (dx, accumulate), &buffers);
        });
    });
    let mut outputs = outputs.into_iter();
    let mut next = |is_there: bool| is_there.then(|| outputs.next().expect("as recorded"));
    let seen = SegmentSeen { features: next(link.features), gram: next(link.gram), positions };
    let map = held.map(|held| Portion { map: next(true).expect("as recorded"), held, height });
    (seen, map)
}

/// The gradients that reach the map, in the order in which they are added.
struct Cotangents<T: Real> {
    /// The features, and the gradient of their Gram matrix.
    gram: Option<(Rows<T>, Tensor<T>)>,
    /// With respect to the whole map, or to rows of it from this one on.
    seen: Vec<(Tensor<T>, usize)>,
    /// With respect to the rows that are held here; only those that are own are complete.
    beside: Option<Tensor<T>>,
}

/// Rows of a map.
struct Rows<T: Real> {
    value: Value<T>,
    first: usize,
}

impl<T: Real> Rows<T> {
    fn view(&self, rows: Range<usize>) -> ArrayView3<'_, T> {
        let rows = place(&rows, self.first);
        self.value.of_rank::<Ix3>("divided").slice_move(s![rows, .., ..])
    }

    /// Some of them as a value: a copy, unless they are all.
    fn part(&self, rows: Range<usize>, buffers: &Arc<Buffers<T>>) -> Value<T> {
        if rows.start == self.first && rows.len() == self.value.shape()[0] {
            return self.value.clone();
        }
        let rows = self.view(rows);
        let mut part = Tensor::unspecified(rows.shape(), buffers);
        feature_map_mut(&mut part).assign(&rows);
        part.into()
    }
}

/// Where rows are in what begins with the row `first`.
fn place(rows: &Range<usize>, first: usize) -> Range<usize> {
    if rows.is_empty() { 0..0 } else { rows.start - first..rows.end - first }
}

/// A link, the shapes before and behind it, and who has which of their rows.
struct Divided<T: Real> {
    link: Link<T>,
    algorithm: ConvAlgorithm,
    /// (height, width, channels) of the whole maps.
    input: [usize; 3],
    result: [usize; 3],
    /// Whether all hold the whole input, and otherwise the first row that is held.
    whole: bool,
    first: usize,
    /// By peer: the rows of input and result that are its own.
    own_input: Vec<Range<usize>>,
    own_result: Vec<Range<usize>>,
    /// Those of the result that it needs to go on.
    next: Vec<Range<usize>>,
    /// Those whose gradient it needs, and what must be remembered for it.
    reached: Vec<Range<usize>>,
    remembered: Vec<Range<usize>>,
    peers: Arc<dyn Peers>,
}

impl<T: Real> Divided<T> {
    fn new(
        x: &Portion<'_, T>,
        link: &SegmentLink<'_, T>,
        wanted: &Wanted<'_, '_, T>,
        algorithm: ConvAlgorithm,
        peers: &Arc<dyn Peers>,
    ) -> Self {
        let link = Link::of(link);
        let (_, width, channels) = x.map.of_rank::<Ix3>("divided").dim();
        let input = [x.height, width, channels];
        let result = link.shape(input);
        let rows = |[height, width, _]: [usize; 3]| -> Vec<_> {
            (0..peers.size()).map(|rank| own_rows(height, width, rank, peers.size())).collect()
        };
        let (own_input, own_result) = (rows(input), rows(result));
        let next = match wanted {
            Wanted::By(next) => {
                let next = Link::of(next);
                let behind = next.shape(result);
                from(&rows(behind), |rows| next.needs(rows, (result[0], behind[0])))
            }
            _ => vec![0..0; peers.size()],
        };
        let heights = (input[0], result[0]);
        let reached = from(&own_input, |rows| link.reached(rows, heights).1);
        let remembered = from(&own_input, |rows| link.reached(rows, heights).0);
        let (whole, first) = (matches!(x.held, Held::Whole), x.first());
        let peers = Arc::clone(peers);
        Self { link, algorithm, input, result, whole, first, own_input, own_result, next, reached, remembered, peers }
    }

    /// The rows of the result that are this peer's own.
    fn own(&self) -> Range<usize> {
        self.own_result[self.peers.rank()].clone()
    }

    /// These, and those that it needs beside them.
    fn beside(&self) -> Range<usize> {
        let rank = self.peers.rank();
        around(&self.own(), &around(&self.next[rank], &self.reached[rank]))
    }

    /// The map, as a whole or as the rows that are held, and what is remembered of it for a way back.
    fn forward(
        &self,
        x: &Portion<'_, T>,
        masked: bool,
        whole: bool,
        buffers: &Arc<Buffers<T>>,
    ) -> (Rows<T>, Option<Memory>) {
        let (rank, [height, width, channels]) = (self.peers.rank(), self.result);
        let heights = (self.input[0], height);
        let own = self.own();
        let computed = from(&self.own_result, |rows| self.link.remembered(rows, heights));
        let mut memory =
            masked.then(|| self.link.memory_of(around(&computed[rank], &self.remembered[rank]), self.input, buffers));
        let held = if whole { 0..height } else { self.beside() };
        let mut y = Tensor::unspecified(&[held.len(), width, channels], buffers);
        if !own.is_empty() {
            let x = x.map.of_rank::<Ix3>("divided");
            let x = |rows: Range<usize>| x.slice_move(s![place(&rows, self.first), .., ..]);
            let to = feature_map_mut(&mut y).slice_move(s![place(&own, held.start), .., ..]);
            let rows = (own, height);
            self.link.compute(self.algorithm, rows, (x, self.input[0]), to, memory.as_mut(), buffers);
        }
        let line = self.link.memory_line(self.input);
        if let Some(memory) = memory.as_mut().filter(|_| line > 0) {
            share_rows(&*self.peers, line, (&computed, &self.remembered), memory.bytes_mut());
        }
        if whole {
            self.share(&vec![0..height; self.peers.size()], &mut y, 0);
        } else {
            self.share(&self.next, &mut y, held.start);
        }
        (Rows { value: y.into(), first: held.start }, memory)
    }

    /// Fetches rows of the result, or of its gradient, that others have.
    fn share(&self, needs: &[Range<usize>], rows: &mut Tensor<T>, first: usize) {
        let line = self.result[1] * self.result[2] * size_of::<T>();
        share_rows(&*self.peers, line, (&self.own_result, needs), (bytes_mut(rows.elements_mut()), first));
    }

    /// The Gram matrix of the whole map, of which this peer has the given rows.
    fn gram(&self, own: &ArrayView3<'_, T>) -> Array2<T> {
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

    /// Writes the gradient with respect to the input, or adds it: that of this peer's own rows, and if the input is whole, of
    /// all.
    fn backward(
        &self,
        memory: Memory,
        cotangents: Cotangents<T>,
        (mut dx, accumulate): (ArrayViewMut3<'_, T>, bool),
        buffers: &Arc<Buffers<T>>,
    ) {
        let own = self.own_input[self.peers.rank()].clone();
        let reached = cotangents.gram.is_some() || cotangents.beside.is_some() || !cotangents.seen.is_empty();
        if !(accumulate || reached && self.whole) {
            // Rows beside the own are nobody's concern.
            let here = if reached { place(&own, self.first) } else { 0..0 };
            dx.slice_mut(s![..here.start, .., ..]).fill(T::zero());
            dx.slice_mut(s![here.end.., .., ..]).fill(T::zero());
        }
        if reached {
            let (dy, first) = self.gradient_of_map(cotangents, buffers);
            if !own.is_empty() {
                let dy = |rows: Range<usize>| feature_map(&dy).slice_move(s![place(&rows, first), .., ..]);
                let to = dx.slice_mut(s![place(&own, self.first), .., ..]);
                let rows = (own, self.input[0]);
                self.link.pull(self.algorithm, rows, (dy, self.result[0]), &memory, to, accumulate, buffers);
            }
            if self.whole {
                let [height, width, channels] = self.input;
                let needs = vec![0..height; self.peers.size()];
                let all = bytes_mut(dx.as_slice_mut().expect("a gradient in row-major order"));
                share_rows(&*self.peers, width * channels * size_of::<T>(), (&self.own_input, &needs), (all, 0));
            }
        }
        if let Some(mask) = memory.mask {
            buffers.put_mask(mask);
        }
    }

    /// The gradient of the map at all rows that reach this peer's own rows of the input, and the first of the rows.
    fn gradient_of_map(&self, cotangents: Cotangents<T>, buffers: &Arc<Buffers<T>>) -> (Tensor<T>, usize) {
        let (held, own) = (self.beside(), self.own());
        let here = place(&own, held.start);
        let [_, width, channels] = self.result;
        let line = width * channels;
        let room = || Tensor::unspecified(&[held.len(), width, channels], buffers);
        let Cotangents { gram, seen, mut beside } = cotangents;
        let mut begun = true;
        let mut rows = match gram {
            Some((features, gram)) => {
                let (symmetric, cells) = (symmetric(gram), Cells::of(self.result[0], width));
                let elements = here.start * line..here.end * line;
                let Rows { value, first } = features;
                let is_held = value.shape()[0] == held.len() && first == held.start;
                match if is_held { value.into_tensor() } else { Err(value) } {
                    // The gradient takes the features' place.
                    Ok(mut rows) => {
                        let f = &mut rows.elements_mut()[elements];
                        gram::times_in_place(f, &symmetric.view(), cells, buffers);
                        rows
                    }
                    Err(value) => {
                        let (mut rows, features) = (room(), Rows { value, first });
                        let f = features.view(own.clone());
                        let f = f.as_slice().expect("row-major");
                        gram::times(f, &symmetric.view(), &mut rows.elements_mut()[elements], cells, false);
                        rows
                    }
                }
            }
            None => match beside.take_if(|_| seen.is_empty()) {
                Some(rows) => rows,
                None => {
                    begun = false;
                    room()
                }
            },
        };
        let mut to = feature_map_mut(&mut rows).slice_move(s![here.clone(), .., ..]);
        let seen = seen.iter().map(|(rows, first)| feature_map(rows).slice_move(s![place(&own, *first), .., ..]));
        let beside = beside.iter().map(|rows| feature_map(rows).slice_move(s![here.clone(), .., ..]));
        for part in seen.chain(beside) {
            if begun {
                Zip::from(&mut to).and(&part).par_for_each(|to, &part| *to += part);
            } else {
                to.assign(&part);
                begun = true;
            }
        }
        self.share(&self.reached, &mut rows, held.start);
        (rows, held.start)
    }
}

/// For each peer, rows that follow from those that are its own; none where it has none.
fn from(own: &[Range<usize>], rows: impl Fn(&Range<usize>) -> Range<usize>) -> Vec<Range<usize>> {
    own.iter().map(|own| if own.is_empty() { 0..0 } else { rows(own) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_rows_are_cut_at_cells_and_nobody_is_forgotten() {
        for (height, width) in [(1, 1), (6, 40), (64, 64), (101, 90), (128, 128), (683, 1024)] {
            let alignment = Cells::of(height, width).rows().max(TILE);
            for size in 1..9 {
                let rows: Vec<_> = (0..size).map(|rank| own_rows(height, width, rank, size)).collect();
                assert_eq!((rows[0].start, rows[size - 1].end), (0, height));
                assert!(rows.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].start <= pair[0].end));
                assert!(rows.iter().all(|rows| rows.start.is_multiple_of(alignment) || rows.start == height));
            }
        }
        assert_eq!([own_rows(1024, 1024, 1, 2), own_rows(128, 128, 1, 4)], [512..1024, 32..64]);
    }
}
