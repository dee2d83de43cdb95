//! The jobs: a description of what is wanted goes in, a picture comes out.

mod iterate;
mod start;
mod transfer;

pub use iterate::{Ended, Outcome, Progress};
pub use start::Start;
pub use transfer::{Optimiser, Transfer};
