//! Objectives as sums of terms, and their evaluation.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::arr0;
use rayon::prelude::*;

use super::{Derived, Distance, Moments, Place, Seen, Term};
use crate::ops::{hypercolumns, moments};
use crate::tape::{Real, Tensor, Var};
use crate::vgg::execute::error_of_shards;
use crate::vgg::{Execution, Layer, NetworkError, Observation, Request, Vgg19};

/// If the largest weight is outside 2^±`ORDINARY`, all are scaled to bring it near 1 while the objective is computed,
/// so that neither the loss nor its gradient leaves the range of f32.
const ORDINARY: f64 = 20.0;

/// What is minimised: L = Σ over groups of w·Σ over the group's terms of v·term, with the weights w and v.
///
/// A group has one weight and is logged as one number: the content, the style, a prior.
pub struct Objective<T: Real> {
    groups: Vec<Group<T>>,
}

struct Group<T: Real> {
    name: String,
    weight: f64,
    terms: Vec<(f64, Box<dyn Term<T>>)>,
}

/// An objective's value at a picture.
pub struct Evaluation<'t, T: Real> {
    /// The value in the tape's precision, which carries the gradient: `total` times `factor`.
    pub scaled: Var<'t, T>,
    /// The factor in `scaled`: a power of two, 1 unless the objective's weights are extreme.
    pub factor: f64,
    /// The value.
    pub total: f64,
    /// The values of the groups, in the objective's order.
    pub groups: Vec<GroupValue>,
}

impl<'t, T: Real> Evaluation<'t, T> {
    /// The gradient of [`scaled`](Self::scaled) with respect to a variable; `None` if the value does not depend on it, as where
    /// all weights are 0.
    ///
    /// # Panics
    /// If it was taken before.
    pub fn gradient(&self, variable: &Var<'t, T>) -> Option<Tensor<T>> {
        if self.scaled.needs_gradient() { self.scaled.backward().take(variable) } else { None }
    }
}

/// The value of a group of terms.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupValue {
    /// The group's name.
    pub name: String,
    /// The sum of its terms, without the group's weight.
    pub value: f64,
    /// Each term by name, multiplied by its own weight.
    pub terms: Vec<(String, f64)>,
}

impl<T: Real> Objective<T> {
    /// An objective without terms.
    pub fn new() -> Self {
        Self { groups: Vec::new() }
    }

    /// Adds a group of weighted terms. A group without terms has the value 0.
    pub fn group(mut self, name: &str, weight: f64, terms: Vec<(f64, Box<dyn Term<T>>)>) -> Self {
        self.groups.push(Group { name: name.into(), weight, terms });
        self
    }

    /// Adds a group of one term.
    pub fn term(self, name: &str, weight: f64, term: impl Term<T> + 'static) -> Self {
        self.group(name, weight, vec![(1.0, Box::new(term))])
    }

    /// Name and weight of each group, and of the terms in it.
    pub fn weights(&self) -> impl Iterator<Item = (&str, f64, Vec<(String, f64)>)> {
        let terms = |group: &Group<T>| group.terms.iter().map(|(weight, term)| (term.name(), *weight)).collect();
        self.groups.iter().map(move |group| (group.name.as_str(), group.weight, terms(group)))
    }

    /// The places that terms observe.
    pub fn places(&self) -> BTreeSet<Place> {
        self.groups.iter().flat_map(|group| &group.terms).map(|(_, term)| term.place()).collect()
    }

    /// The deepest layer that a term observes; `None` if all terms observe pixels.
    pub fn deepest(&self) -> Option<Layer> {
        self.places().into_iter().filter_map(Place::layer).max()
    }

    /// Tells all terms the number of the next evaluation; see [`Term::turn`].
    pub fn turn(&mut self, turn: usize) {
        self.groups.iter_mut().flat_map(|group| &mut group.terms).for_each(|(_, term)| term.turn(turn));
    }

    /// The objective at a picture. Terms observe `pixels`; the network observes `input` (height, width, 3), which is
    /// `pixels` itself or was computed from them.
    ///
    /// Records Gram matrices last before the scores, so that their gradients can overwrite the features kept for them.
    ///
    /// # Errors
    /// If the network lacks a layer, or the input is too small for it.
    ///
    /// # Panics
    /// If the objective has no terms, or the shape of a target is not that of the observation.
    pub fn evaluate<'t>(
        &self,
        network: &Vgg19<T>,
        pixels: &Var<'t, T>,
        input: &Var<'t, T>,
    ) -> Result<Evaluation<'t, T>, NetworkError> {
        self.evaluate_by(&Execution::default(), network, pixels, input)
    }

    /// [`evaluate`](Self::evaluate) with the caller's execution of the network; the result is bit-identical.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    ///
    /// # Panics
    /// As [`evaluate`](Self::evaluate).
    pub fn evaluate_by<'t>(
        &self,
        execution: &Execution,
        network: &Vgg19<T>,
        pixels: &Var<'t, T>,
        input: &Var<'t, T>,
    ) -> Result<Evaluation<'t, T>, NetworkError> {
        let by_rows = if execution.ranks() > 1 { self.summed_by_rows() } else { BTreeSet::new() };
        let seen = see(execution, network, (&self.places(), &by_rows), pixels, input)?;
        let inner: Vec<f64> = self.groups.iter().map(Group::factor).collect();
        let weights: Vec<f64> = self.groups.iter().zip(&inner).map(|(group, inner)| group.weight / inner).collect();
        let present = self.groups.iter().zip(&weights).filter(|(group, _)| !group.terms.is_empty());
        let factor = normalising(present.map(|(_, weight)| *weight));
        let mut distances = self.distances(&seen).into_iter();
        let mut groups = Vec::new();
        let mut sum: Option<Var<'t, T>> = None;
        for ((group, inner), weight) in self.groups.iter().zip(inner).zip(weights) {
            let score = |(weight, term): &(f64, Box<dyn Term<T>>)| match distances.next().flatten() {
                Some((seen, distance, derived)) => derived.on_tape(distance.operation(), &seen, weight * inner),
                None => {
                    let seen = &seen[&term.place()];
                    let by_rows = term.place().layer().is_some_and(|layer| by_rows.contains(&layer));
                    match term.squared_error().filter(|_| by_rows) {
                        Some((target, divisor)) => {
                            error_of_shards(&seen.value, target, execution.communicator()) * (weight * inner / divisor)
                        }
                        None => term.score(seen, weight * inner),
                    }
                }
            };
            let terms: Vec<_> = group.terms.iter().map(score).collect();
            let value = |var: &Var<'t, T>| Real::to_f64(var.scalar()) / inner;
            let values = group.terms.iter().zip(&terms).map(|((_, term), score)| (term.name(), value(score))).collect();
            let total = terms.into_iter().reduce(|a, b| a + b);
            let group_value = total.as_ref().map_or(0.0, value);
            groups.push(GroupValue { name: group.name.clone(), value: group_value, terms: values });
            if let Some(total) = total.filter(|_| weight != 0.0) {
                let weighted = total * (weight * factor);
                sum = Some(sum.map_or_else(|| weighted.clone(), |sum| sum + &weighted));
            }
        }
        let scaled = sum.unwrap_or_else(|| pixels.tape().constant(arr0(T::zero())));
        Ok(Evaluation { total: Real::to_f64(scaled.scalar()) / factor, factor, scaled, groups })
    }

    /// The layers whose features are observed only by terms that can be summed over rows.
    fn summed_by_rows(&self) -> BTreeSet<Layer> {
        let terms = || self.groups.iter().flat_map(|group| &group.terms).map(|(_, term)| term);
        let sums = |layer: Layer| {
            let mut seers = terms().filter(|term| term.place().maps().contains(layer));
            seers.all(|term| term.squared_error().is_some())
        };
        let features = |place: Place| if let Place::Features(layer) = place { Some(layer) } else { None };
        self.places().into_iter().filter_map(features).filter(|layer| sums(*layer)).collect()
    }

    /// For each term in order: its observation and derivatives if it is a [`Distance`], else `None`.
    fn distances<'t>(&self, seen: &BTreeMap<Place, Seen<'t, T>>) -> Vec<Option<(Seen<'t, T>, &dyn Distance, Derived)>> {
        let terms = self.groups.iter().flat_map(|group| &group.terms);
        let distances: Vec<_> = terms.map(|(_, term)| term.distance(&seen[&term.place()])).collect();
        let mut parts = Vec::new();
        for (seen, distance) in distances.iter().flatten() {
            parts.push((*distance, Moments::of(seen), seen.value.needs_gradient()));
        }
        // Matrix decompositions use one thread each; compute the layers in parallel.
        let derived = parts.into_par_iter().with_max_len(1);
        let derived = derived.map(|(distance, moments, wanted)| distance.derived(&moments, wanted));
        let mut derived = derived.collect::<Vec<_>>().into_iter();
        let mut with = |(seen, distance)| derived.next().map(|derived| (seen, distance, derived));
        distances.into_iter().map(|distance| distance.and_then(&mut with)).collect()
    }
}

impl<T: Real> Default for Objective<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Group<T> {
    /// The factor of all weights during the evaluation.
    fn factor(&self) -> f64 {
        normalising(self.terms.iter().map(|(weight, _)| *weight))
    }
}

/// A power of two that brings the largest weight near 1 if it is far from 1; otherwise 1.
fn normalising(weights: impl Iterator<Item = f64>) -> f64 {
    let exponent = weights.fold(0.0, f64::max).log2().floor();
    if exponent.is_finite() && exponent.abs() > ORDINARY { (-exponent).exp2() } else { 1.0 }
}

/// The observations at each place. At the layers `by_rows` a rank may observe only its own rows of the features.
pub(super) fn see<'t, T: Real>(
    execution: &Execution,
    network: &Vgg19<T>,
    (places, by_rows): (&BTreeSet<Place>, &BTreeSet<Layer>),
    pixels: &Var<'t, T>,
    input: &Var<'t, T>,
) -> Result<BTreeMap<Place, Seen<'t, T>>, NetworkError> {
    let request = Request { by_rows: by_rows.clone(), ..request(places) };
    let Observation { mut features, mut grams } = execution.observe(network, input, &request)?;
    let positions = |map: &Var<'t, T>| (map.shape()[0] * map.shape()[1]) as f64;
    let whole = |value: Var<'t, T>| Seen { positions: positions(&value), value };
    // Drop features with the last place that is made of them, so that a gradient can overwrite them.
    let last = |layer, place| places.iter().rfind(|place| place.maps().contains(layer)) == Some(&place);
    let mut map = |layer: Layer, place: Place| {
        if last(layer, place) { features.remove(&layer).expect("as asked") } else { features[&layer].clone() }
    };
    let mut look = |place: Place| match place {
        Place::Pixels => whole(pixels.clone()),
        Place::Features(layer) => whole(map(layer, place)),
        Place::Gram(layer) => {
            let gram = grams.remove(&layer).expect("as asked");
            Seen { value: gram.value, positions: gram.positions as f64 }
        }
        Place::Moments(layer) => {
            let map = map(layer, place);
            Seen { positions: positions(&map), value: moments(&map, None) }
        }
        Place::Hypercolumns(layers) => {
            let maps: Vec<_> = layers.layers().map(|layer| map(layer, place)).collect();
            let grid = quarter([input.shape()[0], input.shape()[1]]);
            Seen { positions: grid.iter().product::<usize>() as f64, value: hypercolumns(&maps, grid) }
        }
    };
    Ok(places.iter().map(|place| (*place, look(*place))).collect())
}

/// Height and width of the grid of hypercolumns of a picture of that size.
pub(crate) fn quarter(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| (side / 4).max(1))
}

/// The request to the network for these places.
pub(crate) fn request(places: &BTreeSet<Place>) -> Request {
    let mut request = Request::default();
    for place in places {
        match *place {
            Place::Gram(layer) => drop(request.grams.insert(layer)),
            _ => request.features.extend(place.maps().layers()),
        }
    }
    request
}
