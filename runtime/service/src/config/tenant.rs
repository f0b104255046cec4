//! `[limits.tenant.<name>]`: limits of its calls and quotas of the tenant itself, in one table.

use std::fmt;

use airlock_model::{Limit, LimitCaps, Quota, TenantQuotas};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};

/// `[limits.tenant.<name>]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TenantConfig {
    /// Limits of the tenant's calls, only tighter.
    #[serde(flatten)]
    pub limits: LimitCaps,
    /// What the tenant may take over time, and its weight among others.
    #[serde(flatten)]
    pub quotas: TenantQuotas,
}

/// serde cannot flatten two structs and still refuse unknown keys, so the keys are told apart by hand.
impl<'de> Deserialize<'de> for TenantConfig {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = TenantConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("limits and quotas of a tenant")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<TenantConfig, A::Error> {
        let mut tenant = TenantConfig::default();
        while let Some(key) = table.next_key::<Key>()? {
            let Amount(value) = table.next_value()?;
            match key {
                Key::Limit(limit) => tenant.limits.set(limit, value),
                Key::Quota(quota) => tenant.quotas.set(quota, value),
            }
        }
        Ok(tenant)
    }
}

#[derive(Deserialize)]
#[serde(transparent)]
struct Amount(#[serde(deserialize_with = "super::amount")] std::num::NonZeroU64);

enum Key {
    Limit(Limit),
    Quota(Quota),
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = String::deserialize(source)?;
        let limit = Limit::by_name(&name).map(Self::Limit);
        limit.or_else(|| Quota::by_name(&name).map(Self::Quota)).ok_or_else(|| {
            let names: Vec<_> = Quota::ALL
                .iter()
                .map(|quota| quota.name())
                .chain(Limit::ALL.iter().map(|limit| limit.name()))
                .collect();
            de::Error::custom(format!("unknown key `{name}`, expected one of `{}`", names.join("`, `")))
        })
    }
}
