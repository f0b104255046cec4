//! What the configuration names: directories, ports, and the clock that tokens are judged by.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use airlock_service::{Config, isolation};
use rustix::fs::{Access, access, statvfs};

use super::Check;
use crate::{commands::token::now_unix_s, host};

/// Free bytes of the state directory below which to warn, and below which the trail soon stops all calls.
const FREE_WARNING_BYTES: u64 = 2 << 30;
const FREE_ERROR_BYTES: u64 = 128 << 20;
/// 2026-01-01: no clock that is right says less.
const CLOCK_LEAST_UNIX_S: u64 = 1_767_225_600;
const MIB: u64 = 1 << 20;

pub(super) fn valid(file: &Path, loaded: &anyhow::Result<Config>) -> Check {
    match loaded {
        Ok(_) => Check::ok("configuration", format!("`{}` is valid", file.display())),
        Err(why) => {
            let detail = why.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            Check::error("configuration", detail, "correct it; `airlock config check` reads it again")
        }
    }
}

pub(super) fn checks(config: &Config, config_file: &Path) -> Vec<Check> {
    let mut checks = vec![state(&config.state.dir), clock(config_file), ports(config)];
    let exposed = isolation::exposed_files(config, config_file);
    let names: Vec<_> = exposed.iter().map(|file| format!("`{}`", file.display())).collect();
    checks.push(if names.is_empty() {
        Check::ok("writable_directories", "hold nothing but state and databases")
    } else {
        let detail = format!("the server may write to {}", names.join(", "));
        Check::warning("writable_directories", detail, "give databases and state directories of their own")
    });
    checks.push(listeners(config));
    checks.push(development(config));
    checks
}

/// Whether this could be a development server. No configuration makes it one by itself.
fn development(config: &Config) -> Check {
    let detail = match config.expect_desk() {
        Ok(()) => "not one by itself; `airlock serve --dev` would make it one, on loopback".to_owned(),
        Err(why) => format!("not one, and never: {why}"),
    };
    Check::ok("development_server", detail)
}

/// Whether tokens travel in clear text on a network.
fn listeners(config: &Config) -> Check {
    const NAME: &str = "listener_tls";
    let exposed: Vec<_> = config.exposed_listeners().map(|address| address.to_string()).collect();
    if exposed.is_empty() {
        return Check::ok(NAME, "every listener is on loopback or speaks TLS");
    }
    let detail = format!("{} without TLS", exposed.join(" and "));
    Check::warning(NAME, detail, "set `[server.tls]`, or listen on loopback behind a proxy that speaks it")
}

fn state(dir: &Path) -> Check {
    const NAME: &str = "state_directory";
    let place = existing(dir);
    if access(&place, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let fix = format!("let this user write to `{}`", place.display());
        return Check::error(NAME, format!("`{}` is not writable", place.display()), fix);
    }
    let free = statvfs(&place).map_or(0, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
    let detail = format!("`{}`, {} MiB free", dir.display(), free / MIB);
    match free {
        ..FREE_ERROR_BYTES => Check::error(NAME, detail, "make room: a full disk stops every call"),
        FREE_ERROR_BYTES..FREE_WARNING_BYTES => Check::warning(NAME, detail, "make room: the audit trail only grows"),
        FREE_WARNING_BYTES.. => Check::ok(NAME, detail),
    }
}

/// The directory, or the nearest one above it that is there: what is missing is made at start.
fn existing(dir: &Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    absolute.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// Tokens live for minutes, so a wrong clock refuses all of them or accepts old ones.
fn clock(config_file: &Path) -> Check {
    const NAME: &str = "clock";
    let now = now_unix_s();
    let written = fs::metadata(config_file).and_then(|file| file.modified()).ok();
    let written = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |age| age.as_secs());
    let fix = "set the clock, and keep it with NTP: tokens are judged by it";
    if now < CLOCK_LEAST_UNIX_S {
        return Check::error(NAME, format!("it says {now} s since 1970, which is in the past"), fix);
    }
    if now < written {
        return Check::warning(NAME, format!("the configuration was written {} s in the future", written - now), fix);
    }
    Check::ok(NAME, format!("{now} s since 1970"))
}

fn ports(config: &Config) -> Check {
    let addresses = format!("{} and {}", config.server.data, config.server.control);
    match host::listen(config) {
        Ok(bound) => {
            drop(bound);
            Check::ok("ports", format!("{addresses} are free"))
        }
        Err(why) => {
            let detail = why.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
            let fix = "end what listens there (`ss -ltnp` names it; a running Airlock is one), or take other ports";
            Check::error("ports", detail, fix)
        }
    }
}

pub(super) fn cache(dir: &Path) -> Check {
    let place = existing(dir);
    if access(&place, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return Check::ok("cache_directory", format!("`{}`", dir.display()));
    }
    let detail = format!("`{}` is not writable: every deploy compiles everything", place.display());
    Check::warning("cache_directory", detail, "say --cache-dir or AIRLOCK_CACHE_DIR")
}
