//! `[audit]`: how the trail is signed, and where that is said.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use airlock_model::{StatementPolicy, ValuePolicy};
use airlock_resources::{DocumentConfig, Needs};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, ExportConfig, PrivateKeySource, exports};

const EVERY_S_MAX: u64 = 86_400;
const KEEP_DAYS: RangeInclusive<u32> = 2..=36_500;

/// `[audit]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// What checkpoints are signed with: a file of `airlock keys new`; one in the state directory, made at the first start,
    /// when missing.
    pub key: Option<PrivateKeySource>,
    /// Days that records are kept: 2 to 36,500; for ever when missing. Then they are removed, hour by hour, and the trail says so.
    pub keep_days: Option<u32>,
    /// When checkpoints are made, and where they go.
    pub checkpoints: CheckpointConfig,
    /// What is kept of the parameters of host calls: `hash`, `redacted` or `plain`.
    pub parameters: ValuePolicy,
    /// Where texts of statements are: `text`, `erasable` or `fingerprint`.
    pub statements: StatementPolicy,
    /// Who else is given the trail.
    pub export: Vec<ExportConfig>,
}

/// `[environments.<name>.audit]`: where one environment differs.
#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EnvironmentAudit {
    /// As `[audit] parameters`.
    pub parameters: Option<ValuePolicy>,
    /// As `[audit] statements`.
    pub statements: Option<StatementPolicy>,
}

/// What the trail keeps of one environment's host calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditPolicy {
    pub(crate) parameters: ValuePolicy,
    pub(crate) statements: StatementPolicy,
}

impl AuditPolicy {
    /// For what has no environment any more.
    pub(crate) const LEAST: Self = Self { parameters: ValuePolicy::Hash, statements: StatementPolicy::Fingerprint };
}

/// `[audit.checkpoints]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckpointConfig {
    /// Seconds from one to the next, also when nothing happens: 1 to 86,400.
    pub every_s: u64,
    /// Whether each is printed as a line of JSON.
    pub stdout: bool,
    /// A file that each is appended to as a line of JSON; relative to the configuration file. Best on another machine's disk.
    pub file: Option<PathBuf>,
    /// Where each is posted to as JSON.
    pub webhook: Option<WebhookConfig>,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self { every_s: 60, stdout: false, file: None, webhook: None }
    }
}

/// `webhook = { url = ".." }`: asked through the guarded client, as key sets are.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookConfig {
    /// `https://audit.example.com/checkpoints`.
    pub url: String,
    /// Address ranges that are allowed although they are not global.
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    pub allow_plaintext: bool,
    /// PEM certificates to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

impl WebhookConfig {
    /// In the words of the client.
    #[must_use]
    pub fn document(&self) -> DocumentConfig {
        DocumentConfig {
            url: self.url.clone(),
            allow_private: self.allow_private.clone(),
            allow_plaintext: self.allow_plaintext,
            ca_file: self.ca_file.clone(),
        }
    }
}

impl CheckpointConfig {
    /// The time from one to the next.
    #[must_use]
    pub fn every(&self) -> Duration {
        Duration::from_secs(self.every_s)
    }
}

impl AuditConfig {
    /// How long records are kept.
    #[must_use]
    pub fn keep(&self) -> Option<Duration> {
        self.keep_days.map(|days| Duration::from_secs(u64::from(days) * 86_400))
    }

    /// What holds in an environment.
    pub(crate) fn policy(&self, environment: &EnvironmentAudit) -> AuditPolicy {
        AuditPolicy {
            parameters: environment.parameters.unwrap_or(self.parameters),
            statements: environment.statements.unwrap_or(self.statements),
        }
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        let key = self.key.iter_mut().map(|key| &mut key.file);
        let certificates = self.checkpoints.webhook.iter_mut().filter_map(|webhook| webhook.ca_file.as_mut());
        for path in key.chain(certificates).chain(self.checkpoints.file.as_mut()) {
            *path = base.join(&*path);
        }
        self.export.iter_mut().for_each(|export| export.resolve_paths(base));
    }

    /// What sending checkpoints and records needs of the second wall.
    pub fn needs(&self) -> impl Iterator<Item = Needs> {
        let mut needs = self.checkpoints.webhook.as_ref().map(|webhook| webhook.document().needs()).unwrap_or_default();
        needs.directory = self.checkpoints.file.as_ref().and_then(|file| file.parent()).map(Path::to_owned);
        std::iter::once(needs).chain(self.export.iter().map(ExportConfig::needs))
    }
}

impl Config {
    /// What a filter leaves out does not come later, so a name that is nothing must not be found out too late.
    fn check_export_environments(&self) -> Result<(), ConfigError> {
        for (index, export) in self.audit.export.iter().enumerate() {
            if let Some(name) = export.environments.iter().find(|name| !self.environments.contains_key(*name)) {
                let key = format!("audit.export[{index}].environments");
                return Err(ConfigError::value(key, format!("there is no `[environments.{name}]`")));
            }
        }
        Ok(())
    }

    pub(super) fn check_audit(&self) -> Result<(), ConfigError> {
        if self.audit.keep_days.is_some_and(|days| !KEEP_DAYS.contains(&days)) {
            let message =
                "give 2 to 36500 days, or nothing to keep records for ever: budgets of a day are counted from them";
            return Err(ConfigError::value("audit.keep_days", message));
        }
        exports::check(&self.audit.export)?;
        self.check_export_environments()?;
        if (1..=EVERY_S_MAX).contains(&self.audit.checkpoints.every_s) {
            return Ok(());
        }
        let message = format!("give 1 to {EVERY_S_MAX} seconds: what was not signed yet can be cut off unseen");
        Err(ConfigError::value("audit.checkpoints.every_s", message))
    }
}
