//! L-BFGS as textbooks have it: the two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) without a line search.

use ndarray::ArrayD;

// ANCHOR: textbook
/// L-BFGS that always goes the whole step d = −Hg, and takes for granted that it is where it went.
pub struct Textbook {
    /// The most that the first step changes an element by.
    first: f64,
    /// Steps s, and what they changed the gradient by, y.
    pairs: Vec<(ArrayD<f32>, ArrayD<f32>)>,
    /// The last step and the gradient before it.
    last: Option<(ArrayD<f32>, ArrayD<f32>)>,
}

impl Textbook {
    /// Nothing is known before the first step, so it is as long as the caller says.
    pub fn new(first: f64) -> Self {
        Self { first, pairs: Vec::new(), last: None }
    }

    /// Moves x on from where the gradient is g.
    pub fn step(&mut self, x: &mut ArrayD<f32>, g: &ArrayD<f32>) {
        if let Some((s, before)) = self.last.take() {
            let y = g - &before;
            if dot(&s, &y) > 1e-10 {
                self.pairs.push((s, y));
            }
        }
        let (mut d, mut alphas) = (-g, Vec::new());
        for (s, y) in self.pairs.iter().rev() {
            let alpha = dot(s, &d) / dot(s, y);
            d.scaled_add(-alpha as f32, y);
            alphas.push(alpha);
        }
        let scale = match self.pairs.last() {
            Some((s, y)) => dot(s, y) / dot(y, y),
            None => self.first / f64::from(g.fold(0.0_f32, |most, v| most.max(v.abs()))),
        };
        d *= scale as f32;
        for ((s, y), alpha) in self.pairs.iter().zip(alphas.iter().rev()) {
            let rest = alpha - dot(y, &d) / dot(s, y);
            d.scaled_add(rest as f32, s);
        }
        *x += &d;
        self.last = Some((d, g.clone()));
    }
}
// ANCHOR_END: textbook

fn dot(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
