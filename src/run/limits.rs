//! How much memory this process may have, and what fits into it.

use std::path::Path;

use super::Work;
use crate::error::Error;

/// Bytes that this process may have, including those it has: the smallest of the machine's free memory, the limits of
/// the container's control groups, and the limit of the address space. `None` if none is known, as on systems other than
/// Linux.
pub fn free_memory() -> Option<usize> {
    free(Path::new("/"))
}

/// Bytes that this process may have under the limit of its address space (`ulimit -v`), including those it has; `None` if
/// there is no limit.
pub fn address_space() -> Option<usize> {
    limit(Path::new("/"))
}

/// The remaining address space of this process in bytes; `None` if there is no limit.
pub fn address_space_left() -> Option<usize> {
    let resident = reader(Path::new("/"))("proc/self/status").and_then(|status| field(&status, "VmRSS:")).unwrap_or(0);
    address_space().map(|left| left.saturating_sub(resident))
}

/// The smallest longer side that is tried.
const LEAST: usize = 16;

/// The largest longer side up to `own` at which the work of a job, given by `at`, fits into `memory` bytes; `None` if it
/// does not at 16 pixels. Errors other than that of memory count as fitting, since a smaller picture would not mend them.
pub fn largest_side<E>(own: usize, memory: usize, at: impl Fn(usize) -> Result<Work, E>) -> Option<usize> {
    let fits = |side| !matches!(at(side).map(|work| work.forecast(memory)), Ok(Err(Error::Memory(_))));
    largest(LEAST.min(own)..=own, fits)
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

/// [`free_memory`] by the files below a root.
fn free(root: &Path) -> Option<usize> {
    let read = reader(root);
    let resident = read("proc/self/status").and_then(|status| field(&status, "VmRSS:")).unwrap_or(0);
    let machine = read("proc/meminfo").and_then(|text| field(&text, "MemAvailable:"));
    let groups = read("proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().filter_map(|line| in_group(line, &read)).min();
    [machine, group].into_iter().flatten().min().map(|free| free + resident).into_iter().chain(limit(root)).min()
}

/// [`address_space`] by the files below a root.
fn limit(root: &Path) -> Option<usize> {
    let read = reader(root);
    let limits = read("proc/self/limits")?;
    let line = limits.lines().find(|line| line.starts_with("Max address space"))?;
    let limit: usize = line.split_whitespace().nth(3)?.parse().ok()?;
    let status = read("proc/self/status").unwrap_or_default();
    let (resident, reserved) = (field(&status, "VmRSS:").unwrap_or(0), field(&status, "VmSize:").unwrap_or(0));
    // Threads reserve much more than they use.
    Some(limit.saturating_sub(reserved) + resident)
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

#[cfg(test)]
mod tests {
    use super::*;

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
