//! `requirements.txt` as pip-compile, uv and `pip freeze` write it: every package pinned with `==`, perhaps with hashes.

use super::{
    Ecosystem, LockedPackage, PackageSource, Unreadable, check_count,
    source::{commit, is_registry, source_of},
    strong,
};

/// Where pip ends a line too, as Python's `str.splitlines` does, besides `\n` and `\r\n`.
const OTHER_BREAKS: [char; 9] =
    ['\r', '\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

pub(super) fn packages(text: &str) -> Result<Vec<LockedPackage>, Unreadable> {
    check_breaks(text)?;
    check_encoding(text)?;
    let lines = logical_lines(text)?;
    check_count(lines.len())?;
    let mut found = Vec::new();
    // With another index no name can be told to be PyPI's.
    let mut index = None;
    for (line, logical) in lines {
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

/// What looks like one line here may be two to pip, the second of them hidden in a comment.
fn check_breaks(text: &str) -> Result<(), Unreadable> {
    let holds = |line: &str| line.strip_suffix("\r\n").unwrap_or(line).contains(OTHER_BREAKS);
    match text.split_inclusive('\n').position(holds) {
        Some(before) => Err(Unreadable::at(before + 1, "pip ends a line at a character other than a line feed here")),
        None => Ok(()),
    }
}

/// Pip reads the file in the encoding that one of its first lines names (PEP 263), in which other bytes may end a line.
fn check_encoding(text: &str) -> Result<(), Unreadable> {
    let is_other = |line: &str| {
        let mut named = line.split("coding").skip(1).filter_map(|rest| rest.strip_prefix([':', '=']));
        line.starts_with('#') && named.any(|name| !name.trim_start().to_ascii_lowercase().starts_with("utf-8"))
    };
    match text.lines().take(2).position(is_other) {
        Some(before) => Err(Unreadable::at(before + 1, "an encoding other than UTF-8 is named")),
        None => Ok(()),
    }
}

/// Lines put together at `\`, without comments, each with the line it begins at.
///
/// # Errors
/// A comment where a line goes on: pip ends the line there, others do not.
fn logical_lines(text: &str) -> Result<Vec<(usize, String)>, Unreadable> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut goes_on = false;
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        // A comment begins a line or stands behind a space: addresses have `#` of their own.
        let is_comment = line.trim_start().starts_with('#');
        if goes_on && is_comment {
            return Err(Unreadable::at(index + 1, "a comment stands inside a line that goes on"));
        }
        let end = if is_comment { Some(0) } else { line.find(" #") };
        let own = end.and_then(|end| line.get(..end)).unwrap_or(line).trim_end();
        let part = own.strip_suffix('\\').unwrap_or(own);
        match lines.last_mut().filter(|_| goes_on) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(part.trim());
            }
            None => lines.push((index + 1, part.trim().to_owned())),
        }
        goes_on = own.ends_with('\\');
    }
    lines.retain(|(_, line)| !line.is_empty());
    Ok(lines)
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
