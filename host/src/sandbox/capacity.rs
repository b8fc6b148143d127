//! What this machine can really give to sandboxes: memory (cgroup limits included), address space and mappings.
//!
//! Everything the pool reserves derives from here, so that a configuration made for a larger machine
//! starts on a small one with fewer slots instead of failing, and a full pool is a throttle instead of a crash.

use serde::Serialize;
use std::path::Path;

/// User address space of x86-64 and AArch64 with four-level page tables.
const ADDRESS_SPACE_BYTES: u64 = 1 << 47;

/// The kernel's default for `vm.max_map_count`.
const DEFAULT_MAX_MAPPINGS: u64 = 65_530;

/// Resources as found on the machine; pure data, so that sizing can be tested for machines that are not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// Memory this process may still take before it meets a cgroup's limit or the machine's end.
    pub memory_available_bytes: u64,
    /// Address space: the process limit, or what the architecture has.
    pub address_space_bytes: u64,
    /// `vm.max_map_count`: memory mappings a process may have.
    pub max_mappings: u64,
}

impl Machine {
    /// Reads the machine's state. What cannot be read is taken as unlimited, but memory as 1 GiB.
    pub fn detect() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let memory = read("/proc/meminfo").as_deref().and_then(mem_available_bytes).unwrap_or(1 << 30);
        let group = read("/proc/self/cgroup").as_deref().and_then(cgroup_headroom_bytes).unwrap_or(u64::MAX);
        let limit = rustix::process::getrlimit(rustix::process::Resource::As).current;
        Self {
            memory_available_bytes: memory.min(group),
            address_space_bytes: limit.unwrap_or(ADDRESS_SPACE_BYTES).min(ADDRESS_SPACE_BYTES),
            max_mappings: read("/proc/sys/vm/max_map_count")
                .and_then(|text| text.trim().parse().ok())
                .unwrap_or(DEFAULT_MAX_MAPPINGS),
        }
    }
}

fn mem_available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib.saturating_mul(1024))
}

/// The smallest distance between limit and use over this process's cgroup and all its parents (version 2, then 1).
fn cgroup_headroom_bytes(membership: &str) -> Option<u64> {
    let mut smallest: Option<u64> = None;
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':');
        let (_id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let (root, limit, used) = if controllers.is_empty() {
            ("/sys/fs/cgroup", "memory.max", "memory.current")
        } else if controllers.split(',').any(|c| c == "memory") {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
        } else {
            continue;
        };
        for dir in Path::new(path.trim_start_matches('/')).ancestors() {
            let read = |name: &str| -> Option<u64> {
                std::fs::read_to_string(Path::new(root).join(dir).join(name)).ok()?.trim().parse().ok()
            };
            if let (Some(limit), Some(used)) = (read(limit), read(used)) {
                let headroom = limit.saturating_sub(used);
                smallest = Some(smallest.map_or(headroom, |s| s.min(headroom)));
            }
        }
    }
    smallest
}

/// How much the pools reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PoolSize {
    /// Environments of ordinary guests that can exist at once.
    pub environments: u32,
    /// Environments of guests that use component-model concurrency (WASI 0.3), which live in a pool of their own.
    pub concurrent_environments: u32,
    /// Environments of language runtimes.
    pub runtime_environments: u32,
    /// Memory mappings that all environments may have together, their native code included.
    pub mappings: u64,
    /// Bytes by which all guests together may grow beyond their initial memories.
    pub memory_growth_bytes: u64,
}

/// What an idle environment of a small function costs, page tables included, as measured (`docs/performance.md`), rounded up.
const IDLE_ENVIRONMENT_BYTES: u64 = 96 * 1024;

/// Mappings of an environment: its memory splits in four (heap, image, heap, inaccessible rest), its stack in two.
pub const MAPPINGS_PER_ENVIRONMENT: u64 = 6;

/// A concurrent environment may hold this many stacks.
pub const STACKS_PER_CONCURRENT_ENVIRONMENT: u32 = 4;

/// Concurrent environments weigh more and are rarer: one for so many others, up to a ceiling.
const ENVIRONMENTS_PER_CONCURRENT: u64 = 40;
const MAX_CONCURRENT_ENVIRONMENTS: u64 = 256;

/// What an idle environment of a language runtime costs, as measured (`docs/performance.md`), rounded up.
const IDLE_RUNTIME_BYTES: u64 = 2 << 20;

/// Mappings of such an environment: its memory splits at the pieces of its image (`memory_images/file.rs`), its stack in two.
pub const MAPPINGS_PER_RUNTIME: u64 = 32;

/// Mappings of a component's native code: what is read, what is run, and the rest of the file.
pub const MAPPINGS_PER_COMPONENT: u64 = 3;

/// Kept for the daemon itself: libraries, heaps, thread stacks.
const RESERVED_MAPPINGS: u64 = 2_500;

impl PoolSize {
    /// Sizes the pools for `machine`.
    ///
    /// - `wanted`: environments asked for, `None` for as many as fit.
    /// - `slot_bytes`: address space of one linear memory with its guards.
    pub fn derive(machine: &Machine, wanted: Option<u32>, slot_bytes: u64) -> Self {
        // A pool is one reservation, and the largest hole of an address space is below the program, at two thirds of it. Half of the memory
        // stays for heaps and the daemon.
        let by_address_space = machine.address_space_bytes / 2 / slot_bytes.max(1);
        let by_memory = machine.memory_available_bytes / 2 / IDLE_ENVIRONMENT_BYTES;
        let mappings = machine.max_mappings.saturating_sub(RESERVED_MAPPINGS);
        // Nothing is reserved for environments of runtimes: they and the others share the mappings as they come.
        let by_runtimes = (machine.memory_available_bytes / 2 / IDLE_RUNTIME_BYTES)
            .min(mappings / MAPPINGS_PER_RUNTIME)
            .min(machine.address_space_bytes / 8 / slot_bytes.max(1));
        let runtimes = by_runtimes.min(wanted.map_or(u64::MAX, u64::from)).max(1);
        let by_mappings = mappings / MAPPINGS_PER_ENVIRONMENT;
        let fit = by_address_space.min(by_memory).min(by_mappings).max(2);
        let total = fit.min(wanted.map_or(u64::MAX, |wanted| u64::from(wanted).max(2)));
        let concurrent = (total / ENVIRONMENTS_PER_CONCURRENT).clamp(1, MAX_CONCURRENT_ENVIRONMENTS);
        // An ordinary pool as asked for where there is room for both.
        let ordinary = if total + concurrent <= fit { total } else { total - concurrent };
        Self {
            environments: u32::try_from(ordinary).unwrap_or(u32::MAX),
            concurrent_environments: u32::try_from(concurrent).unwrap_or(1),
            runtime_environments: u32::try_from(runtimes).unwrap_or(u32::MAX),
            mappings: mappings.max(MAPPINGS_PER_ENVIRONMENT + MAPPINGS_PER_RUNTIME),
            memory_growth_bytes: machine.memory_available_bytes / 10 * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::engine::{Family, Tuning, pooled};

    const SLOT: u64 = (4 << 30) + (32 << 20);

    fn machine(memory_gib: u64) -> Machine {
        Machine {
            memory_available_bytes: memory_gib << 30,
            address_space_bytes: ADDRESS_SPACE_BYTES,
            max_mappings: DEFAULT_MAX_MAPPINGS,
        }
    }

    #[test]
    fn a_common_server_holds_ten_thousand_environments_with_the_default_mapping_limit() {
        let size = PoolSize::derive(&machine(16), None, SLOT);
        assert!(size.environments >= 10_000, "{size:?}");
        assert!(size.concurrent_environments >= 100, "{size:?}");
        assert_eq!(PoolSize::derive(&machine(16), Some(500), SLOT).environments, 500);
    }

    #[test]
    fn a_pool_fits_the_largest_hole_of_the_address_space() {
        let many = Machine { max_mappings: 1 << 20, ..machine(1_024) };
        let size = PoolSize::derive(&many, None, SLOT);
        assert!(size.environments > 15_000, "{size:?}");
        pooled(Family::Plain, &size, &Tuning::default()).unwrap();
    }

    #[test]
    fn small_machines_get_less_but_never_nothing() {
        let small = PoolSize::derive(&machine(1), None, SLOT);
        assert!(small.environments < 8_500 && small.environments > 1_000, "{small:?}");
        let narrow = Machine { address_space_bytes: 64 << 30, ..machine(16) };
        assert_eq!(PoolSize::derive(&narrow, None, SLOT).environments, 6);
        let none = Machine { memory_available_bytes: 0, address_space_bytes: 0, max_mappings: 0 };
        let size = PoolSize::derive(&none, Some(50), SLOT);
        assert_eq!((size.environments, size.concurrent_environments), (1, 1));
    }

    #[test]
    fn meminfo_is_read() {
        assert_eq!(mem_available_bytes("MemTotal: 5 kB\nMemAvailable:   1024 kB\n"), Some(1 << 20));
        assert_eq!(mem_available_bytes("MemTotal: 5 kB\n"), None);
    }
}
