//! How the network is executed: as a whole, in tiles, or sharded over several processes. All ways give the same bits.
//!
//! | file | holds |
//! |---|---|
//! | `whole` | one operation at a time, for what cannot be tiled |
//! | `tiled` | a segment in bands of rows, and their gradient |
//! | `sharded` | one link sharded over the ranks of a communicator |
//! | `error_of_shards` | the squared error of a map of which each rank has some rows |
//! | `link` | some rows of a map from rows of the previous map, and their gradient |
//! | `schedule` | which rows of which map are computed when |
//! | `plan` | which blocks are computed together, and how |
//! | `model`, `cost` | memory and time, from shapes alone |

mod cost;
mod error_of_shards;
mod link;
mod model;
mod plan;
mod schedule;
mod sharded;
#[cfg(test)]
mod tests;
mod tiled;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::network::Step;
use super::{Layer, NetworkError, Vgg19};
use crate::comm::{Alone, Communicator};
use crate::kernels::ConvAlgorithm;
use crate::ops;
use crate::tape::{Real, Var};
pub(crate) use error_of_shards::error_of_shards;
pub(crate) use link::Link;
pub use plan::{Plan, Tiling};
use sharded::{Shard, Wanted, own_rows, sharded};
pub(crate) use tiled::segment;

/// How evaluations are executed: a memory plan, and the ranks that share the work.
#[derive(Clone)]
pub struct Execution {
    /// The memory plan; `None` for the fastest at each size.
    plan: Option<Plan>,
    comm: Arc<dyn Communicator>,
}

/// A request: the features and Gram matrices to observe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Layers whose features are requested.
    pub features: BTreeSet<Layer>,
    /// Layers whose Gram matrices are requested; their features need not be kept.
    pub grams: BTreeSet<Layer>,
    /// Those `features` of which a rank needs only its own rows.
    pub(crate) by_rows: BTreeSet<Layer>,
    /// Those `features` of which terms use some positions only. This changes the memory but not the execution: the
    /// gradient cannot overwrite the features.
    pub(crate) sampled: BTreeSet<Layer>,
}

/// The observations of an image, by layer.
pub struct Observation<'t, T: Real> {
    /// Features, (height, width, channels).
    pub features: BTreeMap<Layer, Var<'t, T>>,
    /// Gram matrices of features.
    pub grams: BTreeMap<Layer, GramMatrix<'t, T>>,
}

/// A Gram matrix and the number of positions in its sum.
pub struct GramMatrix<'t, T: Real> {
    /// FᵀF, (channels, channels), not normalised; see [`ops::gram_matrix`](ops::gram_matrix()).
    pub value: Var<'t, T>,
    /// M, the height times the width of the features F.
    pub positions: usize,
}

/// The request for one map.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Requested {
    pub features: bool,
    pub gram: bool,
}

/// The observations of one map.
pub(crate) struct Outputs<'t, T: Real> {
    /// The map, (height, width, channels).
    pub features: Option<Var<'t, T>>,
    /// Its Gram matrix, as by [`gram_matrix`](ops::gram_matrix()).
    pub gram: Option<Var<'t, T>>,
    /// Height times width.
    pub positions: usize,
}

impl Request {
    /// A request for features and Gram matrices at these layers.
    pub fn new(features: impl IntoIterator<Item = Layer>, grams: impl IntoIterator<Item = Layer>) -> Self {
        let (features, grams) = (features.into_iter().collect(), grams.into_iter().collect());
        Self { features, grams, by_rows: BTreeSet::new(), sampled: BTreeSet::new() }
    }

    /// All layers.
    fn layers(&self) -> BTreeSet<Layer> {
        &self.features | &self.grams
    }

    /// Whether a layer's features and its Gram matrix are requested.
    fn of(&self, layer: Layer) -> (bool, bool) {
        (self.features.contains(&layer), self.grams.contains(&layer))
    }
}

impl<'t, T: Real> GramMatrix<'t, T> {
    fn of(features: &Var<'t, T>) -> Self {
        let positions = features.shape()[0] * features.shape()[1];
        Self { value: ops::gram_matrix(features), positions }
    }
}

impl<'t, T: Real> Observation<'t, T> {
    fn add(&mut self, layer: Layer, outputs: Outputs<'t, T>) {
        let Outputs { features, gram, positions } = outputs;
        self.features.extend(features.map(|features| (layer, features)));
        self.grams.extend(gram.map(|value| (layer, GramMatrix { value, positions })));
    }
}

impl Default for Execution {
    /// Execution by this process alone, with the fastest plan.
    fn default() -> Self {
        Self { plan: None, comm: Arc::new(Alone) }
    }
}

impl Execution {
    /// Execution with this memory plan. It does not apply to convolutions that wrap around the edges, to those whose raw results
    /// are requested, or to algorithms that do not fuse ReLU and pooling.
    pub fn with_plan(self, plan: Plan) -> Self {
        Self { plan: Some(plan), ..self }
    }

    /// Execution sharded over the ranks of a communicator, all of which must make the same evaluations. A rank computes some rows
    /// of each map, independent of the plan. All ranks compute for themselves what plans do not divide.
    pub fn with_communicator(self, comm: Arc<dyn Communicator>) -> Self {
        Self { comm, ..self }
    }

    /// The ranks that share the work.
    pub fn communicator(&self) -> &Arc<dyn Communicator> {
        &self.comm
    }

    /// The number of ranks that share the work.
    pub fn ranks(&self) -> usize {
        self.comm.size()
    }

    /// The requested observations of a normalised image (height, width, 3). The network runs only to the deepest layer.
    ///
    /// # Errors
    /// If the weights end before a layer, or the image is too small for it.
    ///
    /// # Panics
    /// If the image does not have three axes and three channels.
    pub fn observe<'t, T: Real>(
        &self,
        network: &Vgg19<T>,
        image: &Var<'t, T>,
        request: &Request,
    ) -> Result<Observation<'t, T>, NetworkError> {
        let mut observation = Observation { features: BTreeMap::new(), grams: BTreeMap::new() };
        let layers = request.layers();
        let Some(&deepest) = layers.last() else { return Ok(observation) };
        let size = [image.shape()[0], image.shape()[1]];
        network.check(size, deepest)?;
        let plan = self.plan_for(size, image.needs_gradient());
        if !image.needs_gradient() {
            // Targets are computed once: do not keep free buffers of every layer's size.
            image.tape().buffers().limit(network.cost(&plan, size, request, false).maps);
        }
        let steps = network.steps(&layers);
        let segments = plan.divide(&steps);
        let tiles: Vec<bool> = segments.iter().map(|(steps, _)| self.tiles(network, steps)).collect();
        let mut untiled = whole::Found::new(request);
        let mut x = Shard::whole(image.clone());
        for (index, (steps, tiling)) in segments.iter().enumerate() {
            let behind = segments.get(index + 1).map(|(steps, _)| steps[0]);
            let map = if !tiles[index] {
                Some(Shard::whole(untiled.compute(network, steps, x.map)))
            } else if self.ranks() > 1 {
                let next = behind.filter(|_| tiles[index + 1]);
                self.shard(network, (steps, next), x, behind.is_some(), request, &mut observation)
            } else {
                let links = steps.iter().map(|step| network.link(*step, request)).collect();
                let (found, map) = segment(&x.map, links, *tiling, behind.is_some(), network.algorithm());
                steps.iter().zip(found).for_each(|(step, found)| observation.add(step.layer, found));
                map.map(Shard::whole)
            };
            match map.filter(|_| behind.is_some()) {
                Some(map) => x = map,
                None => break,
            }
        }
        untiled.finish(&mut observation);
        Ok(observation)
    }

    fn plan_for(&self, size: [usize; 2], gradient: bool) -> Plan {
        match &self.plan {
            _ if self.ranks() > 1 => Plan::whole(),
            _ if !gradient => Plan::of_targets(size),
            Some(plan) => plan.clone(),
            None => Plan::fastest(size),
        }
    }

    fn tiles<T: Real>(&self, network: &Vgg19<T>, steps: &[Step]) -> bool {
        // By `Im2col` rows of patches are multiplied by BLAS, whose bits depend on the other rows.
        (self.ranks() == 1 || network.algorithm() != ConvAlgorithm::Im2col) && network.tiles(steps)
    }

    /// Computes a segment link by link, sharded. `next` is the first step after it, if that is sharded too. Returns the
    /// last map if it is `wanted`.
    fn shard<'t, T: Real>(
        &self,
        network: &Vgg19<T>,
        (steps, next): (&[Step], Option<Step>),
        x: Shard<'t, T>,
        wanted: bool,
        request: &Request,
        observation: &mut Observation<'t, T>,
    ) -> Option<Shard<'t, T>> {
        let links: Vec<_> = steps.iter().chain(&next).map(|step| network.link(*step, request)).collect();
        let mut map = Some(x);
        for (index, step) in steps.iter().enumerate() {
            let (link, requested) = &links[index];
            let wanted = match links.get(index + 1) {
                Some((next, _)) => Wanted::By(next),
                None if wanted => Wanted::Whole,
                None => Wanted::Nothing,
            };
            let by_rows = request.by_rows.contains(&step.layer);
            let (found, next) =
                sharded(&map.take()?, link, (*requested, by_rows), &wanted, network.algorithm(), &self.comm);
            observation.add(step.layer, found);
            map = next;
        }
        map
    }
}

impl<T: Real> Vgg19<T> {
    /// Whether steps can be computed by rows: edges are zeros, no raw result of a convolution is requested, and the
    /// algorithm fuses ReLUs and poolings with the convolutions.
    fn tiles(&self, steps: &[Step]) -> bool {
        steps.iter().all(|step| Link::of(self, step.operation).is_some())
    }

    /// A step as a link, with the requests for its map.
    fn link(&self, step: Step, request: &Request) -> (Link<T>, Requested) {
        let (features, gram) = request.of(step.layer);
        (Link::of(self, step.operation).expect("can be computed by rows"), Requested { features, gram })
    }
}
