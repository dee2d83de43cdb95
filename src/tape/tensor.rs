//! The arrays on the tape: a `Tensor` has one owner, a `Value` is shared and read-only.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use ndarray::{Array, ArrayD, ArrayView, Dimension, IxDyn};

use crate::kernels::{Buffers, Real};

/// An array with one owner. Its memory returns to the tape's [`Buffers`] when it is dropped.
///
/// It dereferences to [`ArrayD`]; `from` converts any `ndarray` array.
pub struct Tensor<T: Real> {
    array: ArrayD<T>,
    home: Option<Arc<Buffers<T>>>,
}

impl<T: Real> Tensor<T> {
    /// A tensor of the given shape in row-major order whose contents are unspecified, with memory from `home`.
    pub(crate) fn unspecified(shape: &[usize], home: &Arc<Buffers<T>>) -> Self {
        let buffer = home.take(shape.iter().product());
        let array = ArrayD::from_shape_vec(IxDyn(shape), buffer).expect("as long as its shape says");
        Self { array, home: Some(Arc::clone(home)) }
    }

    /// The array itself.
    pub fn into_array(mut self) -> ArrayD<T> {
        if let Some(home) = self.home.take() {
            home.forget(self.array.len());
        }
        std::mem::take(&mut self.array)
    }

    /// The same elements under another shape.
    ///
    /// # Panics
    /// If the number of elements differs, or if the array is not in row-major order.
    pub fn reshaped(mut self, shape: &[usize]) -> Self {
        let array = std::mem::take(&mut self.array);
        let from = array.shape().to_vec();
        let array = array
            .into_shape_with_order(IxDyn(shape))
            .unwrap_or_else(|_| panic!("reshape: {from:?} cannot become {shape:?}"));
        Self { array, home: self.home.take() }
    }

    /// The same elements in row-major order; copies them if memory has another order.
    pub(super) fn into_row_major(self) -> Self {
        if self.is_standard_layout() { self } else { self.as_standard_layout().into_owned().into() }
    }

    /// The elements of a row-major array, in order.
    ///
    /// # Panics
    /// If the array is not in row-major order, as those from [`super::Tape::tensor`] always are.
    pub fn elements_mut(&mut self) -> &mut [T] {
        self.array.as_slice_mut().expect("a tensor in row-major order")
    }
}

impl<T: Real> Drop for Tensor<T> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            let (buffer, _) = std::mem::take(&mut self.array).into_raw_vec_and_offset();
            home.put(buffer);
        }
    }
}

impl<T: Real> Deref for Tensor<T> {
    type Target = ArrayD<T>;

    fn deref(&self) -> &ArrayD<T> {
        &self.array
    }
}

impl<T: Real> DerefMut for Tensor<T> {
    fn deref_mut(&mut self) -> &mut ArrayD<T> {
        &mut self.array
    }
}

impl<T: Real> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.array.fmt(f)
    }
}

impl<T: Real, D: Dimension> From<Array<T, D>> for Tensor<T> {
    fn from(array: Array<T, D>) -> Self {
        Self { array: array.into_dyn(), home: None }
    }
}

/// A shared array, read by the tape's nodes, by the closures of the backward pass, or by a network. Cloning is cheap; dropping
/// the last handle frees the memory.
#[derive(Clone, Debug)]
pub struct Value<T: Real>(Arc<Tensor<T>>);

impl<T: Real> Value<T> {
    /// Size in bytes.
    pub fn bytes(&self) -> usize {
        self.len() * size_of::<T>()
    }

    /// The tensor itself, if this is its last handle and it is in row-major order. A VJP can then overwrite what it kept with
    /// a gradient.
    ///
    /// # Errors
    /// Returns the value if other handles exist, or if memory has another order.
    pub fn into_tensor(self) -> Result<Tensor<T>, Self> {
        if self.is_standard_layout() { Arc::try_unwrap(self.0).map_err(Self) } else { Err(self) }
    }

    /// The elements in row-major order; copies them if memory has another order.
    pub fn elements(&self) -> Cow<'_, [T]> {
        self.as_slice().map_or_else(|| Cow::Owned(self.iter().copied().collect()), Cow::Borrowed)
    }

    /// The array as a view of rank `D`. The message of the panic names `operation`.
    ///
    /// # Panics
    /// If the array has another rank.
    pub fn of_rank<D: Dimension>(&self, operation: &str) -> ArrayView<'_, T, D> {
        self.view().into_dimensionality::<D>().unwrap_or_else(|_| {
            panic!(
                "{operation}: expected an array of {} axes, got the shape {:?}",
                D::NDIM.unwrap_or_default(),
                self.shape()
            )
        })
    }
}

impl<T: Real> Deref for Value<T> {
    type Target = ArrayD<T>;

    fn deref(&self) -> &ArrayD<T> {
        &self.0
    }
}

impl<T: Real> From<Tensor<T>> for Value<T> {
    fn from(tensor: Tensor<T>) -> Self {
        Self(Arc::new(tensor))
    }
}

impl<T: Real, D: Dimension> From<Array<T, D>> for Value<T> {
    fn from(array: Array<T, D>) -> Self {
        Tensor::from(array).into()
    }
}

impl<T: Real> From<&Self> for Value<T> {
    fn from(value: &Self) -> Self {
        value.clone()
    }
}
