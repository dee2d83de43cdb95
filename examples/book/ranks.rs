//! Ranks that are threads of one process, connected by channels in place of a network.

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

use impasto::comm::Communicator;

// ANCHOR: rank
/// One of several ranks: it sends bytes to the others and receives bytes from them.
pub struct Rank {
    number: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Communicator for Rank {
    fn rank(&self) -> usize {
        self.number
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]) {
        for (rank, bytes) in sent {
            self.to[*rank].send(bytes.to_vec()).expect("the other rank is there");
        }
        for (rank, bytes) in received {
            bytes.copy_from_slice(&self.from[*rank].lock().expect("one user").recv().expect("the other rank is there"));
        }
    }
}
// ANCHOR_END: rank

/// Ranks that can reach each other.
pub fn connected(size: usize) -> Vec<Rank> {
    let mut ranks: Vec<_> = (0..size).map(|number| Rank { number, to: Vec::new(), from: Vec::new() }).collect();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            ranks[from].to.push(sender);
            ranks[to].from.push(Mutex::new(receiver));
        }
    }
    ranks
}
