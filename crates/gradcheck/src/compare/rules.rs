//! The rules that every vector-Jacobian product (VJP) keeps.

use ndarray::{ArrayD, Dimension};

use super::Run;
use crate::linear::{COMBINATIONS, NONLINEAR, largest, nonlinearity, rounding};
use crate::report::{Failure, Rule};
use crate::slope::root_mean_square;
use crate::{direction, dot, joined};

impl Run<'_> {
    /// Whether the value is finite, and the same bits of the same inputs.
    pub(crate) fn value_repeats(&self) -> Result<(), Failure> {
        let (value, again) = (self.subject.value(self.inputs), self.subject.value(self.inputs));
        if let Some((index, &value)) = value.indexed_iter().find(|(_, value)| !value.is_finite()) {
            return Err(Failure::NotFinite { index: index.slice().to_vec(), value, operation: None });
        }
        self.repeats(&value, &again).map_err(|by| Failure::ValueChanges { place: "the value".into(), by })
    }

    /// Whether two evaluations at the same point are the same, to the bit or as near as the options say; the error is how far
    /// they are apart, relative to the largest element.
    pub(crate) fn repeats(&self, one: &ArrayD<f64>, other: &ArrayD<f64>) -> Result<(), f64> {
        if one.shape() == other.shape() && one.iter().zip(other).all(|(a, b)| a.to_bits() == b.to_bits()) {
            return Ok(());
        }
        if one.shape() != other.shape() {
            return Err(f64::NAN);
        }
        let by = largest(&(one - other)) / largest(one).max(largest(other));
        if by <= self.check.nondeterminism { Ok(()) } else { Err(by) }
    }

    /// Whether gradients have no NaN and no infinity in them.
    pub(crate) fn vjp_is_finite(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let gradients = self.subject.pull_back(self.inputs, &direction(&shape, &mut self.rng(0)));
        if gradients.len() != self.inputs.len() {
            let rule = Rule::Number { expected: self.inputs.len(), found: gradients.len() };
            return Err(Failure::Gradient { input: 0, rule });
        }
        for (input, gradient) in gradients.iter().enumerate() {
            if let Some((index, &value)) = gradient.indexed_iter().find(|(_, g)| !g.is_finite()) {
                let rule = Rule::Finite { index: index.slice().to_vec(), value };
                return Err(Failure::Gradient { input, rule });
            }
        }
        Ok(())
    }

    /// Whether ⟨d, VJP(c)⟩ = ⟨c, VJP(d)⟩, as for a Hessian.
    pub(crate) fn vjp_is_symmetric(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let (c, d) = (direction(&shape, &mut self.rng(0)), direction(&shape, &mut self.rng(u64::MAX)));
        let pull = |cotangent: &ArrayD<f64>| joined(self.subject.pull_back(self.inputs, cotangent));
        let (of_c, of_d) = (pull(&c), pull(&d));
        let norm = |gradient: &ArrayD<f64>| root_mean_square(gradient.iter().copied()) * gradient.len() as f64;
        let off = (dot(&d, &of_c) - dot(&c, &of_d)).abs();
        let size = norm(&of_c).max(norm(&of_d));
        let allowed = 1e-9f64.max(1e3 * self.subject.unit()).max(self.check.rtol);
        let hidden = || 2.0 * c.len() as f64 * rounding(pull, [(&c, &of_c), (&d, &of_d)]);
        if off > allowed * size && off > hidden() {
            return Err(Failure::Gradient { input: 0, rule: Rule::Symmetric(off / size) });
        }
        Ok(())
    }

    /// Whether the VJP is a function, and linear: the same bits of the same cotangent, and VJP(a·c + b·d) =
    /// a·VJP(c) + b·VJP(d).
    pub(crate) fn vjp_is_linear(&self) -> Result<(), Failure> {
        let shape = self.subject.value(self.inputs).shape().to_vec();
        let (c, d) = (direction(&shape, &mut self.rng(0)), direction(&shape, &mut self.rng(u64::MAX)));
        let pull = |cotangent: &ArrayD<f64>| self.subject.pull_back(self.inputs, cotangent);
        let of_c = pull(&c);
        // What was kept from an evaluation elsewhere must not be used.
        let elsewhere: Vec<_> = self.inputs.iter().map(|x| x * (1.0 + 1.0 / 1024.0)).collect();
        self.subject.value(&elsewhere);
        let (again, of_d) = (pull(&c), pull(&d));
        for (input, (one, other)) in of_c.iter().zip(&again).enumerate() {
            let expected = self.inputs[input].shape();
            if one.shape() != expected {
                let rule = Rule::Shape { expected: expected.to_vec(), found: one.shape().to_vec() };
                return Err(Failure::Gradient { input, rule });
            }
            self.repeats(one, other)
                .map_err(|by| Failure::ValueChanges { place: format!("the gradient of input {input}"), by })?;
        }
        for (a, b) in COMBINATIONS {
            let of_both = pull(&(&c * a + &d * b));
            for (input, both) in of_both.iter().enumerate() {
                let (one, other) = (&of_c[input], &of_d[input]);
                let off = |rounding| nonlinearity([(a, one), (b, other)], both, rounding);
                let allowed = NONLINEAR.max(64.0 * self.subject.unit()).max(16.0 * self.check.nondeterminism);
                let is_off = off(0.0) > allowed && off(self.rounding(input, [(&c, one), (&d, other)])) > allowed;
                if is_off {
                    return Err(Failure::Gradient { input, rule: Rule::Combines(off(0.0)) });
                }
            }
        }
        Ok(())
    }

    /// How far rounding may move the gradient of one input.
    fn rounding(&self, input: usize, known: [(&ArrayD<f64>, &ArrayD<f64>); 2]) -> f64 {
        rounding(|cotangent| self.subject.pull_back(self.inputs, cotangent).swap_remove(input), known)
    }
}
