//! A disk that remembers every operation and can fail any: `shim.c` in the process under test, and what a power cut would leave.
//!
//! Library calls are watched because that is where a program says what it wants to be durable: a block device below the file
//! system would test that file system's own journal instead, and needs root. What POSIX leaves open is decided by a seed.
//!
//! Nothing but the standard library: the tests of `airlock-store` compile this file too.

mod cut;
mod log;

use std::{
    path::{Path, PathBuf},
    process::{self, Command},
    sync::OnceLock,
};

pub use cut::Disk;
pub use log::{Op, read};

/// Small and seeded, so that a failing case can be run again (SplitMix64).
#[derive(Debug)]
pub struct Seeded(pub u64);

impl Seeded {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is above 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(end).expect("small")).expect("small")
    }

    /// True so many times of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// What the watched process is to meet. Counted from 1 among the operations of these kinds.
#[derive(Debug, Clone, Copy)]
pub struct Failing {
    /// `w` write, `s` sync, `t` truncate, `o` open for writing, `r` rename, `u` unlink, `m` mkdir.
    pub kinds: &'static str,
    /// 0 for a short write.
    pub errno: i32,
    pub first: usize,
    pub count: usize,
}

/// Has a process that is about to start watched.
pub struct Watched<'a> {
    pub dir: &'a Path,
    pub log: &'a Path,
    pub failing: Option<Failing>,
    /// While this file exists, nothing fails.
    pub space: Option<&'a Path>,
}

impl Watched<'_> {
    pub fn set_up(&self, command: &mut Command) {
        command.env("LD_PRELOAD", shim()).env("AIRLOCK_DISK_DIR", self.dir).env("AIRLOCK_DISK_LOG", self.log);
        if let Some(Failing { kinds, errno, first, count }) = self.failing {
            command.env("AIRLOCK_DISK_FAIL", format!("{kinds} {errno} {first} {count}"));
        }
        if let Some(space) = self.space {
            command.env("AIRLOCK_DISK_SPACE", space);
        }
    }
}

/// Has a process that is about to start read its wall clock with the seconds added that stand in a file.
pub fn shift_clock(command: &mut Command, file: &Path) {
    command.env("LD_PRELOAD", shim()).env("AIRLOCK_CLOCK", file);
}

/// Adds a mark to a log: it stands behind everything that took effect before this call.
pub fn mark(log: &Path, text: &str) {
    log::append_mark(log, text).expect("a log");
}

/// The compiled shim. Made once by a process, and moved to its place whole: other tests do the same at the same time.
fn shim() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let dir = std::env::temp_dir();
        let (source, made) = (include_str!("shim.c"), dir.join(format!("airlock-disk-{}.so", process::id())));
        let text = dir.join(format!("airlock-disk-{}.c", process::id()));
        std::fs::write(&text, source).expect("written");
        let mut gcc = Command::new("gcc");
        gcc.args(["-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o"]).arg(&made).arg(&text);
        let output = gcc.arg("-lpthread").output().expect("gcc: ./scripts/test installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(text).expect("removed");
        made
    })
}
