//! Elementwise functions of whole arrays, in parallel if the arrays are large.

use ndarray::{ArrayD, Zip};

use crate::tape::{Real, Tensor};

/// Below this number of elements, threads cost more than they save.
const LARGE: usize = 1 << 14;

/// y ← f(x).
pub(super) fn map<T: Real>(x: &ArrayD<T>, mut y: Tensor<T>, f: impl Fn(T) -> T + Sync + Send) -> Tensor<T> {
    let zip = Zip::from(&mut *y).and(x);
    if zip.size() < LARGE {
        zip.for_each(|y, &x| *y = f(x));
    } else {
        zip.par_for_each(|y, &x| *y = f(x));
    }
    y
}

/// y ← f(y, x): turns a cotangent into a gradient in place.
pub(super) fn map_in_place<T: Real>(mut y: Tensor<T>, x: &ArrayD<T>, f: impl Fn(T, T) -> T + Sync + Send) -> Tensor<T> {
    let zip = Zip::from(&mut *y).and(x);
    if zip.size() < LARGE {
        zip.for_each(|y, &x| *y = f(*y, x));
    } else {
        zip.par_for_each(|y, &x| *y = f(*y, x));
    }
    y
}
