//! Neural style transfer, texture synthesis and representation inversion with VGG19, on CPUs alone.

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

pub use atomic_file::write_atomically;
