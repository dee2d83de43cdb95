//! The jobs: specifications that a [`Run`](crate::run::Run) executes.
//!
//! The book explains it in [chapter 11](../../../book/html/11-coarse-to-fine.html) (`docs/book/src/11-coarse-to-fine.md`).

mod invert;
mod masks;
mod texture;
mod transfer;

pub use invert::Invert;
pub use masks::{Masks, MasksError};
pub use texture::{Texture, TextureError};
pub use transfer::{Colours, OwnTerm, Transfer};
