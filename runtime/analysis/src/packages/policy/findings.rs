//! What is said of packages: which one, where, and what to do.

use std::collections::BTreeSet;

use airlock_model::Finding;

use super::SourceRule;
use crate::packages::{Ecosystem, LockedPackage, PackageSource, Unreadable};

/// Findings of one upload; the rest is counted.
pub(super) const FINDINGS_MAX: usize = 100;

#[derive(Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    /// Lockfiles name a package more than once.
    said: BTreeSet<(String, String)>,
    more: usize,
}

impl Findings {
    pub(super) fn finished(mut self) -> Vec<Finding> {
        if self.more > 0 {
            let message = format!("{} more findings about packages are not shown", self.more);
            let fix = "mend those that are shown and check again";
            self.list.push(Finding::error("package-findings-cut", message, "lockfiles", fix));
        }
        self.list
    }

    fn add(&mut self, finding: Finding) {
        if !self.said.insert((finding.rule.clone(), finding.message.clone())) {
            return;
        }
        if self.list.len() < FINDINGS_MAX { self.list.push(finding) } else { self.more += 1 }
    }

    fn of_package(&mut self, rule: &str, (path, package): (&str, &LockedPackage), message: &str, fix: String) {
        let message = format!("{} {message}", shown(package));
        self.add(Finding::error(rule, message, format!("{path}:{}", package.line), fix));
    }

    pub(super) fn unreadable(&mut self, path: &str, why: &Unreadable) {
        let place = why.line.map_or(path.to_owned(), |line| format!("{path}:{line}"));
        let message = format!("`{path}` cannot be read with certainty: {why}");
        let fix = "have the package manager write the file again; docs/packages.md lists what is read";
        self.add(Finding::error("lockfile-unreadable", message, place, fix));
    }

    pub(super) fn source(&mut self, path: &str, package: &LockedPackage, rules: &[SourceRule]) {
        let from = match &package.source {
            PackageSource::Registry => "the public registry".to_owned(),
            PackageSource::Git(address) => format!("the repository {}", without_user(address)),
            PackageSource::Path(place) => format!("the path `{place}`"),
            PackageSource::Url(address) => format!("the address {}", without_user(address)),
        };
        let allowed: Vec<_> = rules.iter().map(name_of).collect();
        let message = format!("comes from {from}; the environment takes packages from: {}", allowed.join(", "));
        let fix = "depend on a version from a source that is listed, or ask the operator to add this one to `sources` in \
                   [environments.NAME.packages]";
        self.of_package("package-source", (path, package), &message, fix.to_owned());
    }

    pub(super) fn integrity(&mut self, path: &str, package: &LockedPackage) {
        let fix = match package.ecosystem {
            Ecosystem::Npm => "have the lockfile written again by a current npm, pnpm or yarn, which add `integrity`",
            Ecosystem::Pypi => "lock with hashes: `uv lock`, `poetry lock`, or `pip-compile --generate-hashes`",
            Ecosystem::Crates => "have `cargo generate-lockfile` write the lockfile again, which adds `checksum`",
        };
        let message = "has no hash in the lockfile (SHA-256 or better, or a whole commit id)";
        self.of_package("package-integrity", (path, package), message, fix.to_owned());
    }

    pub(super) fn unapproved(&mut self, path: &str, package: &LockedPackage) {
        let LockedPackage { ecosystem, name, .. } = package;
        let fix = format!(
            "use a package that is approved, or ask the operator for `{ecosystem}:{name}` in `approved` of \
             [environments.NAME.packages]"
        );
        self.of_package("package-unapproved", (path, package), "is not on the environment's approved list", fix);
    }

    pub(super) fn too_new(&mut self, path: &str, package: &LockedPackage, (age_days, days): (Option<u64>, u64)) {
        let age = match age_days {
            Some(age) => format!("was published {age} days ago"),
            None => "has a time of publication that is still to come".to_owned(),
        };
        let LockedPackage { ecosystem, name, .. } = package;
        let fix = format!(
            "lock a version that is at least {days} days old, or ask the operator to approve of `{ecosystem}:{name}`"
        );
        let message = format!("{age}; the environment asks for {days} days, or for approval");
        self.of_package("package-too-new", (path, package), &message, fix);
    }

    pub(super) fn age_unknown(&mut self, path: &str, package: &LockedPackage, days: u64) {
        let LockedPackage { ecosystem, name, version, .. } = package;
        let fix = format!(
            "ask the operator to add \"{ecosystem}:{name}@{version}\": \"YYYY-MM-DDTHH:MM:SSZ\" to the environment's package \
             index, or to approve of it; uv.lock and pylock.toml state times themselves"
        );
        let message =
            format!("has no known time of publication; the environment asks for {days} days, or for approval");
        self.of_package("package-age-unknown", (path, package), &message, fix);
    }

    pub(super) fn without_lockfile(&mut self, place: &str, why: &str, ecosystem: Ecosystem) {
        let file = place.split(':').next().unwrap_or(place);
        let message = format!("`{file}` {why}, and no {ecosystem} lockfile says which packages that brings");
        let fix = match ecosystem {
            Ecosystem::Npm => "run `npm install --package-lock-only` and keep package-lock.json beside function.toml",
            Ecosystem::Pypi => "run `uv lock`, or the like, and keep the lockfile beside function.toml",
            Ecosystem::Crates => "run `cargo generate-lockfile` and keep Cargo.lock beside function.toml",
        };
        self.add(Finding::error("lockfile-missing", message, place, fix));
    }

    pub(super) fn without_any_lockfile(&mut self) {
        let message = "the environment checks packages, and nothing says which ones the component was made of";
        let fix =
            "keep the lockfile it was built with beside function.toml, or a package manifest without dependencies";
        self.add(Finding::error("lockfile-missing", message, "function.toml", fix));
    }
}

fn shown(package: &LockedPackage) -> String {
    let LockedPackage { ecosystem, name, version, .. } = package;
    if version.is_empty() { format!("`{ecosystem}:{name}`") } else { format!("`{ecosystem}:{name}@{version}`") }
}

fn name_of(rule: &SourceRule) -> &str {
    match rule {
        SourceRule::Registry => "registry",
        SourceRule::Git => "git",
        SourceRule::Path => "path",
        SourceRule::Url => "url",
        SourceRule::Mirror(start) => start,
    }
}

/// An address without what logs in to it: user, password and query.
fn without_user(address: &str) -> String {
    let address = address.split('?').next().unwrap_or(address);
    let Some((scheme, rest)) = address.split_once("://") else { return format!("`{address}`") };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = host.rsplit('@').next().unwrap_or(host);
    format!("`{scheme}://{host}/{path}`")
}
