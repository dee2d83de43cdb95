//! A slice that tasks write disjoint parts of.

use std::marker::PhantomData;

/// A slice for tasks that write parts of it in parallel. Whoever reads or writes through its pointers makes sure that the
/// parts are disjoint.
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

// SAFETY: a pointer is only read or written through in unsafe code, which says why its parts are disjoint.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// Of a slice, which is borrowed as long.
    pub fn new(data: &'a mut [T]) -> Self {
        Self { len: data.len(), data: data.as_mut_ptr(), borrow: PhantomData }
    }

    /// The values in all.
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
