//! The sum of squared differences of a map whose rows are sharded over the ranks of a [communicator](crate::comm).

use std::ops::Range;
use std::sync::Arc;

use ndarray::{Ix3, Zip, arr0, s};

use super::own_rows;
use crate::comm::{Communicator, bytes, bytes_mut, exchange_rows, intersection};
use crate::kernels::reduce::{self, BLOCK};
use crate::ops::feature_map_mut;
use crate::tape::{Real, Value, Var};

/// [`squared_error`](crate::ops::squared_error()) of a map of the target's shape. Each rank passes its own rows of the
/// map, or the whole map. All ranks get the same bits as one process.
///
/// VJP: the gradient of the given rows.
///
/// # Panics
/// If `x` has neither this rank's own rows nor all rows.
pub fn error_of_shards<'t, T: Real>(x: &Var<'t, T>, target: &Value<T>, comm: &Arc<dyn Communicator>) -> Var<'t, T> {
    let (height, width, channels) = target.of_rank::<Ix3>("error_of_shards").dim();
    let own: Vec<_> = (0..comm.size()).map(|rank| own_rows(height, width, rank, comm.size())).collect();
    let mine = own[comm.rank()].clone();
    let rows = x.shape()[0];
    assert!(
        rows == mine.len() || rows == height,
        "error_of_shards: {rows} rows where {} of {height} are own",
        mine.len()
    );
    let given = if rows == height { 0..height } else { mine.clone() };
    let line = width * channels;
    let elements: Vec<_> = own.iter().map(|rows| rows.start * line..rows.end * line).collect();
    let values = x.value().elements();
    let from = if rows == height { elements[comm.rank()].clone() } else { 0..rows * line };
    let y = sum(&values[from], &target.elements(), &elements, &**comm);
    let (kept_x, kept_target) = (x.value().clone(), target.clone());
    x.tape().record("error_of_shards", &[x], arr0(T::of(y)), x.kept_bytes(), move |dy, inputs| {
        let factor = dy[[]] + dy[[]];
        let mut dx = inputs.tensor(kept_x.shape());
        let (x, target) = (kept_x.of_rank::<Ix3>("error_of_shards"), kept_target.of_rank::<Ix3>("error_of_shards"));
        Zip::from(&mut feature_map_mut(&mut dx))
            .and(&x)
            .and(&target.slice(s![given, .., ..]))
            .par_for_each(|dx, &x, &target| *dx = factor * (x - target));
        inputs.add(0, dx);
    })
}

/// Σ (x − target)² in the same order as in one process: block by block. `x` are this rank's own elements; `own` lists
/// the elements of all ranks.
fn sum<T: Real>(x: &[T], target: &[T], own: &[Range<usize>], comm: &dyn Communicator) -> f64 {
    let (rank, all) = (comm.rank(), target.len());
    // A block belongs to the rank of its first element; that rank receives the rest of it.
    let first = |rank: usize| own[rank].start.next_multiple_of(BLOCK).min(own[rank].end);
    let end = |rank: usize| {
        if first(rank) == own[rank].end { own[rank].end } else { own[rank].end.next_multiple_of(BLOCK).min(all) }
    };
    let blocks = |rank: usize| first(rank).div_ceil(BLOCK)..end(rank).div_ceil(BLOCK).max(first(rank).div_ceil(BLOCK));
    let mut rest = vec![T::zero(); end(rank) - own[rank].end];
    let others = || (0..comm.size()).filter(|&other| other != rank);
    let part =
        |giver: usize, taker: usize| intersection(&(own[giver].start..first(giver)), &(own[taker].end..end(taker)));
    let mut sent: Vec<(usize, &[u8])> = Vec::new();
    for taker in others().filter(|&taker| !part(rank, taker).is_empty()) {
        let part = part(rank, taker);
        sent.push((taker, bytes(&x[part.start - own[rank].start..part.end - own[rank].start])));
    }
    let mut received: Vec<(usize, &mut [u8])> = Vec::new();
    let mut left = bytes_mut(&mut rest);
    for giver in others().filter(|&giver| !part(giver, rank).is_empty()) {
        let (taken, rest) = std::mem::take(&mut left).split_at_mut(part(giver, rank).len() * size_of::<T>());
        received.push((giver, taken));
        left = rest;
    }
    comm.exchange(&sent, &mut received);

    let square = |x: T, target: T| (x - target) * (x - target);
    let x = &x[first(rank) - own[rank].start..];
    let whole = if rest.is_empty() { x.len() } else { x.len() / BLOCK * BLOCK };
    let target = &target[first(rank)..end(rank)];
    let mut sums = reduce::block_sums_of_pairs(&x[..whole], &target[..whole], square);
    if !rest.is_empty() {
        let last: Vec<T> = x[whole..].iter().chain(&rest).copied().collect();
        sums.extend(reduce::block_sums_of_pairs(&last, &target[whole..], square));
    }
    let mut all_sums = vec![0.0; all.div_ceil(BLOCK)];
    let by_rank: Vec<_> = (0..comm.size()).map(blocks).collect();
    all_sums[by_rank[rank].clone()].copy_from_slice(&sums);
    let needs = vec![0..all_sums.len(); comm.size()];
    exchange_rows(comm, size_of::<f64>(), (&by_rank, &needs), (bytes_mut(&mut all_sums), 0));
    reduce::total(&all_sums)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::comm::threads;
    use crate::kernels::testing::random;
    use crate::ops::squared_error;
    use crate::tape::Tape;

    #[test]
    fn is_the_squared_error_to_the_bit() {
        for size in [(3, 5, 2), (64, 20, 33), (101, 90, 17), (20, 100, 64)] {
            let (x, target): (Array3<f32>, Array3<f32>) = (random(size, 1), random(size, 2));
            let tape = Tape::new();
            let whole = tape.variable(x.clone());
            let expected = squared_error(&whole, &tape.constant(target.clone()));
            let value = expected.scalar();
            let gradient = (&expected * 3.0).backward().take(&whole).unwrap();
            for ranks in [1, 2, 3, 8] {
                for divided in [false, true] {
                    threads::run(ranks, |comm| {
                        let rows = if divided { own_rows(size.0, size.1, comm.rank(), ranks) } else { 0..size.0 };
                        let tape = Tape::new();
                        let x = tape.variable(x.slice(s![rows.clone(), .., ..]).to_owned());
                        let error = error_of_shards(&x, &Value::from(target.clone()), &comm);
                        assert_eq!(error.scalar(), value, "{size:?} by {ranks}");
                        let found = (&error * 3.0).backward().take(&x).unwrap();
                        assert_eq!(found.view(), gradient.slice(s![rows, .., ..]).into_dyn());
                    });
                }
            }
        }
    }
}
