//! `pnpm-lock.yaml`, versions 5 to 9: `/zod/3.23.8`, `/zod@3.23.8(peer@1.0.0)` or `zod@3.23.8`, each with a `resolution`.

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count,
    source::{commit, npm_source},
    strong,
    tree::Node,
};

pub(super) fn packages(documents: &[Node]) -> Result<Vec<LockedPackage>, Unreadable> {
    let mut found = Vec::new();
    for document in documents {
        let is_known = document.text("lockfileVersion").is_some_and(|version| version.starts_with(['5', '6', '9']));
        if !is_known {
            return Err(Unreadable::at(document.line, "not a pnpm lockfile of version 5, 6 or 9 (`lockfileVersion`)"));
        }
        let listed = document.get("packages").map_or(&[][..], Node::entries);
        check_count(found.len().saturating_add(listed.len()))?;
        for (key, node) in listed {
            found.push(package(key, node)?);
        }
        links(document, &mut found);
        for (_, importer) in document.get("importers").map_or(&[][..], Node::entries) {
            links(importer, &mut found);
        }
    }
    if documents.is_empty() {
        return Err(Unreadable::whole("the file is empty"));
    }
    Ok(found)
}

fn package(key: &str, node: &Node) -> Result<LockedPackage, Unreadable> {
    let unclear = || Unreadable::at(node.line, format!("`{}` is no name with a version", shown(key)));
    let of_key = split(key).ok_or_else(unclear)?;
    let (name, version) = (node.text("name").unwrap_or(of_key.0), node.text("version").unwrap_or(of_key.1));
    let resolution = node.get("resolution").filter(|resolution| resolution.is_table());
    let resolution =
        resolution.ok_or_else(|| Unreadable::at(node.line, format!("`{}` has no `resolution`", shown(key))))?;
    let text = |key: &str| resolution.text(key);
    let (source, integrity) = match (text("type"), text("tarball"), text("integrity")) {
        (Some("git"), ..) => {
            let repository = text("repo").unwrap_or_default();
            let id = text("commit").unwrap_or_default();
            (PackageSource::Git(format!("{repository}#{id}")), commit(id))
        }
        (Some("directory"), ..) => (PackageSource::Path(text("directory").unwrap_or_default().to_owned()), None),
        (Some(other), ..) => {
            let message = format!("`{}` has a resolution of an unknown type `{}`", shown(key), shown(other));
            return Err(Unreadable::at(node.line, message));
        }
        (None, Some(address), hash) => (npm_source(name, version, address), hash.and_then(strong)),
        (None, None, Some(hash)) if of_key == (name, version) => (PackageSource::Registry, strong(hash)),
        // The address is made of the key, which says something else.
        (None, None, Some(hash)) => (PackageSource::Url(key.to_owned()), strong(hash)),
        (None, None, None) => return Err(unclear()),
    };
    Ok(locked(name, version, (source, integrity), node.line))
}

/// Name and version of a key; the version ends where peers begin.
fn split(key: &str) -> Option<(&str, &str)> {
    let own = key.strip_prefix('/').unwrap_or(key);
    let end = own.find('(').unwrap_or(own.len());
    let own = own.get(..end)?;
    // The first `@` that does not begin a scope; what follows may be an address with more of them.
    let at = own.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    let is_old =
        key.starts_with('/') && at.is_none_or(|at| own.get(..at).is_some_and(|name| slashes(name) > scope(own)));
    if is_old {
        let (name, version) = own.rsplit_once('/')?;
        return Some((name, version.split('_').next().unwrap_or(version)));
    }
    match at {
        Some(at) => Some((own.get(..at)?, own.get(at + 1..)?)),
        // Addresses that are no registry's: the name stands inside.
        None => Some((own, "")),
    }
}

fn slashes(text: &str) -> usize {
    text.matches('/').count()
}

/// Slashes that the name itself may have.
fn scope(name: &str) -> usize {
    usize::from(name.starts_with('@'))
}

/// Dependencies of the project that lie beside it: `version: link:../shared`.
fn links(importer: &Node, found: &mut Vec<LockedPackage>) {
    for group in ["dependencies", "devDependencies", "optionalDependencies"] {
        for (name, node) in importer.get(group).map_or(&[][..], Node::entries) {
            let version = node.as_text().or_else(|| node.text("version")).unwrap_or_default();
            if version.starts_with("link:") || version.starts_with("file:") {
                found.push(locked(name, "", (PackageSource::Path(version.to_owned()), None), node.line));
            }
        }
    }
}

fn locked(
    name: &str,
    version: &str,
    (source, integrity): (PackageSource, Option<String>),
    line: usize,
) -> LockedPackage {
    let (name, version) = (name.to_owned(), version.to_owned());
    LockedPackage { ecosystem: Ecosystem::Npm, name, version, source, integrity, published_unix_s: None, line }
}

fn shown(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(80).collect()
}
