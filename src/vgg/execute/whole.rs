//! A segment that cannot be tiled, one operation at a time: raw convolutions, edges that wrap around, the classifier.

use super::{GramMatrix, Observation, Request};
use crate::tape::{Real, Var};
use crate::vgg::network::Step;
use crate::vgg::{Layer, Vgg19};

/// The observations of such segments. Gram matrices with a gradient are computed after all maps, so that they come last on the
/// tape.
pub struct Found<'a, 't, T: Real> {
    request: &'a Request,
    maps: Vec<(Layer, Option<Var<'t, T>>, Option<GramMatrix<'t, T>>)>,
}

impl<'a, 't, T: Real> Found<'a, 't, T> {
    /// No observations.
    pub fn new(request: &'a Request) -> Self {
        Self { request, maps: Vec::new() }
    }

    /// Computes some steps from `x` and their requests. Returns the last map. Maps that are not requested are freed before the next
    /// step.
    pub fn compute(&mut self, network: &Vgg19<T>, steps: &[Step], mut x: Var<'t, T>) -> Var<'t, T> {
        for step in steps {
            x = network.apply(step.operation, &x);
            let (features, gram) = self.request.of(step.layer);
            if features || gram {
                // Without a gradient, compute the Gram matrix at once and free its features.
                let found = (gram && !x.needs_gradient()).then(|| GramMatrix::of(&x));
                let map = (features || found.is_none()).then(|| x.clone());
                self.maps.push((step.layer, map, found));
            }
        }
        x
    }

    /// Adds all observations.
    pub fn finish(self, observation: &mut Observation<'t, T>) {
        for (layer, map, gram) in self.maps {
            let (features, wanted) = self.request.of(layer);
            let gram = gram.or_else(|| map.as_ref().filter(|_| wanted).map(GramMatrix::of));
            observation.grams.extend(gram.map(|gram| (layer, gram)));
            observation.features.extend(map.filter(|_| features).map(|map| (layer, map)));
        }
    }
}
