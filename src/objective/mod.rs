//! What a picture is optimised for: content, style and image priors, and the presets that name their combinations.

mod inversion;
mod layer_weights;
mod preset;
mod style_transfer;
#[cfg(test)]
mod testing;
mod texture;

pub use inversion::{Inversion, InversionError, InversionLosses, Priors, Selection};
pub use layer_weights::{LayerWeights, LayerWeightsError};
pub use preset::{Formula, Preset, Settings};
pub use style_transfer::{Losses, StyleTransfer};
pub use texture::TextureTarget;
