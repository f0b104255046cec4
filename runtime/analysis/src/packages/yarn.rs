//! `yarn.lock`: Berry's is YAML, version 1 has a syntax of its own, which is read line by line as yarn writes it.

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count,
    source::{commit, npm_source, source_of},
    strong,
    tree::{self, Node},
};

pub(super) fn packages(text: &str) -> Result<Vec<LockedPackage>, Unreadable> {
    match text.lines().any(|line| line.starts_with("__metadata:")) {
        true => berries(&tree::yaml(text)?),
        false => classic(text),
    }
}

fn berries(documents: &[Node]) -> Result<Vec<LockedPackage>, Unreadable> {
    check_count(documents.iter().map(|document| document.entries().len()).sum())?;
    let entries = documents.iter().flat_map(Node::entries).filter(|(key, _)| key != "__metadata");
    entries.filter_map(|(_, node)| berry(node)).collect()
}

fn berry(node: &Node) -> Option<Result<LockedPackage, Unreadable>> {
    let unclear = || Unreadable::at(node.line, "an entry has no `resolution` that is understood");
    let Some(resolution) = node.text("resolution") else { return Some(Err(unclear())) };
    let at = resolution.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at);
    let split = at.and_then(|at| Some((resolution.get(..at)?, resolution.get(at + 1..)?)));
    let Some((name, place)) = split else { return Some(Err(unclear())) };
    // The project itself.
    if place == "workspace:." {
        return None;
    }
    let version = node.text("version").unwrap_or_default();
    let source = match place.split_once(':') {
        // `npm:1.0.0::__archiveUrl=https%3A..` is another address, and another version another package.
        Some(("npm", taken)) if taken == version => PackageSource::Registry,
        Some(("patch", patch)) if is_builtin(patch, &format!("{name}@npm%3A{version}")) => PackageSource::Registry,
        Some(("npm" | "patch", _)) => PackageSource::Url(place.to_owned()),
        _ => source_of(Ecosystem::Npm, place),
    };
    let checksum = node.text("checksum").map(|sum| sum.rsplit('/').next().unwrap_or(sum));
    let sha512 = checksum.filter(|sum| sum.len() == 128 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
    let integrity = match &source {
        PackageSource::Git(address) => commit(address),
        _ => sha512.map(|sum| format!("sha512:{sum}")),
    };
    Some(Ok(locked(name, version.to_owned(), (source, integrity), node.line)))
}

/// Yarn's own changes to what the registry has, as to TypeScript: `typescript@npm%3A5.4#optional!builtin<compat/typescript>`.
fn is_builtin(patch: &str, own_package: &str) -> bool {
    let Some((of, patches)) = patch.split_once('#') else { return false };
    let patches = patches.split("::").next().unwrap_or(patches);
    let own = patches.strip_prefix("optional!").or(patches.strip_prefix('~')).unwrap_or(patches);
    let name = own.strip_prefix("builtin<").and_then(|own| own.strip_suffix('>'));
    of == own_package && name.is_some_and(|name| !name.contains(['&', '>', '<']))
}

/// One entry of version 1 while it is read.
struct Entry {
    line: usize,
    name: String,
    range: String,
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
}

fn classic(text: &str) -> Result<Vec<LockedPackage>, Unreadable> {
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let at = index + 1;
        let unclear = || Unreadable::at(at, "not as yarn writes it: run `yarn install` to have it written again");
        let indent = line.len() - line.trim_start_matches(' ').len();
        match indent {
            _ if line.trim().is_empty() || line.starts_with('#') => {}
            0 => {
                check_count(entries.len().saturating_add(1))?;
                entries.push(header(line, at).ok_or_else(unclear)?);
            }
            2 => field(entries.last_mut().ok_or_else(unclear)?, line.trim()).ok_or_else(unclear)?,
            // What the package itself asks for.
            4 => {}
            _ => return Err(unclear()),
        }
    }
    entries.into_iter().map(finished).collect()
}

/// `"@scope/name@^1.0.0", "@scope/name@~1.2":`.
fn header(line: &str, at: usize) -> Option<Entry> {
    let mut names = line.strip_suffix(':')?.split(", ").map(|one| {
        let one = one.strip_prefix('"').and_then(|one| one.strip_suffix('"')).unwrap_or(one);
        let split = one.char_indices().skip(1).find(|(_, c)| *c == '@').map(|(at, _)| at)?;
        let (name, range) = (one.get(..split)?, one.get(split + 1..)?);
        Some(range.strip_prefix("npm:").map_or((name, range), alias))
    });
    let (name, range) = names.next()??;
    let entry = Entry {
        line: at,
        name: name.to_owned(),
        range: range.to_owned(),
        version: None,
        resolved: None,
        integrity: None,
    };
    names.all(|other| other.is_some_and(|(other, _)| other == name)).then_some(entry)
}

/// The real name of an alias stands in its range, with or without versions: `npm:zod@^3`, `npm:@scope/name`.
fn alias(real: &str) -> (&str, &str) {
    real.rsplit_once('@').filter(|(name, _)| !name.is_empty()).unwrap_or((real, ""))
}

/// `version "1.0.0"`; a field that stands twice is refused.
fn field(entry: &mut Entry, line: &str) -> Option<()> {
    let (key, value) = line.split_once(' ').unwrap_or((line, ""));
    let place = match key {
        "version" => &mut entry.version,
        "resolved" => &mut entry.resolved,
        "integrity" => &mut entry.integrity,
        "dependencies:" | "optionalDependencies:" if value.is_empty() => return Some(()),
        _ => return None,
    };
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (!value.is_empty() && place.replace(value.to_owned()).is_none()).then_some(())
}

fn finished(entry: Entry) -> Result<LockedPackage, Unreadable> {
    let Entry { line, name, range, version, resolved, integrity } = entry;
    let missing = || Unreadable::at(line, format!("`{name}` has no `version`"));
    let version = version.ok_or_else(missing)?;
    let source = match &resolved {
        Some(address) => npm_source(&name, &version, address),
        // With an offline mirror there is no address; a directory has none either.
        None if range.contains([':', '/']) => source_of(Ecosystem::Npm, &range),
        None if integrity.is_some() => PackageSource::Registry,
        None => return Err(Unreadable::at(line, format!("`{name}` has neither `resolved` nor `integrity`"))),
    };
    let integrity = match &source {
        PackageSource::Git(address) => commit(address),
        _ => integrity.as_deref().and_then(strong),
    };
    Ok(locked(&name, version, (source, integrity), line))
}

fn locked(
    name: &str,
    version: String,
    (source, integrity): (PackageSource, Option<String>),
    line: usize,
) -> LockedPackage {
    let name = name.to_owned();
    LockedPackage { ecosystem: Ecosystem::Npm, name, version, source, integrity, published_unix_s: None, line }
}
