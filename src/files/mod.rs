//! Atomic writes, and checks that no file that is read is overwritten.

mod atomic;
mod identity;

pub use atomic::{check_writable, remove_left_behind, write_atomically};
pub use identity::{Clash, first_clash};
