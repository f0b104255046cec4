//! What calls may use, by a configuration and a manifest alone: to be compared with what they used.

use std::sync::Arc;

use airlock_model::{EffectiveLimits, EnvironmentName, FunctionManifest, Quota, ResourceName, TenantName};

use crate::{
    config::Config,
    settings::{LimitLayer, layered},
};

/// A quota of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaInForce {
    /// Which.
    pub quota: Quota,
    /// In the unit of its name.
    pub value: u64,
    /// Where it was written.
    pub place: String,
}

/// The limits that a call starts from, before token and caller tighten them; those of a manifest count when it is given and can be
/// read.
#[must_use]
pub fn limits_of(
    config: &Config,
    tenant: &TenantName,
    environment: &EnvironmentName,
    manifest: Option<&str>,
) -> EffectiveLimits {
    let operator = (&config.limits.operator(), &Arc::new(config.origins.operator_places()));
    let of_tenant = config.limits.tenant.get(tenant);
    let of_tenant = of_tenant.map(|one| LimitLayer::read(config, &format!("limits.tenant.{tenant}"), &one.limits));
    let written = config.environments.get(environment);
    let of_environment =
        written.map(|one| LimitLayer::read(config, &format!("environments.{environment}.limits"), &one.limits));
    let parsed = manifest.and_then(|text| Some((FunctionManifest::parse(text).ok()?.limits, text)));
    let of_function = parsed.map(|(caps, text)| (caps, Arc::new(FunctionManifest::limit_places(text))));
    let layers = (&of_tenant.unwrap_or_default(), &of_environment.unwrap_or_default());
    layered(operator, layers, of_function.as_ref().map(|(caps, places)| (caps, places)))
}

/// What the operator set for a tenant over time.
#[must_use]
pub fn quotas_of(config: &Config, tenant: &TenantName) -> Vec<QuotaInForce> {
    let Some(set) = config.limits.tenant.get(tenant).map(|tenant| &tenant.quotas) else { return Vec::new() };
    let all = [
        (Quota::CallsPerSecond, set.calls_per_second),
        (Quota::CallsPerDay, set.calls_per_day),
        (Quota::FuelPerDay, set.fuel_per_day),
        (Quota::HostCallsPerSecond, set.host_calls_per_second),
    ];
    let in_force = all.into_iter().filter_map(|(quota, value)| {
        let place = config.place_of(&format!("limits.tenant.{tenant}.{}", quota.name()));
        Some(QuotaInForce { quota, value: value?.get(), place })
    });
    in_force.collect()
}

/// What completions may take in a day of UTC through one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayBudget {
    /// The model's resource.
    pub resource: ResourceName,
    /// Where.
    pub environment: EnvironmentName,
    /// The key that sets it; of one app when it begins with `app_`, in millionths when it is a cost.
    pub key: &'static str,
    /// How much.
    pub value: u64,
    /// Where it was written.
    pub place: String,
}

/// The daily budgets of all bindings of language models that have any.
#[must_use]
pub fn day_budgets(config: &Config) -> Vec<DayBudget> {
    let mut budgets = Vec::new();
    for (resource, configured) in &config.resources {
        for (environment, keys) in configured.bindings().filter_map(|(name, one)| Some((name, one.llm()?))) {
            let (app, all) = (keys.app_day(), keys.day());
            for (key, value) in [
                ("app_tokens_per_day", app.tokens),
                ("app_cost_per_day", app.cost_micros),
                ("tokens_per_day", all.tokens),
                ("cost_per_day", all.cost_micros),
            ] {
                if value < u64::MAX {
                    let place = config.place_of(&format!("resources.{resource}.{environment}.{key}"));
                    let (resource, environment) = (resource.clone(), environment.clone());
                    budgets.push(DayBudget { resource, environment, key, value, place });
                }
            }
        }
    }
    budgets
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use airlock_model::{Limit, LimitSource};

    use super::*;

    const CONFIG: &str = r#"
[state]
dir = "state"
[[tokens.issuer]]
iss = "https://platform.example"
jwks = { file = "keys.json" }
[environments.dev]
limits = { fuel = 500 }
[limits.default]
host_calls = 7
[limits.tenant.acme]
memory_bytes = "1MiB"
calls_per_day = 100
"#;

    #[test]
    fn the_tightest_layer_counts_and_says_where_it_stands() {
        let config = Config::parse(CONFIG, "airlock.toml", &[], Path::new("/srv")).expect("valid");
        let (acme, dev) = ("acme".parse().expect("a name"), "dev".parse().expect("a name"));
        let manifest = "name = \"one\"\nlanguage = \"component\"\n[limits]\nwall_time_ms = 50\n";
        let limits = limits_of(&config, &acme, &dev, Some(manifest));
        for (limit, value, source) in [
            (Limit::HostCalls, 7, LimitSource::Operator),
            (Limit::MemoryBytes, 1 << 20, LimitSource::Tenant),
            (Limit::Fuel, 500, LimitSource::Environment),
            (Limit::WallTimeMs, 50, LimitSource::Function),
        ] {
            assert_eq!((limits.get(limit), limits.source(limit)), (value, source), "{limit:?}");
        }
        let elsewhere = limits_of(&config, &"globex".parse().expect("a name"), &dev, None);
        assert_eq!(elsewhere.source(Limit::MemoryBytes), LimitSource::Operator);
        let quotas = quotas_of(&config, &acme);
        assert_eq!((quotas.len(), quotas[0].quota, quotas[0].value), (1, Quota::CallsPerDay, 100));
        assert!(quotas[0].place.contains("airlock.toml:"), "{quotas:?}");
    }
}
