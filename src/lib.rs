//! Neural style transfer, texture synthesis and representation inversion with VGG19, on CPUs alone.

pub mod kernels;
pub mod optim;
