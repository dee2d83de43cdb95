//! One bit per element of a feature map.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;

/// Positions per task.
const POSITIONS: usize = 256;

/// One bit for each element of a (height, width, channels) array: 1 where the gradient of a ReLU, or of a ReLU and a pooling,
/// passes.
///
/// Position (y, x) begins at byte (y · width + x) · ⌈channels / 8⌉; channel c is bit c mod 8 of its byte c / 8.
/// Bits beyond the last channel of a position are 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BitMask {
    height: usize,
    width: usize,
    channels: usize,
    bits: Vec<u8>,
}

impl BitMask {
    /// All zero.
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self { height, width, channels, bits: vec![0; height * width * channels.div_ceil(8)] }
    }

    /// Changes the shape and keeps the allocation if it is large enough. The bits are then unspecified.
    pub fn reshape(&mut self, height: usize, width: usize, channels: usize) {
        self.bits.resize(height * width * channels.div_ceil(8), 0);
        (self.height, self.width, self.channels) = (height, width, channels);
    }

    /// (height, width, channels)
    pub fn dim(&self) -> (usize, usize, usize) {
        (self.height, self.width, self.channels)
    }

    /// The bit of one element.
    ///
    /// # Panics
    /// If the element is outside.
    pub fn get(&self, y: usize, x: usize, c: usize) -> bool {
        let (byte, bit) = self.place(y, x, c);
        self.bits[byte] >> bit & 1 == 1
    }

    /// Sets the bit of one element.
    ///
    /// # Panics
    /// If the element is outside.
    pub fn set(&mut self, y: usize, x: usize, c: usize, value: bool) {
        let (byte, bit) = self.place(y, x, c);
        self.bits[byte] = self.bits[byte] & !(1 << bit) | u8::from(value) << bit;
    }

    /// The whole mask.
    pub fn view(&self) -> MaskView<'_> {
        self.rows(0..self.height)
    }

    /// A range of rows.
    ///
    /// # Panics
    /// If the mask has fewer rows.
    pub fn rows(&self, rows: Range<usize>) -> MaskView<'_> {
        let row = self.width * self.bytes_per_position();
        let bits = &self.bits[rows.start * row..rows.end * row];
        MaskView { height: rows.len(), width: self.width, channels: self.channels, bits }
    }

    /// The whole mask, mutable.
    pub fn view_mut(&mut self) -> MaskViewMut<'_> {
        self.rows_mut(0..self.height)
    }

    /// A range of rows, mutable.
    ///
    /// # Panics
    /// If the mask has fewer rows.
    pub fn rows_mut(&mut self, rows: Range<usize>) -> MaskViewMut<'_> {
        let row = self.width * self.bytes_per_position();
        let bits = &mut self.bits[rows.start * row..rows.end * row];
        MaskViewMut { height: rows.len(), width: self.width, channels: self.channels, bits }
    }

    /// All bits, row after row: see [`BitMask`].
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.height * self.width * self.bytes_per_position();
        &mut self.bits[..len]
    }

    /// The number of set bits.
    pub fn count(&self) -> usize {
        self.bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Memory used, in bytes.
    pub fn bytes(&self) -> usize {
        self.bits.capacity()
    }

    /// Bytes of one position, ⌈channels / 8⌉.
    pub fn bytes_per_position(&self) -> usize {
        self.channels.div_ceil(8)
    }

    fn place(&self, y: usize, x: usize, c: usize) -> (usize, usize) {
        assert!(
            y < self.height && x < self.width && c < self.channels,
            "element ({y}, {x}, {c}) of a mask of shape {:?}",
            self.dim()
        );
        ((y * self.width + x) * self.bytes_per_position() + c / 8, c % 8)
    }
}

/// Rows of a [`BitMask`], in the same layout.
#[derive(Clone, Copy, Debug)]
pub struct MaskView<'a> {
    height: usize,
    width: usize,
    channels: usize,
    bits: &'a [u8],
}

impl<'a> MaskView<'a> {
    /// (height, width, channels)
    pub fn dim(&self) -> (usize, usize, usize) {
        (self.height, self.width, self.channels)
    }

    /// The bits.
    pub fn bytes(&self) -> &'a [u8] {
        self.bits
    }

    /// `to` = `from` where the mask is 1, else 0; both are row-major arrays of the mask's shape.
    ///
    /// # Panics
    /// If the lengths differ from the mask's.
    pub fn apply<T: Real>(&self, from: &[T], to: &mut [T]) {
        let len = self.height * self.width * self.channels;
        assert!(from.len() == len && to.len() == len, "a mask of {len} elements for {} and {}", from.len(), to.len());
        if len == 0 {
            return;
        }
        let bytes_per_position = self.channels.div_ceil(8);
        let (run, bytes) = (POSITIONS * self.channels, POSITIONS * bytes_per_position);
        let runs = to.par_chunks_mut(run).zip(from.par_chunks(run)).zip(self.bits.par_chunks(bytes));
        runs.for_each(|((to, from), bits)| {
            let positions = to.chunks_exact_mut(self.channels).zip(from.chunks_exact(self.channels));
            for ((to, from), bits) in positions.zip(bits.chunks_exact(bytes_per_position)) {
                for ((to, from), &byte) in to.chunks_mut(8).zip(from.chunks(8)).zip(bits) {
                    for (bit, (to, &from)) in to.iter_mut().zip(from).enumerate() {
                        *to = if byte >> bit & 1 == 1 { from } else { T::zero() };
                    }
                }
            }
        });
    }
}

/// Mutable rows of a [`BitMask`], in the same layout.
#[derive(Debug)]
pub struct MaskViewMut<'a> {
    height: usize,
    width: usize,
    channels: usize,
    bits: &'a mut [u8],
}

impl<'a> MaskViewMut<'a> {
    /// (height, width, channels)
    pub fn dim(&self) -> (usize, usize, usize) {
        (self.height, self.width, self.channels)
    }

    /// The bits, all zero; bits beyond the last channel must stay 0.
    pub fn cleared(self) -> &'a mut [u8] {
        self.bits.fill(0);
        self.bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_got_and_counted() {
        let mut mask = BitMask::new(2, 3, 11);
        let chosen = [(0, 0, 0), (0, 2, 10), (1, 1, 7), (1, 1, 8)];
        for (y, x, c) in chosen {
            mask.set(y, x, c, true);
        }
        for y in 0..2 {
            for x in 0..3 {
                for c in 0..11 {
                    assert_eq!(mask.get(y, x, c), chosen.contains(&(y, x, c)));
                }
            }
        }
        assert_eq!((mask.count(), mask.bytes(), mask.dim()), (4, 12, (2, 3, 11)));
        mask.set(1, 1, 7, false);
        assert_eq!(mask.count(), 3);
    }

    #[test]
    fn what_is_not_set_becomes_zero() {
        let (height, width, channels) = (9, 70, 11);
        let mut mask = BitMask::new(height, width, channels);
        let from: Vec<f32> = (1..=height * width * channels).map(|i| i as f32).collect();
        let set = |i: usize| i.is_multiple_of(3) || i % 7 == 2;
        for i in (0..from.len()).filter(|&i| set(i)) {
            mask.set(i / channels / width, i / channels % width, i % channels, true);
        }
        let mut to = vec![f32::NAN; from.len()];
        mask.view().apply(&from, &mut to);
        assert!(to.iter().enumerate().all(|(i, &to)| to == if set(i) { from[i] } else { 0.0 }));
    }

    #[test]
    fn another_shape_keeps_the_memory() {
        let mut mask = BitMask::new(4, 4, 64);
        mask.reshape(2, 2, 9);
        assert_eq!((mask.view().bytes().len(), mask.bytes(), mask.dim()), (8, 128, (2, 2, 9)));
        mask.reshape(4, 3, 9);
        assert_eq!(mask.view_mut().cleared(), [0; 24]);
        assert_eq!(mask.bytes(), 128);
    }

    #[test]
    fn each_position_begins_a_byte() {
        let mut mask = BitMask::new(2, 3, 11);
        mask.set(1, 1, 9, true);
        let mut bytes = [0; 12];
        bytes[9] = 0b10;
        assert_eq!(mask.view().bytes(), bytes);
        assert_eq!((mask.rows(1..2).bytes(), mask.rows(1..2).dim()), (&bytes[6..], (1, 3, 11)));
        let first = mask.rows_mut(0..1);
        assert_eq!(first.dim(), (1, 3, 11));
        first.cleared()[4] = 0b101;
        assert!(mask.get(0, 2, 0) && !mask.get(0, 2, 1) && mask.get(0, 2, 2) && mask.get(1, 1, 9));
    }

    #[test]
    #[should_panic(expected = "element (0, 0, 3) of a mask of shape (1, 1, 3)")]
    fn outside_is_refused() {
        BitMask::new(1, 1, 3).get(0, 0, 3);
    }
}
