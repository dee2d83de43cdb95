//! A link of the network sharded over the ranks of a [communicator](crate::comm): each computes some rows of the map, and
//! their gradient.
//!
//! Nothing is computed twice. Ranks exchange a few rows next to their own: of the map in the forward pass, of its
//! gradient and of the kept bits in the backward pass. A Gram matrix is a sum over cells of rows in a fixed order: the
//! sum passes from rank to rank, each adds its cells, and the last broadcasts it. Results are therefore bit-identical
//! to those of one process.

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array2, ArrayView3, ArrayViewMut3, Ix3, Zip, s};

use super::link::{Link, Memory};
use super::schedule::alignment;
use super::tiled::symmetric;
use super::{Outputs, Requested};
use crate::comm::{Communicator, bytes, bytes_mut, exchange_rows, hull};
use crate::kernels::gram::{self, Cells, GramCells};
use crate::kernels::{Buffers, ConvAlgorithm};
use crate::ops::{feature_map, feature_map_mut};
use crate::tape::{Real, Tensor, Value, Var};

/// A map between two links, whole or sharded.
#[derive(Clone)]
pub struct Shard<'t, T: Real> {
    /// The rows that this rank holds.
    pub map: Var<'t, T>,
    held: Held,
    /// The number of rows of the whole map.
    height: usize,
}

/// The rows of a map that a rank holds.
#[derive(Clone, Debug)]
enum Held {
    /// All rows, as on every rank.
    Whole,
    /// Its shard and the neighbouring rows that the next link needs.
    Some(Range<usize>),
}

impl<'t, T: Real> Shard<'t, T> {
    /// A map that every rank holds.
    pub fn whole(map: Var<'t, T>) -> Self {
        Self { height: map.shape()[0], map, held: Held::Whole }
    }

    /// The first row that this rank holds.
    fn first(&self) -> usize {
        match &self.held {
            Held::Whole => 0,
            Held::Some(rows) => rows.start,
        }
    }
}

/// The use of the map after a link, apart from requests.
pub enum Wanted<'a, T: Real> {
    /// Nothing.
    Nothing,
    /// All ranks need the whole map.
    Whole,
    /// Each rank passes its rows to this link.
    By(&'a Link<T>),
}

/// The shard of a map that belongs to a rank: nearly equal numbers of rows, beginning where both tiles of convolutions and cells
/// of Gram matrices begin. Some shards may be empty.
pub fn own_rows(height: usize, width: usize, rank: usize, size: usize) -> Range<usize> {
    let alignment = alignment(height, width);
    let cut = |rank: usize| {
        let nearest = (2 * height * rank + size * alignment) / (2 * size * alignment) * alignment;
        if rank == size { height } else { nearest.min(height) }
    };
    cut(rank)..cut(rank + 1)
}

/// One link of a [`segment`](super::tiled::segment()), sharded. Returns the requested observations, which all ranks get
/// as a whole (of features requested `by_rows`, the rank's [own rows](own_rows)), and the map itself if it is wanted.
/// The results are bit-identical to a segment's.
///
/// # Panics
/// As a segment.
pub fn sharded<'t, T: Real>(
    x: &Shard<'t, T>,
    link: &Link<T>,
    (requested, by_rows): (Requested, bool),
    wanted: &Wanted<'_, T>,
    algorithm: ConvAlgorithm,
    comm: &Arc<dyn Communicator>,
) -> (Outputs<'t, T>, Option<Shard<'t, T>>) {
    let tape = x.map.tape();
    let sharded = Sharded::new(x, link, wanted, algorithm, comm);
    let masked = x.map.needs_gradient();
    let whole = requested.features && !by_rows || matches!(wanted, Wanted::Whole);
    let (y, memory) = sharded.forward(x, masked, whole, tape.buffers());
    let gram = requested.gram.then(|| sharded.gram(&y.view(sharded.own()), tape.buffers()));

    // The outputs in order: the features, the Gram matrix, the map.
    let mut values: Vec<Value<T>> = Vec::new();
    values.extend(
        requested.features.then(|| if by_rows { y.part(sharded.own(), tape.buffers()) } else { y.value.clone() }),
    );
    values.extend(gram.map(Value::from));
    let held = match wanted {
        Wanted::Nothing => None,
        Wanted::Whole => Some(Held::Whole),
        Wanted::By(_) => Some(Held::Some(sharded.beside())),
    };
    values.extend(held.as_ref().map(|held| match held {
        Held::Some(rows) => y.part(rows.clone(), tape.buffers()),
        Held::Whole => y.value.clone(),
    }));

    let (height, positions) = (sharded.result[0], sharded.result[0] * sharded.result[1]);
    let kept = (masked && requested.gram).then_some(y);
    let bytes = memory.as_ref().map_or(0, Memory::bytes) + kept.as_ref().map_or(0, |y| y.value.bytes());
    let (features, has_gram, map) = (requested.features, requested.gram, held.clone());
    let outputs = tape.record_several("sharded", &[&x.map], values, bytes, move |cotangents, inputs| {
        let mut cotangents = cotangents.into_iter();
        let mut next = |is_there: bool| if is_there { cotangents.next().flatten() } else { None };
        let (features, gram) = (next(features), next(has_gram));
        let own = features.as_ref().filter(|_| by_rows).map(|_| sharded.own().start);
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
            sharded.backward(memory.expect("kept for the backward pass"), cotangents, (dx, accumulate), &buffers);
        });
    });
    let mut outputs = outputs.into_iter();
    let mut next = |is_there: bool| is_there.then(|| outputs.next().expect("as recorded"));
    let found = Outputs { features: next(requested.features), gram: next(requested.gram), positions };
    let map = held.map(|held| Shard { map: next(true).expect("as recorded"), held, height });
    (found, map)
}

/// The gradients that reach the map, in the order in which they are added.
struct Cotangents<T: Real> {
    /// The features, and the gradient of their Gram matrix.
    gram: Option<(Rows<T>, Tensor<T>)>,
    /// Gradients with respect to the whole map, or to its rows from the given one on.
    seen: Vec<(Tensor<T>, usize)>,
    /// The gradient with respect to the rows that this rank holds; it is complete for its own rows only.
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
        self.value.of_rank::<Ix3>("sharded").slice_move(s![rows, .., ..])
    }

    /// Some of the rows as a value; copies them unless they are all.
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

/// The indices of rows in an array that begins with the row `first`.
fn place(rows: &Range<usize>, first: usize) -> Range<usize> {
    if rows.is_empty() { 0..0 } else { rows.start - first..rows.end - first }
}

/// A link, the shapes of its input and result, and the distribution of their rows over the ranks.
struct Sharded<T: Real> {
    link: Link<T>,
    algorithm: ConvAlgorithm,
    /// (height, width, channels) of the whole maps.
    input: [usize; 3],
    result: [usize; 3],
    /// Whether all ranks hold the whole input, and the first row that this rank holds.
    whole: bool,
    first: usize,
    /// By rank, its own rows of input and result.
    own_input: Vec<Range<usize>>,
    own_result: Vec<Range<usize>>,
    /// By rank, the rows of the result that the next link needs.
    next: Vec<Range<usize>>,
    /// By rank, the rows of the result whose gradient the backward pass needs, and the rows to keep for it.
    reached: Vec<Range<usize>>,
    kept: Vec<Range<usize>>,
    comm: Arc<dyn Communicator>,
}

impl<T: Real> Sharded<T> {
    fn new(
        x: &Shard<'_, T>,
        link: &Link<T>,
        wanted: &Wanted<'_, T>,
        algorithm: ConvAlgorithm,
        comm: &Arc<dyn Communicator>,
    ) -> Self {
        let link = link.clone();
        let (_, width, channels) = x.map.of_rank::<Ix3>("sharded").dim();
        let input = [x.height, width, channels];
        let result = link.shape(input);
        let rows = |[height, width, _]: [usize; 3]| -> Vec<_> {
            (0..comm.size()).map(|rank| own_rows(height, width, rank, comm.size())).collect()
        };
        let (own_input, own_result) = (rows(input), rows(result));
        let next = match wanted {
            Wanted::By(next) => {
                let behind = next.shape(result);
                from(&rows(behind), |rows| next.needs(rows, (result[0], behind[0])))
            }
            _ => vec![0..0; comm.size()],
        };
        let heights = (input[0], result[0]);
        let reached = from(&own_input, |rows| link.reached(rows, heights).1);
        let kept = from(&own_input, |rows| link.reached(rows, heights).0);
        let (whole, first) = (matches!(x.held, Held::Whole), x.first());
        let comm = Arc::clone(comm);
        Self { link, algorithm, input, result, whole, first, own_input, own_result, next, reached, kept, comm }
    }

    /// This rank's own rows of the result.
    fn own(&self) -> Range<usize> {
        self.own_result[self.comm.rank()].clone()
    }

    /// The own rows and the neighbouring rows that this rank needs.
    fn beside(&self) -> Range<usize> {
        let rank = self.comm.rank();
        hull(&self.own(), &hull(&self.next[rank], &self.reached[rank]))
    }

    /// Computes the map (whole, or the rows that this rank holds), and what the backward pass keeps.
    fn forward(
        &self,
        x: &Shard<'_, T>,
        masked: bool,
        whole: bool,
        buffers: &Arc<Buffers<T>>,
    ) -> (Rows<T>, Option<Memory>) {
        let (rank, [height, width, channels]) = (self.comm.rank(), self.result);
        let heights = (self.input[0], height);
        let own = self.own();
        let computed = from(&self.own_result, |rows| self.link.kept_rows(rows, heights));
        let mut memory =
            masked.then(|| self.link.memory_of(hull(&computed[rank], &self.kept[rank]), self.input, buffers));
        let held = if whole { 0..height } else { self.beside() };
        let mut y = Tensor::unspecified(&[held.len(), width, channels], buffers);
        if !own.is_empty() {
            let x = x.map.of_rank::<Ix3>("sharded");
            let x = |rows: Range<usize>| x.slice_move(s![place(&rows, self.first), .., ..]);
            let to = feature_map_mut(&mut y).slice_move(s![place(&own, held.start), .., ..]);
            let rows = (own, height);
            self.link.compute(self.algorithm, rows, (x, self.input[0]), to, memory.as_mut(), buffers);
        }
        let line = self.link.memory_line(self.input);
        if let Some(memory) = memory.as_mut().filter(|_| line > 0) {
            exchange_rows(&*self.comm, line, (&computed, &self.kept), memory.bytes_mut());
        }
        if whole {
            self.share(&vec![0..height; self.comm.size()], &mut y, 0);
        } else {
            self.share(&self.next, &mut y, held.start);
        }
        (Rows { value: y.into(), first: held.start }, memory)
    }

    /// Fetches rows of the result, or of its gradient, from other ranks.
    fn share(&self, needs: &[Range<usize>], rows: &mut Tensor<T>, first: usize) {
        let line = self.result[1] * self.result[2] * size_of::<T>();
        exchange_rows(&*self.comm, line, (&self.own_result, needs), (bytes_mut(rows.elements_mut()), first));
    }

    /// The Gram matrix of the whole map, of which this rank passes its own rows.
    fn gram(&self, own: &ArrayView3<'_, T>, buffers: &Buffers<T>) -> Array2<T> {
        let (rank, last) = (self.comm.rank(), self.comm.size() - 1);
        let [height, width, channels] = self.result;
        let f = own.into_shape_with_order((own.len() / channels, channels)).expect("row-major");
        let cells = GramCells::of(&f, Cells::of(height, width), buffers);
        let receive = |sum: &mut [T]| {
            if rank > 0 {
                self.comm.exchange(&[], &mut [(rank - 1, bytes_mut(sum))]);
            }
        };
        let send = |sum: &[T]| {
            if rank < last {
                self.comm.exchange(&[(rank + 1, bytes(sum))], &mut []);
            }
        };
        let mut gram = cells.sum(receive, send);
        self.comm.broadcast(last, bytes_mut(gram.as_slice_mut().expect("row-major")));
        gram
    }

    /// Writes the gradient with respect to the input, or adds it: for this rank's own rows, or for all rows if the
    /// input is whole.
    fn backward(
        &self,
        memory: Memory,
        cotangents: Cotangents<T>,
        (mut dx, accumulate): (ArrayViewMut3<'_, T>, bool),
        buffers: &Arc<Buffers<T>>,
    ) {
        let own = self.own_input[self.comm.rank()].clone();
        let reached = cotangents.gram.is_some() || cotangents.beside.is_some() || !cotangents.seen.is_empty();
        if !(accumulate || reached && self.whole) {
            // Rows next to the own ones belong to other ranks.
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
                let needs = vec![0..height; self.comm.size()];
                let all = bytes_mut(dx.as_slice_mut().expect("a gradient in row-major order"));
                exchange_rows(&*self.comm, width * channels * size_of::<T>(), (&self.own_input, &needs), (all, 0));
            }
        }
        if let Some(mask) = memory.mask {
            buffers.put_mask(mask);
        }
    }

    /// The gradient of the map at all rows that depend on this rank's own rows of the input, and the first of these
    /// rows.
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
                    // The gradient overwrites the features.
                    Ok(mut rows) => {
                        let f = &mut rows.elements_mut()[elements];
                        gram::times_in_place(f, &symmetric.view(), cells, buffers);
                        rows
                    }
                    Err(value) => {
                        let (mut rows, features) = (room(), Rows { value, first });
                        let f = features.view(own.clone());
                        let f = f.as_slice().expect("row-major");
                        gram::times(f, &symmetric.view(), &mut rows.elements_mut()[elements], cells, false, buffers);
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

/// Applies `rows` to each rank's own rows; empty ranges stay empty.
fn from(own: &[Range<usize>], rows: impl Fn(&Range<usize>) -> Range<usize>) -> Vec<Range<usize>> {
    own.iter().map(|own| if own.is_empty() { 0..0 } else { rows(own) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_rows_are_cut_at_cells_and_nobody_is_forgotten() {
        for (height, width) in [(1, 1), (6, 40), (64, 64), (101, 90), (128, 128), (683, 1024)] {
            let alignment = alignment(height, width);
            for size in 1..9 {
                let rows: Vec<_> = (0..size).map(|rank| own_rows(height, width, rank, size)).collect();
                assert_eq!((rows[0].start, rows[size - 1].end), (0, height));
                assert!(rows.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].start <= pair[0].end));
                assert!(rows.iter().all(|rows| rows.start.is_multiple_of(alignment) || rows.start == height));
            }
        }
        assert_eq!([own_rows(1024, 1024, 1, 2), own_rows(128, 128, 1, 4)], [516..1024, 36..60]);
    }
}
