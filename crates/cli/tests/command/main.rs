//! The command as its users see it: runs the built binary through every subcommand and error.
//!
//! Pictures are tiny and the network is `tests/data/vgg19-thin.npz`, VGG19's shape at an eighth of its width, so that
//! all of this takes seconds.

mod batch;
mod checkpoint;
mod colours;
mod defaults;
mod features;
mod figure;
mod finish;
mod formats;
mod golden;
mod help;
mod hostile;
mod interrupt;
mod invert;
mod loss;
mod masks;
mod memory;
mod network;
mod not_finite;
mod overwrites;
mod permissions;
mod pictures;
mod reference;
mod same_bits;
mod server;
mod show;
mod streams;
mod studio;
mod styles;
mod support;
mod texture;
mod transfer;
mod transfer_files;
mod usage;
mod weights;
