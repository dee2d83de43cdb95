//! Inspecting a tape: what each operation read and computed, and its VJP called alone.

use super::backward::{Cotangents, take_vjp};
use super::record::Pullback;
use super::{Real, Tape, Tensor, Value};

/// One operation of a [traced](Tape::traced) tape.
#[derive(Clone, Debug)]
pub struct Operation<T: Real> {
    /// The name it was recorded under.
    pub name: &'static str,
    /// The node that each input comes from; `None` for a constant.
    pub parents: Vec<Option<usize>>,
    /// Its inputs, including constants.
    pub inputs: Vec<Value<T>>,
    /// Its output.
    pub output: Value<T>,
}

impl<T: Real> Tape<T> {
    /// The number of nodes, variables and operations.
    pub fn len(&self) -> usize {
        self.nodes.borrow().len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The operation at node number `node` of a [traced](Tape::traced) tape, in the order of recording; `None` for a variable,
    /// and on a tape that is not traced.
    ///
    /// # Panics
    /// If the tape has fewer nodes.
    pub fn operation(&self, node: usize) -> Option<Operation<T>> {
        let node = &self.nodes.borrow()[node];
        let trace = node.trace.as_ref()?;
        Some(Operation {
            name: node.name,
            parents: node.parents.clone(),
            inputs: trace.inputs.clone(),
            output: trace.output.clone(),
        })
    }

    /// Calls the VJP of one operation alone, as the backward pass would. `cotangent` is the gradient with respect to its
    /// output, and `gradients[k]` the gradient of input `k` accumulated so far (`None`: nothing). Returns the gradients
    /// after the call; constants have none. If `gradients[k]` is `None`, the result has the shape that the VJP gives it.
    ///
    /// ```
    /// use impasto::tape::Tape;
    /// use ndarray::array;
    ///
    /// let tape = Tape::<f64>::new();
    /// let x = tape.variable(array![2.0, 3.0]);
    /// let _square = &x * &x; // node 1
    /// let gradients = tape.pull_back(1, array![1.0, 10.0], vec![None, None]);
    /// assert_eq!(**gradients[0].as_ref().unwrap(), array![2.0, 30.0].into_dyn()); // of the first factor only
    /// ```
    ///
    /// # Panics
    /// If the tape has fewer nodes, if the node is a variable or its VJP was called before, or if `gradients` does not have one
    /// entry for each input.
    pub fn pull_back(
        &self,
        node: usize,
        cotangent: impl Into<Tensor<T>>,
        mut gradients: Vec<Option<Tensor<T>>>,
    ) -> Vec<Option<Tensor<T>>> {
        let mut nodes = self.nodes.borrow_mut();
        assert!(!matches!(nodes[node].pullback, Pullback::Leaf), "pull_back: node {node} is a variable");
        assert!(
            gradients.len() == nodes[node].parents.len(),
            "pull_back: {} has {} inputs, not {}",
            nodes[node].name,
            nodes[node].parents.len(),
            gradients.len()
        );
        let vjp = take_vjp(&mut nodes, node);
        // Each input has a slot of its own, even where two inputs are one value.
        let sources = &nodes[node].parents;
        let slots: Vec<_> = (0..sources.len()).map(|input| sources[input].map(|_| input)).collect();
        let shapes = |input: usize| nodes[sources[input].expect("wanted")].shape.clone();
        let mut cotangents = Cotangents {
            name: nodes[node].name,
            parents: &slots,
            shapes: &shapes,
            checked: false,
            slots: &mut gradients,
            buffers: self.buffers(),
        };
        vjp(cotangent.into(), &mut cotangents);
        gradients
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr0, array};

    use super::*;
    use crate::ops;

    #[test]
    fn a_traced_tape_shows_what_an_operation_read_and_computed() {
        let tape = Tape::<f64>::traced();
        assert!(tape.is_empty());
        let x = tape.variable(array![1.0, 2.0]);
        ops::mul(&x, &tape.constant(arr0(3.0)));
        assert!(tape.len() == 2 && !tape.is_empty());
        assert!(tape.operation(0).is_none());
        let mul = tape.operation(1).unwrap();
        assert_eq!((mul.name, &mul.parents[..]), ("mul", &[Some(0), None][..]));
        assert_eq!(**mul.inputs[0], array![1.0, 2.0].into_dyn());
        assert_eq!(**mul.inputs[1], arr0(3.0).into_dyn());
        assert_eq!(**mul.output, array![3.0, 6.0].into_dyn());
    }

    #[test]
    fn a_plain_tape_keeps_no_values() {
        let tape = Tape::<f64>::new();
        ops::square(&tape.variable(arr0(3.0)));
        assert!(tape.operation(1).is_none());
    }

    #[test]
    fn a_vjp_called_alone_adds_to_what_is_there_and_gives_constants_nothing() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 2.0]);
        let c = tape.constant(array![5.0, 7.0]);
        ops::mul(&x, &c);
        let so_far = vec![Some(Tensor::from(array![100.0, 200.0])), None];
        let gradients = tape.pull_back(1, array![1.0, 10.0], so_far);
        assert_eq!(**gradients[0].as_ref().unwrap(), array![105.0, 270.0].into_dyn());
        assert!(gradients[1].is_none());
    }

    #[test]
    fn a_gradient_of_the_wrong_shape_is_handed_over_as_it_is() {
        let tape = Tape::<f64>::new();
        let x = tape.variable(array![1.0, 2.0]);
        tape.record("wrong", &[&x], arr0(0.0), 0, |_, inputs| inputs.add(0, array![1.0]));
        assert_eq!(tape.pull_back(1, arr0(1.0), vec![None])[0].as_ref().unwrap().shape(), [1]);
    }

    #[test]
    #[should_panic(expected = "pull_back: node 0 is a variable")]
    fn a_variable_has_no_vjp() {
        let tape = Tape::<f64>::new();
        tape.variable(arr0(1.0));
        tape.pull_back(0, arr0(1.0), vec![]);
    }

    #[test]
    #[should_panic(expected = "pull_back: square has 1 inputs, not 0")]
    fn each_input_has_an_entry() {
        let tape = Tape::<f64>::new();
        ops::square(&tape.variable(arr0(1.0)));
        tape.pull_back(1, arr0(1.0), vec![]);
    }
}
