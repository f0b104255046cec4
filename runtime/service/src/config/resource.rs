//! `[resources.<name>]` and its bindings per environment.

use std::{collections::BTreeMap, path::Path};

use airlock_model::{EnvironmentName, ResourceKind, ResourceName};
use airlock_resources::BindingConfig;
use serde::{Deserialize, Deserializer, de::Error};

/// How errors about a binding begin.
const IN_BINDING: &str = "in the binding for environment";

/// The key of the binding that an error is about. A binding is read by its `engine`, and what is read so forgets its
/// lines: the key is the one without which the error would be another. `engine` comes last, because every other error
/// depends on it.
pub(super) fn wrong_key(text: &str, error: &toml::de::Error) -> Option<String> {
    if !error.message().starts_with(IN_BINDING) {
        return None;
    }
    let table: toml::Table = toml::from_str(text).ok()?;
    let resources = table.get("resources")?.as_table()?.iter();
    let bindings = resources.flat_map(|(name, resource)| {
        let tables = resource.as_table().into_iter().flatten();
        tables.map(move |(environment, binding)| (format!("resources.{name}.{environment}"), resource, binding))
    });
    bindings.filter_map(|(key, resource, binding)| wrong_in(&key, resource.get("kind")?, binding.as_table()?)).next()
}

fn wrong_in(key: &str, kind: &toml::Value, binding: &toml::Table) -> Option<String> {
    let read = |table: &toml::Table| toml::Value::Table(table.clone()).try_into::<BindingConfig>();
    let message = match read(binding) {
        Ok(read) if kind.as_str() == Some(read.kind().as_str()) => return None,
        Ok(_) => return Some(format!("{key}.engine")),
        Err(why) => why.message().to_owned(),
    };
    let is_wrong = |name: &&String| {
        let mut without = binding.clone();
        without.remove(*name);
        read(&without).map_or_else(|why| why.message() != message, |_| true)
    };
    let others = binding.keys().filter(|name| *name != "engine").find(is_wrong);
    let name = others.or_else(|| binding.keys().find(is_wrong));
    Some(name.map_or(key.to_owned(), |name| format!("{key}.{name}")))
}

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

    pub(super) fn keep_in(&mut self, state: &Path, name: &ResourceName) {
        for (environment, binding) in &mut self.bindings {
            binding.keep_in(state, name, environment);
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
            let unclear = |why| D::Error::custom(format!("{IN_BINDING} `{environment}`: {why}"));
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
