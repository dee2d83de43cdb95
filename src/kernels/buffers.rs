//! Memory that is reused from step to step.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use super::{BitMask, Real, Workspace};

/// Smaller buffers are left to the allocator, which handles them well.
const SMALLEST: usize = 1 << 14;

/// A store of used buffers. An optimisation evaluates the same function many times. With the buffers of the last evaluation, only
/// the first evaluation waits for the system to provide zeroed pages.
pub struct Buffers<T> {
    free: Mutex<Vec<Vec<T>>>,
    masks: Mutex<Vec<BitMask>>,
    workspace: Workspace,
    /// Bytes lent now, and their peak.
    lent: AtomicUsize,
    most: AtomicUsize,
    /// The limit of bytes lent and kept; 0 for none.
    limit: AtomicUsize,
}

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        let (free, masks, workspace) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()), Workspace::new());
        let [lent, most, limit] = std::array::from_fn(|_| AtomicUsize::new(0));
        Self { free, masks, workspace, lent, most, limit }
    }
}

impl<T: Real> Buffers<T> {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// A buffer of `len` elements whose contents are unspecified: zeros, or what was there before.
    pub fn take(&self, len: usize) -> Vec<T> {
        self.lend(len * size_of::<T>());
        if len >= SMALLEST
            && let Some(mut buffer) = self.best_fit(len)
        {
            buffer.resize(len, T::zero());
            return buffer;
        }
        self.make_room();
        vec![T::zero(); len]
    }

    /// Limits the sum of lent and unused memory, in bytes: unused buffers and masks are freed to make room.
    pub fn limit(&self, bytes: usize) {
        self.limit.store(bytes, Relaxed);
    }

    /// The peak of lent bytes, including masks.
    pub fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// Records that a lent buffer will not come back.
    pub(crate) fn forget(&self, len: usize) {
        self.give_back(len * size_of::<T>());
    }

    fn lend(&self, bytes: usize) {
        let lent = self.lent.fetch_add(bytes, Relaxed) + bytes;
        self.most.fetch_max(lent, Relaxed);
    }

    fn give_back(&self, bytes: usize) {
        // Callers may also return buffers of their own, so this can exceed what was lent.
        let _ = self.lent.fetch_update(Relaxed, Relaxed, |lent| Some(lent.saturating_sub(bytes)));
    }

    /// Frees unused buffers, oldest first, and then masks, largest first, until the memory, including what was just lent, is within
    /// the limit. The backward pass uses sizes in reverse order, so the latest buffers are needed next.
    fn make_room(&self) {
        let limit = self.limit.load(Relaxed);
        if limit == 0 {
            return;
        }
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let held = free.iter().map(size).sum::<usize>() + masks.iter().map(BitMask::bytes).sum::<usize>();
            if held + self.lent.load(Relaxed) <= limit {
                return;
            }
            if !free.is_empty() {
                drop(free.remove(0));
            } else if let Some(largest) = (0..masks.len()).max_by_key(|&i| masks[i].bytes()) {
                drop(masks.swap_remove(largest));
            } else {
                return;
            }
        }
    }

    /// Returns `buffer` for later use.
    pub fn put(&self, buffer: Vec<T>) {
        self.give_back(buffer.len() * size_of::<T>());
        if buffer.capacity() >= SMALLEST {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }

    /// A mask of this shape, whose bits are unspecified.
    pub fn take_mask(&self, height: usize, width: usize, channels: usize) -> BitMask {
        let bytes = height * width * channels.div_ceil(8);
        let mut masks = self.masks.lock().unwrap_or_else(PoisonError::into_inner);
        // The smallest mask that is large enough; otherwise the largest, which grows.
        let smallest = (0..masks.len()).filter(|&i| masks[i].bytes() >= bytes).min_by_key(|&i| masks[i].bytes());
        let found = smallest.or_else(|| (0..masks.len()).max_by_key(|&i| masks[i].bytes()));
        let mut mask = found.map(|i| masks.swap_remove(i)).unwrap_or_default();
        drop(masks);
        self.lend(bytes);
        if mask.bytes() < bytes {
            self.make_room();
        }
        mask.reshape(height, width, channels);
        mask
    }

    /// Returns a mask for later use.
    pub fn put_mask(&self, mask: BitMask) {
        self.give_back(mask.view().bytes().len());
        self.masks.lock().unwrap_or_else(PoisonError::into_inner).push(mask);
    }

    /// Scratch memory for kernels.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// Bytes of buffers held for later use.
    pub fn bytes(&self) -> usize {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.iter().map(size).sum()
    }

    /// The smallest free buffer that holds `len` elements and wastes less than half as many. Maps of neighbouring depths differ by
    /// a factor of two; a map in a buffer twice its size would leave the larger map without one.
    fn best_fit(&self, len: usize) -> Option<Vec<T>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<T>| (len..=len + len / 2).contains(&buffer.capacity());
        let (index, _) =
            free.iter().enumerate().filter(|(_, buffer)| fits(buffer)).min_by_key(|(_, buffer)| buffer.capacity())?;
        Some(free.remove(index))
    }
}

/// The size of a buffer in bytes.
fn size<T>(buffer: &Vec<T>) -> usize {
    buffer.capacity() * size_of::<T>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_used_again_at_its_own_size_or_down_to_two_thirds() {
        let buffers = Buffers::<f32>::new();
        let first = buffers.take(40_000);
        let address = first.as_ptr();
        buffers.put(first);
        assert_eq!(buffers.bytes(), 160_000);
        let again = buffers.take(30_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 30_000));
        assert_eq!(buffers.bytes(), 0);
        buffers.put(again);
        let (small, large) = (buffers.take(26_000), buffers.take(40_001));
        assert_ne!(small.as_ptr(), address, "too much would be wasted");
        assert_ne!(large.as_ptr(), address, "too small");
        let fits = buffers.take(40_000);
        assert_eq!(fits.as_ptr(), address);
    }

    #[test]
    fn masks_and_scratch_memory_are_used_again_too() {
        let buffers = Buffers::<f32>::new();
        assert_eq!(buffers.take_mask(2, 3, 4).dim(), (2, 3, 4));
        buffers.put_mask(BitMask::new(4, 4, 64));
        buffers.put_mask(BitMask::new(4, 4, 128));
        let mask = buffers.take_mask(2, 4, 64);
        assert_eq!((mask.bytes(), mask.dim()), (128, (2, 4, 64)));
        drop(buffers.workspace().take::<f32>(16));
        assert_eq!(buffers.workspace().bytes(), 64);
    }

    #[test]
    fn unused_buffers_go_when_there_would_be_more_than_the_limit() {
        let buffers = Buffers::<f32>::new();
        buffers.limit(4 * 100_000);
        let (a, b) = (buffers.take(60_000), buffers.take(30_000));
        buffers.put(a);
        buffers.put(b);
        assert_eq!((buffers.bytes(), buffers.most()), (4 * 90_000, 4 * 90_000));
        // The larger buffer is freed, the smaller one stays.
        let c = buffers.take(70_000);
        assert_eq!(buffers.bytes(), 4 * 30_000);
        buffers.put(c);
        buffers.forget(0);
        assert_eq!(buffers.most(), 4 * 90_000);
        assert_eq!(buffers.bytes(), 4 * 100_000);
    }

    #[test]
    fn unused_masks_make_room_too() {
        let buffers = Buffers::<f32>::new();
        buffers.limit(4 * 75_000);
        buffers.put_mask(BitMask::new(100, 100, 64));
        buffers.put_mask(BitMask::new(100, 100, 96));
        let a = buffers.take(20_000);
        assert_eq!(buffers.take_mask(100, 100, 64).bytes(), 80_000, "both are there");
        buffers.put_mask(BitMask::new(100, 100, 64));
        // The larger mask is freed first.
        let b = buffers.take(20_000);
        assert_eq!(buffers.masks.lock().unwrap().iter().map(BitMask::bytes).collect::<Vec<_>>(), [80_000]);
        let c = buffers.take(20_000);
        assert!(buffers.masks.lock().unwrap().is_empty());
        drop((a, b, c));
    }

    #[test]
    fn the_nearest_size_is_preferred_and_small_buffers_are_not_kept() {
        let buffers = Buffers::<f64>::new();
        for len in [60_000, 40_000, 50_000] {
            buffers.put(vec![1.0; len]);
        }
        assert_eq!(buffers.take(35_000).capacity(), 40_000);
        assert_eq!(buffers.take(35_000).capacity(), 50_000);
        buffers.put(vec![0.0; 10]);
        assert_eq!(buffers.bytes(), 60_000 * 8);
    }
}
