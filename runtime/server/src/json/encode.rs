//! From an encoded message to JSON text.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, ReflectMessage as _, Value};
use serde::{
    Serialize, Serializer,
    ser::{Error as _, SerializeMap as _, SerializeSeq as _},
};
use serde_json::value::RawValue;

use super::Contract;

/// The bytes are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum EncodeError {
    #[error("the reply is not protobuf: {0}")]
    Decode(#[from] prost::DecodeError),
    #[error("the reply is not JSON: {0}")]
    Write(#[from] serde_json::Error),
}

/// Writes proto3 JSON, with embedded values where a field holds JSON.
pub(super) fn message(contract: &Contract, kind: MessageDescriptor, bytes: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let message = DynamicMessage::decode(kind, bytes)?;
    Ok(serde_json::to_vec(&Json { contract, message: &message })?)
}

struct Json<'a> {
    contract: &'a Contract,
    message: &'a DynamicMessage,
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The well-known types have a JSON form of their own.
        if self.message.descriptor().package_name() == "google.protobuf" {
            return self.message.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        for (field, value) in self.message.fields() {
            map.serialize_entry(field.json_name(), &FieldValue { contract: self.contract, field: &field, value })?;
        }
        map.end()
    }
}

struct FieldValue<'a> {
    contract: &'a Contract,
    field: &'a FieldDescriptor,
    value: &'a Value,
}

impl Serialize for FieldValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bytes(json) if self.contract.holds_json(self.field) => embedded(json, serializer),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            // proto3 JSON: a JavaScript number does not hold 64 bits.
            Value::I64(value) => serializer.collect_str(value),
            Value::U64(value) => serializer.collect_str(value),
            Value::String(value) => serializer.serialize_str(value),
            Value::EnumNumber(number) => enum_name(self.field, *number, serializer),
            Value::Message(message) => Json { contract: self.contract, message }.serialize(serializer),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&FieldValue { contract: self.contract, field: self.field, value })?;
                }
                list.end()
            }
            Value::F32(_) | Value::F64(_) | Value::Bytes(_) | Value::Map(_) => {
                Err(S::Error::custom(format!("no JSON form for field `{}`", self.field.full_name())))
            }
        }
    }
}

fn embedded<S: Serializer>(json: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if json.is_empty() {
        return serializer.serialize_unit();
    }
    match serde_json::from_slice::<&RawValue>(json) {
        Ok(raw) => raw.serialize(serializer),
        // A function's log fields and error details are its own text: better a string than no answer.
        Err(_) => serializer.serialize_str(&String::from_utf8_lossy(json)),
    }
}

fn enum_name<S: Serializer>(field: &FieldDescriptor, number: i32, serializer: S) -> Result<S::Ok, S::Error> {
    match field.kind() {
        Kind::Enum(kind) => match kind.get_value(number) {
            Some(value) => serializer.serialize_str(value.name()),
            None => serializer.serialize_i32(number),
        },
        _ => serializer.serialize_i32(number),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use airlock_proto::v1;

    use super::*;

    fn text(method: &str, reply: &impl prost::Message) -> String {
        let contract = Contract::load().unwrap();
        let kind = contract.method(method).unwrap().output();
        String::from_utf8(message(&contract, kind, &reply.encode_to_vec()).unwrap()).unwrap()
    }

    #[test]
    fn an_output_is_embedded_to_the_byte_and_numbers_follow_proto3() {
        let reply = v1::InvokeResponse {
            invocation_id: "i".into(),
            result: Some(v1::invoke_response::Result::Output(br#"{"x": 1.10}"#.to_vec())),
            usage: Some(v1::Usage { fuel: 9, ..Default::default() }),
            ..Default::default()
        };
        let expected = r#"{"invocationId":"i","output":{"x": 1.10},"usage":{"fuel":"9"}}"#;
        assert_eq!(text("/airlock.v1.InvocationService/Invoke", &reply), expected);
    }

    #[test]
    fn lists_enums_and_times_read_as_proto3_json() {
        let finding = v1::Finding { severity: v1::Severity::Error.into(), ..Default::default() };
        let create_time = Some(prost_types::Timestamp { seconds: 0, nanos: 1_000_000 });
        let revision = Some(v1::Revision { create_time, grants: vec!["a:read".into()], ..Default::default() });
        let reply = v1::DeployResponse { revision, findings: vec![finding] };
        let expected = r#"{"revision":{"createTime":"1970-01-01T00:00:00.001Z","grants":["a:read"]},"findings":[{"severity":"SEVERITY_ERROR"}]}"#;
        assert_eq!(text("/airlock.v1.FunctionService/Deploy", &reply), expected);
    }

    #[test]
    fn text_that_is_not_json_becomes_a_string() {
        let error = v1::FunctionError { details: b"not json".to_vec(), ..Default::default() };
        let result = Some(v1::invoke_response::Result::FunctionError(error));
        let reply = v1::InvokeResponse { result, ..Default::default() };
        let expected = r#"{"functionError":{"details":"not json"}}"#;
        assert_eq!(text("/airlock.v1.InvocationService/Invoke", &reply), expected);
    }

    /// `FieldValue` has no form for floats, maps and plain bytes in replies: nothing served uses them.
    #[test]
    fn every_reply_field_has_a_json_form() {
        fn walk(contract: &Contract, kind: &MessageDescriptor, seen: &mut HashSet<String>) {
            if kind.package_name() == "google.protobuf" || !seen.insert(kind.full_name().to_owned()) {
                return;
            }
            for field in kind.fields() {
                assert!(!field.is_map(), "{}", field.full_name());
                match field.kind() {
                    Kind::Message(inner) => walk(contract, &inner, seen),
                    Kind::Bytes => assert!(contract.holds_json(&field), "{}", field.full_name()),
                    Kind::Float | Kind::Double => panic!("{}", field.full_name()),
                    _ => {}
                }
            }
        }
        let contract = Contract::load().unwrap();
        for path in ["InvocationService/Invoke", "InvocationService/InvokeStream", "FunctionService/Check"] {
            let method = contract.method(&format!("/airlock.v1.{path}")).unwrap();
            let service = method.parent_service().clone();
            for method in service.methods() {
                walk(&contract, &method.output(), &mut HashSet::new());
            }
        }
        let audit = contract.method("/airlock.v1.AuditService/Query").unwrap().output();
        walk(&contract, &audit, &mut HashSet::new());
    }
}
