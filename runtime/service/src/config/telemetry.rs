//! `[telemetry]`: who is told what is counted and traced. Nobody, unless it is written.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use airlock_resources::{CredentialRef, DocumentConfig, Needs};
use serde::{Deserialize, Serialize, Serializer};

use super::{Config, ConfigError, listing::SECRET};

const INTERVAL_S_MAX: u64 = 3_600;

/// `[telemetry]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// Where Prometheus reads.
    pub metrics: Option<MetricsConfig>,
    /// Where an OTLP collector is told.
    pub otlp: Option<OtlpConfig>,
}

/// `metrics = { listen = "127.0.0.1:9464" }`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// Clear text, without a token: an address that only those reach who may know the names of functions and tenants.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9464))
}

/// `otlp = { url = ".." }`: OTLP over HTTP with protobuf bodies, through the guarded client.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpConfig {
    /// `https://collector.example:4318`; `/v1/traces` and `/v1/metrics` are put behind it.
    pub url: String,
    /// Address ranges that are allowed although they are not global.
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    pub allow_plaintext: bool,
    /// PEM certificates to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Sent with every request: `{ authorization = { file = "/run/secrets/otlp" } }`.
    #[serde(serialize_with = "only_names")]
    pub headers: BTreeMap<String, CredentialRef>,
    /// Whether spans are sent.
    pub traces: bool,
    /// Whether numbers are sent.
    pub metrics: bool,
    /// The share of calls that are traced where their caller has not decided it, 0 to 1.
    pub sample: f64,
    /// Whether spans have the text of statements: without values, which are parameters, but as functions wrote it.
    pub statements: bool,
    /// Seconds from one export of numbers to the next: 1 to 3,600.
    pub interval_s: u64,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            allow_private: Vec::new(),
            allow_plaintext: false,
            ca_file: None,
            headers: BTreeMap::new(),
            traces: true,
            metrics: true,
            sample: 1.0,
            statements: false,
            interval_s: 15,
        }
    }
}

fn only_names<S: Serializer>(headers: &BTreeMap<String, CredentialRef>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.keys().map(|name| (name, SECRET)))
}

impl OtlpConfig {
    /// Where one signal goes, in the words of the client.
    #[must_use]
    pub fn document(&self, path: &str) -> DocumentConfig {
        DocumentConfig {
            url: format!("{}{path}", self.url.trim_end_matches('/')),
            allow_private: self.allow_private.clone(),
            allow_plaintext: self.allow_plaintext,
            ca_file: self.ca_file.clone(),
        }
    }

    /// The time from one export of numbers to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_s)
    }
}

impl TelemetryConfig {
    /// Where Prometheus reads, if it does.
    #[must_use]
    pub fn metrics_listener(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|metrics| metrics.listen)
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        let Some(otlp) = &mut self.otlp else { return };
        otlp.ca_file = otlp.ca_file.take().map(|file| base.join(file));
        otlp.headers.values_mut().for_each(|header| header.resolve_path(base));
    }

    /// What it needs of the second wall. The listener is bound before that stands.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let Some(otlp) = &self.otlp else { return Needs::default() };
        let mut needs = otlp.document("").needs();
        // Read once, at the start, and again by whoever checks a configuration.
        needs.files.extend(otlp.headers.values().filter_map(CredentialRef::file).map(Path::to_owned));
        needs
    }
}

impl Config {
    pub(super) fn check_telemetry(&self) -> Result<(), ConfigError> {
        let refuse = |key: &str, rule: String| Err(ConfigError::value(format!("telemetry.otlp.{key}"), rule));
        let Some(otlp) = &self.telemetry.otlp else { return Ok(()) };
        if !(0.0..=1.0).contains(&otlp.sample) {
            return refuse("sample", "give a share of calls, 0 to 1".to_owned());
        }
        if !(1..=INTERVAL_S_MAX).contains(&otlp.interval_s) {
            return refuse("interval_s", format!("give 1 to {INTERVAL_S_MAX} seconds"));
        }
        if otlp.url.contains('?') {
            return refuse("url", "has a query, and the paths of the signals are put behind it".to_owned());
        }
        Ok(())
    }
}
