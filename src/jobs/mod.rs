//! The jobs: specifications that a [`Run`](crate::run::Run) executes.

mod invert;
mod masks;
mod texture;
mod transfer;

pub use invert::Invert;
pub use masks::{Masks, MasksError};
pub use texture::{Texture, TextureError};
pub use transfer::{Colours, OwnTerm, Transfer};
