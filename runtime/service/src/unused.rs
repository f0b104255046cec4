//! Least privilege: what the configuration grants and nobody has used, by the word of the audit trail.

use std::collections::{BTreeMap, BTreeSet};

use airlock_model::{AuditEvent, AuditKind, Decision, EnvironmentName, Operation, RequestPath, Scope, TenantName};
use serde::Serialize;

use crate::config::{AccessConfig, Config, ConfigError};

/// A grant that was never used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusedGrant {
    /// Dotted key of the list that it stands in: `identity.access[0].use`, `resources.orders-db.prod.operations`.
    pub key: String,
    /// Where that list is written: file and line.
    pub place: String,
    /// As it stands there: what to take out of the list.
    pub value: String,
    /// Whom it was given to, for entries of `[[identity.access]]`: `group payments`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// What was done to a resource, by whom and where: one for all that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    environment: String,
    resource: String,
    operation: String,
    /// The path of an HTTP request; empty for everything else.
    path: String,
    who: Who,
}

/// Whose token it was, of which tenant, and who acted.
type Who = (TenantName, String, Option<String>);

/// Uses that are told apart by their path. Beyond them a path counts for every pattern: a grant in use is never called unused.
const PATHS_MAX: usize = 50_000;

/// What the trail has to say about grants, gathered record by record.
#[derive(Debug, Default)]
pub struct GrantUses {
    uses: BTreeSet<Use>,
    /// What people and services have been given tokens by.
    members: BTreeMap<Who, BTreeSet<String>>,
    /// Host calls that were looked at, by tenant and environment.
    seen: BTreeMap<(TenantName, String), u64>,
}

/// Whose grants are judged.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Everybody,
    Of(&'a TenantName, &'a EnvironmentName),
}

impl Whose<'_> {
    /// Whether an entry gives something to people of the tenant, in the environment.
    fn has(self, config: &Config, entry: &AccessConfig) -> bool {
        let Self::Of(tenant, environment) = self else { return true };
        let says = |iss: &str| entry.provider.as_deref().is_none_or(|provider| provider == iss);
        entry.environments.contains(environment)
            && config.identity.provider.iter().any(|provider| says(&provider.iss) && provider.tenant == *tenant)
    }

    fn includes(self, tenant: &TenantName) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(ours, _) => ours == tenant,
        }
    }

    fn is_in(self, environment: &EnvironmentName) -> bool {
        match self {
            Self::Everybody => true,
            Self::Of(_, ours) => ours == environment,
        }
    }
}

impl GrantUses {
    /// Takes one record in. Anything but permitted host calls and exchanges is passed over.
    pub fn add(&mut self, event: &AuditEvent) {
        let Some(principal) = &event.principal else { return };
        let who = (principal.tenant.clone(), principal.subject.clone(), principal.actor.clone());
        match event.kind {
            AuditKind::TokenExchanged => {
                self.members.entry(who).or_default().extend(event.granted_to.iter().cloned());
            }
            AuditKind::HostCallOutcome if event.decision == Some(Decision::Permit) => self.add_use(event, who),
            _ => {}
        }
    }

    fn add_use(&mut self, event: &AuditEvent, who: Who) {
        let (Some(environment), Some(resource), Some(operation)) =
            (&event.environment, &event.resource, &event.operation)
        else {
            return;
        };
        let seen = self.seen.entry((who.0.clone(), environment.to_string())).or_default();
        *seen = seen.saturating_add(1);
        let is_http = operation.chars().all(|c| c.is_ascii_uppercase()) && self.uses.len() < PATHS_MAX;
        let path = if is_http { event.target.as_deref().unwrap_or_default() } else { "" };
        self.uses.insert(Use {
            environment: environment.to_string(),
            resource: resource.clone(),
            operation: operation.clone(),
            path: path.split(['?', '#']).next().unwrap_or_default().to_owned(),
            who,
        });
    }

    /// Host calls that were looked at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen.values().sum()
    }

    /// Those of one tenant in one environment.
    #[must_use]
    pub fn seen_in(&self, tenant: &TenantName, environment: &EnvironmentName) -> u64 {
        self.seen.get(&(tenant.clone(), environment.to_string())).copied().unwrap_or_default()
    }

    /// What `config` grants and none of them used: `use` of each entry of `[[identity.access]]` by those who had tokens by it,
    /// and `operations` of each binding by anybody.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn unused(&self, config: &Config) -> Result<Vec<UnusedGrant>, ConfigError> {
        self.unused_of(config, Whose::Everybody)
    }

    /// The same of what one tenant's people are given in one environment, and of the bindings there, which count as used whoever
    /// used them.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn unused_by(
        &self,
        config: &Config,
        tenant: &TenantName,
        environment: &EnvironmentName,
    ) -> Result<Vec<UnusedGrant>, ConfigError> {
        self.unused_of(config, Whose::Of(tenant, environment))
    }

    fn unused_of(&self, config: &Config, whose: Whose<'_>) -> Result<Vec<UnusedGrant>, ConfigError> {
        let mut unused = self.unused_access(config, whose)?;
        unused.extend(self.unused_operations(config, whose));
        Ok(unused)
    }

    fn unused_access(&self, config: &Config, whose: Whose<'_>) -> Result<Vec<UnusedGrant>, ConfigError> {
        let mut unused = Vec::new();
        for (index, (entry, rule)) in config.identity.access.iter().zip(config.access_rules()?).enumerate() {
            if !whose.has(config, entry) {
                continue;
            }
            let member = rule.member.to_string();
            let environments: Vec<_> = entry.environments.iter().map(ToString::to_string).collect();
            let had_it = |one: &Use| {
                environments.contains(&one.environment)
                    && whose.includes(&one.who.0)
                    && self.members.get(&one.who).is_some_and(|members| members.contains(&member))
            };
            for scope in &entry.r#use {
                let Scope::Resource(grant) = scope else { continue };
                let is_it = |one: &&Use| {
                    had_it(one) && one.resource == grant.resource.as_str() && is_covered(one, &grant.operation)
                };
                if !self.uses.iter().any(|one| is_it(&one)) {
                    let key = format!("identity.access[{index}].use");
                    let (place, value) = (config.place_of(&key), scope.to_string());
                    unused.push(UnusedGrant { key, place, value, member: Some(member.clone()) });
                }
            }
        }
        Ok(unused)
    }

    fn unused_operations(&self, config: &Config, whose: Whose<'_>) -> Vec<UnusedGrant> {
        let mut unused = Vec::new();
        for (name, resource) in &config.resources {
            for (environment, binding) in resource.bindings().filter(|(environment, _)| whose.is_in(environment)) {
                for operation in binding.operations() {
                    let is_it = |one: &Use| {
                        one.environment == environment.as_str()
                            && one.resource == name.as_str()
                            && is_covered(one, operation)
                    };
                    if !self.uses.iter().any(is_it) {
                        let key = format!("resources.{name}.{environment}.operations");
                        let (place, value) = (config.place_of(&key), operation.to_string());
                        unused.push(UnusedGrant { key, place, value, member: None });
                    }
                }
            }
        }
        unused
    }
}

/// Whether what was done needed this operation. A path that cannot be read counts for every pattern: a grant in use is never
/// called unused.
fn is_covered(one: &Use, operation: &Operation) -> bool {
    match operation {
        Operation::Read => matches!(one.operation.as_str(), "read" | "get" | "list" | "head" | "signed-url"),
        Operation::Write => {
            matches!(one.operation.as_str(), "write" | "set" | "delete" | "increment" | "compare-and-set" | "put")
        }
        Operation::Ddl => one.operation == "ddl",
        Operation::Query => one.operation == "query",
        Operation::Mutation => one.operation == "mutation",
        Operation::Complete => one.operation.starts_with("complete"),
        Operation::Http(method, pattern) => {
            one.operation == method.as_str()
                && one.path.parse::<RequestPath>().map_or(true, |path| pattern.matches(&path))
        }
        Operation::Edit => true,
    }
}

#[cfg(test)]
mod tests;
