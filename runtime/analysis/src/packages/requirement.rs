//! The approved list of an environment: `npm:zod`, `npm:@scope/*`, `pypi:httpx@>=0.27`, `crates:serde@1`.

use std::{cmp::Ordering, str::FromStr};

use semver::{Version, VersionReq};

use super::{Ecosystem, LockedPackage};

/// Packages that a policy approves of.
#[derive(Debug, Clone)]
pub struct Approved {
    ecosystem: Ecosystem,
    name: Name,
    versions: Versions,
}

#[derive(Debug, Clone)]
enum Name {
    /// Normalised.
    One(String),
    /// All of an npm scope, with its slash.
    Scope(String),
}

#[derive(Debug, Clone)]
enum Versions {
    Any,
    /// npm and crates, as Cargo.toml writes it.
    Semantic(VersionReq),
    /// PEP 440, of numbers alone.
    Python(Vec<(Comparison, Release)>),
}

/// Why an entry of the approved list is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovedError {
    /// Not `ecosystem:name`.
    #[error("`{0}` is not `npm:NAME`, `pypi:NAME` or `crates:NAME`, perhaps with `@VERSIONS`")]
    Shape(String),
    /// A `*` that is no npm scope's.
    #[error(
        "`{0}`: `*` stands for the packages of an npm scope only, as in `npm:@scope/*`: anyone can take another name"
    )]
    Wildcard(String),
    /// The versions are not understood.
    #[error(
        "`{0}`: the versions are not understood; write `^1.2` or `>=1, <2` for npm and crates, `>=1.2,<2` for pypi"
    )]
    Versions(String),
}

impl FromStr for Approved {
    type Err = ApprovedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shape = || ApprovedError::Shape(text.to_owned());
        let (ecosystem, rest) = text.split_once(':').ok_or_else(shape)?;
        let ecosystem = Ecosystem::ALL.into_iter().find(|one| one.as_str() == ecosystem).ok_or_else(shape)?;
        // An `@` in front belongs to the scope.
        let at = rest.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
        let (name, versions) = at.and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, ""));
        let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
        let wildcard = || ApprovedError::Wildcard(text.to_owned());
        let name = match name.strip_suffix('*') {
            _ if !is_plain => return Err(shape()),
            None if name.contains('*') => return Err(wildcard()),
            None if ecosystem == Ecosystem::Npm && name.starts_with('@') && !name.contains('/') => return Err(shape()),
            None => Name::One(ecosystem.normalised(name)),
            Some(scope) => {
                let own = scope.strip_prefix('@').and_then(|scope| scope.strip_suffix('/'));
                let is_scope = own.is_some_and(|own| !own.is_empty() && !own.contains(['/', '*', '@']));
                if !is_scope || ecosystem != Ecosystem::Npm {
                    return Err(wildcard());
                }
                Name::Scope(scope.to_owned())
            }
        };
        let versions = Versions::parse(ecosystem, versions).ok_or_else(|| ApprovedError::Versions(text.to_owned()))?;
        Ok(Self { ecosystem, name, versions })
    }
}

impl Approved {
    /// Whether this is one of them.
    #[must_use]
    pub fn covers(&self, package: &LockedPackage) -> bool {
        let is_named = match &self.name {
            Name::One(name) => package.name == *name,
            Name::Scope(scope) => package.name.starts_with(scope.as_str()),
        };
        self.ecosystem == package.ecosystem && is_named && self.versions.hold(&package.version)
    }
}

impl Versions {
    /// Nothing, or what stands from the `@` on.
    fn parse(ecosystem: Ecosystem, text: &str) -> Option<Self> {
        let Some(text) = text.strip_prefix('@') else { return Some(Self::Any) };
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        match ecosystem {
            Ecosystem::Npm | Ecosystem::Crates => VersionReq::parse(text).ok().map(Self::Semantic),
            Ecosystem::Pypi => {
                text.split(',').map(|one| comparison(one.trim())).collect::<Option<_>>().map(Self::Python)
            }
        }
    }

    fn hold(&self, version: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Semantic(wanted) => Version::parse(version).is_ok_and(|version| wanted.matches(&version)),
            Self::Python(all) => all.iter().all(|(how, wanted)| how.holds(version, wanted)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    AtLeast,
    AtMost,
    Above,
    Below,
    Not,
    Exactly,
    /// `~=1.4.2`: at least this, and alike but for the last number.
    Compatible,
    /// `==1.4.*`.
    Begins,
}

const COMPARISONS: [(&str, Comparison); 7] = [
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    ("!=", Comparison::Not),
    ("==", Comparison::Exactly),
    ("~=", Comparison::Compatible),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

fn comparison(text: &str) -> Option<(Comparison, Release)> {
    let found = COMPARISONS.into_iter().find_map(|(sign, how)| Some((how, text.strip_prefix(sign)?.trim())));
    // A version alone means itself.
    let (how, version) = found.unwrap_or((Comparison::Exactly, text));
    if let Some(begin) = version.strip_suffix(".*").filter(|_| how == Comparison::Exactly) {
        return Some((Comparison::Begins, Release::parse(begin)?));
    }
    let release = Release::parse(version)?;
    (how != Comparison::Compatible || release.0.len() > 1).then_some((how, release))
}

impl Comparison {
    /// Versions with more than numbers (pre-releases, local builds) fit nothing: they are approved by name alone.
    fn holds(self, version: &str, wanted: &Release) -> bool {
        let Some(version) = Release::parse(version) else { return false };
        let order = version.compare(wanted);
        match self {
            Self::AtLeast => order != Ordering::Less,
            Self::AtMost => order != Ordering::Greater,
            Self::Above => order == Ordering::Greater,
            Self::Below => order == Ordering::Less,
            Self::Not => order != Ordering::Equal,
            Self::Exactly => order == Ordering::Equal,
            Self::Begins => version.begins_with(&wanted.0),
            Self::Compatible => {
                order != Ordering::Less && wanted.0.split_last().is_some_and(|(_, head)| version.begins_with(head))
            }
        }
    }
}

/// `1.4.2`: the numbers of a version.
#[derive(Debug, Clone)]
struct Release(Vec<u64>);

impl Release {
    fn parse(text: &str) -> Option<Self> {
        let number = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok()).flatten();
        text.split('.').map(number).collect::<Option<_>>().map(Self)
    }

    fn number(&self, at: usize) -> u64 {
        self.0.get(at).copied().unwrap_or(0)
    }

    /// Numbers that are missing are zero: `1.0` is `1.0.0`.
    fn compare(&self, other: &Self) -> Ordering {
        let length = self.0.len().max(other.0.len());
        (0..length)
            .map(|at| self.number(at).cmp(&other.number(at)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    fn begins_with(&self, head: &[u64]) -> bool {
        head.iter().enumerate().all(|(at, number)| self.number(at) == *number)
    }
}
