//! JSON: each value borrowed from the text tells where it stands.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Budget, Node, Value, check_twice};
use crate::packages::Unreadable;

pub(in crate::packages) fn json(text: &str) -> Result<Node, Unreadable> {
    // Some editors begin a file with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole: &RawValue = parsed(text, 1)?;
    let mut reader = Reader { text, budget: Budget::new(text) };
    reader.node(whole, 0)
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str, line: usize) -> Result<T, Unreadable> {
    serde_json::from_str(text)
        .map_err(|why| Unreadable::at((line + why.line()).saturating_sub(1).max(1), format!("not JSON: {why}")))
}

struct Reader<'a> {
    text: &'a str,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn node(&mut self, raw: &'a RawValue, depth: usize) -> Result<Node, Unreadable> {
        let own = raw.get();
        // Borrowed from `text`, so the difference is an index into it.
        let line = self.budget.line((own.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize));
        self.budget.spend(line, depth)?;
        let value = match own.bytes().next() {
            Some(b'{') => {
                let Pairs(pairs) = parsed(own, line)?;
                let read = |(key, raw)| Ok((key, self.node(raw, depth + 1)?));
                let entries: Vec<_> = pairs.into_iter().map(read).collect::<Result<_, Unreadable>>()?;
                check_twice(&entries)?;
                Value::Table(entries)
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = parsed(own, line)?;
                Value::List(items.into_iter().map(|raw| self.node(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => Value::Text(parsed(own, line)?),
            Some(b'n') => Value::Null,
            _ => Value::Text(own.to_owned()),
        };
        Ok(Node { line, value })
    }
}

/// An object with all its keys, also those that stand twice.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(PairsVisitor)
    }
}

struct PairsVisitor;

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Pairs<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(Pairs(pairs))
    }
}
