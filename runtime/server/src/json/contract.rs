//! The descriptors of everything that is served, ready for look-ups.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use prost_reflect::{DescriptorPool, FieldDescriptor, MethodDescriptor};

const JSON_TEXT: &str = "airlock.v1.json_text";

/// Methods by path, and the fields that hold JSON. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Contract(Arc<Index>);

#[derive(Debug)]
struct Index {
    methods: HashMap<String, MethodDescriptor>,
    json_fields: HashSet<String>,
}

/// The descriptors of this build do not read.
#[derive(Debug, thiserror::Error)]
#[error("the contract's descriptors are damaged: {0}")]
pub struct ContractError(String);

impl Contract {
    /// Reads the descriptors that were compiled in.
    pub(crate) fn load() -> Result<Self, ContractError> {
        let damaged = |why: prost_reflect::DescriptorError| ContractError(why.to_string());
        let mut pool = DescriptorPool::decode(airlock_proto::FILE_DESCRIPTOR_SET).map_err(damaged)?;
        pool.decode_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET).map_err(damaged)?;
        let option = pool
            .get_extension_by_name(JSON_TEXT)
            .ok_or_else(|| ContractError(format!("option `{JSON_TEXT}` is missing")))?;
        let holds_json = |field: &FieldDescriptor| field.options().get_extension(&option).as_bool() == Some(true);
        let fields = pool.all_messages().flat_map(|message| message.fields().collect::<Vec<_>>());
        let json_fields = fields.filter(holds_json).map(|field| field.full_name().to_owned()).collect();
        let methods = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let path = |method: &MethodDescriptor| format!("/{}/{}", method.parent_service().full_name(), method.name());
        let methods = methods.map(|method| (path(&method), method)).collect();
        Ok(Self(Arc::new(Index { methods, json_fields })))
    }

    pub(crate) fn method(&self, path: &str) -> Option<&MethodDescriptor> {
        self.0.methods.get(path)
    }

    /// The paths of all RPCs.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.methods.keys().map(String::as_str)
    }

    /// Whether the field holds one JSON text.
    pub(crate) fn holds_json(&self, field: &FieldDescriptor) -> bool {
        self.0.json_fields.contains(field.full_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_that_hold_json_are_these() {
        let contract = Contract::load().unwrap();
        let mut fields: Vec<_> = contract.0.json_fields.iter().map(String::as_str).collect();
        fields.sort_unstable();
        let expected = [
            "airlock.v1.AuditRecord.event",
            "airlock.v1.FunctionError.details",
            "airlock.v1.InvokeRequest.payload",
            "airlock.v1.InvokeResponse.output",
            "airlock.v1.InvokeStreamRequest.payload",
            "airlock.v1.LogLine.fields",
        ];
        assert_eq!(fields, expected);
    }

    /// Requests are read field by field at the top only: a JSON field deeper down would be taken for base64.
    #[test]
    fn requests_hold_json_only_at_the_top() {
        let contract = Contract::load().unwrap();
        for method in contract.0.methods.values() {
            for field in method.input().fields() {
                let nested = field.kind().as_message().cloned();
                let inner = nested.iter().flat_map(|message| message.fields().collect::<Vec<_>>());
                for inner in inner {
                    assert!(!contract.holds_json(&inner), "{}", inner.full_name());
                    assert!(inner.kind().as_message().is_none(), "look deeper: {}", inner.full_name());
                }
            }
        }
    }
}
