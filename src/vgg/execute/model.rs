//! The cost model of a segment: which maps are held whole, and the resulting memory and work.

use super::schedule::{Dependency, Schedule};
use super::{Requested, Tiling};
use crate::kernels::gram::Cells;

/// A segment's shapes and how it is computed.
#[derive(Clone, Debug)]
pub struct SegmentModel {
    /// (height, width, channels) of the input and of each map.
    pub shapes: Vec<[usize; 3]>,
    pub dependencies: Vec<Dependency>,
    /// The requests for each map after the input.
    pub requested: Vec<Requested>,
    /// For each map after the input, whether its gradient exists before the backward pass begins: in place of the map,
    /// or beside it if the map is kept.
    pub sampled: Vec<bool>,
    pub tiling: Tiling,
    /// Whether the last map is an output.
    pub wanted: bool,
}

/// Bytes in use, and their peak.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryMeter {
    live: usize,
    peak: usize,
}

impl MemoryMeter {
    /// Allocates.
    pub fn allocate(&mut self, bytes: usize) {
        self.live += bytes;
        self.peak = self.peak.max(self.live);
    }

    /// Frees.
    pub fn free(&mut self, bytes: usize) {
        self.live -= bytes;
    }

    /// The peak of the bytes in use.
    pub fn peak(&self) -> usize {
        self.peak
    }
}

/// The work of the Gram matrix of a map, or of its gradient.
pub fn gram_work([height, width, channels]: [usize; 3]) -> f64 {
    (height * width * channels * channels) as f64 * 2.0 / 160e9
}

/// Bytes of an element: plans are made for single precision.
const ELEMENT: usize = size_of::<f32>();

impl SegmentModel {
    /// The number of the last map.
    pub fn last(&self) -> usize {
        self.dependencies.len()
    }

    /// Whether map number `map` exists as a whole during the forward pass.
    pub fn whole(&self, map: usize, masked: bool) -> bool {
        let Requested { features, gram } = self.requested[map - 1];
        features || self.wanted && map == self.last() || self.tiling == Tiling::Whole && gram && masked
    }

    /// The last map that must be computed again for the gradient of its Gram matrix; only maps that are `wanted` have
    /// one.
    pub fn again(&self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        (1..=self.last()).rev().find(|&map| self.requested[map - 1].gram && wanted(map) && !self.whole(map, true))
    }

    /// The schedule of maps 0 to `last`.
    pub fn schedule(&self, last: usize, again: usize) -> Schedule {
        let rows = match self.tiling {
            Tiling::Whole => self.shapes[0][0],
            Tiling::Bands(rows) => rows,
        };
        let maps: Vec<_> = self.shapes[..=last].iter().map(|shape| (shape[0], shape[1])).collect();
        Schedule::new(&maps, &self.dependencies[..last], rows, again)
    }

    /// The number of steps.
    pub fn bands(&self) -> usize {
        match self.tiling {
            Tiling::Whole => 1,
            Tiling::Bands(rows) => self.shapes[0][0].div_ceil(rows.max(1)).max(1),
        }
    }

    pub fn cells(&self, map: usize) -> Cells {
        Cells::of(self.shapes[map][0], self.shapes[map][1])
    }

    /// Bytes of a number of rows of a map.
    fn rows(&self, map: usize, rows: usize) -> usize {
        rows * self.shapes[map][1] * self.shapes[map][2] * ELEMENT
    }

    /// Bytes of a map.
    pub fn bytes(&self, map: usize) -> usize {
        self.rows(map, self.shapes[map][0])
    }

    /// Bytes that the link to a map keeps.
    fn memory(&self, map: usize) -> usize {
        let [height, width, _] = self.shapes[map - 1];
        match self.dependencies[map - 1] {
            Dependency::Convolution { .. } => height * width * self.shapes[map][2].div_ceil(8),
            Dependency::Pooling => self.bytes(map) / ELEMENT,
        }
    }

    /// The forward pass: allocates what it needs and frees what does not stay. The last map stays if it is an output; so do
    /// requested features and, with a gradient, what the backward pass needs.
    pub fn forward(&self, meter: &mut MemoryMeter, masked: bool) {
        let schedule = self.schedule(self.last(), 0);
        let mut held = 0;
        for map in 1..=self.last() {
            let whole = self.whole(map, masked);
            let bytes = if whole { self.bytes(map) } else { self.rows(map, schedule.most_forward(map)) };
            meter.allocate(bytes + if masked { self.memory(map) } else { 0 });
            // With a single step, the previous map is freed as soon as this one exists.
            if schedule.steps() == 1 {
                meter.free(std::mem::take(&mut held));
            }
            held += if whole { 0 } else { bytes };
        }
        meter.free(held);
    }

    /// Whether the input is kept for the backward pass.
    pub fn keeps_input(&self) -> bool {
        self.again(|_| true).is_some()
    }

    /// Whether a map stays after the forward pass. For the last map: whether it stays even if the next segment does not
    /// need it.
    pub fn stays(&self, map: usize, masked: bool) -> bool {
        let Requested { features, gram } = self.requested[map - 1];
        self.whole(map, masked) && (features || gram && masked)
    }

    /// Bytes of gradients that exist before the backward pass begins, beside kept maps.
    pub fn sampled_bytes(&self) -> usize {
        (1..=self.last()).filter(|&map| self.sampled[map - 1] && self.is_kept(map)).map(|map| self.bytes(map)).sum()
    }

    /// Whether a map's features are kept for the gradient of its Gram matrix.
    fn is_kept(&self, map: usize) -> bool {
        self.requested[map - 1].gram && self.whole(map, true)
    }

    /// The backward pass, from the gradient of the last map, if it is an output, to that of the input, which is allocated
    /// first.
    pub fn backward(&self, meter: &mut MemoryMeter) {
        let (last, again) = (self.last(), self.again(|_| true).unwrap_or(0));
        let schedule = self.schedule(last, again);
        meter.allocate(self.bytes(0));
        let (mut behind, mut all, mut beside) = (0, 0, 0);
        for map in (1..=last).rev() {
            let features = self.requested[map - 1].features;
            let kept = self.is_kept(map);
            let cotangent = self.wanted && map == last;
            let mut own = 0;
            if self.sampled[map - 1] && kept {
                own += (2 + usize::from(cotangent)) * self.bytes(map);
            } else if kept || features || cotangent {
                // The kept features, or the given gradient, become the gradient.
                let tensors = usize::from(kept) + usize::from(features) + usize::from(cotangent);
                if kept && features {
                    // The gradient of the requested features cannot overwrite the kept map.
                    meter.allocate(self.bytes(map));
                }
                own += tensors * self.bytes(map);
            }
            if !kept && (map <= again || !(features || cotangent)) {
                let bytes = self.rows(map, schedule.most_backward(map));
                meter.allocate(bytes);
                own += bytes;
            }
            // A pooling's gradient needs a buffer of its own if it is added to another.
            if self.dependencies.get(map) == Some(&Dependency::Pooling) && (features || self.requested[map - 1].gram) {
                beside = beside.max(self.rows(map, schedule.most_pulled(map)));
            }
            if schedule.steps() == 1 {
                meter.allocate(beside);
                meter.free(std::mem::take(&mut beside));
                meter.free(std::mem::replace(&mut behind, own + self.memory(map)));
            } else {
                all += own + self.memory(map);
            }
        }
        meter.allocate(beside);
        meter.free(beside + behind + all);
    }

    /// The work of one evaluation, in seconds on the reference machine; only ratios matter.
    pub fn work(&self, gradient: bool) -> f64 {
        let again = self.again(|_| true).unwrap_or(0);
        let bands = self.bands() as f64;
        let mut work = 0.0;
        for map in 1..=self.last() {
            let [height, width, inputs] = self.shapes[map - 1];
            let positions = (height * width) as f64;
            if let Dependency::Convolution { .. } = self.dependencies[map - 1] {
                let pair = (inputs * self.shapes[map][2]) as f64;
                // 650 GFLOP/s by the definition; the first layer is bound by writing its result. Filters are
                // transformed for each band.
                let convolution =
                    positions * (pair * 18.0 / 650e9).max(self.shapes[map][2] as f64 * 4e-10) + bands * pair * 7.5e-9;
                let times = 1.0 + if gradient { 1.0 + f64::from(u8::from(map <= again)) } else { 0.0 };
                work += convolution * times;
            }
            if self.requested[map - 1].gram {
                work += gram_work(self.shapes[map]) * if gradient { 2.0 } else { 1.0 };
            }
        }
        work
    }
}
