//! What a picture is optimised for: a sum of terms, each a small function of what is seen at one place.
//!
//! | file | term | source |
//! |---|---|---|
//! | `features_error` | [`FeaturesError`] | Gatys, Ecker & Bethge 2016, eq. 1; Mahendran & Vedaldi 2014, eq. 2 |
//! | `gram_error` | [`GramError`] | Gatys, Ecker & Bethge 2015, eq. 3 and 4 |
//! | `priors` | [`TotalVariation`], [`AlphaNorm`] | Mahendran & Vedaldi 2014, section 3.1 |
//!
//! [`style_transfer`], [`texture`] and [`inversion`] put them together; an [`Objective`] of one's own is put together in the
//! same way.

mod evaluate;
mod features_error;
mod gram_error;
mod inversion;
mod priors;
mod style_transfer;
mod term;
#[cfg(test)]
mod testing;
mod texture;

pub use evaluate::{Evaluation, GroupValue, Objective};
pub use features_error::{Divisor, FeaturesError, Selection};
pub use gram_error::{GramError, GramNorm};
pub use inversion::{InversionError, Priors, inversion, typical_norm};
pub use priors::{AlphaNorm, TotalVariation};
pub use style_transfer::style_transfer;
pub use term::{Place, Seen, Term};
pub use texture::{texture, texture_layers, texture_layers_up_to};

/// Every kind of term, by the name that gradcheck calls it.
pub(crate) const REGISTERED: [&str; 4] = ["features_error", "gram_error", "total_variation", "alpha_norm"];
