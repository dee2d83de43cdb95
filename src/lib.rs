//! Neural style transfer, texture synthesis and representation inversion with VGG19, on CPUs alone.
//!
//! A style transfer from two files to a third:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use impasto::{FoundWeights, Picture, Preset, Transfer, Vgg19, Weights};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let content = Picture::open("content.jpg".as_ref())?.fitted(512);
//! let style = Picture::open("style.jpg".as_ref())?.fitted(512);
//! let source = FoundWeights::find(None)?.source;
//! let network = Vgg19::new(Weights::load(&source, None)?);
//! let transfer = Transfer::new(&content, &style, &network, Preset::Balanced, source.is_trained());
//! let outcome = transfer.run(|progress| {
//!     println!("{} of {}: loss {}", progress.iteration, progress.steps, progress.total);
//!     ControlFlow::Continue(())
//! })?;
//! outcome.picture.save("out.png".as_ref())?;
//! # Ok(())
//! # }
//! ```
//!
//! The modules, from the job down to the arithmetic; each calls only those below it:
//!
//! | module | subject |
//! |---|---|
//! | [`studio`] | the jobs: [`Transfer`], [`studio::Texture`], [`studio::Invert`] |
//! | [`picture`] | image files in and out, resizing |
//! | [`gradcheck`] | numeric gradient testing, of your own operations too |
//! | [`objective`] | what is minimised, and the named presets |
//! | [`optim`] | Adam, L-BFGS, momentum |
//! | [`vgg`] | the network: its layers, its weights, the features of an image |
//! | [`ops`] | differentiable operations, one file each |
//! | [`tape`] | reverse-mode automatic differentiation |
//! | [`kernels`] | arrays in, arrays out: convolution, products, pooling |

mod atomic_file;
pub mod gradcheck;
pub mod kernels;
pub mod objective;
pub mod ops;
pub mod optim;
pub mod picture;
pub mod studio;
pub mod tape;
pub mod vgg;

pub use atomic_file::{check_writable, write_atomically};
pub use objective::{LayerWeights, Preset, Settings};
pub use picture::Picture;
pub use studio::{Ended, Optimiser, Outcome, Progress, Start, Transfer};
pub use tape::{Tape, Var};
pub use vgg::{FoundWeights, Layer, Vgg19, WeightSource, Weights};

/// The README's examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
