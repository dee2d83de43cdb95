//! Neural style transfer, texture synthesis and representation inversion with VGG19 on the CPU.
//!
//! A style transfer from two files to a third:
//!
//! ```no_run
//! use std::ops::ControlFlow;
//!
//! use impasto::{Picture, Preset, Progress, Transfer, Vgg19, Weights};
//!
//! # fn main() -> Result<(), impasto::Error> {
//! let content = Picture::open("content.jpg")?.fitted(512);
//! let style = Picture::open("style.jpg")?.fitted(512);
//! let network = Vgg19::new(Weights::find()?);
//! let mut run = Transfer::new(&content, &style, &network, Preset::Balanced).run()?;
//! run.finish(&mut |progress: &Progress| {
//!     println!("{} of {}: loss {}", progress.iteration, progress.iterations, progress.total);
//!     ControlFlow::Continue(())
//! })?;
//! run.finished().save("out.png")?;
//! # Ok(())
//! # }
//! ```
//!
//! [The book](../../book/html/index.html) (`docs/book`, made into pages by `mdbook build docs/book`) goes from a tape to a painting
//! in twelve chapters; each module names its chapter.
//!
//! The modules, from the job down to the arithmetic; each calls only those below it:
//!
//! | module | subject |
//! |---|---|
//! | [`jobs`] | [`Transfer`], [`Texture`], [`Invert`] |
//! | [`run`] | the loop of all jobs, the canvas, watchers |
//! | [`gradcheck`] | numerical gradient checking, also of your own operations |
//! | [`objective`] | the objective: a sum of terms |
//! | [`recipe`] | the named presets, layers and their weights, scales and steps |
//! | [`optim`] | Adam, L-BFGS, momentum |
//! | [`picture`] | image files in and out, resizing |
//! | [`vgg`] | the network: its layers, its weights, the features of an image |
//! | [`ops`] | differentiable operations, one file each |
//! | [`tape`] | reverse-mode automatic differentiation |
//! | [`comm`] | communicators: processes that compute one picture together |
//! | [`files`] | atomic writes |
//! | [`escape`] | escaping of untrusted text for terminals |
//! | `kernels` | convolution, products, pooling, on plain arrays; not public |
//!
//! # What it does to the process
//!
//! - Work runs on the threads of [rayon](https://docs.rs/rayon)'s current pool; results have the same bits on any number of them.
//! - With the feature `openblas`, the first matrix product sets the number of OpenBLAS's threads to 1, for the whole process.
//! - It prints nothing and installs no panic hook. A decoder's panic is caught and becomes an error; the process's own
//!   panic hook prints it, unless it checks [`picture::is_decoding`].

pub mod comm;
mod error;
pub mod escape;
pub mod files;
pub mod gradcheck;
pub mod jobs;
mod kernels;
pub mod objective;
pub mod ops;
pub mod optim;
pub mod picture;
pub mod recipe;
pub mod run;
pub mod tape;
pub mod vgg;

/// Kernels for the benches and tests of this package; no part of the API.
#[doc(hidden)]
pub mod bench {
    pub use crate::kernels::{BitMask, Buffers, Gradient, InstructionSet, Output, conv, eigen, gram, pooling, product};
}

pub use error::Error;
pub use jobs::{Invert, Texture, Transfer};
pub use picture::Picture;
pub use recipe::{Preset, Recipe};
pub use run::{Outcome, Progress, Run, Start, Watcher};
pub use tape::{Tape, Var};
pub use vgg::{Layer, Vgg19, Weights};

/// The README's examples are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
