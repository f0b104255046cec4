//! The configuration as a flat list: every value with its source, secrets left out.

use std::collections::BTreeMap;

use airlock_model::place::join;
use serde::Serialize;
use serde_json::Value;

use super::{Config, Origin};

/// What stands for a credential.
pub(crate) const SECRET: &str = "(secret)";

/// One value in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Dotted: `limits.tenant.acme.in_flight`.
    pub key: String,
    /// As JSON; credentials are only said to be there.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

impl Config {
    /// Every value in force with its source, in the order of the sections. Reads no files: see
    /// [`App::explain_config`](crate::App::explain_config) for the keys too.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut values = Vec::new();
        section(&mut values, "server", &self.server);
        section(&mut values, "state", &self.state);
        section(&mut values, "audit", &self.audit);
        section(&mut values, "logs", &self.logs);
        section(&mut values, "telemetry", &self.telemetry);
        section(&mut values, "isolation", &self.isolation);
        section(&mut values, "sandbox", &self.sandbox);
        section(&mut values, "admission", &self.admission);
        section(&mut values, "deploy", &self.deploy);
        section(&mut values, "tokens", &self.tokens);
        section(&mut values, "identity", &self.identity);
        section(&mut values, "egress", &self.egress);
        section(&mut values, "limits.default", &self.limits.operator());
        section(&mut values, "limits.tenant", &self.limits.tenant);
        section(&mut values, "signers", &self.signers);
        section(&mut values, "environments", &self.environments);
        values.extend(self.origins.resources.clone());
        let setting = |(key, value): (String, String)| Setting { origin: self.origins.of(&key), key, value };
        values.into_iter().map(setting).collect()
    }
}

fn section(values: &mut Vec<(String, String)>, name: &str, section: &impl Serialize) {
    // These are plain structures of numbers and texts; a path that is no UTF-8 is the one thing that does not print.
    match serde_json::to_value(section) {
        Ok(section) => flatten(values, name, &section),
        Err(why) => values.push((name.to_owned(), format!("(cannot be shown: {why})"))),
    }
}

/// `[resources]` of a document with its variables applied.
pub(super) fn resources(table: &toml::Table) -> BTreeMap<String, String> {
    let mut values = Vec::new();
    if let Some(resources) = table.get("resources") {
        section(&mut values, "resources", resources);
    }
    values.into_iter().collect()
}

fn flatten(values: &mut Vec<(String, String)>, path: &str, value: &Value) {
    match value {
        _ if is_credential(path) => values.push((path.to_owned(), SECRET.to_owned())),
        Value::Object(table) => table.iter().for_each(|(key, value)| flatten(values, &join(path, key), value)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(values, &format!("{path}[{index}]"), item);
            }
        }
        Value::Null => values.push((path.to_owned(), "unset".to_owned())),
        value => values.push((path.to_owned(), value.to_string())),
    }
}

/// `resources.<name>.<environment>.credential`, and the `password` of a role there: nothing below it is ever shown. Nor is the
/// URL of a webhook or a collector, which is often all that it takes to post there.
fn is_credential(path: &str) -> bool {
    let parts: Vec<_> = path.split('.').collect();
    matches!(
        parts.as_slice(),
        ["resources", _, _, "credential"]
            | ["resources", _, _, _, "password"]
            | ["audit", "checkpoints", "webhook", "url"]
            | ["telemetry", "otlp", "url"]
            | ["telemetry", "otlp", "headers", _]
    ) || matches!(parts.as_slice(), ["audit", export, "otlp" | "http", "url"] if export.starts_with("export["))
}
