//! A segment that cannot be tiled, one operation at a time: raw convolutions, edges that wrap around, the classifier.

use super::{GramMatrix, Observation, Request};
use crate::tape::{Real, Var};
use crate::vgg::network::Step;
use crate::vgg::{Layer, Vgg19};

/// What such segments found. Gram matrices that have a gradient are computed behind all maps, so that they are the last on
/// the tape.
pub struct Found<'a, 't, T: Real> {
    request: &'a Request,
    maps: Vec<(Layer, Option<Var<'t, T>>, Option<GramMatrix<'t, T>>)>,
}

impl<'a, 't, T: Real> Found<'a, 't, T> {
    /// Nothing yet.
    pub fn new(request: &'a Request) -> Self {
        Self { request, maps: Vec::new() }
    }

    /// Computes some steps from `x` on, and what is requested of them; the last map. What is not requested is freed before
    /// the next step.
    pub fn compute(&mut self, network: &Vgg19<T>, steps: &[Step], mut x: Var<'t, T>) -> Var<'t, T> {
        for step in steps {
            x = network.apply(step.operation, &x);
            let (features, gram) = self.request.of(step.layer);
            if features || gram {
                // Without a gradient a Gram matrix can be had at once, and its features be let go.
                let found = (gram && !x.needs_gradient()).then(|| GramMatrix::of(&x));
                let map = (features || found.is_none()).then(|| x.clone());
                self.maps.push((step.layer, map, found));
            }
        }
        x
    }

    /// Adds all that was found.
    pub fn finish(self, observation: &mut Observation<'t, T>) {
        for (layer, map, gram) in self.maps {
            let (features, wanted) = self.request.of(layer);
            let gram = gram.or_else(|| map.as_ref().filter(|_| wanted).map(GramMatrix::of));
            observation.grams.extend(gram.map(|gram| (layer, gram)));
            observation.features.extend(map.filter(|_| features).map(|map| (layer, map)));
        }
    }
}
