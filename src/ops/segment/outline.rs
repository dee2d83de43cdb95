//! A segment without its numbers: shapes, what is seen, which maps are held whole; and from these its memory and work.

use super::SegmentMode;
use super::schedule::{Reach, Schedule};
use crate::kernels::gram::Cells;

/// What is seen of a map.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub features: bool,
    pub gram: bool,
}

/// The shapes of a segment and how it is computed.
#[derive(Clone, Debug)]
pub struct Outline {
    /// Of the input and the maps: (height, width, channels).
    pub shapes: Vec<[usize; 3]>,
    pub reaches: Vec<Reach>,
    /// Of the maps behind the input.
    pub looks: Vec<Look>,
    pub mode: SegmentMode,
    /// Whether the last map is an output.
    pub wanted: bool,
}

/// Bytes in use, and the most there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meter {
    live: usize,
    peak: usize,
}

impl Meter {
    /// Takes memory.
    pub fn take(&mut self, bytes: usize) {
        self.live += bytes;
        self.peak = self.peak.max(self.live);
    }

    /// Gives it back.
    pub fn put(&mut self, bytes: usize) {
        self.live -= bytes;
    }

    /// The most there were.
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

impl Outline {
    /// The number of the last map.
    pub fn last(&self) -> usize {
        self.reaches.len()
    }

    /// Whether map number `map` is held whole on the way there, and perhaps kept.
    pub fn whole(&self, map: usize, masked: bool) -> bool {
        let Look { features, gram } = self.looks[map - 1];
        features || self.wanted && map == self.last() || self.mode == SegmentMode::Keep && gram && masked
    }

    /// The last map that has to be computed again, for a gradient of its Gram matrix; only those `wanted` have one.
    pub fn again(&self, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        (1..=self.last()).rev().find(|&map| self.looks[map - 1].gram && wanted(map) && !self.whole(map, true))
    }

    /// The schedule of the maps up to number `last`.
    pub fn schedule(&self, last: usize, again: usize) -> Schedule {
        let rows = match self.mode {
            SegmentMode::Keep => self.shapes[0][0],
            SegmentMode::Bands(rows) => rows,
        };
        let maps: Vec<_> = self.shapes[..=last].iter().map(|shape| (shape[0], shape[1])).collect();
        Schedule::new(&maps, &self.reaches[..last], rows, again)
    }

    /// In how many steps it is computed.
    pub fn bands(&self) -> usize {
        match self.mode {
            SegmentMode::Keep => 1,
            SegmentMode::Bands(rows) => self.shapes[0][0].div_ceil(rows.max(1)).max(1),
        }
    }

    pub fn cells(&self, map: usize) -> Cells {
        Cells::of(self.shapes[map][0], self.shapes[map][1])
    }

    /// Bytes of so many rows of a map.
    fn rows(&self, map: usize, rows: usize) -> usize {
        rows * self.shapes[map][1] * self.shapes[map][2] * ELEMENT
    }

    /// Bytes of a map.
    pub fn bytes(&self, map: usize) -> usize {
        self.rows(map, self.shapes[map][0])
    }

    /// Bytes of what the link to a map remembers.
    fn memory(&self, map: usize) -> usize {
        let [height, width, _] = self.shapes[map - 1];
        match self.reaches[map - 1] {
            Reach::Convolution { .. } => height * width * self.shapes[map][2].div_ceil(8),
            Reach::Pooling => self.bytes(map) / ELEMENT,
        }
    }

    /// The way there: takes what is needed, and gives back what does not stay: the last map, if it is an output, what is
    /// seen, and, if there is to be a gradient, what is kept for it.
    pub fn forward(&self, meter: &mut Meter, masked: bool) {
        let schedule = self.schedule(self.last(), 0);
        let mut held = 0;
        for map in 1..=self.last() {
            let whole = self.whole(map, masked);
            let bytes = if whole { self.bytes(map) } else { self.rows(map, schedule.most_forward(map)) };
            meter.take(bytes + if masked { self.memory(map) } else { 0 });
            // In one step the map before is let go as soon as this one is there.
            if schedule.steps() == 1 {
                meter.put(std::mem::take(&mut held));
            }
            held += if whole { 0 } else { bytes };
        }
        meter.put(held);
    }

    /// Whether the input is kept for the way back.
    pub fn keeps_input(&self) -> bool {
        self.again(|_| true).is_some()
    }

    /// Bytes of whole maps but the last that the way there leaves, if there is to be a gradient; and of the last, if it
    /// stays for a reason of its own and not only as the next segment's input.
    pub fn stays(&self, map: usize, masked: bool) -> bool {
        let Look { features, gram } = self.looks[map - 1];
        self.whole(map, masked) && (features || gram && masked)
    }

    /// The way back, from the gradient of the last map, if it is an output, to that of the input, which is taken first.
    pub fn backward(&self, meter: &mut Meter) {
        let (last, again) = (self.last(), self.again(|_| true).unwrap_or(0));
        let schedule = self.schedule(last, again);
        meter.take(self.bytes(0));
        let (mut behind, mut all, mut beside) = (0, 0, 0);
        for map in (1..=last).rev() {
            let Look { features, gram } = self.looks[map - 1];
            let kept = gram && self.whole(map, true);
            let cotangent = self.wanted && map == last;
            let mut own = 0;
            if kept || features || cotangent {
                // The features that were kept, or the gradient that was given, become the gradient.
                let tensors = usize::from(kept) + usize::from(features) + usize::from(cotangent);
                if kept && features {
                    // The gradient of what was seen could not take the place of what is kept.
                    meter.take(self.bytes(map));
                }
                own += tensors * self.bytes(map);
            }
            if !kept && (map <= again || !(features || cotangent)) {
                let bytes = self.rows(map, schedule.most_backward(map));
                meter.take(bytes);
                own += bytes;
            }
            // A pooling's gradient is added to one that is there from a copy of its own.
            if self.reaches.get(map) == Some(&Reach::Pooling) && (features || gram) {
                beside = beside.max(self.rows(map, schedule.most_pulled(map)));
            }
            if schedule.steps() == 1 {
                meter.take(beside);
                meter.put(std::mem::take(&mut beside));
                meter.put(std::mem::replace(&mut behind, own + self.memory(map)));
            } else {
                all += own + self.memory(map);
            }
        }
        meter.take(beside);
        meter.put(beside + behind + all);
    }

    /// How much work one evaluation is, in seconds of the machine that this was measured on; only ratios matter.
    pub fn work(&self, gradient: bool) -> f64 {
        let again = self.again(|_| true).unwrap_or(0);
        let bands = self.bands() as f64;
        let mut work = 0.0;
        for map in 1..=self.last() {
            let [height, width, inputs] = self.shapes[map - 1];
            let positions = (height * width) as f64;
            if let Reach::Convolution { .. } = self.reaches[map - 1] {
                let pair = (inputs * self.shapes[map][2]) as f64;
                // 650 GFLOP/s by the definition, or for a first layer what writing its result takes; the filters are
                // transformed for each band.
                let convolution =
                    positions * (pair * 18.0 / 650e9).max(self.shapes[map][2] as f64 * 4e-10) + bands * pair * 7.5e-9;
                let times = 1.0 + if gradient { 1.0 + f64::from(u8::from(map <= again)) } else { 0.0 };
                work += convolution * times;
            }
            if self.looks[map - 1].gram {
                work += gram_work(self.shapes[map]) * if gradient { 2.0 } else { 1.0 };
            }
        }
        work
    }
}
