//! Attributes of the process: privileges, capabilities, limits, visibility; and what it needs to be itself.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::{
    process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit},
    thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities, set_no_new_privs},
};

use super::{Wall, WallError};
use crate::engine;

/// Open files that a server may want: connections, artifacts, databases.
const FILES_WANTED: u64 = 1 << 16;

/// What a root server keeps: to use its files as root does, and to give journals to the owner of their database. Ports are
/// bound before.
const CAPABILITIES_KEPT: CapabilitySet =
    CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER).union(CapabilitySet::CHOWN);

const OWN_PROC: &str = "/proc/self";

/// Devices that any library may want; reading more randomness or writing to nothing gives nothing away.
const DEVICES: [&str; 2] = ["/dev/urandom", "/dev/null"];

pub(super) fn require_one_thread() -> Result<(), WallError> {
    let threads =
        fs::read_dir("/proc/self/task").map_err(|source| WallError::Path { path: OWN_PROC.into(), source })?;
    match threads.count() {
        1 => Ok(()),
        count => Err(WallError::Threads(count)),
    }
}

/// What any program needs to run and to start itself again: its own file, its loader, its libraries.
pub(super) fn add_own_needs(wall: &mut Wall) -> Result<(), WallError> {
    let refused = |source| WallError::Path { path: "/proc/self/exe".into(), source };
    let program = std::env::current_exe().map_err(refused)?;
    wall.execute(&program);
    for path in mapped_files().map_err(refused)? {
        if is_loader(&path) {
            wall.execute(&path);
        } else if path != program {
            wall.read(&path);
        }
        // Name service modules are loaded on demand and lie beside the C library.
        if let Some(dir) = path.parent().filter(|_| is_c_library(&path)) {
            wall.read(dir);
        }
    }
    wall.read(Path::new("/etc/ld.so.cache"));
    wall.read(Path::new("/etc/localtime"));
    wall.read(Path::new(OWN_PROC));
    DEVICES.iter().for_each(|device| wall.read(Path::new(device)));
    Ok(())
}

/// Files that the kernel and the loader have mapped as code.
fn mapped_files() -> io::Result<Vec<PathBuf>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let path = |line: &str| line.find('/').and_then(|at| line.get(at..)).map(PathBuf::from);
    let mut files: Vec<_> = maps.lines().filter_map(path).filter(|path| path.is_file()).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn is_loader(path: &Path) -> bool {
    ["ld-", "ld.so"].iter().any(|start| file_name(path).starts_with(start))
}

fn is_c_library(path: &Path) -> bool {
    ["libc.so", "libc-", "libc.musl"].iter().any(|start| file_name(path).starts_with(start))
}

/// No privileges to gain, few to keep, no core files, no locked memory; as many files as a busy server opens.
pub(super) fn give_up_privileges() -> Result<(), WallError> {
    set_no_new_privs(true).map_err(WallError::process("no_new_privs"))?;
    set_limits().map_err(WallError::process("its resource limits"))?;
    keep_few_capabilities().map_err(WallError::process("its capabilities"))?;
    // Once nobody may look into us, only root can open this file; the engine opens it once, and keeps it.
    if !engine::has_pagemap_scan() {
        tracing::debug!("no PAGEMAP_SCAN");
    }
    Ok(())
}

fn set_limits() -> rustix::io::Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    for resource in [Resource::Core, Resource::Memlock, Resource::Msgqueue, Resource::Rtprio] {
        setrlimit(resource, none)?;
    }
    let files = getrlimit(Resource::Nofile);
    let most = files.maximum.unwrap_or(u64::MAX).min(FILES_WANTED);
    let current = files.current.unwrap_or(u64::MAX).max(most);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: files.maximum })
}

fn keep_few_capabilities() -> rustix::io::Result<()> {
    let kept = capabilities(None)?.permitted & CAPABILITIES_KEPT;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })
}

/// Nobody of the same user may trace us or read our memory, and a crash leaves nothing behind.
pub(super) fn hide() -> Result<(), WallError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(WallError::process("PR_SET_DUMPABLE"))
}

pub(super) fn own_proc() -> Result<File, WallError> {
    File::open(OWN_PROC).map_err(|source| WallError::Path { path: OWN_PROC.into(), source })
}
