//! Raises the wall in a process that is thrown away: what is raised never comes down again.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

use airlock_sandbox::{
    engine,
    wall::{self, Wall},
};
use airlock_service::{
    Config,
    isolation::{self, IsolationLevel},
};
use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::{Check, Subject};

/// What became of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(super) reached: IsolationLevel,
    pub(super) landlock_abi: Option<u32>,
    pub(super) seccomp: bool,
    pub(super) pagemap_scan: bool,
    why_not: Option<String>,
}

/// The child's side: tries, and says what happened.
pub fn main(config_file: &Path) -> ExitCode {
    // Without a valid configuration the kernel can still be asked.
    let wall =
        Config::load(config_file).map_or_else(|_| Wall::new(), |config| isolation::wall_for(&config, config_file));
    let tried = match wall.raise() {
        Ok(raised) => Tried {
            reached: IsolationLevel::L1,
            landlock_abi: Some(raised.landlock_abi()),
            seccomp: true,
            pagemap_scan: engine::has_pagemap_scan(),
            why_not: None,
        },
        Err(why) => Tried {
            reached: IsolationLevel::L0,
            landlock_abi: wall::offered_abi(),
            seccomp: !matches!(why, wall::WallError::Seccomp(_)) && has_seccomp(),
            pagemap_scan: engine::has_pagemap_scan(),
            why_not: Some(why.to_string()),
        },
    };
    match serde_json::to_writer(std::io::stdout(), &tried) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn has_seccomp() -> bool {
    Path::new("/proc/sys/kernel/seccomp/actions_avail").exists()
}

pub(super) fn spawn(subject: &Subject) -> anyhow::Result<Tried> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let output = Command::new(program).arg("wall-attempt").arg("--config").arg(&subject.config_file).output();
    let output = output.context("cannot start the process that tries the wall")?;
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("the process that tries the wall ended with {}: {}", output.status, said.trim()))
}

pub(super) fn check(asked: IsolationLevel, tried: &Tried) -> Check {
    const NAME: &str = "isolation";
    match (asked, tried.reached, &tried.why_not) {
        (IsolationLevel::L0, IsolationLevel::L0, _) => Check::warning(
            NAME,
            "L0 is asked for, and more is not to be had here",
            "serve untrusted functions on Linux 6.12 or newer, with `level = \"L1\"`",
        ),
        (IsolationLevel::L0, IsolationLevel::L1, _) => {
            Check::warning(NAME, "L0 is asked for, and L1 is to be had here", "set `[isolation] level = \"L1\"`")
        }
        (IsolationLevel::L1, IsolationLevel::L1, _) => Check::ok(NAME, "L1 is asked for and was reached"),
        (IsolationLevel::L1, IsolationLevel::L0, why) => Check::error(
            NAME,
            why.clone().unwrap_or_default(),
            "boot Linux 6.12 or newer with Landlock, or set `[isolation] level = \"L0\"`",
        ),
    }
}

pub(super) fn fast_reset(tried: &Tried) -> Check {
    const NAME: &str = "pagemap_scan";
    if tried.pagemap_scan {
        Check::ok(NAME, "memory is reset between calls with PAGEMAP_SCAN")
    } else {
        Check::warning(NAME, "without PAGEMAP_SCAN calls are several times slower", "boot Linux 6.7 or newer")
    }
}
