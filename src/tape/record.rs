//! The forward half of the tape: variables, constants, and the recording of operations.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use ndarray::{ArrayD, ArrayView, Dimension};

use super::backward::Cotangents;
use super::{Real, Tensor, Value};
use crate::kernels::Buffers;

/// A vector-Jacobian product: takes the gradient with respect to an operation's output, adds to those of its inputs.
pub(super) type Vjp<T> = Box<dyn FnOnce(Tensor<T>, &mut Cotangents<'_, T>)>;

/// The state of a node in the backward pass.
pub(super) enum Pullback<T: Real> {
    /// A variable: its gradient is a result.
    Leaf,
    /// An operation whose VJP has not been called yet.
    Ready(Vjp<T>),
    /// An operation whose VJP was called; what it kept has been freed.
    Spent,
}

/// One line of the Wengert list.
pub(super) struct Node<T: Real> {
    pub(super) name: &'static str,
    pub(super) shape: Vec<usize>,
    /// One entry for each input of the operation; `None` for a constant.
    pub(super) parents: Vec<Option<usize>>,
    /// Bytes that the VJP keeps for the backward pass.
    pub(super) kept: usize,
    pub(super) pullback: Pullback<T>,
    /// What the operation read and computed, on a traced tape.
    pub(super) trace: Option<Trace<T>>,
}

/// An operation's inputs, including constants, and its output.
pub(super) struct Trace<T: Real> {
    pub(super) inputs: Vec<Value<T>>,
    pub(super) output: Value<T>,
}

/// A Wengert list of operations, and the memory for their arrays.
///
/// A tape records one evaluation. [`Tape::clear`] prepares it for the next and keeps its memory.
pub struct Tape<T: Real> {
    pub(super) nodes: RefCell<Vec<Node<T>>>,
    buffers: Arc<Buffers<T>>,
    traced: bool,
}

impl<T: Real> Tape<T> {
    /// An empty tape.
    pub fn new() -> Self {
        Self { nodes: RefCell::new(Vec::new()), buffers: Arc::new(Buffers::new()), traced: false }
    }

    /// An empty tape that keeps what every operation read and computed, for [`Tape::operation`]. It needs memory for all
    /// values at once, so use it to inspect a computation, not to optimise.
    pub fn traced() -> Self {
        Self { traced: true, ..Self::new() }
    }

    /// Removes all operations and keeps the memory for the next evaluation. The compiler ensures that no [`Var`] of this tape
    /// is left.
    pub fn clear(&mut self) {
        self.nodes.get_mut().clear();
    }

    /// A value to differentiate with respect to: a leaf of the tape.
    pub fn variable(&self, value: impl Into<Value<T>>) -> Var<'_, T> {
        let value = value.into();
        let node = self.append(Node {
            name: "variable",
            shape: value.shape().to_vec(),
            parents: Vec::new(),
            kept: 0,
            pullback: Pullback::Leaf,
            trace: None,
        });
        Var { tape: self, node: Some(node), value }
    }

    /// A value that needs no gradient. Operations on constants only are not recorded: computing a target's features adds
    /// nothing to the tape.
    pub fn constant(&self, value: impl Into<Value<T>>) -> Var<'_, T> {
        Var { tape: self, node: None, value: value.into() }
    }

    /// A row-major tensor whose contents are unspecified, from the tape's memory: for operations to write into.
    pub fn tensor(&self, shape: &[usize]) -> Tensor<T> {
        Tensor::unspecified(shape, &self.buffers)
    }

    /// The tape's memory, for kernels that need scratch space.
    pub fn buffers(&self) -> &Arc<Buffers<T>> {
        &self.buffers
    }

    /// Records an operation. Everything differentiable gets onto the tape this way, from inside and outside this crate.
    ///
    /// `value` is the operation's output, and `kept` the number of bytes that `vjp` keeps. `vjp(dy, inputs)` receives the
    /// gradient `dy` with respect to the output, multiplies it with the Jacobian, and adds the results to the gradients of
    /// `parents[0]`, `parents[1]`, … with [`Cotangents::add`]. If no parent needs a gradient, `vjp` is dropped and the
    /// result is a constant.
    ///
    /// ```
    /// use impasto::tape::{Tape, Var};
    ///
    /// /// y = sin x, whose VJP is dx = dy·cos x.
    /// fn sin<'t>(x: &Var<'t, f64>) -> Var<'t, f64> {
    ///     let kept = x.value().clone();
    ///     x.tape().record("sin", &[x], x.value().mapv(f64::sin), kept.bytes(), move |dy, inputs| {
    ///         inputs.add(0, &*dy * &kept.mapv(f64::cos));
    ///     })
    /// }
    /// let tape = Tape::new();
    /// let x = tape.variable(ndarray::arr0(0.0));
    /// assert_eq!(sin(&x).backward().get(&x).unwrap()[[]], 1.0);
    /// ```
    ///
    /// # Panics
    /// If a parent belongs to another tape.
    pub fn record<'t>(
        &'t self,
        name: &'static str,
        parents: &[&Var<'t, T>],
        value: impl Into<Value<T>>,
        kept: usize,
        vjp: impl FnOnce(Tensor<T>, &mut Cotangents<'_, T>) + 'static,
    ) -> Var<'t, T> {
        assert!(parents.iter().all(|p| std::ptr::eq(p.tape, self)), "{name}: the inputs belong to different tapes");
        let value = value.into();
        let node = parents.iter().any(|p| p.needs_gradient()).then(|| {
            self.append(Node {
                name,
                shape: value.shape().to_vec(),
                parents: parents.iter().map(|p| p.node).collect(),
                kept,
                pullback: Pullback::Ready(Box::new(vjp)),
                trace: self.traced.then(|| Trace {
                    inputs: parents.iter().map(|p| p.value.clone()).collect(),
                    output: value.clone(),
                }),
            })
        });
        Var { tape: self, node, value }
    }

    fn append(&self, node: Node<T>) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(node);
        nodes.len() - 1
    }
}

impl<T: Real> Default for Tape<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// A value on a tape: the array and, if it needs a gradient, the node of the operation that computed it.
#[derive(Clone)]
pub struct Var<'t, T: Real> {
    tape: &'t Tape<T>,
    pub(super) node: Option<usize>,
    value: Value<T>,
}

impl<'t, T: Real> Var<'t, T> {
    /// The tape that this value is on.
    pub fn tape(&self) -> &'t Tape<T> {
        self.tape
    }

    /// The array.
    pub fn value(&self) -> &Value<T> {
        &self.value
    }

    /// The array's shape.
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// Whether a gradient flows through this value: false for constants and for values computed from constants only.
    pub fn needs_gradient(&self) -> bool {
        self.node.is_some()
    }

    /// The same value as a constant: no gradient flows through it.
    pub fn detached(&self) -> Self {
        Self { tape: self.tape, node: None, value: self.value.clone() }
    }

    /// The value of a scalar.
    ///
    /// # Panics
    /// If the array does not have exactly one element.
    pub fn scalar(&self) -> T {
        assert!(self.value.len() == 1, "scalar: the shape is {:?}, not that of one number", self.shape());
        self.value.first().copied().expect("one element")
    }

    /// The array as a view of rank `D`. The message of the panic names `operation`.
    ///
    /// # Panics
    /// If the array has another rank.
    pub fn of_rank<D: Dimension>(&self, operation: &str) -> ArrayView<'_, T, D> {
        self.value.of_rank(operation)
    }

    /// Bytes that a VJP adds to the tape's memory by keeping this value: 0 for a constant, which exists anyway.
    pub fn kept_bytes(&self) -> usize {
        if self.needs_gradient() { self.value.bytes() } else { 0 }
    }

    /// The value and its [`Var::kept_bytes`], if it is needed.
    pub(crate) fn kept_if(&self, needed: bool) -> (Option<Value<T>>, usize) {
        if needed { (Some(self.value.clone()), self.kept_bytes()) } else { (None, 0) }
    }

    /// A copy of the array.
    pub fn to_array(&self) -> ArrayD<T> {
        ArrayD::clone(&self.value)
    }
}

impl<T: Real> fmt::Debug for Var<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var").field("node", &self.node).field("value", &*self.value).finish()
    }
}
