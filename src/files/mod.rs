//! Files that are written whole or not at all, and never over one that is read.

mod atomic;
mod identity;

pub use atomic::{check_writable, remove_left_behind, write_atomically};
pub use identity::{Clash, first_clash};
