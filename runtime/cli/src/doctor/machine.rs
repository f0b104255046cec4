//! Limits of the machine, read from /proc, the cgroup and the process's own limits.

use std::{fs, path::PathBuf};

use airlock_sandbox::EngineOptions;
use airlock_service::Config;
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use super::Check;

/// Open files below which a server is short soon.
const FILES_NEEDED: u64 = 4_096;
/// What processes have on x86-64 and AArch64.
const ADDRESS_SPACE_BYTES: u64 = 1 << 47;
const MEMORY_NEEDED_BYTES: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

/// What the machine has. A field is empty when there is no limit, or nobody says.
#[derive(Serialize)]
pub(super) struct Machine {
    cores: usize,
    memory_bytes: Option<u64>,
    memory_available_bytes: Option<u64>,
    cgroup_memory_bytes: Option<u64>,
    cgroup_cpus: Option<f64>,
    open_files_soft: Option<u64>,
    open_files_hard: Option<u64>,
    max_map_count: Option<u64>,
    overcommit_memory: Option<u64>,
    address_space_bytes: Option<u64>,
}

impl Machine {
    pub(super) fn read() -> Self {
        let files = getrlimit(Resource::Nofile);
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            memory_bytes: meminfo("MemTotal:"),
            memory_available_bytes: meminfo("MemAvailable:"),
            cgroup_memory_bytes: cgroup("memory", &["memory.max", "memory.limit_in_bytes"])
                .and_then(|text| amount(&text)),
            cgroup_cpus: cgroup("cpu", &["cpu.max"]).and_then(|text| cpus(&text)),
            open_files_soft: files.current,
            open_files_hard: files.maximum,
            max_map_count: number("/proc/sys/vm/max_map_count"),
            overcommit_memory: number("/proc/sys/vm/overcommit_memory"),
            address_space_bytes: getrlimit(Resource::As).current,
        }
    }

    pub(super) fn checks(&self, config: Option<&Config>) -> Vec<Check> {
        let pool = config.map_or_else(EngineOptions::default, |config| config.sandbox.engine_options());
        vec![self.files(), self.mappings(pool), self.address_space(pool), self.memory(), self.overcommit()]
    }

    fn files(&self) -> Check {
        let show = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
        let detail = format!("soft {}, hard {}", show(self.open_files_soft), show(self.open_files_hard));
        if self.open_files_hard.is_some_and(|hard| hard < FILES_NEEDED) {
            let fix = "raise the hard limit, for instance `LimitNOFILE=65536`: the server raises the soft one itself";
            return Check::warning("open_files", detail, fix);
        }
        Check::ok("open_files", detail)
    }

    fn mappings(&self, pool: EngineOptions) -> Check {
        let (needed, instances) = (pool.mappings_max(), pool.instances_max);
        let Some(most) = self.max_map_count else { return Check::ok("max_map_count", "not known") };
        let detail = format!("vm.max_map_count is {most}; {instances} instances need up to about {needed}");
        if most < needed {
            let fix = format!("`sysctl vm.max_map_count={needed}`, or lower `[sandbox] instances_max`");
            return Check::warning("max_map_count", detail, fix);
        }
        Check::ok("max_map_count", detail)
    }

    fn address_space(&self, pool: EngineOptions) -> Check {
        let (needed, instances) = (pool.reserved_bytes(), pool.instances_max);
        let most = self.address_space_bytes.unwrap_or(ADDRESS_SPACE_BYTES).min(ADDRESS_SPACE_BYTES);
        let detail = format!("{} MiB; {instances} instances reserve about {} MiB", most / MIB, needed / MIB);
        if most < needed {
            let fix =
                "remove the limit (`ulimit -v unlimited`), or lower `[sandbox] instances_max`: reserved is not used";
            return Check::error("address_space", detail, fix);
        }
        Check::ok("address_space", detail)
    }

    fn memory(&self) -> Check {
        let Some(total) = self.memory_bytes else { return Check::ok("memory", "not known") };
        let usable = self.cgroup_memory_bytes.unwrap_or(total).min(total);
        let detail = format!("{} MiB usable of {} MiB, {} cores", usable / MIB, total / MIB, self.cores);
        if usable < MEMORY_NEEDED_BYTES {
            let fix = "give it 1 GiB or more: compiling alone takes hundreds of MiB";
            return Check::warning("memory", detail, fix);
        }
        Check::ok("memory", detail)
    }

    fn overcommit(&self) -> Check {
        if self.overcommit_memory == Some(2) {
            let detail = "vm.overcommit_memory is 2: memory that is only reserved may be refused";
            return Check::warning("overcommit", detail, "`sysctl vm.overcommit_memory=0`");
        }
        Check::ok("overcommit", "reserved memory does not count as used")
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok().and_then(|text| amount(&text))
}

/// `max`, and what the first version of cgroups said instead, mean no limit.
fn amount(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < (1 << 62))
}

fn meminfo(key: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib << 10)
}

/// The first of these files in the cgroup of this process, of either version.
fn cgroup(controller: &str, files: &[&str]) -> Option<String> {
    let memberships = fs::read_to_string("/proc/self/cgroup").ok()?;
    let groups = memberships.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let root = match controllers {
            "" => "/sys/fs/cgroup".to_owned(),
            named if named.split(',').any(|name| name == controller) => format!("/sys/fs/cgroup/{controller}"),
            _ => return None,
        };
        Some(PathBuf::from(root).join(path.trim_start_matches('/')))
    });
    groups
        .flat_map(|group| files.iter().map(move |file| group.join(file)))
        .find_map(|path| fs::read_to_string(path).ok())
}

/// `quota period`, in microseconds.
fn cpus(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}
