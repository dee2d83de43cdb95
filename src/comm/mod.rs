//! Communicators: the processes (ranks) that compute one picture together, each some rows of every feature map.
//!
//! The book explains it in [chapter 12](../../../book/html/12-large-and-many.html) (`docs/book/src/12-large-and-many.md`).
//!
//! All ranks hold the same picture, objective and optimiser, and make the same calls in the same order; only the rows
//! that they compute differ. Each rank therefore knows what the others need without asking.

#[cfg(test)]
pub(crate) mod threads;

use std::ops::Range;

use crate::kernels::Real;

/// The ranks of a computation, seen from one of them.
pub trait Communicator: Send + Sync {
    /// The number of this rank, from 0.
    fn rank(&self) -> usize;

    /// The number of ranks.
    fn size(&self) -> usize;

    /// Sends bytes to other ranks and receives bytes from them. The receiver of a piece must expect exactly its length;
    /// pieces from one rank to another arrive in order.
    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]);

    /// Sends the bytes of the rank `from` to all ranks.
    fn broadcast(&self, from: usize, bytes: &mut [u8]) {
        if self.rank() == from {
            let others = (0..self.size()).filter(|&rank| rank != from);
            self.exchange(&others.map(|rank| (rank, &*bytes)).collect::<Vec<_>>(), &mut []);
        } else {
            self.exchange(&[], &mut [(from, bytes)]);
        }
    }
}

/// The only rank.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Communicator for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]) {
        assert!(sent.is_empty() && received.is_empty(), "there is no other rank");
    }
}

/// Gathers one number of each rank, in the order of ranks.
pub fn all_gather(comm: &dyn Communicator, own: u64) -> Vec<u64> {
    let own = own.to_le_bytes();
    let mut all = vec![own; comm.size()];
    let others = || (0..comm.size()).filter(|&rank| rank != comm.rank());
    let sent: Vec<_> = others().map(|rank| (rank, &own[..])).collect();
    let mut received: Vec<_> = all.iter_mut().map(|number| &mut number[..]).enumerate().collect();
    received.retain(|(rank, _)| *rank != comm.rank());
    comm.exchange(&sent, &mut received);
    all.into_iter().map(u64::from_le_bytes).collect()
}

/// Fetches rows from other ranks. `own` and `needs` list, by rank, the rows that it has and those that it needs; no row
/// has two owners. `buffer` holds rows of `line` bytes, beginning with row `first`; it has room for all rows that this
/// rank owns or needs.
///
/// # Panics
/// If the buffer has no room for them.
pub(crate) fn exchange_rows(
    comm: &dyn Communicator,
    line: usize,
    (own, needs): (&[Range<usize>], &[Range<usize>]),
    (buffer, first): (&mut [u8], usize),
) {
    let rank = comm.rank();
    let mine = &own[rank];
    // Rows of others lie before or after those that are sent.
    let end = if mine.is_empty() { 0 } else { (mine.end - first) * line };
    let (before, behind) = buffer.split_at_mut(end);
    let (before, sent_rows) = before.split_at_mut(end - mine.len() * line);
    let others = || (0..comm.size()).filter(|&other| other != rank);
    let mut sent: Vec<(usize, &[u8])> = Vec::new();
    for other in others() {
        let rows = intersection(mine, &needs[other]);
        if !rows.is_empty() {
            let start = rows.start - mine.start;
            sent.push((other, &sent_rows[start * line..(start + rows.len()) * line]));
        }
    }
    let mut received: Vec<(usize, &mut [u8])> = Vec::new();
    let mut parts = [(before, first), (behind, if mine.is_empty() { first } else { mine.end })];
    for other in others() {
        let rows = intersection(&own[other], &needs[rank]);
        if rows.is_empty() {
            continue;
        }
        let (part, at) = &mut parts[usize::from(mine.is_empty() || rows.start >= mine.end)];
        let (_, rest) = std::mem::take(part).split_at_mut((rows.start - *at) * line);
        let (taken, rest) = rest.split_at_mut(rows.len() * line);
        (*part, *at) = (rest, rows.end);
        received.push((other, taken));
    }
    comm.exchange(&sent, &mut received);
}

/// The rows in both ranges.
pub(crate) fn intersection(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// The rows from the first to the last of either; an empty range has none.
pub(crate) fn hull(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// The bytes of numbers.
pub(crate) fn bytes<T: Real>(numbers: &[T]) -> &[u8] {
    bytemuck::cast_slice(numbers)
}

/// The bytes of numbers, mutable.
pub(crate) fn bytes_mut<T: Real>(numbers: &mut [T]) -> &mut [u8] {
    bytemuck::cast_slice_mut(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rank_gets_the_rows_that_it_needs() {
        let own = [0..3, 3..3, 3..4, 4..9];
        // Rows of a few neighbours, all rows, none, and those of one rank.
        for needs in
            [[0..5, 2..9, 3..4, 1..9], [0..9, 0..9, 0..9, 0..9], [0..0, 0..0, 3..4, 4..9], [4..6, 0..1, 0..4, 3..9]]
        {
            let rows = threads::run(4, |comm| {
                let (mine, needed) = (&own[comm.rank()], &needs[comm.rank()]);
                let held = hull(mine, needed);
                let of = |row: usize| [row as u8, 10 + row as u8];
                let mut buffer: Vec<u8> =
                    held.clone().flat_map(|row| if mine.contains(&row) { of(row) } else { [0; 2] }).collect();
                exchange_rows(&*comm, 2, (&own, &needs), (&mut buffer, held.start));
                needed.clone().all(|row| buffer[2 * (row - held.start)..][..2] == of(row))
            });
            assert_eq!(rows, [true; 4], "{needs:?}");
        }
    }

    #[test]
    fn what_is_gathered_and_broadcast_reaches_all() {
        let found = threads::run(3, |comm| {
            let mut bytes = [comm.rank() as u8; 5];
            comm.broadcast(1, &mut bytes);
            (all_gather(&*comm, 7 + comm.rank() as u64), bytes)
        });
        assert!(found.iter().all(|found| *found == (vec![7, 8, 9], [1; 5])));
    }
}
