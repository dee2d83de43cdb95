//! Ranks that are threads of one process, for tests.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::Communicator;

/// One of several threads, with channels from and to each other one.
struct Thread {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

impl Communicator for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn exchange(&self, sent: &[(usize, &[u8])], received: &mut [(usize, &mut [u8])]) {
        for (rank, bytes) in sent {
            assert_ne!(*rank, self.rank, "a rank sends nothing to itself");
            self.to[*rank].send(bytes.to_vec()).unwrap();
        }
        for (rank, bytes) in received {
            bytes.copy_from_slice(&self.from[*rank].lock().unwrap().recv().unwrap());
        }
    }
}

/// The results of several ranks, in their order.
pub(crate) fn run<R: Send>(size: usize, work: impl Fn(Arc<dyn Communicator>) -> R + Sync) -> Vec<R> {
    let mut threads: Vec<_> = (0..size).map(|rank| Thread { rank, to: Vec::new(), from: Vec::new() }).collect();
    for from in 0..size {
        for to in 0..size {
            let (sender, receiver) = channel();
            threads[from].to.push(sender);
            threads[to].from.push(Mutex::new(receiver));
        }
    }
    std::thread::scope(|scope| {
        let work = &work;
        let handles: Vec<_> = threads.into_iter().map(|thread| scope.spawn(move || work(Arc::new(thread)))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}
