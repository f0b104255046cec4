//! What every message to a collector has.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
};

/// Characters of one value.
pub(in crate::telemetry) const CHARS_MAX: usize = 256;

/// An attribute of text, cut where it is long.
pub(in crate::telemetry) fn text(key: &str, value: &str) -> KeyValue {
    whole_text(key, value.chars().take(CHARS_MAX).collect())
}

pub(in crate::telemetry) fn whole_text(key: &str, value: String) -> KeyValue {
    attribute(key, Value::StringValue(value))
}

/// An attribute that counts something.
pub(in crate::telemetry) fn count(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Who tells: this server.
pub(super) fn resource(instance: &str, id: &str) -> Resource {
    let attributes = vec![
        text("service.name", "airlock"),
        text("service.namespace", instance),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", id),
    ];
    Resource { attributes, ..Resource::default() }
}

pub(super) fn scope() -> InstrumentationScope {
    let (name, version) = ("airlock".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    InstrumentationScope { name, version, ..InstrumentationScope::default() }
}
