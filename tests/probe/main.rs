//! Raises the wall that `airlock serve` would raise, then tries from inside what nobody may do, and what must still work.
//!
//! `wall-probe CONFIG CACHE_DIR OUTSIDE_DIR TRAP_PORT LISTENER_PORT ABSTRACT_NAME [--without-wall]` prints one JSON
//! document. Without the wall only those probes run that harm nobody: they show that a probe can succeed at all.

#![expect(unsafe_code, reason = "probes are raw system calls, and they are what is tested here")]
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test program: it fails by panicking, and it dials where nobody may"
)]

mod allowed;
mod files;
mod kernel;
mod network;
mod processes;

use std::{ffi::CString, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

use airlock_service::{Config, isolation};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};
use serde_json::{Value, json};

/// What the probes are aimed at.
pub struct Aims {
    pub config_file: PathBuf,
    pub config: Config,
    /// A directory beside everything that is allowed, with a file `secret.txt` in it.
    pub outside: PathBuf,
    /// A listener of the test's, on a port that no resource uses.
    pub trap_port: u16,
    /// A listener of the test's, where a resource is.
    pub listener_port: u16,
    /// An abstract socket of the test's.
    pub abstract_name: String,
    /// Who started us, and stands outside the wall.
    pub parent: i64,
}

/// One forbidden thing. The closure says what the kernel said.
pub struct Probe {
    pub name: &'static str,
    /// Whether trying it without a wall harms nobody, and succeeds.
    pub is_harmless: bool,
    pub attempt: Box<dyn Fn(&Aims) -> i64>,
}

/// A probe that would do harm, or that only root can do, where there is no wall.
pub fn probe(name: &'static str, attempt: impl Fn(&Aims) -> i64 + 'static) -> Probe {
    Probe { name, is_harmless: false, attempt: Box::new(attempt) }
}

/// A probe that anybody can do where there is no wall.
pub fn harmless(name: &'static str, attempt: impl Fn(&Aims) -> i64 + 'static) -> Probe {
    Probe { is_harmless: true, ..probe(name, attempt) }
}

/// A path as system calls want it.
pub fn c(path: impl Into<PathBuf>) -> CString {
    CString::new(path.into().into_os_string().into_encoded_bytes()).expect("a path without NUL")
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "hello") {
        return println!("hello");
    }
    if words.first().is_some_and(|word| word == "hide-landlock") {
        return without_landlock(&words[1..]);
    }
    let is_walled = !words.iter().any(|word| word == "--without-wall");
    let aims = Aims {
        config_file: PathBuf::from(&words[0]),
        config: Config::load(&PathBuf::from(&words[0])).expect("a configuration"),
        outside: PathBuf::from(&words[2]),
        trap_port: words[3].parse().expect("a port"),
        listener_port: words[4].parse().expect("a port"),
        abstract_name: words[5].clone(),
        parent: i64::from(std::os::unix::process::parent_id()),
    };
    files::prepare(&aims);
    if is_walled {
        let mut wall = isolation::wall_for(&aims.config, &aims.config_file);
        wall.write(&aims.config.state.dir);
        wall.write(&PathBuf::from(&words[1]));
        wall.raise().expect("the wall stands");
    }
    let probes = [files::probes(), network::probes(), processes::probes(), kernel::probes()].into_iter().flatten();
    let tried: Vec<Value> =
        probes.filter(|probe| is_walled || probe.is_harmless).map(|probe| tried(&probe, &aims)).collect();
    let allowed = if is_walled { allowed::all(&aims) } else { Vec::new() };
    println!("{}", json!({ "isolation": isolation::described(), "tried": tried, "allowed": allowed }));
}

/// Becomes another program, for which the kernel has no Landlock.
fn without_landlock(words: &[String]) {
    let rules = [(libc::SYS_landlock_create_ruleset, Vec::new())].into_iter().collect();
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().expect("a known processor");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, absent, arch).expect("a filter");
    apply_filter(&BpfProgram::try_from(filter).expect("a program")).expect("in force");
    panic!("{}", Command::new(&words[0]).args(&words[1..]).exec());
}

fn tried(probe: &Probe, aims: &Aims) -> Value {
    let answer = (probe.attempt)(aims);
    let error = (answer < 0).then(std::io::Error::last_os_error);
    json!({ "name": probe.name, "succeeded": answer >= 0, "errno": error.and_then(|error| error.raw_os_error()) })
}
