//! The variables of one call.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::DocumentRefusal;

/// A JSON object. Its values stay as they are written, so that no number loses a digit.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, Box<RawValue>>);

impl Variables {
    /// Reads what a guest wrote; nothing but blanks is an empty object.
    ///
    /// # Errors
    /// When it is no JSON object, or names a variable twice: which of the two counts would be the API's choice.
    pub fn parse(text: &str) -> Result<Self, DocumentRefusal> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map_err(|why| {
            let why: String = why.to_string().chars().take(200).collect();
            DocumentRefusal::Variables(format!("{why}; pass a JSON object"))
        })
    }

    /// A number that can be the length of a list.
    pub(super) fn length(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.get().trim().parse().ok()
    }

    /// As JSON, with every value as it was written.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(&self.0).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Variables {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(ReadVariables)
    }
}

struct ReadVariables;

impl<'de> de::Visitor<'de> for ReadVariables {
    type Value = Variables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Variables, A::Error> {
        let mut read = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, Box<RawValue>>()? {
            if read.insert(name, value).is_some() {
                return Err(de::Error::custom("a variable is named twice"));
            }
        }
        Ok(Variables(read))
    }
}
