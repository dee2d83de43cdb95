//! Operations with several outputs.

use std::cell::RefCell;
use std::rc::Rc;

use ndarray::Array1;

use super::backward::Cotangents;
use super::{Real, Tape, Tensor, Value, Var};

impl<T: Real> Tape<T> {
    /// Records an operation with several outputs, as [`Tape::record`] records one with a single output. `vjp(dy, inputs)`
    /// receives the gradient with respect to each output, `None` for an output that no gradient reaches. It is called once,
    /// if at least one output has a gradient.
    ///
    /// The tape gets a node for the operation itself, followed by a node for each output that passes its gradient on. The
    /// backward pass therefore reaches the operation after all its outputs.
    ///
    /// ```
    /// use impasto::tape::Tape;
    /// use ndarray::arr0;
    ///
    /// let tape = Tape::<f64>::new();
    /// let x = tape.variable(arr0(3.0));
    /// // (2x, x²)
    /// let y = tape.record_several("double and square", &[&x], vec![arr0(6.0), arr0(9.0)], 0, |dy, inputs| {
    ///     let of = |output: usize| dy[output].as_ref().map_or(0.0, |dy| dy[[]]);
    ///     inputs.add(0, arr0(2.0 * of(0) + 6.0 * of(1)));
    /// });
    /// assert_eq!((&y[0] + &y[1]).backward().get(&x).unwrap()[[]], 8.0);
    /// ```
    ///
    /// # Panics
    /// If a parent belongs to another tape.
    pub fn record_several<'t>(
        &'t self,
        name: &'static str,
        parents: &[&Var<'t, T>],
        values: Vec<impl Into<Value<T>>>,
        kept: usize,
        vjp: impl FnOnce(Vec<Option<Tensor<T>>>, &mut Cotangents<'_, T>) + 'static,
    ) -> Vec<Var<'t, T>> {
        let cotangents = Rc::new(RefCell::new(Vec::new()));
        cotangents.borrow_mut().resize_with(values.len(), || None);
        let taken = Rc::clone(&cotangents);
        let operation = self.record(name, parents, Array1::zeros(0), kept, move |_, inputs| vjp(taken.take(), inputs));
        let output = |(index, value): (usize, _)| {
            let cotangents = Rc::clone(&cotangents);
            self.record("output", &[&operation], value, 0, move |dy, inputs| {
                // `pull_back` may have called the operation's VJP before.
                if let Some(place) = cotangents.borrow_mut().get_mut(index) {
                    *place = Some(dy);
                }
                inputs.add(0, Array1::zeros(0));
            })
        };
        values.into_iter().enumerate().map(output).collect()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr0;

    use super::*;

    #[test]
    fn the_vjp_is_called_once_with_the_gradients_that_there_are() {
        let gradient = |used: [bool; 2]| {
            let tape = Tape::<f64>::new();
            let x = tape.variable(arr0(1.0));
            let y = tape.record_several("two", &[&x], vec![arr0(1.0), arr0(1.0)], 8, move |dy, inputs| {
                assert_eq!(dy.iter().map(Option::is_some).collect::<Vec<_>>(), used);
                let sum = dy.iter().flatten().zip([10.0, 100.0]).map(|(dy, by)| dy[[]] * by).sum::<f64>();
                inputs.add(0, arr0(sum));
            });
            assert!(tape.to_string().contains("two"));
            let used = y.iter().zip(used).filter(|(_, used)| *used).map(|(y, _)| y.clone());
            let total = used.reduce(|a, b| crate::ops::add(&a, &b)).unwrap();
            total.backward().get(&x).unwrap()[[]]
        };
        assert_eq!([gradient([true, true]), gradient([true, false]), gradient([false, true])], [110.0, 10.0, 10.0]);
    }

    #[test]
    fn of_constants_nothing_is_recorded() {
        let tape = Tape::<f64>::new();
        let x = tape.constant(arr0(1.0));
        let y = tape.record_several("two", &[&x], vec![arr0(1.0), arr0(2.0)], 8, |_, _| unreachable!("no gradient"));
        assert!(tape.is_empty() && y.iter().all(|y| !y.needs_gradient()) && y[1].scalar() == 2.0);
    }
}
