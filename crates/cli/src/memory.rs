//! The memory limit, and what follows from it.

use std::path::Path;
use std::sync::OnceLock;

use clap::Args;
use impasto::picture::Dimensions;
use impasto::run::{self, Bytes, Forecast, Work};

use super::error::Error;
use super::ranks;
use super::{address_space, advice};

/// The default share of the free memory.
const SHARE: f64 = 0.8;

/// The option `--memory`.
#[derive(Args, Clone, Copy)]
pub(super) struct MemoryArguments {
    /// Memory limit, as in 800M or 4G [default: 80 % of free memory]
    ///
    /// Large pictures are then computed in bands, with the same result.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<usize>,
}

impl MemoryArguments {
    /// Bytes that the whole process may use if it computes with this many threads.
    pub(super) fn budget(self, threads: usize) -> usize {
        // Ask once: the free memory changes, and with it the decisions of several processes might.
        static FREE: OnceLock<usize> = OnceLock::new();
        // Computing threads take part of a limited address space.
        let taken = threads * address_space::OF_THREAD;
        let limit = run::address_space().map_or(usize::MAX, |most| most.saturating_sub(taken));
        let free = || run::free_memory().map_or(usize::MAX, |free| (free.min(limit) as f64 * SHARE) as usize);
        match self.memory {
            // An allocation beyond the limit would end the process.
            Some(memory) => memory.min(limit),
            None if ranks::size() > 1 => *FREE.get_or_init(|| ranks::least(free())),
            None => free(),
        }
    }
}

/// Reads an amount of memory, in units of 1024.
fn size(text: &str) -> Result<usize, String> {
    let size = parse_size::Config::new().with_binary().parse_size(text);
    match size.map(usize::try_from) {
        Ok(Ok(size)) if size > 0 => Ok(size),
        _ => Err("give an amount of memory, as in 800M or 4G".into()),
    }
}

/// The longer side up to which pictures are read before the forecast.
pub(super) const SMALL: usize = 2048;

/// The dimensions of a picture in a file.
pub(super) fn dimensions(path: &Path) -> Result<Dimensions, Error> {
    Ok(Dimensions::read(path)?)
}

/// The forecast and the work of a job at a longer side; `at` computes the work.
///
/// # Errors
/// As `at`, or if memory is short; the error then names the largest side that fits.
pub(super) fn forecast(
    at: impl Fn(usize) -> Result<Work, Error>,
    side: usize,
    memory: usize,
) -> Result<(Forecast, Work), Error> {
    let work = at(side)?;
    match work.forecast(memory) {
        Ok(forecast) => Ok((forecast, work)),
        Err(error) => Err(with_advice(error, at, side, |_| false)),
    }
}

/// The library's error; if memory is short, with the largest side up to `side` that fits, and whether the picture fits into an amount
/// of memory without its finish.
pub(super) fn with_advice(
    error: impasto::Error,
    at: impl Fn(usize) -> Result<Work, Error>,
    side: usize,
    unfinished: impl Fn(usize) -> bool,
) -> Error {
    let impasto::Error::Memory(error) = error else { return error.into() };
    let largest = run::largest_side(side, error.allowed, at);
    Error::Failure(advice::memory(&error, largest, unfinished(error.allowed)))
}

/// The largest longer side up to `own` that fits into the memory; `own` if none does, which then gives an error.
pub(super) fn largest_side(at: impl Fn(usize) -> Result<Work, Error>, own: usize, memory: usize) -> usize {
    run::largest_side(own, memory, at).unwrap_or(own)
}

/// An amount of memory as text.
pub(super) fn shown(bytes: usize) -> String {
    Bytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_units_of_1024() {
        let read = ["4G", "800M", "1.5GB", "4096k", "123456"].map(|text| size(text).unwrap());
        assert_eq!(read, [4 << 30, 800 << 20, 3 << 29, 4 << 20, 123_456]);
        for text in ["", "0", "-1", "much", "4 elephants"] {
            assert!(size(text).unwrap_err().starts_with("give an amount"), "{text}");
        }
    }
}
