//! Which compiler, standard library and linker make WebAssembly on this machine.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::environment;

/// The target: no system interface at all, so that nothing but declared imports gets into a component.
pub(super) const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's `rustc-web` puts its compiler. It is asked after the one of the project.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// Where the standard library for the target comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandardLibrary {
    /// Ready in the compiler's directory, as `rustup target add` installs it.
    Installed,
    /// Compiled from its source by cargo, once per target directory, as Debian's `rust-web-src` allows.
    FromSource,
}

/// What cargo is told to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    pub(super) rustc: PathBuf,
    pub(super) standard_library: StandardLibrary,
    /// None: the compiler's own default, `rust-lld` beside it.
    pub(super) linker: Option<PathBuf>,
}

/// The machine cannot compile to WebAssembly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// No compiler that knows the target.
    #[error(
        "no Rust compiler here has `{TARGET}`: run `rustup target add {TARGET}`, or on Debian \
         `apt-get install -y --no-install-recommends rustc-web rust-web-src rust-web-llvm`"
    )]
    Target,
    /// A compiler, but nothing that links WebAssembly.
    #[error(
        "no linker for WebAssembly was found beside the compiler or in PATH: install a rustup toolchain, which brings \
         `rust-lld`, or on Debian `apt-get install -y lld`"
    )]
    Linker,
}

impl Tools {
    /// Looks for a compiler with the target, first the one the project uses, then the system's. A ready standard library
    /// is preferred to one from source.
    ///
    /// # Errors
    /// [`Missing`], with what to install.
    pub fn find(project: &Path) -> Result<Self, Missing> {
        let mut compilers = Vec::new();
        for rustc in ["rustc", SYSTEM_RUSTC] {
            compilers.extend(Compiler::ask(Path::new(rustc), project));
        }
        let path: Vec<PathBuf> = environment::search_path();
        Self::choose(&compilers, &path)
    }

    fn choose(compilers: &[Compiler], path: &[PathBuf]) -> Result<Self, Missing> {
        if let Some(ready) = compilers.iter().find(|compiler| compiler.has_target()) {
            let standard_library = StandardLibrary::Installed;
            return Ok(Self { rustc: ready.rustc.clone(), standard_library, linker: None });
        }
        let source = compilers.iter().find(|compiler| compiler.has_source()).ok_or(Missing::Target)?;
        let beside = compilers.iter().map(Compiler::linker);
        let in_path = path.iter().flat_map(|directory| [directory.join("rust-lld"), directory.join("wasm-ld")]);
        let linker = beside.chain(in_path).find(|program| program.is_file()).ok_or(Missing::Linker)?;
        Ok(Self { rustc: source.rustc.clone(), standard_library: StandardLibrary::FromSource, linker: Some(linker) })
    }

    /// Where the standard library comes from.
    #[must_use]
    pub fn standard_library(&self) -> StandardLibrary {
        self.standard_library
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.standard_library {
            StandardLibrary::Installed => "with its installed",
            StandardLibrary::FromSource => "with the standard library from source for",
        };
        write!(out, "compiled by `{}` {how} {TARGET}", self.rustc.display())
    }
}

/// One compiler and the directory of its libraries.
struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    host: String,
}

impl Compiler {
    /// None when it is not there or does not answer: then it cannot be used either.
    fn ask(rustc: &Path, project: &Path) -> Option<Self> {
        let mut command = Command::new(rustc);
        command.args(["--print", "sysroot", "--print", "host-tuple"]).current_dir(project);
        environment::clean(&mut command);
        let answer = command.output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(answer.stdout).ok()?;
        let (sysroot, host) = text.trim().split_once('\n')?;
        Some(Self { rustc: rustc.to_owned(), sysroot: sysroot.into(), host: host.to_owned() })
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    fn has_target(&self) -> bool {
        self.rustlib().join(TARGET).join("lib").is_dir()
    }

    fn has_source(&self) -> bool {
        self.rustlib().join("src/rust/library/Cargo.lock").is_file()
    }

    fn linker(&self) -> PathBuf {
        self.rustlib().join(&self.host).join("bin/rust-lld")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A compiler directory with the given files, relative to `lib/rustlib`.
    fn compiler(root: &Path, name: &str, files: &[&str]) -> Compiler {
        let sysroot = root.join(name);
        for file in files {
            let file = sysroot.join("lib/rustlib").join(file);
            fs::create_dir_all(file.parent().expect("has a parent")).expect("directory");
            fs::write(file, "").expect("file");
        }
        Compiler { rustc: name.into(), sysroot, host: "host".to_owned() }
    }

    const READY: &str = "wasm32-unknown-unknown/lib/libstd.rlib";
    const SOURCE: &str = "src/rust/library/Cargo.lock";
    const LINKER: &str = "host/bin/rust-lld";

    #[test]
    fn installed_target_wins_over_source() {
        let root = tempfile::tempdir().expect("temporary directory");
        let compilers = [compiler(root.path(), "one", &[SOURCE, LINKER]), compiler(root.path(), "two", &[READY])];
        let tools = Tools::choose(&compilers, &[]).expect("the second is ready");
        assert_eq!((tools.rustc.as_path(), tools.standard_library), (Path::new("two"), StandardLibrary::Installed));
    }

    #[test]
    fn source_borrows_the_linker_of_another_compiler() {
        let root = tempfile::tempdir().expect("temporary directory");
        let compilers = [compiler(root.path(), "one", &[LINKER]), compiler(root.path(), "two", &[SOURCE])];
        let tools = Tools::choose(&compilers, &[]).expect("both together do");
        assert_eq!(tools.rustc, Path::new("two"));
        assert_eq!(tools.linker, Some(root.path().join("one/lib/rustlib").join(LINKER)));
    }

    #[test]
    fn what_is_missing_comes_with_both_remedies() {
        let root = tempfile::tempdir().expect("temporary directory");
        let nothing = Tools::choose(&[compiler(root.path(), "one", &[LINKER])], &[]).expect_err("no target");
        let text = nothing.to_string();
        assert!(text.contains("rustup target add") && text.contains("apt-get install"), "{text}");
        let linker = Tools::choose(&[compiler(root.path(), "two", &[SOURCE])], &[]);
        assert_eq!(linker, Err(Missing::Linker));
    }
}
