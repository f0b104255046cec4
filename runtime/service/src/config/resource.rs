//! `[resources.<name>]` and its bindings per environment.

use std::{collections::BTreeMap, path::Path};

use airlock_model::{EnvironmentName, ResourceKind};
use airlock_resources::BindingConfig;
use serde::{Deserialize, Deserializer, de::Error};

/// One resource: its kind, and what it stands for in each environment.
#[derive(Debug)]
pub struct ResourceConfig {
    /// Its protocol.
    pub kind: ResourceKind,
    bindings: BTreeMap<EnvironmentName, BindingConfig>,
}

impl ResourceConfig {
    /// The environments that bind it.
    pub fn environments(&self) -> impl Iterator<Item = &EnvironmentName> {
        self.bindings.keys()
    }

    /// Its bindings.
    pub fn bindings(&self) -> impl Iterator<Item = (&EnvironmentName, &BindingConfig)> {
        self.bindings.iter()
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        for binding in self.bindings.values_mut() {
            binding.resolve_paths(base);
        }
    }
}

/// By hand, because the environments are keys beside `kind` and still no unknown key may pass.
impl<'de> Deserialize<'de> for ResourceConfig {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let mut table = toml::Table::deserialize(source)?;
        let kind = table.remove("kind").ok_or_else(|| D::Error::missing_field("kind"))?;
        let kind: ResourceKind = kind.try_into().map_err(D::Error::custom)?;
        let mut bindings = BTreeMap::new();
        for (environment, value) in table {
            let name: EnvironmentName = environment.parse().map_err(D::Error::custom)?;
            let unclear = |why| D::Error::custom(format!("in the binding for environment `{environment}`: {why}"));
            let binding: BindingConfig = value.try_into().map_err(unclear)?;
            if binding.kind() != kind {
                return Err(unclear(toml::de::Error::custom(format!(
                    "a resource of kind `{kind}` needs another engine"
                ))));
            }
            bindings.insert(name, binding);
        }
        Ok(Self { kind, bindings })
    }
}
