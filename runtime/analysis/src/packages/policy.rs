//! What an environment says of packages, and the check of a project against it. No network and no clock: release times
//! come from an index file of the operator or from the lockfile, the time of day from the caller.

mod findings;
mod index;

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use airlock_model::{Finding, Language};

use super::{
    Approved, Ecosystem, LockedPackage, PackageFile, PackageSource,
    declared::{Declared, declared},
    packages,
    source::names_npm,
};

pub use index::TimeIndex;

use findings::Findings;

const DAY_S: u64 = 86_400;

/// `[environments.<name>.packages]`, checked.
#[derive(Debug, Clone)]
pub struct PackagePolicy {
    /// What may come in whatever its age; `None` when there is no such list.
    pub approved: Option<Vec<Approved>>,
    /// How long every other package must have been out; `None` when age alone lets nothing in.
    pub minimum_age_days: Option<u64>,
    /// Where packages may come from.
    pub sources: Vec<SourceRule>,
    /// Whether each needs a hash.
    pub require_integrity: bool,
    /// Release times that the operator vouches for.
    pub index: Arc<TimeIndex>,
    /// Whether the times that a lockfile states count where the index has none. They are the builder's word.
    pub lockfile_times: bool,
}

/// One entry of `sources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceRule {
    /// The public registry of an ecosystem.
    Registry,
    /// Any repository.
    Git,
    /// Beside the project.
    Path,
    /// Any address.
    Url,
    /// A mirror: addresses that begin like this, counted as the registry itself.
    Mirror(String),
}

impl FromStr for SourceRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // With the slash at the end of the host nothing else can begin alike.
        let is_mirror = text.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
        let is_mirror =
            text.ends_with('/') && is_mirror.is_some_and(|(host, _)| !host.is_empty() && !host.contains('@'));
        match text {
            "registry" => Ok(Self::Registry),
            "git" => Ok(Self::Git),
            "path" => Ok(Self::Path),
            "url" => Ok(Self::Url),
            mirror if is_mirror => Ok(Self::Mirror(mirror.to_owned())),
            other => Err(format!(
                "`{other}` is not `registry`, `git`, `path`, `url` or the address of a mirror, `https://HOST/PATH/`"
            )),
        }
    }
}

/// Checks the package files among the sources of a project; `now_unix_s` is the time of day.
///
/// Rules, all of which refuse: `package-source`, `package-integrity`, `package-unapproved`, `package-too-new`,
/// `package-age-unknown`, `lockfile-unreadable`, `lockfile-missing`. At most [`FINDINGS_MAX`](findings::FINDINGS_MAX)
/// findings; then one that counts the rest.
#[must_use]
pub fn check(
    policy: &PackagePolicy,
    language: Language,
    sources: &BTreeMap<String, String>,
    now_unix_s: u64,
) -> Vec<Finding> {
    let mut check = Check { policy, now_unix_s, findings: Findings::default(), locked: BTreeSet::new() };
    let manifests = check.manifests(sources);
    for (path, text) in sources {
        if let Some(PackageFile::Lock(ecosystem, format)) = PackageFile::of_path(path) {
            check.locked.insert(ecosystem);
            match packages(format, text) {
                Ok(found) => check.lockfile(path, &found, manifests.get(&ecosystem)),
                Err(why) => check.findings.unreadable(path, &why),
            }
        }
    }
    check.missing(language, sources, &manifests);
    check.findings.finished()
}

/// The first manifest of each ecosystem that asks for something, or the first at all.
type Manifests<'a> = BTreeMap<Ecosystem, (&'a str, Declared)>;

struct Check<'a> {
    policy: &'a PackagePolicy,
    now_unix_s: u64,
    findings: Findings,
    /// Ecosystems with a lockfile, read or not.
    locked: BTreeSet<Ecosystem>,
}

impl Check<'_> {
    fn manifests<'a>(&mut self, sources: &'a BTreeMap<String, String>) -> Manifests<'a> {
        let mut manifests = Manifests::new();
        for (path, text) in sources {
            let Some(PackageFile::Manifest(ecosystem)) = PackageFile::of_path(path) else { continue };
            match declared(ecosystem, text) {
                Ok(found) => {
                    let known = manifests.get(&ecosystem);
                    if known.is_none_or(|(_, known)| known.first.is_none()) {
                        manifests.insert(ecosystem, (path.as_str(), found));
                    }
                }
                Err(why) => self.findings.unreadable(path, &why),
            }
        }
        manifests
    }

    fn lockfile(&mut self, path: &str, found: &[LockedPackage], manifest: Option<&(&str, Declared)>) {
        let own = manifest.and_then(|(_, declared)| declared.own_name.as_deref());
        for package in found {
            // The project itself stands in its lockfile too.
            let is_own = matches!(package.source, PackageSource::Path(_)) && own == Some(package.name.as_str());
            if !is_own {
                self.package(path, package);
            }
        }
    }

    fn package(&mut self, path: &str, package: &LockedPackage) {
        let Some(origin) = self.origin(package) else {
            return self.findings.source(path, package, &self.policy.sources);
        };
        // What lies beside the project is its own code: sources, not packages, are how that is judged.
        if origin == Origin::Project {
            return;
        }
        if self.policy.require_integrity && package.integrity.is_none() {
            self.findings.integrity(path, package);
        }
        self.age(path, package, origin);
    }

    /// Approved or old enough.
    fn age(&mut self, path: &str, package: &LockedPackage, origin: Origin) {
        let PackagePolicy { approved, minimum_age_days, .. } = self.policy;
        if approved.iter().flatten().any(|approved| approved.covers(package)) {
            return;
        }
        let published = if origin == Origin::Registry { self.published(package) } else { None };
        match (minimum_age_days, published) {
            (None, _) if approved.is_none() => {}
            (None, _) => self.findings.unapproved(path, package),
            (Some(0), _) => {}
            (Some(days), None) => self.findings.age_unknown(path, package, *days),
            (Some(days), Some(published)) => {
                // A time that is still to come is no age at all.
                let age_days = self.now_unix_s.checked_sub(published).map(|age_s| age_s / DAY_S);
                if age_days.is_none_or(|age_days| age_days < *days) {
                    self.findings.too_new(path, package, (age_days, *days));
                }
            }
        }
    }

    /// The operator's word first.
    fn published(&self, package: &LockedPackage) -> Option<u64> {
        let of_index = self.policy.index.published_unix_s(package);
        of_index.or_else(|| package.published_unix_s.filter(|_| self.policy.lockfile_times))
    }

    /// Where a package comes from, as far as the policy lets it.
    fn origin(&self, package: &LockedPackage) -> Option<Origin> {
        let has = |rule: &SourceRule| self.policy.sources.contains(rule);
        let is_mirrored = |address: &str| {
            let is_named = package.ecosystem != Ecosystem::Npm || names_npm(&package.name, &package.version, address);
            let address = address.strip_prefix("sparse+").unwrap_or(address);
            // As an index is named: with and without its last slash.
            let whole = format!("{address}/");
            is_named
                && self.policy.sources.iter().any(|rule| match rule {
                    SourceRule::Mirror(start) => whole.starts_with(start.as_str()) && !address.contains("/../"),
                    SourceRule::Registry | SourceRule::Git | SourceRule::Path | SourceRule::Url => false,
                })
        };
        match &package.source {
            PackageSource::Registry => has(&SourceRule::Registry).then_some(Origin::Registry),
            PackageSource::Git(_) => has(&SourceRule::Git).then_some(Origin::Elsewhere),
            PackageSource::Path(_) => has(&SourceRule::Path).then_some(Origin::Project),
            PackageSource::Url(address) if is_mirrored(address) => Some(Origin::Registry),
            PackageSource::Url(_) => has(&SourceRule::Url).then_some(Origin::Elsewhere),
        }
    }

    /// Nobody can say what a project brings along that has no lockfile.
    fn missing(&mut self, language: Language, sources: &BTreeMap<String, String>, manifests: &Manifests<'_>) {
        for (ecosystem, (path, declared)) in manifests {
            if let Some((name, line)) = declared.first.as_ref().filter(|_| !self.locked.contains(ecosystem)) {
                self.findings.without_lockfile(&format!("{path}:{line}"), &format!("asks for `{name}`"), *ecosystem);
            }
        }
        let says_nothing = |ecosystem| !self.locked.contains(&ecosystem) && !manifests.contains_key(&ecosystem);
        let asks = |ecosystem| manifests.get(&ecosystem).is_some_and(|(_, declared)| declared.first.is_some());
        let installed = sources.keys().find(|path| path.contains("node_modules/"));
        match (language, installed) {
            (Language::Typescript, Some(path)) if says_nothing(Ecosystem::Npm) => {
                self.findings.without_lockfile(path, "is part of the function", Ecosystem::Npm);
            }
            (Language::Typescript, _) => {}
            // Also one without dependencies of its own: a component in Rust is built with the SDK.
            (Language::Rust, _) if !self.locked.contains(&Ecosystem::Crates) && !asks(Ecosystem::Crates) => {
                self.findings.without_lockfile("Cargo.lock", "is not among the sources", Ecosystem::Crates);
            }
            (Language::Rust, _) => {}
            (Language::Component, _) if self.locked.is_empty() && manifests.is_empty() => {
                self.findings.without_any_lockfile();
            }
            (Language::Component, _) => {}
        }
    }
}

/// What a package is, once its source is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Its name means what it means in the registry.
    Registry,
    /// It bears a name that the registry knows nothing of.
    Elsewhere,
    /// Part of the project.
    Project,
}
