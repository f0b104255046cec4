//! Where packages come from, as the addresses in lockfiles tell.

use std::{borrow::Cow, collections::BTreeSet};

use super::{Ecosystem, PackageSource};

/// The whole commit id in the address of a repository: 40 hexadecimal digits, or 64.
pub(super) fn commit(address: &str) -> Option<String> {
    let mut parts = address.split(|c: char| !c.is_ascii_hexdigit());
    parts.rfind(|part| matches!(part.len(), 40 | 64)).map(str::to_owned)
}

/// The public registries by the start of their addresses.
pub(super) fn is_registry(ecosystem: Ecosystem, address: &str) -> bool {
    let starts: &[&str] = match ecosystem {
        Ecosystem::Npm => &["https://registry.npmjs.org/", "https://registry.yarnpkg.com/"],
        Ecosystem::Pypi => &["https://pypi.org/simple/", "https://files.pythonhosted.org/"],
        Ecosystem::Crates => {
            &["registry+https://github.com/rust-lang/crates.io-index/", "sparse+https://index.crates.io/"]
        }
    };
    let whole = Cow::from(format!("{}/", address.trim_end_matches('/')));
    starts.iter().any(|start| whole.starts_with(start))
}

/// Where something at an address comes from.
pub(super) fn source_of(ecosystem: Ecosystem, address: &str) -> PackageSource {
    let is_git = address.starts_with("git+")
        || address.starts_with("git:")
        || address.starts_with("git@")
        || address.split('#').next().is_some_and(|address| address.ends_with(".git"));
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| address.starts_with(prefix));
    if is_registry(ecosystem, address) {
        PackageSource::Registry
    } else if is_git || starts(&["ssh://", "github:", "gitlab:", "bitbucket:"]) {
        PackageSource::Git(address.to_owned())
    } else if starts(&["file:", "link:", "portal:", "workspace:", "./", "../", "/"]) {
        PackageSource::Path(address.to_owned())
    } else {
        PackageSource::Url(address.to_owned())
    }
}

/// Where a package of npm comes from. An address at the registry that names another package or version than the lockfile
/// does is foreign: the name that is judged would not be what is installed.
pub(super) fn npm_source(name: &str, version: &str, address: &str) -> PackageSource {
    match source_of(Ecosystem::Npm, address) {
        PackageSource::Registry if !names_npm(name, version, address) => PackageSource::Url(address.to_owned()),
        source => source,
    }
}

/// Whether an address ends as the registry's does: `https://HOST/@scope/name/-/name-1.0.0.tgz`, perhaps with `#hash`. At the
/// public registry nothing may stand before the name, a mirror may have a path of its own.
pub(super) fn names_npm(name: &str, version: &str, address: &str) -> bool {
    let address = address.split('#').next().unwrap_or(address);
    let Some((_, path)) = address.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let base = name.rsplit('/').next().unwrap_or(name);
    // Some mirrors repeat the scope in the name of the file.
    let files = [base, name].map(|file| format!("/-/{file}-{version}.tgz"));
    let Some(place) = files.iter().find_map(|file| path.strip_suffix(file.as_str())) else { return false };
    // Older writers encode the slash of a scope.
    let spellings = [name.to_owned(), name.replacen('/', "%2f", 1), name.replacen('/', "%2F", 1)];
    let is_public = is_registry(Ecosystem::Npm, address);
    let is_name = |one: &String| match place.strip_suffix(one.as_str()) {
        Some("") => true,
        Some(before) => !is_public && before.ends_with('/'),
        None => false,
    };
    !version.is_empty() && spellings.iter().any(is_name)
}

/// What the places of one package's files are together. Addresses of one host are the folder that holds them all, so that a
/// mirror must hold each; several hosts, or files here and there, are nobody's mirror and nobody's project.
pub(super) fn together(sources: &[PackageSource]) -> PackageSource {
    let Some(first) = sources.iter().find(|source| **source != PackageSource::Registry) else {
        return PackageSource::Registry;
    };
    let elsewhere = sources.iter().filter(|source| **source != PackageSource::Registry);
    let address = |source: &PackageSource| match source {
        PackageSource::Url(address) if !address.contains("/../") => Some(format!("{}/", address.trim_end_matches('/'))),
        _ => None,
    };
    let folders: Option<Vec<_>> = elsewhere.map(address).collect();
    match folders {
        _ if sources.iter().all(|source| source == first) => first.clone(),
        Some(folders) if folders.len() == 1 => first.clone(),
        Some(folders) if folders.iter().map(|folder| host(folder)).collect::<BTreeSet<_>>().len() == 1 => {
            PackageSource::Url(folders.into_iter().reduce(|one, other| common(&one, &other)).unwrap_or_default())
        }
        _ => PackageSource::Url(format!("several places, among them {}", places(sources))),
    }
}

/// The first few, without paths.
fn places(sources: &[PackageSource]) -> String {
    let place = |source: &PackageSource| match source {
        PackageSource::Registry => "the public registry".to_owned(),
        PackageSource::Git(address) | PackageSource::Url(address) => host(address).to_owned(),
        PackageSource::Path(_) => "the project".to_owned(),
    };
    let all: BTreeSet<_> = sources.iter().map(place).collect();
    all.into_iter().take(3).collect::<Vec<_>>().join(", ")
}

/// With its port, without who logs in to it.
fn host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority)
}

/// The innermost folder of both; addresses are taken as folders of their own.
fn common(one: &str, other: &str) -> String {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let end = one.bytes().take(same).rposition(|byte| byte == b'/').map_or(0, |at| at + 1);
    one.get(..end).unwrap_or_default().to_owned()
}
