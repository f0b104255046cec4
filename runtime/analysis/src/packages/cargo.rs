//! `Cargo.lock`, versions 1 to 4.

use std::collections::HashMap;

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count, required,
    source::{commit, source_of},
    tree::Node,
};

pub(super) fn packages(root: &Node) -> Result<Vec<LockedPackage>, Unreadable> {
    let list = root.get("package").map_or(&[][..], Node::items);
    check_count(list.len())?;
    // Version 1 keeps all checksums in one table.
    let old = root.get("metadata").map_or(&[][..], Node::entries);
    let old = old.iter().filter_map(|(key, sum)| Some((key.as_str(), sum.as_text()?))).collect();
    let read = |node: &Node| package(node, &old);
    list.iter().chain(root.get("root")).map(read).collect()
}

fn package(node: &Node, old: &HashMap<&str, &str>) -> Result<LockedPackage, Unreadable> {
    let name = required(node, "name", "a package")?;
    let version = required(node, "version", "a package")?;
    // Without a source it lies beside the lockfile: the project itself, or a path dependency.
    let address = node.text("source");
    let source = address.map_or_else(
        || PackageSource::Path(format!("{name} {version}")),
        |address| source_of(Ecosystem::Crates, address),
    );
    let checksum = node.text("checksum").or_else(|| {
        let key = format!("checksum {name} {version} ({})", address?);
        old.get(key.as_str()).copied()
    });
    let hash = checksum.filter(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    let integrity = match &source {
        PackageSource::Git(address) => commit(address),
        _ => hash.map(|hash| format!("sha256:{hash}")),
    };
    Ok(LockedPackage {
        ecosystem: Ecosystem::Crates,
        name: Ecosystem::Crates.normalised(name),
        version: version.to_owned(),
        source,
        integrity,
        published_unix_s: None,
        line: node.line,
    })
}
