//! Neural style transfer, texture synthesis and representation inversion with VGG19, on CPUs alone.

pub mod kernels;
pub mod objective;
pub mod ops;
pub mod tape;
pub mod vgg;
