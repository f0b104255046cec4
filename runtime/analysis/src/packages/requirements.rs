//! `requirements.txt` as pip-compile, uv and `pip freeze` write it: every package pinned with `==`, perhaps with hashes.

use super::{Ecosystem, LockedPackage, PackageSource, Unreadable, commit, is_registry, source_of, strong};

pub(super) fn packages(text: &str) -> Result<Vec<LockedPackage>, Unreadable> {
    let mut found = Vec::new();
    // With another index no name can be told to be PyPI's.
    let mut index = None;
    for (line, logical) in logical_lines(text) {
        match option(&logical) {
            Some(Choice::Index(address)) if is_registry(Ecosystem::Pypi, address) => {}
            Some(Choice::Index(address)) => index = Some(address.to_owned()),
            Some(Choice::Harmless) => {}
            Some(Choice::Editable(place)) => found.push(editable(place, line)),
            Some(Choice::Unknown) => {
                let message = "options that take in other files or places are not read: write one file with \
                               `pip-compile` or `uv pip compile`";
                return Err(Unreadable::at(line, message));
            }
            None => found.push(requirement(&logical, line)?),
        }
    }
    if let Some(address) = index {
        let registry = found.iter_mut().filter(|package| package.source == PackageSource::Registry);
        registry.for_each(|package| package.source = PackageSource::Url(address.clone()));
    }
    Ok(found)
}

/// Lines put together at `\`, without comments, each with the line it begins at.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        // A comment begins a line or stands behind a space: addresses have `#` of their own.
        let end = if line.trim_start().starts_with('#') { Some(0) } else { line.find(" #") };
        let own = end.and_then(|end| line.get(..end)).unwrap_or(line).trim_end();
        let part = own.strip_suffix('\\').unwrap_or(own);
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(part.trim());
            }
            None => lines.push((index + 1, part.trim().to_owned())),
        }
        goes_on = own.ends_with('\\') || (goes_on && end == Some(0));
    }
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

enum Choice<'a> {
    Index(&'a str),
    Editable(&'a str),
    /// Says how to install, not what or from where.
    Harmless,
    Unknown,
}

fn option(line: &str) -> Option<Choice<'_>> {
    if !line.starts_with('-') {
        return None;
    }
    let (name, value) = line.split_once([' ', '=']).unwrap_or((line, ""));
    Some(match name {
        "-i" | "--index-url" | "--extra-index-url" | "-f" | "--find-links" => Choice::Index(value.trim()),
        "-e" | "--editable" => Choice::Editable(value.trim()),
        "--require-hashes" | "--only-binary" | "--no-binary" | "--prefer-binary" => Choice::Harmless,
        _ => Choice::Unknown,
    })
}

fn editable(place: &str, line: usize) -> LockedPackage {
    let source = match source_of(Ecosystem::Pypi, place) {
        // Without a scheme it is a directory.
        PackageSource::Url(place) if !place.contains("://") => PackageSource::Path(place),
        other => other,
    };
    let name = place.rsplit_once("egg=").map_or("editable", |(_, name)| name);
    locked(name, "", (source, commit(place)), line)
}

fn requirement(line: &str, at: usize) -> Result<LockedPackage, Unreadable> {
    let mut parts = line.split(" --");
    let what = parts.next().unwrap_or_default();
    // Behind `;` stands when it is installed, not what.
    let what = what.split(" ;").next().unwrap_or(what).trim();
    let hashes: Vec<_> = parts.filter_map(|part| part.trim().strip_prefix("hash=")).collect();
    let all: Option<Vec<_>> = hashes.iter().map(|hash| strong(hash)).collect();
    let integrity = all.and_then(|all| all.into_iter().next());
    let end = what.find(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c)).unwrap_or(what.len());
    let (name, rest) = what.split_at_checked(end).unwrap_or((what, ""));
    let rest = rest.trim_start();
    // `[extras]`.
    let rest =
        if rest.starts_with('[') { rest.split_once(']').map_or("", |(_, rest)| rest) } else { rest }.trim_start();
    if let Some(place) = rest.strip_prefix('@') {
        let place = place.trim();
        let source = source_of(Ecosystem::Pypi, place);
        let integrity = integrity.or_else(|| commit(place));
        // A file of PyPI named by its address still is none that the name alone would give.
        let source = if source == PackageSource::Registry { PackageSource::Url(place.to_owned()) } else { source };
        return Ok(locked(name, "", (source, integrity), at));
    }
    let version = rest.strip_prefix("==").map(|version| version.trim_start_matches('=').trim());
    let version = version.map(|version| version.split(';').next().unwrap_or(version).trim());
    let is_exact = |version: &&str| !version.is_empty() && !version.contains([',', '*', '<', '>', '!', '~', ' ', '=']);
    match version.filter(is_exact).filter(|_| !name.is_empty()) {
        Some(version) => Ok(locked(name, version, (PackageSource::Registry, integrity), at)),
        None => {
            let shown: String = line.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(Unreadable::at(at, format!("`{shown}` is no package pinned with `==`")))
        }
    }
}

fn locked(
    name: &str,
    version: &str,
    (source, integrity): (PackageSource, Option<String>),
    line: usize,
) -> LockedPackage {
    let (name, version) = (Ecosystem::Pypi.normalised(name), version.to_owned());
    LockedPackage { ecosystem: Ecosystem::Pypi, name, version, source, integrity, published_unix_s: None, line }
}
