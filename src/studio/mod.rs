//! The jobs: a description of what is wanted goes in, a picture comes out.

pub mod figure;
mod invert;
mod iterate;
mod start;
mod texture;
mod transfer;

pub use invert::Invert;
pub use iterate::{Ended, Outcome, Progress};
pub use start::Start;
pub use texture::{Texture, TextureError};
pub use transfer::{Optimiser, Transfer};
