//! From the operator's text to settings that hold.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use airlock_model::Digest;
use ipnet::IpNet;
use rustls::ClientConfig;

use super::{credential::Credential, target::BaseUrl};
use crate::{
    ConfigError, HttpConfig, Sources,
    address::{self, AddressPolicy},
    config::amount,
    dial::Origin,
    tls,
};

/// A checked HTTP binding.
#[derive(Debug)]
pub(crate) struct HttpSettings {
    pub(super) base: BaseUrl,
    pub(super) credential: Option<Credential>,
    pub(crate) allow_private: Vec<IpNet>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) request_bytes_max: u64,
    pub(super) response_bytes_max: u64,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) requests_max: usize,
    pub(super) tenant_requests_max: usize,
}

impl HttpSettings {
    /// Where requests go.
    pub(super) fn origin(&self, policy: AddressPolicy) -> Origin {
        let (host, port) = (self.base.host_to_resolve(), self.base.port());
        Origin { host, port, policy, connect_timeout: self.connect_timeout }
    }

    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        self.credential.as_ref().map(Credential::mark)
    }
}

const BODY_BYTES_MAX: u64 = 256 << 20;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
const REQUESTS_MAX: u64 = 10_000;

/// Checks what the operator wrote, and reads the credential and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &HttpConfig, sources: &Sources<'_>) -> Result<HttpSettings, ConfigError> {
    let base = BaseUrl::parse(&config.base_url)?;
    let allow_private = address::parse_nets(&config.allow_private)?;
    if !base.is_secure() && !config.allow_plaintext && !base.is_listed_in(&allow_private) {
        return Err(ConfigError::Plaintext { host: base.host().to_owned() });
    }
    let milliseconds = |key, value, default| amount(key, value, default, TIMEOUT_MS_MAX).map(Duration::from_millis);
    let requests_max = requests("requests_max", config.requests_max, 64)?;
    Ok(HttpSettings {
        base,
        allow_private,
        credential: config.credential.as_ref().map(|written| Credential::resolve(written, sources)).transpose()?,
        tls: Arc::new(tls::client(config.ca_file.as_deref())?),
        request_bytes_max: amount("request_bytes_max", config.request_bytes_max, 1 << 20, BODY_BYTES_MAX)?,
        response_bytes_max: amount("response_bytes_max", config.response_bytes_max, 8 << 20, BODY_BYTES_MAX)?,
        timeout: milliseconds("timeout_ms", config.timeout_ms, 10_000)?,
        connect_timeout: milliseconds("connect_timeout_ms", config.connect_timeout_ms, 3_000)?,
        requests_max,
        tenant_requests_max: requests("tenant_requests_max", config.tenant_requests_max, requests_max / 2)?,
    })
}

/// How many exchanges may be under way at a time: at least one.
fn requests(key: &'static str, value: Option<NonZeroU64>, default: usize) -> Result<usize, ConfigError> {
    let count = amount(key, value, default.max(1) as u64, REQUESTS_MAX)?;
    Ok(usize::try_from(count).unwrap_or(default))
}
