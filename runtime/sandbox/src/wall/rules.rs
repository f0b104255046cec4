//! Landlock: paths, ports, signals, abstract sockets.

use std::{os::fd::AsFd as _, path::Path};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, LandlockStatus, NetPort,
    PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope,
};
use rustix::system::uname;

use super::{Wall, WallError};

/// What L1 means: files, truncation, TCP ports, device ioctls, signals and abstract sockets.
pub const ABI_NEEDED: u32 = 6;
const NEEDED: ABI = ABI::V6;

/// The version of Landlock that the kernel offers, as far as this program knows versions.
#[must_use]
pub fn offered_abi() -> Option<u32> {
    // The library tells the number only to those who restrict themselves, so each version is asked for what it added.
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = |abi| strict().handle_access(AccessFs::from_all(abi)).is_ok();
    let steps: [(u32, &dyn Fn() -> bool); 7] = [
        (9, &|| files(ABI::V9)),
        (6, &|| strict().scope(Scope::from_all(ABI::V6)).is_ok()),
        (5, &|| files(ABI::V5)),
        (4, &|| strict().handle_access(AccessNet::from_all(ABI::V4)).is_ok()),
        (3, &|| files(ABI::V3)),
        (2, &|| files(ABI::V2)),
        (1, &|| files(ABI::V1)),
    ];
    steps.iter().find(|(_, has)| has()).map(|(abi, _)| *abi)
}

pub(super) fn require_abi() -> Result<(), WallError> {
    let offered = offered_abi();
    if offered.is_some_and(|abi| abi >= ABI_NEEDED) {
        return Ok(());
    }
    Err(WallError::Landlock { release: uname().release().to_string_lossy().into_owned(), offered })
}

/// Everything that this kernel can forbid is forbidden, down to what [`NEEDED`] knows.
pub(super) fn closed() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(NEEDED))?
        .handle_access(AccessNet::from_all(NEEDED))?
        .scope(Scope::from_all(NEEDED))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V9))?
        .create()
}

/// Restricts this thread and gives the version of Landlock in force.
pub(super) fn restrict(wall: &Wall) -> Result<u32, WallError> {
    let mut rules = closed()?;
    let read = wall.read.iter().map(|path| (path, reading()));
    let write = wall.write.iter().map(|dir| (dir, writing()));
    for (path, rights) in read.chain(write) {
        // Missing ones are told by whoever needs them, in better words.
        if let Ok(target) = target(path) {
            rules = allow(rules, &target, rights)?;
        }
    }
    for program in &wall.execute {
        rules = allow(rules, &target(program)?, running())?;
    }
    for port in &wall.connect {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
    }
    Ok(abi_of(&rules.restrict_self()?.landlock))
}

pub(super) fn abi_of(status: &LandlockStatus) -> u32 {
    match status {
        LandlockStatus::Available { effective_abi, kernel_abi } => {
            kernel_abi.and_then(|abi| u32::try_from(abi).ok()).unwrap_or(*effective_abi as u32)
        }
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => 0,
    }
}

/// Adds a rule; rights that only directories can have are left out for a file.
pub(super) fn allow(
    rules: RulesetCreated,
    target: &Target,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let rights = if target.is_dir { rights } else { rights & AccessFs::from_file(ABI::V9) };
    rules.add_rule(PathBeneath::new(target.path.as_fd(), rights))
}

/// A file or directory that a rule is about.
pub(super) struct Target {
    path: PathFd,
    is_dir: bool,
}

pub(super) fn target(path: &Path) -> Result<Target, WallError> {
    let refused = |source| WallError::Path { path: path.to_owned(), source };
    let is_dir = path.metadata().map_err(refused)?.is_dir();
    let opened = PathFd::new(path).map_err(|why| refused(std::io::Error::other(why)))?;
    Ok(Target { path: opened, is_dir })
}

fn reading() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

/// No links, devices, sockets or pipes, and nothing moves between directories.
pub(super) fn writing() -> BitFlags<AccessFs> {
    reading()
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
}

fn running() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::Execute
}
