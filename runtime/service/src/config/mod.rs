//! The operator's configuration: `airlock.toml`, overlaid by `AIRLOCK__SECTION__KEY`, unknown keys refused.
//!
//! The only module that reads the environment of the process.

mod admission;
mod audit;
mod deploy;
mod development;
mod error;
mod exports;
mod identity;
mod listing;
mod logs;
mod names;
mod origin;
mod overlay;
mod packages;
mod resource;
mod signers;
mod telemetry;
mod tenant;
mod tokens;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_model::{ApprovalPolicy, EnvironmentName, LimitCaps, Limits, ResourceName, TenantName};
use airlock_resources::ServerTlsConfig;
use airlock_sandbox::EngineOptions;
use serde::{Deserialize, Serialize};

use origin::Origins;

pub use crate::isolation::IsolationLevel;
pub use admission::AdmissionSection;
pub(crate) use audit::AuditPolicy;
pub use audit::{AuditConfig, CheckpointConfig, EnvironmentAudit, WebhookConfig};
pub use deploy::DeployConfig;
pub(crate) use development::refuse_reserved_keys;
pub use development::{DEVELOPMENT_PREFIX, Development, DevelopmentError};
pub use error::ConfigError;
pub use exports::{ExportCollector, ExportConfig, ExportFile, ExportFilter, ExportFormat, ExportTarget};
pub use identity::{
    AccessConfig, ClaimPath, IdentityConfig, PrivateKeySource, ProviderConfig, RoleConfig, built_in_role,
};
pub(crate) use listing::SECRET;
pub use listing::Setting;
pub use logs::{LogStore, LogsConfig, LogsOfEnvironment};
pub use names::HostName;
pub use origin::Origin;
pub use overlay::process_environment;
pub use packages::PackagesConfig;
pub use resource::ResourceConfig;
pub use signers::{PublicKeySource, SignerConfig};
pub use telemetry::{MetricsConfig, OtlpConfig, TelemetryConfig};
pub use tenant::TenantConfig;
pub use tokens::{IssuerConfig, JwksSource, KeySource, PublishedSource, TokenConfig};

/// The whole configuration, checked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Listeners.
    #[serde(default)]
    pub server: ServerConfig,
    /// Durable state.
    pub state: StateConfig,
    /// Who is told what is counted and traced.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
    /// How the audit trail is signed, and what it keeps.
    #[serde(default)]
    pub audit: AuditConfig,
    /// The second wall.
    #[serde(default)]
    pub isolation: IsolationConfig,
    /// The instance pool.
    #[serde(default)]
    pub sandbox: SandboxConfig,
    /// How many calls run and wait.
    #[serde(default)]
    pub admission: AdmissionSection,
    /// What an upload may be, and what compiling it may take.
    #[serde(default)]
    pub deploy: DeployConfig,
    /// Who may mint tokens.
    #[serde(default)]
    pub tokens: TokenConfig,
    /// Whose word about people counts, and what they get.
    #[serde(default)]
    pub identity: IdentityConfig,
    /// Limits of the operator and of tenants.
    #[serde(default)]
    pub limits: LimitConfig,
    /// Connections to the outside.
    #[serde(default)]
    pub egress: EgressConfig,
    /// Environments by name.
    pub environments: BTreeMap<EnvironmentName, EnvironmentConfig>,
    /// Whose signatures over components count, by name.
    #[serde(default)]
    pub signers: BTreeMap<String, SignerConfig>,
    /// What becomes of the lines that functions write.
    #[serde(default)]
    pub logs: LogsConfig,
    /// Resources by name.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceConfig>,
    /// Where each value stands.
    #[serde(skip)]
    pub(crate) origins: Arc<Origins>,
    /// The issuer of a desk: by `airlock serve --dev`, never by what is written.
    #[serde(skip)]
    pub(crate) development: Option<Arc<Development>>,
}

/// `[egress]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressConfig {
    /// The DNS server that is asked for the addresses of backends, `10.0.0.2:53`; the system's resolver when missing.
    pub resolver: Option<SocketAddr>,
}

/// `[server]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where callers invoke.
    pub data: SocketAddr,
    /// Where builders deploy and auditors read.
    pub control: SocketAddr,
    /// What clients call the listeners, `airlock.example` or `airlock.example:7070`: proofs are good for these alone. When
    /// missing, the names of the certificate, and the address that a connection came to.
    pub names: Option<Vec<HostName>>,
    /// Threads that serve; one per core when missing.
    pub workers: Option<NonZeroUsize>,
    /// Calls in flight in the whole process, running and waiting, before load is shed without looking at it; see
    /// [`Config::in_flight_max`].
    pub in_flight_max: Option<NonZeroUsize>,
    /// How long a stopping server waits for calls in flight, in milliseconds.
    pub drain_ms: u64,
    /// TLS of both listeners; in clear text when missing.
    pub tls: Option<ServerTlsConfig>,
    /// TLS of the control listener where it is another than `tls`.
    pub control_tls: Option<ServerTlsConfig>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            data: SocketAddr::from(([127, 0, 0, 1], 7070)),
            control: SocketAddr::from(([127, 0, 0, 1], 7071)),
            names: None,
            workers: None,
            in_flight_max: None,
            drain_ms: 10_000,
            tls: None,
            control_tls: None,
        }
    }
}

/// `[state]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// Directory of the embedded store; relative to the configuration file.
    pub dir: PathBuf,
    /// Whether a commit waits for the disk. `false` loses acknowledged audit records in a power cut: benchmarks only.
    #[serde(default = "yes")]
    pub sync: bool,
}

fn yes() -> bool {
    true
}

/// `[isolation]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IsolationConfig {
    /// The level below which the server refuses to start.
    #[serde(default)]
    pub level: IsolationLevel,
}

/// `[sandbox]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SandboxConfig {
    /// Invocations that can run at once.
    pub instances_max: NonZeroU32,
    /// Largest memory any guest may have, whatever its limits say.
    #[serde(deserialize_with = "amount")]
    pub memory_bytes_max: NonZeroU64,
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            instances_max: NonZeroU32::MIN.saturating_add(511),
            memory_bytes_max: NonZeroU64::MIN.saturating_add((1 << 30) - 1),
        }
    }
}

impl SandboxConfig {
    /// What the engine is told.
    #[must_use]
    pub fn engine_options(&self) -> EngineOptions {
        EngineOptions {
            instances_max: self.instances_max.get(),
            memory_bytes_max: self.memory_bytes_max.get(),
            ..EngineOptions::default()
        }
    }
}

fn amount<'de, D: serde::Deserializer<'de>>(source: D) -> Result<NonZeroU64, D::Error> {
    airlock_model::quantity::deserialize(source)?.ok_or_else(|| serde::de::Error::custom("an amount is required"))
}

/// `[limits]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The operator's own values: the one place that can raise a built-in limit.
    pub default: LimitCaps,
    /// Per tenant: limits, only tighter, and quotas.
    pub tenant: BTreeMap<TenantName, TenantConfig>,
}

impl LimitConfig {
    /// The operator's limits.
    #[must_use]
    pub fn operator(&self) -> Limits {
        Limits::BUILT_IN.replaced_by(&self.default)
    }
}

/// `[environments.<name>]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentConfig {
    /// What happens to SQL that writes.
    pub writes: WritePolicy,
    /// Whether functions say only what stands in the statement manifest of their revision.
    pub strict: bool,
    /// How revisions arrive.
    pub deploys: DeployPolicy,
    /// Environments whose revisions may be promoted into this one.
    pub promote_from: Vec<EnvironmentName>,
    /// Whose signature a component needs, one of these; empty: it needs none.
    pub signed_by: Vec<String>,
    /// Whether a token is good for the effects of one call only.
    pub single_use_tokens: bool,
    /// What functions may bring along; without it packages are not looked at.
    pub packages: Option<PackagesConfig>,
    /// Who may approve what, and for how long.
    pub approvals: ApprovalPolicy,
    /// What the trail keeps of parameters and statements, where it is not what `[audit]` says.
    pub audit: EnvironmentAudit,
    /// Limits of this environment, only tighter.
    pub limits: LimitCaps,
    /// Whether credentials may stand in the configuration itself.
    pub development: bool,
}

/// How revisions arrive in an environment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeployPolicy {
    /// By upload, and by promotion where `promote_from` names an environment.
    #[default]
    Open,
    /// By promotion only.
    Promotion,
}

/// What an environment does with a statement that writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WritePolicy {
    /// Never.
    #[default]
    Deny,
    /// After a person has approved the statement; what changes a whole table or the schema as under `approve-each`.
    ApproveStatement,
    /// After a person has approved the execution.
    ApproveEach,
    /// Whenever the grants allow it.
    Allow,
}

impl WritePolicy {
    /// As it is written.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::ApproveStatement => "approve-statement",
            Self::ApproveEach => "approve-each",
            Self::Allow => "allow",
        }
    }
}

impl Config {
    /// Reads `airlock.toml` and the overlay from the environment of the process.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place and remedy. Nothing is half applied.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::load_as(path, None)
    }

    /// The same for a development server, whose issuer counts beside those that are written.
    ///
    /// # Errors
    /// As [`Config::load`], and when the configuration is none for a desk.
    pub fn load_for_desk(path: &Path, development: Arc<Development>) -> Result<Self, ConfigError> {
        Self::load_as(path, Some(development))
    }

    /// The file again, for the server that it is the configuration of.
    pub(crate) fn load_as(path: &Path, development: Option<Arc<Development>>) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        let path = std::path::absolute(path).map_err(read)?;
        let text = std::fs::read_to_string(&path).map_err(read)?;
        let base = path.parent().unwrap_or(Path::new("."));
        let mut config =
            Self::parse_as(&text, &path.display().to_string(), &overlay::from_process(), (base, development))?;
        if let Some(origins) = Arc::get_mut(&mut config.origins) {
            origins.path = Some(path);
        }
        Ok(config)
    }

    /// Reads a configuration from text. Relative paths are taken from `base`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, origin: &str, overlay: &[(String, String)], base: &Path) -> Result<Self, ConfigError> {
        Self::parse_as(text, origin, overlay, (base, None))
    }

    fn parse_as(
        text: &str,
        origin: &str,
        overlay: &[(String, String)],
        (base, development): (&Path, Option<Arc<Development>>),
    ) -> Result<Self, ConfigError> {
        let mut table: toml::Table = toml::from_str(text).map_err(|why| ConfigError::syntax(origin, text, &why))?;
        // Straight from the text, so that errors know their line.
        let alone = toml::from_str::<Self>(text);
        let mut config = if overlay.is_empty() {
            alone.map_err(|why| ConfigError::syntax(origin, text, &why))?
        } else {
            overlay::apply(&mut table, overlay)?;
            toml::Value::Table(table.clone()).try_into().map_err(|why: toml::de::Error| match alone {
                Err(in_file) if in_file.message() == why.message() => ConfigError::syntax(origin, text, &in_file),
                // The file alone may be right: then it is the variables that are not.
                _ => ConfigError::overlay(origin, overlay, &why),
            })?
        };
        config.origins = Arc::new(Origins::new(text, origin, overlay, &table));
        config.development = development;
        config.resolve_paths(base);
        config.check().map_err(|why| config.origins.locate(why))?;
        Ok(config)
    }

    /// The file it was read from.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.origins.path.as_deref()
    }

    /// Where a key was written, for texts: file and line, variable, or `built-in default`.
    #[must_use]
    pub fn place_of(&self, key: &str) -> String {
        self.origins.of(key).to_string()
    }

    fn resolve_paths(&mut self, base: &Path) {
        self.state.dir = base.join(&self.state.dir);
        let listeners = [&mut self.server.tls, &mut self.server.control_tls];
        listeners.into_iter().flatten().for_each(|tls| tls.resolve_paths(base));
        for issuer in &mut self.tokens.issuer {
            issuer.jwks.resolve_paths(base);
        }
        self.audit.resolve_paths(base);
        self.telemetry.resolve_paths(base);
        self.identity.resolve_paths(base);
        for signer in self.signers.values_mut() {
            signer.public_key.file = base.join(&signer.public_key.file);
        }
        for packages in self.environments.values_mut().filter_map(|environment| environment.packages.as_mut()) {
            packages.resolve_paths(base);
        }
        for (name, resource) in &mut self.resources {
            resource.resolve_paths(base);
            resource.keep_in(&self.state.dir, name);
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.environments.is_empty() {
            return Err(ConfigError::value(
                "environments",
                "at least one is needed, for instance `[environments.dev]`",
            ));
        }
        for (name, resource) in &self.resources {
            for environment in resource.environments() {
                if !self.environments.contains_key(environment) {
                    let key = format!("resources.{name}.{environment}");
                    return Err(ConfigError::value(key, format!("there is no `[environments.{environment}]`")));
                }
            }
        }
        self.check_tokens()?;
        self.check_development()?;
        self.check_promotions()?;
        self.check_packages()?;
        self.check_signers()?;
        self.check_approvals()?;
        self.check_identity()?;
        self.check_audit()?;
        self.check_logs()?;
        self.check_telemetry()?;
        let ServerConfig { data, control, .. } = &self.server;
        if data == control && data.port() != 0 {
            let message = format!("{control} is the data listener's address: the two planes need one each");
            return Err(ConfigError::value("server.control", message));
        }
        self.deploy.check()?;
        let memory = self.limits.operator().memory_bytes;
        if memory > self.sandbox.memory_bytes_max {
            let message =
                format!("{memory} is more than `[sandbox] memory_bytes_max` ({})", self.sandbox.memory_bytes_max);
            return Err(ConfigError::value("limits.default.memory_bytes", message));
        }
        self.check_admission()
    }

    fn check_approvals(&self) -> Result<(), ConfigError> {
        const LONGEST_S: u64 = 90 * 86_400;
        const SAMPLE_ROWS_MAX: u32 = 100;
        for (name, environment) in &self.environments {
            let ApprovalPolicy { expires_after_s, repeats_max, repeat_for_s, sample_rows, .. } = environment.approvals;
            let refuse =
                |key: &str, rule: String| Err(ConfigError::value(format!("environments.{name}.approvals.{key}"), rule));
            if !(1..=LONGEST_S).contains(&expires_after_s) {
                return refuse("expires_after_s", format!("give 1 to {LONGEST_S} seconds"));
            }
            if repeats_max == 0 {
                return refuse("repeats_max", "an approval is for one execution at least".to_owned());
            }
            if repeat_for_s > expires_after_s {
                return refuse("repeat_for_s", format!("give at most `expires_after_s` ({expires_after_s})"));
            }
            if sample_rows > SAMPLE_ROWS_MAX {
                return refuse("sample_rows", format!("give at most {SAMPLE_ROWS_MAX}"));
            }
        }
        Ok(())
    }

    fn check_promotions(&self) -> Result<(), ConfigError> {
        for (name, environment) in &self.environments {
            let key = || format!("environments.{name}.promote_from");
            for from in &environment.promote_from {
                if from == name || !self.environments.contains_key(from) {
                    return Err(ConfigError::value(key(), format!("there is no other `[environments.{from}]`")));
                }
            }
            if environment.deploys == DeployPolicy::Promotion && environment.promote_from.is_empty() {
                let message = "`deploys = \"promotion\"` needs `promote_from`: nothing could ever arrive".to_owned();
                return Err(ConfigError::value(key(), message));
            }
        }
        Ok(())
    }

    fn check_packages(&self) -> Result<(), ConfigError> {
        for (name, environment) in &self.environments {
            if let Some(packages) = &environment.packages {
                let section = format!("environments.{name}.packages");
                packages.approved(&section)?;
                packages.sources(&section)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
