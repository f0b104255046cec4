//! `package-lock.json` and `npm-shrinkwrap.json`.
//!
//! Version 1 nests `dependencies`, version 3 lists `packages` by their place under `node_modules`, version 2 has both, of
//! which every npm since 7 reads the second. Both are read, so that they cannot say different things to different readers.

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count,
    source::{commit, npm_source, source_of},
    strong,
    tree::Node,
};

const FOLDER: &str = "node_modules/";

pub(super) fn packages(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    if !root.is_table() || !matches!(root.text("lockfileVersion"), Some("1" | "2" | "3")) {
        return Err(Unreadable::at(root.line, "not an npm lockfile of version 1, 2 or 3 (`lockfileVersion`)"));
    }
    let places = root.get("packages").map_or(&[][..], Node::entries);
    check_count(places.len())?;
    let mut found = Vec::new();
    for (place, node) in places {
        // The project itself, and links to packages that are listed by their own places.
        if !place.is_empty() && !node.is_true("link") {
            found.push(installed(place, node)?);
        }
    }
    if let Some(dependencies) = root.get("dependencies") {
        nested(dependencies, &mut found)?;
    }
    found.sort_by_key(|package| package.line);
    Ok(found)
}

fn installed(place: &str, node: &Node) -> Result<LockedPackage, Unreadable> {
    let Some((_, folder)) = place.rsplit_once(FOLDER) else {
        // A workspace beside the project.
        let name = node.text("name").unwrap_or(place);
        return Ok(package(name, node, PackageSource::Path(place.to_owned())));
    };
    // An alias is installed under another name than its own.
    let name = node.text("name").unwrap_or(folder);
    locked(name, node)
}

/// A package with a version, which may name another package or a place.
fn locked(name: &str, node: &Node) -> Result<LockedPackage, Unreadable> {
    let (name, version) = alias(name, node.text("version").unwrap_or_default());
    let source = match node.text("resolved") {
        Some(address) => npm_source(name, version, address),
        None if version.contains([':', '/']) => source_of(Ecosystem::Npm, version),
        None => inside(node, name)?,
    };
    Ok(LockedPackage { version: version.to_owned(), ..package(name, node, source) })
}

/// A package without an address came inside another's archive, or from the registry with `omit-lockfile-registry-resolved`.
fn inside(node: &Node, name: &str) -> Result<PackageSource, Unreadable> {
    let is_known = node.is_true("inBundle") || node.is_true("bundled") || node.text("integrity").is_some();
    if is_known && node.text("version").is_some() {
        return Ok(PackageSource::Registry);
    }
    Err(Unreadable::at(node.line, format!("`{name}` has neither `resolved` nor `integrity`")))
}

/// Version 1: the packages of a package stand inside it.
fn nested(dependencies: &Node, found: &mut Vec<LockedPackage>) -> Result<(), Unreadable> {
    check_count(found.len().saturating_add(dependencies.entries().len()))?;
    for (name, node) in dependencies.entries() {
        found.push(locked(name, node)?);
        if let Some(inner) = node.get("dependencies") {
            nested(inner, found)?;
        }
    }
    Ok(())
}

/// `npm:zod@3.23.8` in the place of a version names another package.
fn alias<'a>(name: &'a str, version: &'a str) -> (&'a str, &'a str) {
    version.strip_prefix("npm:").and_then(|real| real.rsplit_once('@')).unwrap_or((name, version))
}

fn package(name: &str, node: &Node, source: PackageSource) -> LockedPackage {
    let integrity = match &source {
        PackageSource::Git(address) => commit(address),
        _ => node.text("integrity").and_then(strong),
    };
    LockedPackage {
        ecosystem: Ecosystem::Npm,
        name: name.to_owned(),
        version: node.text("version").unwrap_or_default().to_owned(),
        source,
        integrity,
        published_unix_s: None,
        line: node.line,
    }
}
