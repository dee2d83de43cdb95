//! Those who compute one picture together: each has some rows of every feature map.
//!
//! All of them make the same calls in the same order with the same numbers, but for the rows that they compute, and hold the
//! same picture, the same objective and the same optimiser. So what one needs of another's is known without a question.

#[cfg(test)]
pub(crate) mod testing;

use std::ops::Range;

use crate::kernels::Real;

/// A process among those who compute together, as it sees them.
pub trait Peers: Send + Sync {
    /// Which of them this is, from 0.
    fn rank(&self) -> usize;

    /// How many they are.
    fn size(&self) -> usize;

    /// Sends bytes to others and receives bytes from others, each beside their rank. Every piece that is sent has a receiver
    /// that expects as many bytes; pieces from one to another arrive in order.
    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]);

    /// Makes the bytes those of the peer `from`, which has them already, at all.
    fn broadcast(&self, from: usize, bytes: &mut [u8]) {
        if self.rank() == from {
            let others = (0..self.size()).filter(|&rank| rank != from);
            self.exchange(&others.map(|rank| (rank, &*bytes)).collect::<Vec<_>>(), &mut []);
        } else {
            self.exchange(&[], &mut [(from, bytes)]);
        }
    }
}

/// One number of each peer, in their order.
pub fn numbers(peers: &dyn Peers, own: u64) -> Vec<u64> {
    let own = own.to_le_bytes();
    let mut all = vec![own; peers.size()];
    let others = || (0..peers.size()).filter(|&rank| rank != peers.rank());
    let sent: Vec<_> = others().map(|rank| (rank, &own[..])).collect();
    let mut received: Vec<_> = all.iter_mut().map(|number| &mut number[..]).enumerate().collect();
    received.retain(|(rank, _)| *rank != peers.rank());
    peers.exchange(&sent, &mut received);
    all.into_iter().map(u64::from_le_bytes).collect()
}

/// Fetches rows that others have. `buffer` holds rows of `line` bytes from row `first` on, this peer's `own` among them and all
/// that it `needs`; `own` and `needs` are those of all peers, in their order, and no row is two peers' own.
///
/// # Panics
/// If the buffer does not hold them.
pub fn share_rows(
    peers: &dyn Peers,
    line: usize,
    (own, needs): (&[Range<usize>], &[Range<usize>]),
    (buffer, first): (&mut [u8], usize),
) {
    let rank = peers.rank();
    let mine = &own[rank];
    // Rows of others lie before or behind those that are sent.
    let end = if mine.is_empty() { 0 } else { (mine.end - first) * line };
    let (before, behind) = buffer.split_at_mut(end);
    let (before, sent_rows) = before.split_at_mut(end - mine.len() * line);
    let others = || (0..peers.size()).filter(|&other| other != rank);
    let mut sent: Vec<(usize, &[u8])> = Vec::new();
    for other in others() {
        let rows = both(mine, &needs[other]);
        if !rows.is_empty() {
            let start = rows.start - mine.start;
            sent.push((other, &sent_rows[start * line..(start + rows.len()) * line]));
        }
    }
    let mut received: Vec<(usize, &mut [u8])> = Vec::new();
    let mut parts = [(before, first), (behind, if mine.is_empty() { first } else { mine.end })];
    for other in others() {
        let rows = both(&own[other], &needs[rank]);
        if rows.is_empty() {
            continue;
        }
        let (part, at) = &mut parts[usize::from(mine.is_empty() || rows.start >= mine.end)];
        let (_, rest) = std::mem::take(part).split_at_mut((rows.start - *at) * line);
        let (taken, rest) = rest.split_at_mut(rows.len() * line);
        (*part, *at) = (rest, rows.end);
        received.push((other, taken));
    }
    peers.exchange(&sent, &mut received);
}

/// The rows that are in both.
pub(crate) fn both(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
    let start = a.start.max(b.start);
    start..a.end.min(b.end).max(start)
}

/// The rows from the first to the last of either; an empty range has none.
pub(crate) fn around(a: &Range<usize>, b: &Range<usize>) -> Range<usize> {
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

/// The bytes of numbers, to be written.
pub(crate) fn bytes_mut<T: Real>(numbers: &mut [T]) -> &mut [u8] {
    bytemuck::cast_slice_mut(numbers)
}

#[cfg(test)]
mod tests {
    use super::testing::together;
    use super::*;

    #[test]
    fn everybody_gets_the_rows_that_it_needs() {
        let own = [0..3, 3..3, 3..4, 4..9];
        // Rows of a few neighbours, all of them, none, and those of one.
        for needs in
            [[0..5, 2..9, 3..4, 1..9], [0..9, 0..9, 0..9, 0..9], [0..0, 0..0, 3..4, 4..9], [4..6, 0..1, 0..4, 3..9]]
        {
            let rows = together(4, |peers| {
                let (mine, needed) = (&own[peers.rank()], &needs[peers.rank()]);
                let held = around(mine, needed);
                let of = |row: usize| [row as u8, 10 + row as u8];
                let mut buffer: Vec<u8> =
                    held.clone().flat_map(|row| if mine.contains(&row) { of(row) } else { [0; 2] }).collect();
                share_rows(&*peers, 2, (&own, &needs), (&mut buffer, held.start));
                needed.clone().all(|row| buffer[2 * (row - held.start)..][..2] == of(row))
            });
            assert_eq!(rows, [true; 4], "{needs:?}");
        }
    }

    #[test]
    fn numbers_and_what_is_broadcast_reach_all() {
        let found = together(3, |peers| {
            let mut bytes = [peers.rank() as u8; 5];
            peers.broadcast(1, &mut bytes);
            (numbers(&*peers, 7 + peers.rank() as u64), bytes)
        });
        assert!(found.iter().all(|found| *found == (vec![7, 8, 9], [1; 5])));
    }
}
