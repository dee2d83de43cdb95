//! A slice whose disjoint parts are written by parallel tasks.

use std::marker::PhantomData;

/// A slice whose parts are written by parallel tasks. Code that reads or writes through its pointers must ensure that
/// the parts are disjoint.
pub struct Shared<'a, T> {
    data: *mut T,
    len: usize,
    borrow: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: only unsafe code reads or writes through the pointer, and states why its parts are disjoint.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Borrows a slice.
    pub fn new(data: &'a mut [T]) -> Self {
        Self { len: data.len(), data: data.as_mut_ptr(), borrow: PhantomData }
    }

    /// The number of values.
    pub fn len(self) -> usize {
        self.len
    }

    /// The slice from `offset` on.
    ///
    /// # Panics
    /// If it ends before.
    pub fn skip(self, offset: usize) -> Self {
        assert!(offset <= self.len, "an offset of {offset} into {} values", self.len);
        Self { data: self.data.wrapping_add(offset), len: self.len - offset, borrow: PhantomData }
    }

    /// The first value.
    #[inline(always)]
    pub fn as_ptr(self) -> *mut T {
        self.data
    }
}
