//! Where values were written, for texts that tell people where to go: `[limits.tenant.acme] in_flight (airlock.toml:42)`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{Limit, LimitSource};

/// What is said of a value that nobody set.
pub const BUILT_IN: &str = "built-in default";

/// Where the limits of one layer stand, by limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceTable(HashMap<Limit, String>);

impl PlaceTable {
    /// The place of one limit.
    #[must_use]
    pub fn get(&self, limit: Limit) -> Option<&str> {
        self.0.get(&limit).map(String::as_str)
    }
}

impl FromIterator<(Limit, String)> for PlaceTable {
    fn from_iter<T: IntoIterator<Item = (Limit, String)>>(places: T) -> Self {
        Self(places.into_iter().collect())
    }
}

/// Where the limits of one call stand. The tables are made when a configuration or a manifest is read and only shared
/// afterwards; nothing is looked up unless an error is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitPlaces {
    /// `[limits.default]`, with [`BUILT_IN`] for what it leaves out.
    pub operator: Option<Arc<PlaceTable>>,
    /// `[limits.tenant.<name>]`.
    pub tenant: Option<Arc<PlaceTable>>,
    /// `[environments.<name>.limits]`.
    pub environment: Option<Arc<PlaceTable>>,
    /// `[limits]` of the revision's `function.toml`.
    pub function: Option<Arc<PlaceTable>>,
}

impl LimitPlaces {
    /// The exact place of a value, or the usual place of its source where the exact one is not known.
    #[must_use]
    pub fn of(&self, limit: Limit, source: LimitSource) -> &str {
        let table = match source {
            LimitSource::Operator => &self.operator,
            LimitSource::Tenant => &self.tenant,
            LimitSource::Environment => &self.environment,
            LimitSource::Function => &self.function,
            LimitSource::Token | LimitSource::Caller | LimitSource::Admission => &None,
        };
        table.as_ref().and_then(|table| table.get(limit)).unwrap_or_else(|| source.place())
    }
}

/// The line of every key of a TOML text, by dotted path: `limits.tenant.acme.in_flight`, `tokens.issuer[0].iss`. Of a
/// text that is not TOML, nothing.
#[must_use]
pub fn key_lines(text: &str) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    if let Ok(table) = DeTable::parse(text) {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Lines { breaks, found: &mut lines }.table("", table.get_ref());
    }
    lines
}

/// The line of a byte of a text, from 1.
#[must_use]
pub fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The path of a key inside another.
#[must_use]
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

struct Lines<'a> {
    breaks: Vec<usize>,
    found: &'a mut BTreeMap<String, usize>,
}

impl Lines<'_> {
    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let inner = join(path, key.get_ref());
            let line = self.breaks.partition_point(|at| *at < key.span().start) + 1;
            self.found.insert(inner.clone(), line);
            self.value(&inner, value);
        }
    }

    fn value(&mut self, path: &str, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::Table(table) => self.table(path, table),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&format!("{path}[{index}]"), item);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_line_however_it_is_written() {
        let text = "# first\n[limits.default]\nfuel = 1\n\n[environments.dev]\nlimits = { fuel = 2 }\n\
                    [[tokens.issuer]]\niss = 'a'\n[[tokens.issuer]]\niss = 'b'\n[server]\nx.y = 1\n";
        let lines = key_lines(text);
        for (key, line) in [
            ("limits.default", 2),
            ("limits.default.fuel", 3),
            ("environments.dev.limits.fuel", 6),
            ("tokens.issuer[0].iss", 8),
            ("tokens.issuer[1].iss", 10),
            ("server.x.y", 12),
        ] {
            assert_eq!(lines.get(key), Some(&line), "{key}: {lines:?}");
        }
        assert!(key_lines("not toml").is_empty());
        assert_eq!(line_at("a\nb\nc", 2), 2);
    }
}
