//! Objectives: what a picture is optimised for. An objective is a sum of terms; each term is a function of one
//! observation.
//!
//! The book explains it in [chapter 7](../../../book/html/07-inversion.html) (`docs/book/src/07-inversion.md`) and
//! [chapter 8](../../../book/html/08-texture.html) (`docs/book/src/08-texture.md`).
//!
//! | file | term | source |
//! |---|---|---|
//! | `features_error` | `FeaturesError` | Gatys, Ecker & Bethge 2016, eq. 1; Mahendran & Vedaldi 2014, eq. 2 |
//! | `gram_error` | `GramError` | Gatys, Ecker & Bethge 2015, eq. 3 and 4 |
//! | `moments_error` | `MomentsError` | Galerne, Raad, Lezama & Morel 2024, section 3.2 |
//! | `hypercolumns` | `MatchedColumns` | Kolkin et al. 2022, sections 3.1 and 3.2 |
//! | `neighbours` | `Neighbours` | Kolkin et al. 2022, section 3.3 |
//! | `wasserstein` | `Wasserstein` | Dowson & Landau 1982 |
//! | `region` | `Guided` | Gatys, Ecker, Bethge, Hertzmann & Shechtman 2017, section 4.1 |
//! | `priors` | `TotalVariation`, `AlphaNorm` | Mahendran & Vedaldi 2014, section 3.1 |
//!
//! [`style_transfer`], [`texture`] and [`inversion`] combine them; combine terms of your own with [`Objective`] in the
//! same way.

mod distribution;
mod evaluate;
mod features_error;
mod finish;
mod gram_error;
mod hypercolumns;
mod inversion;
mod layer_set;
mod moments_error;
mod neighbours;
#[cfg(test)]
mod plans;
mod priors;
mod region;
mod style_transfer;
mod targets;
mod term;
#[cfg(test)]
mod testing;
mod texture;
mod wasserstein;

pub(crate) use distribution::{Derived, Distance, Moments};
pub use evaluate::{Evaluation, GroupValue, Objective};
pub(crate) use evaluate::{quarter, request};
pub use features_error::Selection;
pub(crate) use features_error::{Divisor, FeaturesError};
pub(crate) use finish::finishing;
pub(crate) use gram_error::{GramError, GramNorm};
pub(crate) use hypercolumns::{ColumnDistance, MatchedColumns};
pub(crate) use inversion::inversion_by;
pub(crate) use inversion::typical_norm;
pub use inversion::{InversionError, Priors, inversion};
pub use layer_set::LayerSet;
pub(crate) use moments_error::MomentsError;
pub(crate) use neighbours::Neighbours;
pub use priors::{AlphaNorm, TotalVariation};
pub use region::RegionError;
pub(crate) use region::{Guided, Region};
pub use style_transfer::style_transfer;
pub(crate) use style_transfer::style_transfer_by;
pub use targets::Targets;
pub use term::{Place, Seen, Term};
pub(crate) use texture::texture_by;
pub use texture::{texture, texture_layers, texture_layers_up_to};
pub(crate) use wasserstein::Wasserstein;

use ndarray::{Array2, Array3};

use crate::tape::{Real, Tape, Var};

/// A term for gradcheck.
pub(crate) struct Example<T: Real> {
    /// The term's name.
    pub(crate) name: &'static str,
    /// The shape of its observation.
    pub(crate) shape: Vec<usize>,
    pub(crate) term: Box<dyn Term<T>>,
}

/// The moments of a map, as if it were the only style.
fn moments<'t, T: Real>(map: &Var<'t, T>) -> [(f64, Seen<'t, T>); 1] {
    let positions = (map.shape()[0] * map.shape()[1]) as f64;
    [(1.0, Seen { value: crate::ops::moments(map, None), positions })]
}

/// Every kind of term, one line each; gradcheck checks this list.
pub(crate) fn registered<T: Real>() -> Vec<Example<T>> {
    let tape = Tape::<T>::new();
    let map = tape.constant(Array3::from_shape_fn((4, 3, 2), |(i, j, c)| T::of((i * 5 + j * 3 + c) as f64 % 7.0)));
    let gram = tape.constant(Array2::from_shape_fn((3, 3), |(a, b)| T::of(10.0 + (a + b) as f64)));
    let layer = crate::vgg::Layer::of_convolution(0).1;
    let gram_error = |norm| GramError::new(layer, &[(1.0, Seen { value: gram.clone(), positions: 6.0 })], norm);
    let wide = tape.constant(Array3::from_shape_fn((4, 3, 4), |(i, j, c)| T::of((i * 5 + j * 3 + c * c) as f64 % 7.0)));
    // Two equal channels: the covariance has rank 1.
    let flat = tape.constant(Array3::from_shape_fn((4, 3, 2), |(i, j, _)| T::of((i * 2 + j) as f64)));
    let wasserstein = || Wasserstein::new(layer, &moments(&map), GramNorm::Relative);
    let example = |name, shape: &[usize], term: Box<dyn Term<T>>| Example { name, shape: shape.to_vec(), term };
    vec![
        example(
            "FeaturesError",
            &[4, 3, 2],
            Box::new(FeaturesError::new(layer, &map, Selection::default(), Divisor::Size)),
        ),
        example("GramError", &[3, 3], Box::new(gram_error(GramNorm::Sum))),
        example("GramError", &[3, 3], Box::new(gram_error(GramNorm::Mean))),
        example("GramError", &[3, 3], Box::new(gram_error(GramNorm::Relative))),
        example("MomentsError", &[4, 3, 2], Box::new(MomentsError::new(layer, &moments(&map), GramNorm::Relative))),
        example("MomentsError", &[3, 2, 2], Box::new(MomentsError::new(layer, &moments(&map), GramNorm::Mean))),
        example("MomentsError", &[3, 4, 2], Box::new(MomentsError::new(layer, &moments(&flat), GramNorm::Sum))),
        example("Wasserstein", &[4, 3, 2], Box::new(wasserstein())),
        example("Wasserstein", &[3, 4, 2], Box::new(Wasserstein::new(layer, &moments(&flat), GramNorm::Mean))),
        // Fewer positions than channels: the picture's covariance has zero eigenvalues.
        example("Wasserstein", &[1, 2, 4], Box::new(Wasserstein::new(layer, &moments(&wide), GramNorm::Relative))),
        example("Guided", &[4, 3, 3], Box::new(region::example(Box::new(gram_error(GramNorm::Relative)), [4, 3]))),
        example("Guided", &[4, 3, 2], Box::new(region::example(Box::new(wasserstein()), [4, 3]))),
        example("MatchedColumns", &[6, 5], Box::new(hypercolumns::example(ColumnDistance::SquaredError, true))),
        example("MatchedColumns", &[6, 5], Box::new(hypercolumns::example(ColumnDistance::Cosine, true))),
        example("MatchedColumns", &[6, 5], Box::new(hypercolumns::example(ColumnDistance::Cosine, false))),
        example("Neighbours", &[4, 6, 3], Box::new(neighbours::example([4, 6]))),
        example("TotalVariation", &[4, 3, 3], Box::new(TotalVariation { beta: 2.0, divisor: 5.0 })),
        example("AlphaNorm", &[4, 3, 3], Box::new(AlphaNorm { alpha: 6.0, divisor: 5.0 })),
    ]
}
