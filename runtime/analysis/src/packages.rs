//! The packages that a project brings along, as its lockfiles name them, and what an environment's policy says of them.
//!
//! A lockfile is text from a builder: read strictly and within bounds, and what is not understood is refused. Only files
//! beside `function.toml` count, so that data of the same name deeper inside is no lockfile.

mod cargo;
mod declared;
mod npm;
mod pnpm;
mod policy;
mod pypi;
mod requirement;
mod requirements;
mod source;
mod time;
mod tree;
mod yarn;

use std::fmt;

pub use policy::{PackagePolicy, SourceRule, TimeIndex, check};
pub use requirement::{Approved, ApprovedError};
pub use time::unix_s;

use tree::Node;

/// Bytes of one lockfile or package manifest.
pub const FILE_BYTES_MAX: usize = 4 << 20;
/// Packages in one lockfile.
pub const PACKAGES_MAX: usize = 20_000;
/// Characters of a name, a version, an address or a hash.
const TEXT_CHARS_MAX: usize = 1_024;

/// Where names and versions have one meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ecosystem {
    /// JavaScript, <https://registry.npmjs.org>.
    Npm,
    /// Python, <https://pypi.org>.
    Pypi,
    /// Rust, <https://crates.io>.
    Crates,
}

impl Ecosystem {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Npm, Self::Pypi, Self::Crates];

    /// As policies write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pypi => "pypi",
            Self::Crates => "crates",
        }
    }

    /// One spelling for all spellings that mean the same package: PEP 503 for PyPI, the rule of crates.io for crates. npm
    /// tells cases apart (`JSONStream` and `jsonstream` are two packages), so there nothing changes.
    #[must_use]
    pub fn normalised(self, name: &str) -> String {
        match self {
            Self::Npm => name.to_owned(),
            Self::Crates => name.to_ascii_lowercase().replace('_', "-"),
            Self::Pypi => {
                let parts = name.split(['-', '_', '.']).filter(|part| !part.is_empty());
                parts.collect::<Vec<_>>().join("-").to_ascii_lowercase()
            }
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a package comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackageSource {
    /// The public registry of its ecosystem.
    Registry,
    /// A repository.
    Git(String),
    /// A directory or file beside the project.
    Path(String),
    /// Any other address, among them other registries.
    Url(String),
}

/// One package of a lockfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    /// Of its name.
    pub ecosystem: Ecosystem,
    /// Normalised.
    pub name: String,
    /// As the lockfile writes it.
    pub version: String,
    /// Where it is taken from.
    pub source: PackageSource,
    /// A hash of what is taken, or the commit of a repository; none that is weaker than SHA-256 or a whole commit id.
    pub integrity: Option<String>,
    /// When its newest file was published, in seconds since the Unix epoch, where the lockfile says so of every file.
    pub published_unix_s: Option<u64>,
    /// In the lockfile, from 1.
    pub line: usize,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// From 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl Unreadable {
    fn at(line: usize, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    fn whole(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }
}

/// A file that says something about packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageFile {
    /// Names every package with its version.
    Lock(Ecosystem, Format),
    /// Names what the project asks for.
    Manifest(Ecosystem),
}

/// How a lockfile is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `package-lock.json` and `npm-shrinkwrap.json`, versions 1 to 3.
    Npm,
    /// `pnpm-lock.yaml`.
    Pnpm,
    /// `yarn.lock`, version 1 and Berry.
    Yarn,
    /// `Cargo.lock`.
    Cargo,
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `pdm.lock`.
    Pdm,
    /// `Pipfile.lock`.
    Pipfile,
    /// `pylock.toml` and `pylock.<name>.toml`, PEP 751.
    Pylock,
    /// `requirements.txt` and others of the kind, pinned with `==`.
    Requirements,
}

impl PackageFile {
    /// What a path inside a project is; `None` for most files.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        use Ecosystem::{Crates, Npm, Pypi};
        let lock = |ecosystem, format| Some(Self::Lock(ecosystem, format));
        let is_between = |start: &str, end: &str| {
            path.len() > start.len() + end.len()
                && !path.contains('/')
                && path.starts_with(start)
                && path.ends_with(end)
        };
        match path {
            "package-lock.json" | "npm-shrinkwrap.json" => lock(Npm, Format::Npm),
            "pnpm-lock.yaml" => lock(Npm, Format::Pnpm),
            "yarn.lock" => lock(Npm, Format::Yarn),
            "Cargo.lock" => lock(Crates, Format::Cargo),
            "uv.lock" => lock(Pypi, Format::Uv),
            "poetry.lock" => lock(Pypi, Format::Poetry),
            "pdm.lock" => lock(Pypi, Format::Pdm),
            "Pipfile.lock" => lock(Pypi, Format::Pipfile),
            "pylock.toml" => lock(Pypi, Format::Pylock),
            "requirements.txt" => lock(Pypi, Format::Requirements),
            "package.json" => Some(Self::Manifest(Npm)),
            "pyproject.toml" | "Pipfile" => Some(Self::Manifest(Pypi)),
            "Cargo.toml" => Some(Self::Manifest(Crates)),
            _ if is_between("pylock.", ".toml") => lock(Pypi, Format::Pylock),
            _ if is_between("requirements", ".txt") => lock(Pypi, Format::Requirements),
            _ => None,
        }
    }
}

/// The packages of a lockfile.
///
/// # Errors
/// When it is too large, not of its format, or holds something whose meaning is not certain.
pub fn packages(format: Format, text: &str) -> Result<Vec<LockedPackage>, Unreadable> {
    check_size(text)?;
    let found = match format {
        Format::Npm => npm::packages(&tree::json(text)?),
        Format::Pnpm => pnpm::packages(&tree::yaml(text)?),
        Format::Yarn => yarn::packages(text),
        Format::Cargo => cargo::packages(&tree::toml(text)?),
        Format::Uv => pypi::uv(&tree::toml(text)?),
        Format::Poetry => pypi::poetry(&tree::toml(text)?),
        Format::Pdm => pypi::pdm(&tree::toml(text)?),
        Format::Pipfile => pypi::pipfile(&tree::json(text)?),
        Format::Pylock => pypi::pylock(&tree::toml(text)?),
        Format::Requirements => requirements::packages(text),
    }?;
    check_count(found.len())?;
    found.iter().try_for_each(check_texts)?;
    Ok(found)
}

fn check_size(text: &str) -> Result<(), Unreadable> {
    if text.len() > FILE_BYTES_MAX {
        return Err(Unreadable::whole(format!("{} bytes, at most {FILE_BYTES_MAX} are read", text.len())));
    }
    Ok(())
}

/// Before anything is done for each of so many, and again of what was found.
fn check_count(packages: usize) -> Result<(), Unreadable> {
    if packages > PACKAGES_MAX {
        return Err(Unreadable::whole(format!("{packages} packages, at most {PACKAGES_MAX} are read")));
    }
    Ok(())
}

/// Names and versions go into texts for people: nothing in them may look like something else.
fn check_texts(package: &LockedPackage) -> Result<(), Unreadable> {
    let LockedPackage { name, version, source, line, .. } = package;
    let address = match source {
        PackageSource::Registry => "",
        PackageSource::Git(at) | PackageSource::Path(at) | PackageSource::Url(at) => at,
    };
    let is_plain = |text: &str| text.len() <= TEXT_CHARS_MAX && text.bytes().all(|byte| byte.is_ascii_graphic());
    if name.is_empty() || !is_plain(name) {
        return Err(Unreadable::at(*line, "the name of a package is empty, too long or not plain ASCII"));
    }
    if !is_plain(version) {
        return Err(Unreadable::at(*line, format!("the version of `{name}` is too long or not plain ASCII")));
    }
    if address.len() > TEXT_CHARS_MAX || address.chars().any(char::is_control) {
        return Err(Unreadable::at(*line, format!("the source of `{name}` is too long or no plain text")));
    }
    Ok(())
}

/// A hash that says what it is, if it is strong enough: `sha512-<base64>`, `sha256:<hex>`.
fn strong(hash: &str) -> Option<String> {
    let is_strong = |one: &str| {
        ["sha256", "sha384", "sha512"].iter().any(|name| {
            one.strip_prefix(name).and_then(|rest| rest.strip_prefix(['-', ':'])).is_some_and(|rest| rest.len() >= 43)
        })
    };
    hash.split_whitespace().find(|one| is_strong(one)).map(str::to_owned)
}

/// A text of a node that must be there.
fn required<'a>(node: &'a Node, key: &str, of: &str) -> Result<&'a str, Unreadable> {
    let missing = || Unreadable::at(node.line, format!("{of} has no `{key}`"));
    node.text(key).ok_or_else(missing)
}
