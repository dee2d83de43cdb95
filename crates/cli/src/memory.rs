//! The memory limit, and what follows from it.

use std::path::Path;
use std::sync::OnceLock;

use clap::Args;
use impasto::picture::{self, Dimensions, Format, Picture};
use impasto::run::{Bytes, Forecast, Work};

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
    /// Bytes that the whole process may use.
    pub(super) fn budget(self) -> usize {
        // Ask once: the free memory changes, and with it the decisions of several processes might.
        static FREE: OnceLock<usize> = OnceLock::new();
        // Computing threads take part of a limited address space.
        let threads = address_space::default_threads() * address_space::OF_THREAD;
        let limit = address_space(Path::new("/")).map_or(usize::MAX, |most| most.saturating_sub(threads));
        let free = || free(Path::new("/")).map_or(usize::MAX, |free| (free.min(limit) as f64 * SHARE) as usize);
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

/// The smallest longer side that is tried.
const LEAST: usize = 16;

/// The dimensions of a picture in a file. Reads only the header if that is enough.
pub(super) fn dimensions(path: &Path) -> Result<Dimensions, Error> {
    let [height, width] = picture::shape(path)?;
    let opacity = match Format::of(path) {
        Ok(Format::Jpeg) => false,
        // Only decoding reveals whether pixels are transparent. A pipe can be read only once.
        _ if path == Path::new("-") || path.is_file() => Picture::open_fitted(path, LEAST)?.alpha.is_some(),
        _ => true,
    };
    Ok(Dimensions { height, width, opacity })
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
        Err(error) => Err(with_advice(error, at, side)),
    }
}

/// The library's error; if memory is short, with the largest side up to `side` that fits.
pub(super) fn with_advice(error: impasto::Error, at: impl Fn(usize) -> Result<Work, Error>, side: usize) -> Error {
    let impasto::Error::Memory(error) = error else { return error.into() };
    Error::Failure(advice::memory(&error, largest(LEAST.min(side)..=side, |side| fits(&at, side, error.allowed))))
}

/// The largest longer side up to `own` that fits into the memory; `own` if none does, which then gives an error.
pub(super) fn largest_side(at: impl Fn(usize) -> Result<Work, Error>, own: usize, memory: usize) -> usize {
    largest(LEAST.min(own)..=own, |side| fits(&at, side, memory)).unwrap_or(own)
}

/// Whether the memory is enough at a longer side. Ignores other errors.
fn fits(at: &impl Fn(usize) -> Result<Work, Error>, side: usize, memory: usize) -> bool {
    !matches!(at(side).map(|work| work.forecast(memory)), Ok(Err(impasto::Error::Memory(_))))
}

/// The largest number in a range for which `does` holds, if it holds up to some number; `None` if it does not hold for
/// the smallest.
fn largest(range: std::ops::RangeInclusive<usize>, does: impl Fn(usize) -> bool) -> Option<usize> {
    let (mut least, mut most) = (*range.start(), *range.end());
    if least > most || !does(least) {
        return None;
    }
    while least < most {
        let middle = (least + most).div_ceil(2);
        if does(middle) {
            least = middle;
        } else {
            most = middle - 1;
        }
    }
    Some(least)
}

/// Bytes that this process may have, including those it has: the smallest of the machine's free memory, the limits of
/// the container's control groups, and the limit of the address space. `None` if none is known.
fn free(root: &Path) -> Option<usize> {
    let read = reader(root);
    let resident = read("proc/self/status").and_then(|status| field(&status, "VmRSS:")).unwrap_or(0);
    let machine = read("proc/meminfo").and_then(|text| field(&text, "MemAvailable:"));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().filter_map(|line| in_group(line, &read)).min();
    [machine, group]
        .into_iter()
        .flatten()
        .min()
        .map(|free| free + resident)
        .into_iter()
        .chain(address_space(root))
        .min()
}

/// Bytes that this process may have under the limit of its address space, including those it has; `None` if there is no
/// limit.
fn address_space(root: &Path) -> Option<usize> {
    let read = reader(root);
    let limits = read("proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max address space"))?;
    let limit: usize = line.split_whitespace().nth(3)?.parse().ok()?;
    let status = read("proc/self/status").unwrap_or_default();
    let (resident, reserved) = (field(&status, "VmRSS:").unwrap_or(0), field(&status, "VmSize:").unwrap_or(0));
    // Threads reserve much more than they use.
    Some(limit.saturating_sub(reserved) + resident)
}

/// The remaining address space of this process in bytes; `None` if there is no limit.
pub(super) fn address_space_left() -> Option<usize> {
    let resident = reader(Path::new("/"))("proc/self/status").and_then(|status| field(&status, "VmRSS:")).unwrap_or(0);
    address_space(Path::new("/")).map(|left| left.saturating_sub(resident))
}

/// Reads files below a root.
fn reader(root: &Path) -> impl Fn(&str) -> Option<String> + '_ {
    move |path| std::fs::read_to_string(root.join(path.trim_start_matches('/'))).ok()
}

/// The memory left by a control group and its ancestors, for a line of `/proc/self/cgroup`.
fn in_group(line: &str, read: &impl Fn(&str) -> Option<String>) -> Option<usize> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (mount, limit, usage, inactive) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        }
        _ => return None,
    };
    let number = |path: &str| read(path)?.trim().parse::<usize>().ok();
    // Inside a container the path may be the one outside; the root of the mount is then the container's own.
    let folders = Path::new(path).ancestors().map(|folder| format!("{mount}{}", folder.display()));
    let left = |folder: String| {
        let folder = folder.trim_end_matches('/');
        let limit = number(&format!("{folder}/{limit}"))?;
        let used = number(&format!("{folder}/{usage}"))?;
        // Inactive pages of files can be reclaimed.
        let spare = read(&format!("{folder}/memory.stat")).and_then(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix(inactive))?;
            line.trim().parse::<usize>().ok()
        });
        Some(limit.saturating_sub(used.saturating_sub(spare.unwrap_or(0))))
    };
    folders.filter_map(left).min()
}

/// The number of kB after a name, in bytes.
fn field(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<usize>().ok()? << 10)
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

    #[test]
    fn the_largest_that_does_is_found() {
        assert_eq!(largest(16..=1000, |n| n <= 77), Some(77));
        assert_eq!([largest(16..=1000, |_| true), largest(16..=1000, |_| false)], [Some(1000), None]);
    }

    #[test]
    fn the_narrowest_limit_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(free(root.path()), None);
        write("proc/self/status", "VmSize:\t  2000 kB\nVmRSS:\t  1000 kB\n");
        write("proc/meminfo", "MemTotal:  9000000 kB\nMemAvailable:  8000000 kB\n");
        assert_eq!(free(root.path()), Some(8_001_000 << 10));
        // Version 2: the group itself has no limit, its parent has one.
        write("proc/self/cgroup", "0::/outer/inner\n");
        write("sys/fs/cgroup/outer/inner/memory.max", "max\n");
        write("sys/fs/cgroup/outer/inner/memory.current", "5\n");
        write("sys/fs/cgroup/outer/memory.max", "4096000\n");
        write("sys/fs/cgroup/outer/memory.current", "2048000\n");
        write("sys/fs/cgroup/outer/memory.stat", "anon 7\ninactive_file 1024000\n");
        assert_eq!(free(root.path()), Some(4_096_000 - 1_024_000 + (1000 << 10)));
        // Version 1, in a container that sees its own group as the root.
        write("proc/self/cgroup", "9:cpu:/x\n5:memory:/docker/abc\n");
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "3072000\n");
        write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1024000\n");
        assert_eq!(free(root.path()), Some(2_048_000 + (1000 << 10)));
        write("proc/self/limits", "Max address space         3072000              unlimited            bytes\n");
        assert_eq!(free(root.path()), Some(1_024_000 + (1000 << 10)));
    }
}
