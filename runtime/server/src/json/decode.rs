//! From JSON text to an encoded message.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, Value};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::Contract;
use crate::status::Refusal;

const HINT: &str = "send one JSON object with the fields of the request message";

/// Reads proto3 JSON, with embedded values where a field holds JSON.
///
/// # Errors
/// `request_malformed`, naming the field where there is one.
pub(super) fn message(contract: &Contract, kind: &MessageDescriptor, text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let object: Object<'_> = serde_json::from_slice(text)
        .map_err(|why| Refusal::malformed("", format!("the body is not valid: {why}"), HINT))?;
    let mut plain = String::from("{");
    let mut embedded = Vec::new();
    for (key, value) in object.0 {
        let field = kind.get_field_by_json_name(&key).or_else(|| kind.get_field_by_name(&key));
        let Some(field) = field else { return Err(unknown(kind, &key)) };
        if contract.holds_json(&field) {
            embedded.push((field, Bytes::copy_from_slice(value.get().as_bytes())));
        } else {
            plain.push_str(if plain.len() > 1 { "," } else { "" });
            // A known field's name needs no escaping.
            plain.push_str(&format!("\"{}\":{}", field.json_name(), value.get()));
        }
    }
    plain.push('}');
    let mut message = plain_fields(kind, &plain)?;
    for (field, json) in embedded {
        let set = message.try_set_field(&field, Value::Bytes(json));
        set.map_err(|why| Refusal::malformed(field.json_name(), why.to_string(), HINT))?;
    }
    Ok(message.encode_to_vec())
}

fn plain_fields(kind: &MessageDescriptor, text: &str) -> Result<DynamicMessage, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(kind.clone(), &mut reader, &options).map_err(|why| {
        Refusal::malformed(&culprit(kind, text), format!("a field is not valid: {}", reason(&why)), HINT)
    })
}

/// The first field that does not read on its own. Only asked once something is wrong.
fn culprit(kind: &MessageDescriptor, text: &str) -> String {
    let Ok(object) = serde_json::from_str::<Object<'_>>(text) else { return String::new() };
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let breaks = |key: &str, value: &RawValue| {
        let single = format!("{{\"{key}\":{}}}", value.get());
        let mut reader = serde_json::Deserializer::from_str(&single);
        DynamicMessage::deserialize_with_options(kind.clone(), &mut reader, &options).is_err()
    };
    object.0.into_iter().find(|(key, value)| breaks(key, value)).map(|(key, _)| key).unwrap_or_default()
}

/// The reader's words without its position, which counts in our rebuilt text and not in the caller's.
fn reason(why: &serde_json::Error) -> String {
    let text = why.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.chars().take(200).collect())
}

fn unknown(kind: &MessageDescriptor, key: &str) -> Refusal {
    let shown: String = key.chars().take(80).flat_map(char::escape_default).collect();
    let known: Vec<_> = kind.fields().map(|field| field.json_name().to_owned()).collect();
    let hint = format!("the fields of `{}` are {}", kind.name(), known.join(", "));
    Refusal::malformed(&shown, format!("unknown field `{shown}`"), &hint)
}

/// The fields of one object as they stand in the text.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut fields: Vec<(String, &RawValue)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if fields.iter().any(|(known, _)| *known == key) {
                        return Err(M::Error::custom("a field stands there twice"));
                    }
                    // More than any message has: an object of a million unknown keys is not worth reading to its end.
                    if fields.len() > 64 {
                        return Err(M::Error::custom("too many fields"));
                    }
                    fields.push((key, value));
                }
                Ok(Object(fields))
            }
        }
        source.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use airlock_proto::v1;

    use super::*;

    fn invoke(text: &str) -> Result<v1::InvokeRequest, Refusal> {
        let contract = Contract::load().unwrap();
        let kind = contract.method("/airlock.v1.InvocationService/Invoke").unwrap().input();
        message(&contract, &kind, text.as_bytes()).map(|bytes| v1::InvokeRequest::decode(bytes.as_slice()).unwrap())
    }

    #[test]
    fn a_payload_is_embedded_and_kept_to_the_byte() {
        let request =
            invoke(r#"{"function":"f","payload": {"a": 1.10,"b":[12345678901234567890123]} ,"requestId":"r"}"#);
        let request = request.unwrap();
        assert_eq!(request.payload, br#"{"a": 1.10,"b":[12345678901234567890123]}"#);
        assert_eq!((request.function.as_str(), request.request_id.as_str()), ("f", "r"));
    }

    #[test]
    fn any_json_value_is_a_payload_and_null_is_one() {
        for value in ["null", "true", "0", "\"text\"", "[]", "{}"] {
            let request = invoke(&format!(r#"{{"payload":{value}}}"#)).unwrap();
            assert_eq!(request.payload, value.as_bytes());
        }
        assert_eq!(invoke("{}").unwrap().payload, b"");
    }

    #[test]
    fn both_spellings_of_a_field_are_known() {
        assert_eq!(invoke(r#"{"request_id":"r"}"#).unwrap().request_id, "r");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, name) in [
            (r#"{"functoin":"f"}"#, "functoin"),
            (r#"{"function":"f","environment":7}"#, "environment"),
            (r#"{"function":"f","function":"g"}"#, "twice"),
            (r#"{"payload":{]}"#, "line 1"),
            ("[]", "object"),
            ("", "EOF"),
        ] {
            let refusal = format!("{:?}", invoke(text).unwrap_err());
            assert!(refusal.contains(name), "{text}: {refusal}");
        }
    }
}
