//! Plain functions: closures over numbers, slices or arrays, with no tape.

use std::borrow::Borrow;
use std::marker::PhantomData;

use ndarray::{Array, ArrayD, Dimension, IxDyn};

use crate::compare::Run;
use crate::float::Float;
use crate::function::Function;
use crate::{Failure, GradCheck, Report, joined};

/// Numbers in some shape: what a plain function takes and gives. A number, a slice, a `Vec`, an array of the language,
/// an array of `ndarray`, or several of the last in a slice or `Vec`; of f32 or f64.
pub trait Numbers {
    /// The rounding unit of the numbers: 2⁻²³ for f32, 2⁻⁵² for f64. How precise a slope can be depends on it.
    const UNIT: f64;

    /// The numbers in f64: one array, or several where there are several.
    fn arrays(&self) -> Vec<ArrayD<f64>>;
}

/// Numbers that can be replaced by others of the same shape: a point that can be moved.
pub trait Point: Numbers {
    /// What owns them: a `Vec` for a slice.
    type Owned: Borrow<Self>;

    /// A point of the same shape with other numbers, rounded to its own type.
    fn with(&self, arrays: &[ArrayD<f64>]) -> Self::Owned;
}

fn row_major<T: Float>(shape: &[usize], numbers: impl Iterator<Item = T>) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(shape), numbers.map(Float::to_f64).collect()).expect("as many as the shape says")
}

impl<T: Float> Numbers for T {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        vec![row_major(&[], std::iter::once(*self))]
    }
}

impl<T: Float> Point for T {
    type Owned = Self;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self {
        T::of(arrays[0][IxDyn(&[])])
    }
}

impl<T: Float> Numbers for [T] {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        vec![row_major(&[self.len()], self.iter().copied())]
    }
}

impl<T: Float> Point for [T] {
    type Owned = Vec<T>;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Vec<T> {
        arrays[0].iter().map(|&x| T::of(x)).collect()
    }
}

impl<T: Float> Numbers for Vec<T> {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        self[..].arrays()
    }
}

impl<T: Float> Point for Vec<T> {
    type Owned = Self;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self {
        self[..].with(arrays)
    }
}

impl<T: Float, const N: usize> Numbers for [T; N] {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        self[..].arrays()
    }
}

impl<T: Float, const N: usize> Point for [T; N] {
    type Owned = Self;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self {
        std::array::from_fn(|i| T::of(arrays[0][i]))
    }
}

impl<T: Float, D: Dimension> Numbers for Array<T, D> {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        vec![row_major(self.shape(), self.iter().copied())]
    }
}

impl<T: Float, D: Dimension> Point for Array<T, D> {
    type Owned = Self;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self {
        arrays[0].mapv(T::of).into_dimensionality().expect("of the same shape")
    }
}

impl<T: Float, D: Dimension> Numbers for [Array<T, D>] {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        self.iter().flat_map(Numbers::arrays).collect()
    }
}

impl<T: Float, D: Dimension> Point for [Array<T, D>] {
    type Owned = Vec<Array<T, D>>;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self::Owned {
        self.iter().zip(arrays.chunks(1)).map(|(own, array)| own.with(array)).collect()
    }
}

impl<T: Float, D: Dimension> Numbers for Vec<Array<T, D>> {
    const UNIT: f64 = T::UNIT;

    fn arrays(&self) -> Vec<ArrayD<f64>> {
        self[..].arrays()
    }
}

impl<T: Float, D: Dimension> Point for Vec<Array<T, D>> {
    type Owned = Self;

    fn with(&self, arrays: &[ArrayD<f64>]) -> Self {
        self[..].with(arrays)
    }
}

/// A function that may be called from several threads at once: what [`GradCheck::parallel`] gives. The results are the
/// same bits on any number of threads.
///
/// ```
/// use impasto_gradcheck::GradCheck;
///
/// let x: Vec<f64> = (0..500).map(|i| f64::from(i).sin()).collect();
/// let f = |x: &[f64]| x.iter().map(|x| x.powi(4)).sum::<f64>();
/// let gradient = |x: &[f64]| x.iter().map(|x| 4.0 * x.powi(3)).collect::<Vec<_>>();
/// let report = GradCheck::new().parallel().check_fn(f, gradient, &x[..])?;
/// assert_eq!(report.compared, 500);
/// # Ok::<_, impasto_gradcheck::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Parallel(pub(crate) GradCheck);

/// Checks the gradient of a plain function; see [`GradCheck::check_fn`].
///
/// # Errors
/// If anything is wrong, or not differentiable.
pub fn check_fn<X: Point + ?Sized, Y: Float, G: Numbers>(
    f: impl Fn(&X) -> Y,
    gradient: impl Fn(&X) -> G,
    x: &X,
) -> Result<Report, Failure> {
    GradCheck::new().check_fn(f, gradient, x)
}

/// Checks a Hessian-vector product; see [`GradCheck::check_hessian_vector`].
///
/// # Errors
/// If anything is wrong, or not differentiable.
pub fn check_hessian_vector<X: Point + ?Sized, G: Numbers, H: Numbers>(
    gradient: impl Fn(&X) -> G,
    product: impl Fn(&X, &X) -> H,
    x: &X,
) -> Result<Report, Failure> {
    GradCheck::new().check_hessian_vector(gradient, product, x)
}

impl GradCheck {
    /// The same check, of functions that may be called from several threads at once.
    pub fn parallel(self) -> Parallel {
        Parallel(self)
    }

    /// Checks that `gradient` is the gradient of `f` at `x`, where `f` gives a number. Slopes, kinks, rounding and
    /// reports are those of a check of a function on a tape; only no operation can be named.
    ///
    /// ```
    /// use impasto_gradcheck::GradCheck;
    ///
    /// let x = ndarray::array![[1.0, -2.0], [0.5, 3.0]];
    /// let f = |x: &ndarray::Array2<f64>| x.dot(x).sum();
    /// let gradient = |x: &ndarray::Array2<f64>| {
    ///     let ones = ndarray::Array2::ones((2, 2));
    ///     x.t().dot(&ones) + ones.dot(&x.t())
    /// };
    /// GradCheck::new().check_fn(f, gradient, &x)?;
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// Functions in f32 are held to what f32 can tell, some four digits: the tolerance is never less than what their
    /// own rounding hides. Of more than 100 elements directions are compared, as each element by itself changes too
    /// little.
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_fn<X: Point + ?Sized, Y: Float, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y,
        gradient: impl Fn(&X) -> G,
        x: &X,
    ) -> Result<Report, Failure> {
        self.check_function(&of_gradient(x, &f, &gradient), &x.arrays())
    }

    /// Checks a gradient where not every direction is allowed: at a symmetric or positive definite matrix, a rotation, a point
    /// of a sphere. `retract(t)` is a point that is allowed for each t of `dimension` numbers, and retract(0) the point that
    /// is looked at; what is checked are the slopes of f(retract(t)) at t = 0, against the gradient's products with the
    /// slopes of `retract`. For a basis B of allowed directions, `retract` is x + Σ tⱼBⱼ.
    ///
    /// ```
    /// use impasto_gradcheck::GradCheck;
    ///
    /// // ln det of a symmetric positive definite matrix [[a, b], [b, c]]; its gradient is the inverse.
    /// let f = |x: &[f64; 4]| (x[0] * x[3] - x[1] * x[2]).ln();
    /// let gradient = |x: &[f64; 4]| {
    ///     let determinant = x[0] * x[3] - x[1] * x[2];
    ///     [x[3] / determinant, -x[2] / determinant, -x[1] / determinant, x[0] / determinant]
    /// };
    /// let symmetric = |t: &[f64]| [2.0 + t[0], 0.3 + t[1], 0.3 + t[1], 1.0 + t[2]];
    /// let report = GradCheck::new().check_fn_on(f, gradient, symmetric, 3)?;
    /// assert_eq!(report.compared, 3);
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_fn_on<X: Point, Y: Float, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y,
        gradient: impl Fn(&X) -> G,
        retract: impl Fn(&[f64]) -> X,
        dimension: usize,
    ) -> Result<Report, Failure> {
        let zero = vec![0.0; dimension];
        // Row by row: the slopes of one number of the point along all of t.
        let tangents = self.numeric_jacobian(&retract, &zero[..]).values;
        let along = |t: &[f64]| {
            let gradient: Vec<f64> = gradient(&retract(t)).arrays().into_iter().flatten().collect();
            let mut slopes = vec![0.0; dimension];
            for (number, tangent) in tangents.iter().enumerate() {
                slopes[number % dimension] += gradient[number / dimension] * tangent;
            }
            slopes
        };
        self.check_fn(|t: &[f64]| f(&retract(t)), along, &zero[..])
    }

    /// Checks the vector-Jacobian product (VJP) of a function that gives an array or a list: `vjp(x, dy)` is the
    /// gradient of ⟨dy, f(x)⟩, with `dy` in the shape of the function's value.
    ///
    /// ```
    /// use impasto_gradcheck::GradCheck;
    ///
    /// let f = |x: &[f64]| vec![x[0] * x[1], x[1].sin()];
    /// let vjp = |x: &[f64], dy: &Vec<f64>| vec![dy[0] * x[1], dy[0] * x[0] + dy[1] * x[1].cos()];
    /// let report = GradCheck::new().check_vjp(f, vjp, &[0.3, 1.2][..])?;
    /// assert_eq!(report.compared, 4);
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_vjp<X: Point + ?Sized, Y: Point, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y,
        vjp: impl Fn(&X, &Y) -> G,
        x: &X,
    ) -> Result<Report, Failure> {
        let value = f(x);
        self.check_function(&of_vjp(x, &f, &value, &vjp), &x.arrays())
    }

    /// Checks that `product(x, v)` is the product of the Hessian with v, where `gradient` is the first derivative: that
    /// it is linear in v, symmetric (⟨u, Hv⟩ = ⟨v, Hu⟩), and the slope of `gradient`.
    ///
    /// ```
    /// use impasto_gradcheck::check_hessian_vector;
    ///
    /// // f = x₀²x₁
    /// let gradient = |x: &[f64; 2]| [2.0 * x[0] * x[1], x[0] * x[0]];
    /// let product = |x: &[f64; 2], v: &[f64; 2]| [2.0 * (x[1] * v[0] + x[0] * v[1]), 2.0 * x[0] * v[0]];
    /// check_hessian_vector(gradient, product, &[0.7, -1.1])?;
    /// # Ok::<_, impasto_gradcheck::Failure>(())
    /// ```
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable; see [`Failure`].
    pub fn check_hessian_vector<X: Point + ?Sized, G: Numbers, H: Numbers>(
        &self,
        gradient: impl Fn(&X) -> G,
        product: impl Fn(&X, &X) -> H,
        x: &X,
    ) -> Result<Report, Failure> {
        let subject = of_product(x, &gradient, &product);
        symmetric(self, &subject, &x.arrays())?;
        self.check_function(&subject, &x.arrays())
    }
}

impl Parallel {
    /// [`GradCheck::check_fn`].
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable.
    pub fn check_fn<X: Point + Sync + ?Sized, Y: Float, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y + Sync,
        gradient: impl Fn(&X) -> G + Sync,
        x: &X,
    ) -> Result<Report, Failure> {
        self.0.check_function(&AtOnce(of_gradient(x, &f, &gradient)), &x.arrays())
    }

    /// [`GradCheck::check_vjp`].
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable.
    pub fn check_vjp<X: Point + Sync + ?Sized, Y: Point + Sync, G: Numbers>(
        &self,
        f: impl Fn(&X) -> Y + Sync,
        vjp: impl Fn(&X, &Y) -> G + Sync,
        x: &X,
    ) -> Result<Report, Failure> {
        let value = f(x);
        self.0.check_function(&AtOnce(of_vjp(x, &f, &value, &vjp)), &x.arrays())
    }

    /// [`GradCheck::check_hessian_vector`].
    ///
    /// # Errors
    /// If anything is wrong, or not differentiable.
    pub fn check_hessian_vector<X: Point + Sync + ?Sized, G: Numbers, H: Numbers>(
        &self,
        gradient: impl Fn(&X) -> G + Sync,
        product: impl Fn(&X, &X) -> H + Sync,
        x: &X,
    ) -> Result<Report, Failure> {
        let subject = AtOnce(of_product(x, &gradient, &product));
        symmetric(&self.0, &subject, &x.arrays())?;
        self.0.check_function(&subject, &x.arrays())
    }
}

/// A plain function at a point, and what pulls cotangents back.
struct Plain<'a, X: ?Sized, Y, F, V> {
    point: &'a X,
    f: &'a F,
    pull: V,
    gives: PhantomData<fn() -> Y>,
}

impl<X: Point + ?Sized, Y: Numbers, F: Fn(&X) -> Y, V: Fn(&X, &ArrayD<f64>) -> Vec<ArrayD<f64>>> Function
    for Plain<'_, X, Y, F, V>
{
    fn unit(&self) -> f64 {
        X::UNIT.max(Y::UNIT)
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        joined((self.f)(self.point.with(inputs).borrow()).arrays())
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        (self.pull)(self.point.with(inputs).borrow(), cotangent)
    }
}

/// A function alone, of which nothing is pulled back.
pub(crate) fn of_function<'a, X: Point + ?Sized, Y: Numbers>(x: &'a X, f: &'a impl Fn(&X) -> Y) -> impl Function {
    Plain { point: x, f, pull: |_: &X, _: &ArrayD<f64>| Vec::new(), gives: PhantomData }
}

/// A function that gives a number, and its gradient.
fn of_gradient<'a, X: Point + ?Sized, Y: Float, G: Numbers>(
    x: &'a X,
    f: &'a impl Fn(&X) -> Y,
    gradient: &'a impl Fn(&X) -> G,
) -> impl Function {
    let pull = |x: &X, cotangent: &ArrayD<f64>| {
        let factor = cotangent[IxDyn(&[])];
        gradient(x).arrays().into_iter().map(|gradient| gradient * factor).collect()
    };
    Plain { point: x, f, pull, gives: PhantomData }
}

/// A function whose value has the shape of `value`, and its VJP.
fn of_vjp<'a, X: Point + ?Sized, Y: Point, G: Numbers>(
    x: &'a X,
    f: &'a impl Fn(&X) -> Y,
    value: &'a Y,
    vjp: &'a impl Fn(&X, &Y) -> G,
) -> impl Function {
    let pull =
        |x: &X, cotangent: &ArrayD<f64>| vjp(x, value.with(&split(cotangent, &value.arrays())).borrow()).arrays();
    Plain { point: x, f, pull, gives: PhantomData }
}

/// A gradient, and the product with its Jacobian: which is symmetric, so that the product is the VJP too.
fn of_product<'a, X: Point + ?Sized, G: Numbers, H: Numbers>(
    x: &'a X,
    gradient: &'a impl Fn(&X) -> G,
    product: &'a impl Fn(&X, &X) -> H,
) -> impl Function {
    let pull = |x: &X, v: &ArrayD<f64>| product(x, x.with(&split(v, &x.arrays())).borrow()).arrays();
    Plain { point: x, f: gradient, pull, gives: PhantomData }
}

/// What [`joined`] has made one, in the shapes of `like`.
pub(crate) fn split(all: &ArrayD<f64>, like: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
    let mut numbers = all.iter().copied();
    like.iter().map(|like| row_major(like.shape(), numbers.by_ref().take(like.len()))).collect()
}

/// A subject whose function may be called from several threads at once.
pub(crate) struct AtOnce<S>(pub(crate) S);

impl<S: Function + Sync> Function for AtOnce<S> {
    fn unit(&self) -> f64 {
        self.0.unit()
    }

    fn value(&self, inputs: &[ArrayD<f64>]) -> ArrayD<f64> {
        self.0.value(inputs)
    }

    fn pull_back(&self, inputs: &[ArrayD<f64>], cotangent: &ArrayD<f64>) -> Vec<ArrayD<f64>> {
        self.0.pull_back(inputs, cotangent)
    }

    fn shared(&self) -> Option<&(dyn Function + Sync)> {
        Some(self)
    }
}

/// Whether ⟨u, Hv⟩ = ⟨v, Hu⟩ for random u and v.
fn symmetric(check: &GradCheck, subject: &dyn Function, inputs: &[ArrayD<f64>]) -> Result<(), Failure> {
    Run::new(check, subject, inputs).vjp_is_symmetric()
}

#[cfg(test)]
mod tests;
