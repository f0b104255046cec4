//! The lockfiles of Python's package managers: `uv.lock`, `poetry.lock`, `pdm.lock`, `Pipfile.lock`, `pylock.toml`.

use std::collections::HashMap;

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count, required,
    source::{commit, source_of, together},
    strong, time,
    tree::Node,
};

pub(super) fn uv(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let mut found = Vec::new();
    for node in listed(root, "package")? {
        let missing = || Unreadable::at(node.line, "a package has no `source` that is understood");
        let origin = node.get("source").ok_or_else(missing)?;
        let place = |key: &str| origin.text(key).map(str::to_owned);
        let local = ["virtual", "editable", "directory", "path"].iter().find_map(|key| place(key));
        let source = match (place("registry"), place("git"), place("url"), local) {
            (Some(index), None, None, None) => placed(Some(index.as_str()), &files(node, &["wheels", "sdist"])),
            (None, Some(repository), None, None) => PackageSource::Git(repository),
            (None, None, Some(address), None) => PackageSource::Url(address),
            // The project itself.
            (None, None, None, Some(path)) if path == "." => continue,
            (None, None, None, Some(path)) => PackageSource::Path(path),
            _ => return Err(missing()),
        };
        let files = files(node, &["wheels", "sdist"]);
        found.push(package(node, (source, &files), "hash")?);
    }
    Ok(found)
}

pub(super) fn poetry(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let old_files = root.get("metadata").and_then(|metadata| metadata.get("files"));
    let old_files = old_files.map_or(&[][..], Node::entries).iter();
    let old_files: HashMap<_, _> = old_files.map(|(name, files)| (name.as_str(), files)).collect();
    let read = |node: &Node| {
        let origin = node.get("source");
        let address = origin.and_then(|origin| origin.text("url")).unwrap_or_default();
        let source = match origin.and_then(|origin| origin.text("type")) {
            None => PackageSource::Registry,
            Some("git") => {
                let id = origin.and_then(|origin| origin.text("resolved_reference")).unwrap_or_default();
                PackageSource::Git(format!("{address}#{id}"))
            }
            Some("directory" | "file") => PackageSource::Path(address.to_owned()),
            Some("legacy") => source_of(Ecosystem::Pypi, address),
            Some(_) => PackageSource::Url(address.to_owned()),
        };
        let of_old = || old_files.get(node.text("name")?).copied();
        let files: Vec<_> = node.get("files").or_else(of_old).map_or(&[][..], Node::items).iter().collect();
        package(node, (source, &files), "hash")
    };
    listed(root, "package")?.iter().map(read).collect()
}

pub(super) fn pdm(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let read = |node: &Node| {
        let files: Vec<_> = node.get("files").map_or(&[][..], Node::items).iter().collect();
        let source = match (node.text("git"), node.text("url"), node.text("path")) {
            // With the strategy `static_urls` each file has its address.
            (None, None, None) => placed(None, &files),
            (Some(repository), ..) => {
                PackageSource::Git(format!("{repository}#{}", node.text("revision").unwrap_or_default()))
            }
            (None, Some(address), _) => PackageSource::Url(address.to_owned()),
            (None, None, Some(path)) => PackageSource::Path(path.to_owned()),
        };
        package(node, (source, &files), "hash")
    };
    listed(root, "package")?.iter().map(read).collect()
}

/// PEP 751.
pub(super) fn pylock(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let read = |node: &Node| {
        let files = files(node, &["wheels", "sdist", "archive"]);
        let text = |table: &str, key: &str| node.get(table).and_then(|table| table.text(key));
        let source = match (node.get("vcs"), text("directory", "path")) {
            (Some(vcs), _) => {
                let place = vcs.text("url").or(vcs.text("path")).unwrap_or_default();
                PackageSource::Git(format!("{place}#{}", vcs.text("commit-id").unwrap_or_default()))
            }
            (None, Some(path)) => PackageSource::Path(path.to_owned()),
            (None, None) => placed(node.text("index"), &files),
        };
        package(node, (source, &files), "hashes")
    };
    listed(root, "packages")?.iter().map(read).collect()
}

pub(super) fn pipfile(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let meta = root.get("_meta").ok_or_else(|| Unreadable::at(root.line, "not a Pipfile.lock: no `_meta`"))?;
    let sources = meta.get("sources").map_or(&[][..], Node::items);
    let indexes = Indexes {
        first: sources.first().and_then(|one| one.text("name")),
        // The first of a name counts.
        urls: sources.iter().rev().filter_map(|one| Some((one.text("name")?, one.text("url")))).collect(),
    };
    let groups: Vec<_> =
        root.entries().iter().filter(|(key, _)| key != "_meta").flat_map(|(_, group)| group.entries()).collect();
    check_count(groups.len())?;
    groups.into_iter().map(|(name, node)| in_pipfile(name, node, &indexes)).collect()
}

/// `_meta.sources` of a Pipfile.lock.
struct Indexes<'a> {
    /// Of a package that names none.
    first: Option<&'a str>,
    /// Addresses by name.
    urls: HashMap<&'a str, Option<&'a str>>,
}

fn in_pipfile(name: &str, node: &Node, indexes: &Indexes<'_>) -> Result<LockedPackage, Unreadable> {
    let address =
        |place: &str| match node.text("index").or(indexes.first) {
            None => Ok(PackageSource::Registry),
            Some(index) => {
                indexes.urls.get(index).copied().flatten().map(|url| source_of(Ecosystem::Pypi, url)).ok_or_else(|| {
                    Unreadable::at(node.line, format!("`{place}` names an index that is not in `_meta`"))
                })
            }
        };
    let source = match (node.text("git"), node.text("path"), node.text("file")) {
        (Some(repository), ..) => PackageSource::Git(format!("{repository}#{}", node.text("ref").unwrap_or_default())),
        (None, Some(path), _) => PackageSource::Path(path.to_owned()),
        (None, None, Some(file)) => PackageSource::Url(file.to_owned()),
        (None, None, None) => address(name)?,
    };
    let version = node.text("version").unwrap_or_default();
    if source == PackageSource::Registry && !version.starts_with("==") {
        return Err(Unreadable::at(node.line, format!("`{name}` is not pinned with `==`")));
    }
    let hashes = node.get("hashes").map_or(&[][..], Node::items);
    let all: Option<Vec<_>> = hashes.iter().map(|hash| hash.as_text().and_then(strong)).collect();
    let integrity = integrity(&source, all);
    let version = version.trim_start_matches('=').to_owned();
    Ok(locked(name, version, (source, integrity), node))
}

/// `[[package]]`; its absence is an empty lockfile only where the file says that it is one.
fn listed<'a>(root: &'a Node, key: &str) -> Result<&'a [Node], Unreadable> {
    match root.get(key) {
        Some(list) if list.is_list() => check_count(list.items().len()).map(|()| list.items()),
        Some(other) => Err(Unreadable::at(other.line, format!("`{key}` is no list of tables"))),
        None if root.get("metadata").is_some()
            || root.get("version").is_some()
            || root.get("lock-version").is_some() =>
        {
            Ok(&[])
        }
        None => Err(Unreadable::whole(format!("there is no `[[{key}]]` and nothing that says what wrote the file"))),
    }
}

/// Where index and files of a package are, as far as the lockfile says it.
fn placed(index: Option<&str>, files: &[&Node]) -> PackageSource {
    let of_file = |file: &&Node| match (file.text("url"), file.text("path")) {
        (Some(address), _) => Some(source_of(Ecosystem::Pypi, address)),
        (None, Some(path)) => Some(PackageSource::Path(path.to_owned())),
        (None, None) => None,
    };
    let index = index.map(|index| source_of(Ecosystem::Pypi, index));
    together(&index.into_iter().chain(files.iter().filter_map(of_file)).collect::<Vec<_>>())
}

/// Everything that can be installed of a package.
fn files<'a>(node: &'a Node, keys: &[&str]) -> Vec<&'a Node> {
    let of = |key: &&str| {
        node.get(key).map(|found| if found.is_table() { vec![found] } else { found.items().iter().collect() })
    };
    keys.iter().filter_map(of).flatten().collect()
}

fn package(
    node: &Node,
    (source, files): (PackageSource, &[&Node]),
    hash_key: &str,
) -> Result<LockedPackage, Unreadable> {
    let name = required(node, "name", "a package")?;
    // PEP 751 lets the version out where a directory decides it.
    let version = node.text("version").unwrap_or_default();
    if version.is_empty() && source == PackageSource::Registry {
        return Err(Unreadable::at(node.line, format!("`{name}` has no `version`")));
    }
    let all = files.iter().map(|file| hash_of(file.get(hash_key)?)).collect();
    let integrity = integrity(&source, all);
    let mut one = locked(name, version.to_owned(), (source, integrity), node);
    one.published_unix_s = published(files);
    Ok(one)
}

/// `"sha256:.."` or `{ sha256 = ".." }`.
fn hash_of(node: &Node) -> Option<String> {
    match node.as_text() {
        Some(text) => strong(text),
        None => node.entries().iter().find_map(|(name, hash)| strong(&format!("{name}:{}", hash.as_text()?))),
    }
}

/// Only where every file has one.
fn integrity(source: &PackageSource, hashes: Option<Vec<String>>) -> Option<String> {
    match source {
        PackageSource::Git(address) => commit(address),
        _ => hashes?.into_iter().next(),
    }
}

/// The time of the newest file; `None` when one does not say.
fn published(files: &[&Node]) -> Option<u64> {
    let times: Option<Vec<_>> = files.iter().map(|file| time::unix_s(file.text("upload-time")?)).collect();
    times?.into_iter().max()
}

fn locked(
    name: &str,
    version: String,
    (source, integrity): (PackageSource, Option<String>),
    node: &Node,
) -> LockedPackage {
    let name = Ecosystem::Pypi.normalised(name);
    let line = node.line;
    LockedPackage { ecosystem: Ecosystem::Pypi, name, version, source, integrity, published_unix_s: None, line }
}
