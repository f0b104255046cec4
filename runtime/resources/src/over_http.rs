//! Bindings of protocols that are spoken over HTTP: the keys of an HTTP binding, and a few of their own.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

use crate::HttpConfig;

/// Keys that a binding has beside those of an HTTP binding.
pub trait OwnKeys: for<'de> Deserialize<'de> + std::fmt::Debug {
    /// Their names; every other key is one of the HTTP binding, or none.
    const NAMES: &'static [&'static str];

    /// Takes every relative path from `base`.
    fn resolve_paths(&mut self, base: &Path);
}

/// A binding that goes through the guarded client of HTTP resources. Holds secret references, so it is not `Clone`.
#[derive(Debug)]
pub struct OverHttp<K> {
    /// Where and how: all of an HTTP binding. Its `operations` are those of this kind.
    pub http: HttpConfig,
    /// What only this kind has.
    pub own: K,
}

impl<K: OwnKeys> OverHttp<K> {
    pub(crate) fn resolve_paths(&mut self, base: &Path) {
        self.http.resolve_paths(base);
        self.own.resolve_paths(base);
    }
}

/// By hand, because `flatten` would let unknown keys pass.
impl<'de, K: OwnKeys> Deserialize<'de> for OverHttp<K> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let written = BTreeMap::<String, Value>::deserialize(source)?;
        let (own, http): (Vec<_>, Vec<_>) =
            written.into_iter().partition(|(name, _)| K::NAMES.contains(&name.as_str()));
        let object = |keys: Vec<(String, Value)>| Value::Object(keys.into_iter().collect());
        Ok(Self {
            http: HttpConfig::deserialize(object(http)).map_err(D::Error::custom)?,
            own: K::deserialize(object(own)).map_err(D::Error::custom)?,
        })
    }
}
