//! The backward half of the tape: passes cotangents from the last node to the first.

use std::sync::Arc;

use ndarray::ArrayViewMutD;

use super::record::{Node, Pullback, Vjp};
use super::{Real, Tape, Tensor, Var};
use crate::kernels::Buffers;

/// The gradients with respect to one operation's inputs, as its VJP sees them.
pub struct Cotangents<'a, T: Real> {
    pub(super) name: &'static str,
    pub(super) parents: &'a [Option<usize>],
    pub(super) shapes: &'a dyn Fn(usize) -> Vec<usize>,
    /// Whether a gradient of the wrong shape panics; `pull_back` returns it instead.
    pub(super) checked: bool,
    pub(super) slots: &'a mut [Option<Tensor<T>>],
    pub(super) buffers: &'a Arc<Buffers<T>>,
}

impl<T: Real> Cotangents<'_, T> {
    /// The number of the operation's inputs.
    pub fn inputs(&self) -> usize {
        self.parents.len()
    }

    /// Whether input number `input` needs a gradient; if not, the VJP can skip its product.
    pub fn wanted(&self, input: usize) -> bool {
        self.parents[input].is_some()
    }

    /// Whether another operation has already contributed to the gradient of input number `input`.
    pub fn begun(&self, input: usize) -> bool {
        self.parents[input].is_some_and(|parent| self.slots[parent].is_some())
    }

    /// A tensor to compute in; its contents are unspecified.
    pub fn tensor(&self, shape: &[usize]) -> Tensor<T> {
        Tensor::unspecified(shape, self.buffers)
    }

    /// The tape's memory, for kernels that need scratch space.
    pub fn buffers(&self) -> &Arc<Buffers<T>> {
        self.buffers
    }

    /// Adds `gradient` to the gradient of input number `input`. It may have any memory order; the sum is in row-major order.
    ///
    /// # Panics
    /// If `gradient` and the input differ in shape.
    pub fn add(&mut self, input: usize, gradient: impl Into<Tensor<T>>) {
        let Some(parent) = self.parents[input] else { return };
        let gradient = gradient.into().into_row_major();
        if self.checked {
            self.check(input, gradient.shape());
        }
        match &mut self.slots[parent] {
            Some(sum) => ndarray::Zip::from(&mut **sum).and(&*gradient).par_for_each(|sum, &g| *sum += g),
            empty => *empty = Some(gradient),
        }
    }

    /// Lets `write(gradient, accumulate)` write the gradient of input number `input` in place, which saves a pass over memory. If
    /// `accumulate` is false, `write` must set every element; otherwise it must add to the elements.
    pub fn write(&mut self, input: usize, write: impl FnOnce(ArrayViewMutD<'_, T>, bool)) {
        let Some(parent) = self.parents[input] else { return };
        match &mut self.slots[parent] {
            Some(sum) => write(sum.view_mut(), true),
            empty => {
                let shape = (self.shapes)(parent);
                let mut gradient = Tensor::unspecified(&shape, self.buffers);
                write(gradient.view_mut(), false);
                *empty = Some(gradient);
            }
        }
    }

    fn check(&self, input: usize, shape: &[usize]) {
        let Some(parent) = self.parents[input] else { return };
        let expected = (self.shapes)(parent);
        assert!(
            shape == expected,
            "{}: its VJP gives input {input} a gradient of shape {shape:?}, but the input has shape {expected:?}",
            self.name
        );
    }
}

/// The gradients of the tape's variables, computed by a backward pass.
#[derive(Debug)]
pub struct Gradients<T: Real> {
    slots: Vec<Option<Tensor<T>>>,
}

impl<T: Real> Gradients<T> {
    /// The gradient with respect to `variable`; `None` if the result does not depend on it.
    pub fn get(&self, variable: &Var<'_, T>) -> Option<&ndarray::ArrayD<T>> {
        self.slots.get(variable.node?)?.as_deref()
    }

    /// Removes and returns the gradient with respect to `variable`.
    pub fn take(&mut self, variable: &Var<'_, T>) -> Option<Tensor<T>> {
        self.slots.get_mut(variable.node?)?.take()
    }
}

impl<T: Real> Var<'_, T> {
    /// The gradients of this scalar with respect to the tape's variables.
    ///
    /// The pass frees what the operations kept, so each operation can be differentiated only once.
    ///
    /// # Panics
    /// If this is not a scalar, if it depends on no variable, or if an operation was differentiated before.
    pub fn backward(&self) -> Gradients<T> {
        assert!(
            self.value().len() == 1,
            "backward: starts at a scalar, but the shape is {:?}; use backward_from with a cotangent",
            self.shape()
        );
        let mut one = self.tape().tensor(self.shape());
        one.fill(T::one());
        self.backward_from(one)
    }

    /// The vector-Jacobian product: the gradients of Σ `cotangent`·`self` with respect to the tape's variables.
    ///
    /// # Panics
    /// If `cotangent` has another shape, if `self` depends on no variable, or if an operation was differentiated before.
    pub fn backward_from(&self, cotangent: impl Into<Tensor<T>>) -> Gradients<T> {
        let cotangent = cotangent.into();
        assert!(
            cotangent.shape() == self.shape(),
            "backward: the cotangent has shape {:?}, the value {:?}",
            cotangent.shape(),
            self.shape()
        );
        let last = self.node.expect("backward: the value depends on no variable");
        self.tape().backward(last, cotangent.into_row_major())
    }
}

impl<T: Real> Tape<T> {
    fn backward(&self, last: usize, cotangent: Tensor<T>) -> Gradients<T> {
        let mut nodes = self.nodes.borrow_mut();
        let mut slots: Vec<Option<Tensor<T>>> = Vec::new();
        slots.resize_with(last + 1, || None);
        slots[last] = Some(cotangent);
        for index in (0..=last).rev() {
            if slots[index].is_none() || matches!(nodes[index].pullback, Pullback::Leaf) {
                continue;
            }
            let cotangent = slots[index].take().expect("just seen");
            pull_back(&mut nodes, index, cotangent, &mut slots, self.buffers());
        }
        Gradients { slots }
    }
}

/// Calls the VJP of one node, once.
fn pull_back<T: Real>(
    nodes: &mut [Node<T>],
    index: usize,
    cotangent: Tensor<T>,
    slots: &mut [Option<Tensor<T>>],
    buffers: &Arc<Buffers<T>>,
) {
    let vjp = take_vjp(nodes, index);
    let shapes = |parent: usize| nodes[parent].shape.clone();
    let parents = &nodes[index].parents;
    vjp(
        cotangent,
        &mut Cotangents { name: nodes[index].name, parents, shapes: &shapes, checked: true, slots, buffers },
    );
}

/// Removes the VJP of one node, and returns it.
pub(super) fn take_vjp<T: Real>(nodes: &mut [Node<T>], index: usize) -> Vjp<T> {
    match std::mem::replace(&mut nodes[index].pullback, Pullback::Spent) {
        Pullback::Ready(vjp) => vjp,
        _ => {
            panic!("backward: node {index} ({}) was differentiated before; compute the value again", nodes[index].name)
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, arr0, array};

    use super::*;
    use crate::ops;

    #[test]
    fn the_gradient_of_a_value_used_twice_is_the_sum_over_its_uses() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(arr0(3.0));
        let y = ops::add(&ops::mul(&x, &x), &x);
        assert_eq!(y.scalar(), 12.0);
        assert_eq!(y.backward().get(&x).unwrap()[[]], 7.0);
    }

    #[test]
    fn nothing_is_recorded_for_constants_and_no_gradient_reaches_them() {
        let tape = Tape::<f32>::new();
        let c = tape.constant(array![1.0, 2.0]);
        let d = ops::square(&c);
        assert!(!d.needs_gradient() && tape.nodes.borrow().is_empty());
        let x = tape.variable(array![3.0, 4.0]);
        let gradients = ops::sum(&ops::mul(&x, &d)).backward();
        assert_eq!(gradients.get(&x).unwrap(), &array![1.0, 4.0].into_dyn());
        assert!(gradients.get(&d).is_none());
        assert_eq!(x.to_array(), array![3.0, 4.0].into_dyn());
        let detached = ops::sum(&ops::mul(&x, &x.detached())).backward();
        assert_eq!(detached.get(&x).unwrap(), &array![3.0, 4.0].into_dyn());
    }

    #[test]
    fn memory_goes_back_to_the_tape_during_the_pass_and_is_used_again() {
        let n = 1 << 15;
        let mut tape = Tape::<f32>::new();
        let mut step = || {
            let x = tape.variable(Array1::from_elem(n, 2.0));
            let mut y = x.clone();
            for _ in 0..10 {
                y = ops::scale(&y, 1.5);
            }
            let mut gradients = ops::sum(&y).backward();
            let gradient = gradients.take(&x).unwrap();
            assert!((gradient[0] - 1.5f32.powi(10)).abs() < 1e-3);
            drop((x, y, gradients, gradient));
            tape.clear();
            tape.buffers().bytes()
        };
        let after_first = step();
        assert!(after_first >= n * size_of::<f32>(), "{after_first} bytes went back");
        assert!(after_first <= 4 * n * size_of::<f32>(), "{after_first} bytes for a chain of ten operations");
        assert_eq!(step(), after_first);
    }

    #[test]
    fn a_vjp_is_told_which_gradients_are_wanted_and_has_the_memory_of_its_tape() {
        let tape = Tape::<f64>::new();
        let (x, c) = (tape.variable(arr0(1.0)), tape.constant(arr0(2.0)));
        let buffers = Arc::clone(tape.buffers());
        let y = tape.record("looks", &[&x, &c], arr0(0.0), 0, move |dy, inputs| {
            assert!(inputs.inputs() == 2 && inputs.wanted(0) && !inputs.wanted(1));
            assert!(Arc::ptr_eq(inputs.buffers(), &buffers));
            inputs.add(0, dy);
        });
        assert_eq!(y.backward().get(&x).unwrap()[[]], 1.0);
    }

    #[test]
    fn a_vjp_is_told_whether_its_input_has_a_gradient_already() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(arr0(1.0));
        // The operation recorded last comes first on the way back.
        let [one, other] = [("one", true), ("other", false)].map(|(name, begun)| {
            tape.record(name, &[&x], arr0(0.0), 0, move |dy, inputs| {
                assert_eq!(inputs.begun(0), begun);
                inputs.add(0, dy);
            })
        });
        assert_eq!(ops::add(&one, &other).backward().get(&x).unwrap()[[]], 2.0);
    }

    #[test]
    fn a_cleared_tape_is_empty() {
        let mut tape = Tape::<f64>::new();
        ops::square(&tape.variable(arr0(3.0)));
        tape.clear();
        assert!(tape.is_empty());
    }

    #[test]
    #[should_panic(expected = "node 1 (square) was differentiated before")]
    fn a_second_pass_over_the_same_operation_is_refused() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(arr0(3.0));
        let y = ops::square(&x);
        y.backward();
        y.backward();
    }

    #[test]
    #[should_panic(expected = "backward: starts at a scalar, but the shape is [2]")]
    fn only_a_scalar_has_a_gradient() {
        let tape = Tape::<f64>::new();
        tape.variable(array![1.0, 2.0]).backward();
    }

    #[test]
    #[should_panic(expected = "wrong: its VJP gives input 0 a gradient of shape [1], but the input has shape [2]")]
    fn a_vjp_of_the_wrong_shape_is_named() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 2.0]);
        let y = tape.record("wrong", &[&x], arr0(0.0), 0, |_, inputs| inputs.add(0, array![1.0]));
        y.backward();
    }

    #[test]
    #[should_panic(expected = "add: the inputs belong to different tapes")]
    fn tapes_do_not_mix() {
        let (one, other) = (Tape::<f64>::new(), Tape::<f64>::new());
        ops::add(&one.variable(arr0(1.0)), &other.variable(arr0(1.0)));
    }
}
