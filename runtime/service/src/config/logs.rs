//! `[logs]`: what becomes of the lines that functions write.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64},
};

use airlock_model::{EnvironmentName, LogLevel};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError};

/// `[logs]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Which lines are kept.
    pub store: LogStore,
    /// Bytes that are kept of one tenant in one environment; the oldest go first.
    #[serde(deserialize_with = "super::amount")]
    pub keep_bytes: NonZeroU64,
    /// Seconds that they are kept for.
    pub keep_s: NonZeroU32,
    /// Lines of one tenant in a second that are kept and followed; what is beyond is counted.
    pub lines_per_s: NonZeroU32,
    /// What is taken out of every line besides the secrets that the server knows: patterns of the `regex` crate.
    pub redact: Vec<String>,
    /// Environments in which other lines are kept.
    pub environments: BTreeMap<EnvironmentName, LogsOfEnvironment>,
}

/// `[logs.environments.<name>]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogsOfEnvironment {
    /// Which lines are kept there.
    pub store: LogStore,
}

/// Which lines are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStore {
    /// None: they can be followed while they are written.
    #[default]
    None,
    /// Those of the levels `warn` and `error`.
    Errors,
    /// All.
    All,
}

impl LogStore {
    /// Whether a line of that level is kept.
    #[must_use]
    pub fn keeps(self, level: LogLevel) -> bool {
        match self {
            Self::None => false,
            Self::Errors => level >= LogLevel::Warn,
            Self::All => true,
        }
    }
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            store: LogStore::None,
            keep_bytes: NonZeroU64::MIN.saturating_add((64 << 20) - 1),
            keep_s: NonZeroU32::MIN.saturating_add(7 * 86_400 - 1),
            lines_per_s: NonZeroU32::MIN.saturating_add(999),
            redact: Vec::new(),
            environments: BTreeMap::new(),
        }
    }
}

impl LogsConfig {
    /// Which lines are kept in an environment.
    #[must_use]
    pub fn store_in(&self, environment: &EnvironmentName) -> LogStore {
        self.environments.get(environment).map_or(self.store, |own| own.store)
    }
}

impl Config {
    pub(super) fn check_logs(&self) -> Result<(), ConfigError> {
        /// Less would not hold the lines of a second.
        const KEEP_BYTES_MIN: u64 = 64 << 10;
        let unknown = self.logs.environments.keys().find(|name| !self.environments.contains_key(*name));
        if let Some(name) = unknown {
            let key = format!("logs.environments.{name}");
            return Err(ConfigError::value(key, format!("there is no `[environments.{name}]`")));
        }
        if self.logs.keep_bytes.get() < KEEP_BYTES_MIN {
            return Err(ConfigError::value("logs.keep_bytes", format!("give at least {KEEP_BYTES_MIN} bytes")));
        }
        Ok(())
    }
}
