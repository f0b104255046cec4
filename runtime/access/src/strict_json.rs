//! JSON objects without duplicate members, at any depth.
//!
//! Two parsers may keep different members of a duplicated name, so what was signed and what is read could differ
//! (RFC 8725 section 2.4, RFC 8259 section 4). Escapes are decoded before names are compared.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Why bytes are not an acceptable JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON (RFC 8259): also a byte order mark, invalid UTF-8 or anything after the value.
    #[error("is not valid JSON")]
    Syntax,
    /// A member name occurs twice in one object.
    #[error("has a duplicate member")]
    Duplicate,
    /// Nested deeper than anything Airlock reads.
    #[error("is nested too deeply")]
    TooDeep,
    /// JSON, but not an object.
    #[error("is not a JSON object")]
    NotObject,
}

/// Reads one object; `depth_max` counts the object itself.
pub(crate) fn object(bytes: &[u8], depth_max: u8) -> Result<Map<String, Value>, JsonFault> {
    let fault = Cell::new(JsonFault::Syntax);
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: depth_max, fault: &fault }.deserialize(&mut source).map_err(|_| fault.get())?;
    source.end().map_err(|_| JsonFault::Syntax)?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonFault::NotObject)
        }
    }
}

/// Builds a value; `depth` is how many levels may still open, `fault` says afterwards why it stopped.
#[derive(Clone, Copy)]
struct Strict<'f> {
    depth: u8,
    fault: &'f Cell<JsonFault>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1).ok_or_else(|| self.stop(JsonFault::TooDeep))?;
        Ok(Self { depth, ..self })
    }

    fn stop<E: serde::de::Error>(self, fault: JsonFault) -> E {
        self.fault.set(fault);
        E::custom(fault)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Value, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let element = self.deeper()?;
        let mut elements = Vec::new();
        while let Some(value) = source.next_element_seed(element)? {
            elements.push(value);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Value, A::Error> {
        let member = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = source.next_key::<String>()? {
            let value = source.next_value_seed(member)?;
            if members.insert(name, value).is_some() {
                return Err(self.stop(JsonFault::Duplicate));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<JsonFault> {
        object(text.as_bytes(), 4).err()
    }

    #[test]
    fn an_object_reads_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,2.5,null,true,"\u00e9"],"b":{"c":{}}}"#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(object(text.as_bytes(), 4).map(Value::Object), Ok(expected));
    }

    #[test]
    fn duplicates_are_found_at_any_depth_and_in_any_spelling() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":{"a":1,"a":2}}"#, r#"{"x":[{"a":1,"a":2}]}"#]
        {
            assert_eq!(fault(text), Some(JsonFault::Duplicate), "{text}");
        }
        assert_eq!(fault(r#"{"a":{"a":1},"A":2}"#), None);
    }

    #[test]
    fn depth_counts_every_level() {
        assert_eq!(fault(r#"{"a":[[[]]]}"#), None);
        assert_eq!(fault(r#"{"a":[[[[]]]]}"#), Some(JsonFault::TooDeep));
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(fault(&deep), Some(JsonFault::TooDeep));
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for text in
            ["", "{", "{}{}", "{} x", "{'a':1}", "{\"a\":1,}", "\u{feff}{}", "{\"a\":01}", "{\"a\":\"\\ud800\"}"]
        {
            assert_eq!(fault(text), Some(JsonFault::Syntax), "{text:?}");
        }
        for text in ["[]", "1", "null", "\"{}\""] {
            assert_eq!(fault(text), Some(JsonFault::NotObject), "{text}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}", 4).err(), Some(JsonFault::Syntax));
    }
}
