//! Cached features: observations of styles, kept for further pictures in the same styles.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::Array3;
use sha2::{Digest, Sha256};

use super::evaluate::see;
use super::{Place, Seen};
use crate::tape::{Real, Tape, Value};
use crate::vgg::{Execution, NetworkError, Vgg19};

/// The default size of the cache in bytes: about a hundred styles at one size.
const MOST: usize = 256 << 20;

/// A cache of sums over styles' features, such as Gram matrices, for the styles used last. A picture is observed once
/// at each size; cached and computed results are bit-identical.
pub struct Targets<T: Real>(Mutex<Kept<T>>);

struct Kept<T: Real> {
    /// Oldest first.
    cached: Vec<CachedSums<T>>,
    /// The largest size in bytes.
    most: usize,
}

/// The observations of one picture.
struct CachedSums<T: Real> {
    network: Vgg19<T>,
    /// The SHA-256 of the picture's size and numbers.
    picture: [u8; 32],
    /// The observation at each place, and its number of positions.
    seen: BTreeMap<Place, (Value<T>, f64)>,
}

impl<T: Real> Default for Targets<T> {
    fn default() -> Self {
        Self(Mutex::new(Kept { cached: Vec::new(), most: MOST }))
    }
}

impl<T: Real> Targets<T> {
    /// Limits the cache to that many bytes; drops the oldest entries first.
    pub fn limit(&self, most: usize) {
        let mut kept = self.kept();
        kept.most = most;
        kept.make_room(0);
    }

    /// The size of the cache in bytes.
    pub fn bytes(&self) -> usize {
        self.kept().bytes()
    }

    /// The number of cached pictures, counting each size.
    pub fn len(&self) -> usize {
        self.kept().cached.len()
    }

    /// Whether the cache is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sums over the features of a normalised image (height, width, 3) at these places, from the cache or computed.
    pub(super) fn see<'t>(
        &self,
        (execution, network): (&Execution, &Vgg19<T>),
        places: &BTreeSet<Place>,
        image: &Array3<T>,
        tape: &'t Tape<T>,
    ) -> Result<BTreeMap<Place, Seen<'t, T>>, NetworkError> {
        let picture = digest(image);
        let is_it = |entry: &CachedSums<T>| {
            entry.picture == picture && entry.seen.keys().eq(places) && entry.network.is_same(network)
        };
        if let Some(entry) = self.kept().cached.iter().find(|entry| is_it(entry)) {
            let again =
                |(value, positions): &(Value<T>, f64)| Seen { value: tape.constant(value), positions: *positions };
            return Ok(entry.seen.iter().map(|(place, seen)| (*place, again(seen))).collect());
        }
        let image = tape.constant(image.clone());
        let seen = see(execution, network, (places, &BTreeSet::new()), &image, &image)?;
        // Copy, so that the cache does not keep the tape's memory.
        let own = |seen: &Seen<'_, T>| (Value::from(seen.value.to_array()), seen.positions);
        let entry = CachedSums {
            network: network.clone(),
            picture,
            seen: seen.iter().map(|(place, seen)| (*place, own(seen))).collect(),
        };
        let mut kept = self.kept();
        if kept.make_room(entry.bytes()) {
            kept.cached.push(entry);
        }
        Ok(seen)
    }

    fn kept(&self) -> MutexGuard<'_, Kept<T>> {
        // A panic cannot leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Real> Kept<T> {
    fn bytes(&self) -> usize {
        self.cached.iter().map(CachedSums::bytes).sum()
    }

    /// Drops the oldest entries until that many bytes fit. Returns whether they can fit at all.
    fn make_room(&mut self, bytes: usize) -> bool {
        while !self.cached.is_empty() && self.bytes() + bytes > self.most {
            self.cached.remove(0);
        }
        bytes <= self.most
    }
}

impl<T: Real> CachedSums<T> {
    fn bytes(&self) -> usize {
        self.seen.values().map(|(value, _)| value.bytes()).sum()
    }
}

/// The SHA-256 of an image's size and numbers.
fn digest<T: Real>(image: &Array3<T>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(format!("{:?}", image.shape()));
    let mut bytes = Vec::with_capacity(8 * image.shape()[1] * image.shape()[2]);
    for row in image.outer_iter() {
        bytes.clear();
        bytes.extend(row.iter().flat_map(|value| Real::to_f64(*value).to_bits().to_le_bytes()));
        hash.update(&bytes);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::testing::{image, network};
    use crate::vgg::{Layer, Pooling};

    #[test]
    fn the_same_picture_is_looked_at_once_by_the_same_network() {
        let (targets, network) = (Targets::default(), network());
        let gram = |layer: &str| Place::Gram(layer.parse::<Layer>().unwrap());
        let places: BTreeSet<Place> = [gram("relu1_1"), gram("relu2_1")].into();
        let seen = |network: &Vgg19<f64>, places: &BTreeSet<Place>, seed| {
            let tape = Tape::new();
            let seen = targets.see((&Execution::default(), network), places, &image(12, 10, seed), &tape).unwrap();
            seen.into_values().map(|seen| (seen.value.to_array(), seen.positions)).collect::<Vec<_>>()
        };
        let once = seen(&network, &places, 1);
        assert_eq!(targets.len(), 1);
        assert_eq!(seen(&network.clone(), &places, 1), once);
        assert_eq!(targets.len(), 1, "remembered");
        assert_ne!(seen(&network, &places, 2), once, "another picture");
        let averaging = network.clone().with_pooling(Pooling::Average);
        assert_ne!(seen(&averaging, &places, 1)[1], once[1], "another network");
        assert_eq!(seen(&network, &[gram("relu1_1")].into(), 1), once[..1], "other places");
        assert_eq!(targets.len(), 4);
        // The oldest goes first.
        targets.limit(targets.bytes() - 1);
        assert_eq!(targets.len(), 3);
        seen(&network, &places, 1);
        assert_eq!(targets.len(), 3);
        targets.limit(0);
        assert_eq!(seen(&network, &places, 1), once);
        assert!(targets.is_empty());
    }
}
