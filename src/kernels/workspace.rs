//! Reusable scratch memory.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::Real;

/// The unit of allocation: buffers start at a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; 64]);

/// Guard lines after lent values. In tests they must stay unchanged, which detects writes out of bounds.
const GUARD: usize = if cfg!(test) { 1 } else { 0 };

/// The fill of buffers and guards in tests: NaN, which detects reads of values that the kernel did not write.
const POISON: CacheLine = CacheLine([0xFF; 64]);

/// A store of scratch buffers that kernels borrow and return, so that most kernels need not allocate.
///
/// A run has one workspace and passes it to each kernel; threads may share it.
#[derive(Default)]
pub struct Workspace {
    free: Mutex<Vec<Vec<CacheLine>>>,
}

impl Workspace {
    /// Holds nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Memory held by buffers that are not lent out, in bytes.
    pub fn bytes(&self) -> usize {
        self.lock().iter().map(|buffer| size_of_val(&buffer[GUARD..])).sum()
    }

    /// Lends `len` values, aligned to a cache line. Their contents are unspecified.
    pub(crate) fn take<T: Real>(&self, len: usize) -> Scratch<'_, T> {
        let lines = lines::<T>(len);
        let mut free = self.lock();
        // The smallest buffer that is large enough; otherwise replace the largest by a new one.
        let smallest = (0..free.len()).filter(|&i| free[i].len() >= lines).min_by_key(|&i| free[i].len());
        let found = smallest.or_else(|| (0..free.len()).max_by_key(|&i| free[i].len())).map(|i| free.swap_remove(i));
        drop(free);
        let mut buffer = match found {
            Some(buffer) if buffer.len() >= lines => buffer,
            too_small => {
                drop(too_small);
                vec![CacheLine([0; 64]); lines]
            }
        };
        if cfg!(test) {
            buffer[..lines].fill(POISON);
        }
        Scratch { buffer, len, home: self, element: PhantomData }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<CacheLine>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cache lines of a buffer of `len` values with its guard.
fn lines<T>(len: usize) -> usize {
    (len * size_of::<T>()).div_ceil(size_of::<CacheLine>()) + GUARD
}

/// A buffer lent by a [`Workspace`]; dropping it returns it.
pub(crate) struct Scratch<'a, T> {
    buffer: Vec<CacheLine>,
    len: usize,
    home: &'a Workspace,
    element: PhantomData<T>,
}

impl<T: Real> Deref for Scratch<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the buffer holds at least `len` values, is aligned and initialised, and any bits are a float.
        unsafe { std::slice::from_raw_parts(self.buffer.as_ptr().cast(), self.len) }
    }
}

impl<T: Real> DerefMut for Scratch<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the buffer is borrowed uniquely.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.as_mut_ptr().cast(), self.len) }
    }
}

impl<T> Drop for Scratch<'_, T> {
    fn drop(&mut self) {
        if cfg!(test) && !std::thread::panicking() {
            let end = self.len * size_of::<T>();
            let last = self.buffer.iter().take(lines::<T>(self.len)).skip(end / size_of::<CacheLine>());
            let mut behind = last.flat_map(|line| line.0).skip(end % size_of::<CacheLine>());
            assert!(behind.all(|byte| byte == POISON.0[0]), "something was written behind a scratch buffer");
        }
        self.home.lock().push(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_lent_again_smallest_first() {
        let workspace = Workspace::new();
        let (a, b) = (workspace.take::<f32>(1000), workspace.take::<f64>(10));
        let (at_a, at_b) = (a.as_ptr() as usize, b.as_ptr() as usize);
        assert_eq!((at_a % 64, at_b % 64, a.len(), b.len()), (0, 0, 1000, 10));
        drop((a, b));
        let held = workspace.bytes();
        assert_eq!(held, 4032 + 128);
        let (small, large) = (workspace.take::<f32>(20), workspace.take::<f32>(900));
        assert_eq!((small.as_ptr() as usize, large.as_ptr() as usize), (at_b, at_a));
        assert_eq!(workspace.bytes(), 0);
        drop((small, large));
        assert_eq!(workspace.bytes(), held);
    }

    #[test]
    fn a_buffer_that_is_too_small_makes_place_for_a_larger_one() {
        let workspace = Workspace::new();
        drop(workspace.take::<f32>(16));
        drop(workspace.take::<f32>(32));
        assert_eq!(workspace.bytes(), 128);
    }

    fn write_behind(len: usize) {
        let workspace = Workspace::new();
        let mut values = workspace.take::<f32>(len);
        // SAFETY: in tests the guard follows.
        unsafe { values.as_mut_ptr().add(len).write(0.0) };
    }

    #[test]
    #[should_panic(expected = "something was written behind a scratch buffer")]
    fn writing_too_far_in_a_line_is_noticed() {
        write_behind(3);
    }

    #[test]
    #[should_panic(expected = "something was written behind a scratch buffer")]
    fn writing_beyond_the_last_line_is_noticed() {
        write_behind(16);
    }

    #[test]
    fn nothing_is_something_too() {
        assert!(Workspace::new().take::<f32>(0).is_empty());
    }
}
