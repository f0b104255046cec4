//! The second wall (Linux, no root): what the process may still do if a guest ever gets out of Wasm.
//!
//! A [`Wall`] is a list of what is allowed: paths to read and to write, programs to execute, TCP ports to connect to.
//! [`Wall::raise`] makes the kernel hold the process to it, for good: Landlock for paths, ports, signals and abstract
//! sockets; seccomp for the system calls that Landlock knows nothing about; no new privileges, no capabilities but a few,
//! no core files, nobody may trace us. Landlock and seccomp bind the calling thread and what it starts, so the wall is
//! raised before there is a second thread.

mod child;
mod error;
mod process;
mod rules;
mod syscalls;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub(crate) use child::lock_down;
pub use error::WallError;
pub use rules::{ABI_NEEDED, offered_abi};

/// What stays allowed. Everything that is not listed is forbidden.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wall {
    read: BTreeSet<PathBuf>,
    write: BTreeSet<PathBuf>,
    execute: BTreeSet<PathBuf>,
    connect: BTreeSet<u16>,
}

impl Wall {
    /// Nothing allowed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows to read a file, or everything below a directory. One that is not there is left out.
    pub fn read(&mut self, path: &Path) {
        self.read.insert(real(path));
    }

    /// Allows to read a file, and what replaces it under its name: its directory, unless that one is not of Airlock alone
    /// by any measure (`/`, `/etc`, `/tmp`).
    pub fn read_replaceable(&mut self, file: &Path) {
        self.read(file);
        // By name and by target: secrets are often links that are pointed elsewhere.
        for path in [file.to_owned(), real(file)] {
            if let Some(dir) = path.parent().filter(|dir| dir.components().count() > 2) {
                self.read(dir);
            }
        }
    }

    /// Allows to read, write, create and remove below a directory. One that is not there is left out.
    pub fn write(&mut self, dir: &Path) {
        self.write.insert(real(dir));
    }

    /// Allows to execute one program.
    pub fn execute(&mut self, program: &Path) {
        self.execute.insert(real(program));
    }

    /// Allows to connect to a TCP port, of any host: Landlock does not know addresses, the egress rules do.
    pub fn connect(&mut self, port: u16) {
        self.connect.insert(port);
    }

    /// Directories that may be written to.
    pub fn writable(&self) -> impl Iterator<Item = &Path> {
        self.write.iter().map(PathBuf::as_path)
    }

    /// Whether something below `path`, or `path` itself, may be written.
    #[must_use]
    pub fn may_write(&self, path: &Path) -> bool {
        is_below(&real(path), &self.write)
    }

    /// What this wall allows and `standing` does not, one text for each.
    #[must_use]
    pub fn beyond(&self, standing: &Self) -> Vec<String> {
        let readable: BTreeSet<_> = standing.read.union(&standing.write).cloned().collect();
        let read = self.read.iter().filter(|path| !is_below(path, &readable));
        let write = self.write.iter().filter(|path| !is_below(path, &standing.write));
        let execute = self.execute.difference(&standing.execute);
        let connect = self.connect.difference(&standing.connect);
        let read = read.map(|path| format!("reading `{}`", path.display()));
        let write = write.map(|path| format!("writing to `{}`", path.display()));
        let execute = execute.map(|path| format!("executing `{}`", path.display()));
        let connect = connect.map(|port| format!("connecting to port {port}"));
        read.chain(write).chain(execute).chain(connect).collect()
    }

    /// Raises the wall around this process, for good. Once a process, while it has one thread.
    ///
    /// # Errors
    /// When the kernel lacks a part, when there are threads already, or when a wall stands. A part may be in force then:
    /// end the process.
    pub fn raise(mut self) -> Result<&'static Raised, WallError> {
        if RAISED.get().is_some() {
            return Err(WallError::Twice);
        }
        process::require_one_thread()?;
        rules::require_abi()?;
        process::add_own_needs(&mut self)?;
        process::give_up_privileges()?;
        // Held for good: the rule of this directory is of its inode, which must not leave the kernel's cache.
        let own_proc = process::own_proc()?;
        let landlock_abi = rules::restrict(&self)?;
        process::hide()?;
        syscalls::restrict()?;
        Ok(RAISED.get_or_init(|| Raised { wall: self, landlock_abi, _own_proc: own_proc }))
    }
}

/// Links resolved where that is possible: rules hold for files, not for names.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn is_below(path: &Path, allowed: &BTreeSet<PathBuf>) -> bool {
    path.ancestors().any(|ancestor| allowed.contains(ancestor))
}

/// A wall that stands.
#[derive(Debug)]
pub struct Raised {
    wall: Wall,
    landlock_abi: u32,
    _own_proc: std::fs::File,
}

/// Kernel state belongs to the process, and so does what we know of it.
static RAISED: OnceLock<Raised> = OnceLock::new();

/// The wall around this process, if one was raised.
#[must_use]
pub fn raised() -> Option<&'static Raised> {
    RAISED.get()
}

impl Raised {
    /// What it allows.
    #[must_use]
    pub fn wall(&self) -> &Wall {
        &self.wall
    }

    /// Version of Landlock that the kernel offers.
    #[must_use]
    pub fn landlock_abi(&self) -> u32 {
        self.landlock_abi
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "L1 (Landlock ABI {}, seccomp)", self.landlock_abi)
    }
}

#[cfg(test)]
mod tests;
