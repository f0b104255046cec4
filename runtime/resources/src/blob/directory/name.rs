//! File names, made of lower-case letters, digits, `-` and `_` alone, or `~` and a digest.

use airlock_model::{Digest, ObjectKey};

/// A file system takes 255.
const NAME_BYTES_MAX: usize = 200;

/// What the directory of a tenant is called; the empty name is that of all of them.
pub(super) fn of_owner(owner: &str) -> String {
    if owner.is_empty() { "shared".to_owned() } else { format!("tenant-{owner}") }
}

/// What the file of an object is called. No two keys have one name, digests aside.
pub(super) fn of(key: &ObjectKey) -> String {
    let spelled = spell(key.as_str());
    if spelled.len() <= NAME_BYTES_MAX { spelled } else { format!("~{}", Digest::of(key.as_str().as_bytes())) }
}

/// `_` and two digits for whatever is no lower-case letter, digit or `-`: also on a file system that knows no case.
fn spell(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            name.push('_');
            name.push_str(&hex::encode([byte]));
        }
    }
    name
}

/// The key that a name spells; `None` for a digest and for what is no object.
pub(super) fn key(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'_' => bytes.extend(hex::decode([rest.next()?, rest.next()?]).ok()?),
            b'a'..=b'z' | b'0'..=b'9' | b'-' => bytes.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(bytes).ok().filter(|key| !key.is_empty() && spell(key) == name)
}

/// Whether a name is that of an object whose key is too long to be spelled.
pub(super) fn is_digest(name: &str) -> bool {
    name.starts_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_name_of_its_own_that_is_no_path() {
        let keys =
            ["a", "A", "a.b", "a_b", "a_2eb", "reports/7", "...", "con", "-rf", "grüße", "a b", "*", "%2e", "~", "x~y"];
        let mut names = std::collections::BTreeSet::new();
        for text in keys {
            let name = of(&ObjectKey::parse(text.to_owned()).expect("a key"));
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            assert!(name.chars().all(legal), "{name}");
            assert_eq!(key(&name).as_deref(), Some(text));
            assert!(names.insert(name), "{text}");
        }
        let long = of(&ObjectKey::parse("/x".repeat(200).split_off(1)).expect("a key"));
        assert!(is_digest(&long) && long.len() == 65 && key(&long).is_none(), "{long}");
        for stray in ["", ".new-1-2", "..", "a/b", "_", "_zz", "_61", "A", "~x"] {
            assert_eq!(key(stray), None, "{stray}");
        }
    }
}
