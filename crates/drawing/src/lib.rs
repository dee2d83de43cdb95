//! Drawings: the papers' figures as sheets of labelled cells, plots of losses, heat maps of gradient errors, and demo
//! pictures.
//!
//! A figure consists of rows of [`Cell`]s, each computed by its own job. A [`Sheet`] draws the results.

mod cell;
mod controls;
pub mod demo;
mod heat_map;
mod papers;
mod plot;
mod sheet;

use std::sync::Once;

use plotters::style::{FontStyle, register_font};

pub use cell::{Cell, CellJob, CellSettings, Painted};
pub use controls::controls;
pub use heat_map::heat_map;
pub use papers::{content, inversions, lambda, style, textures, weights};
pub use plot::{Curve, plot};
pub use sheet::{Sheet, Tile};

/// The typeface of all labels: Hack (MIT licence, and that of Bitstream Vera), embedded by `epaint_default_fonts`.
const FONT: &str = "Hack";

/// The advance of each of its glyphs, relative to its size.
const ADVANCE: f64 = 0.602;

/// Registers the font with the plotting library.
fn load_font() {
    static LOADED: Once = Once::new();
    LOADED.call_once(|| {
        assert!(
            register_font(FONT, FontStyle::Normal, epaint_default_fonts::HACK_REGULAR).is_ok(),
            "the embedded font is damaged"
        );
    });
}
