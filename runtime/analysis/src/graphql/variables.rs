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
        let text = self.0.get(name)?.get().trim();
        text.parse().ok().or_else(|| {
            // `1e6` and `1000000.0` are whole numbers too, as the API reads them.
            let number = text.parse::<f64>().ok()?.ceil().max(0.0);
            Some(format!("{number:.0}").parse().unwrap_or(u64::MAX))
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_however_it_is_written() {
        let variables =
            Variables::parse(r#"{"a": 7, "b": 1e6, "c": 1000000.0, "d": -3, "e": 1e300, "f": "9", "g": null}"#);
        let variables = variables.expect("an object");
        let lengths = ["a", "b", "c", "d", "e", "f", "g"].map(|name| variables.length(name));
        assert_eq!(lengths, [Some(7), Some(1_000_000), Some(1_000_000), Some(0), Some(u64::MAX), None, None]);
    }
}
