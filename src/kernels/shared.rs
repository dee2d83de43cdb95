//! A pointer for parallel writes.

/// A pointer that tasks write disjoint parts through; each use says why they are disjoint.
#[derive(Clone, Copy)]
pub struct Shared<T>(pub *mut T);

// SAFETY: each use says why its parts are disjoint.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The pointer to element `offset`.
    pub fn at(self, offset: usize) -> *mut T {
        self.0.wrapping_add(offset)
    }
}
