//! Release times that an operator gives: `{"npm:zod@3.23.8": "2024-05-01T12:00:00Z", ..}`.

use std::collections::HashMap;

use crate::packages::{Ecosystem, LockedPackage, Unreadable, tree, unix_s};

/// When versions were published, by ecosystem, name and version.
#[derive(Debug, Clone, Default)]
pub struct TimeIndex(HashMap<String, u64>);

impl TimeIndex {
    /// Reads a JSON object of times (RFC 3339) by `ecosystem:name@version`.
    ///
    /// # Errors
    /// The first entry that is none, with its line; nothing is left out silently.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let root = tree::json(text)?;
        if !root.is_table() {
            return Err(Unreadable::at(root.line, "not an object of times"));
        }
        let read = |(key, node): &(String, tree::Node)| {
            let wrong = |what: &str| Unreadable::at(node.line, format!("`{}` {what}", key.escape_debug()));
            let key = normalised(key).ok_or_else(|| wrong("is not `npm:NAME@VERSION` or the like"))?;
            let time = node.as_text().and_then(unix_s).ok_or_else(|| wrong("has no time as `2024-05-01T12:00:00Z`"))?;
            Ok((key, time))
        };
        root.entries().iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// How many times there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn published_unix_s(&self, package: &LockedPackage) -> Option<u64> {
        let LockedPackage { ecosystem, name, version, .. } = package;
        self.0.get(&format!("{ecosystem}:{name}@{version}")).copied()
    }
}

fn normalised(key: &str) -> Option<String> {
    let (ecosystem, rest) = key.split_once(':')?;
    let ecosystem = Ecosystem::ALL.into_iter().find(|one| one.as_str() == ecosystem)?;
    let (name, version) = rest.rsplit_once('@').filter(|(name, version)| !name.is_empty() && !version.is_empty())?;
    Some(format!("{ecosystem}:{}@{version}", ecosystem.normalised(name)))
}
