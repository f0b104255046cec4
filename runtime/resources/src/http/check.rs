//! From the operator's text to settings that hold.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use ::http::{Response, header};
use airlock_model::{Digest, HostError, OriginPattern};
use hyper::body::{Body as _, Incoming};
use ipnet::IpNet;
use rustls::ClientConfig;

use super::{credential::Credential, target::BaseUrl, types::ContentTypes};
use crate::{
    AuditPath, ConfigError, HttpConfig, Sources,
    address::{self, AddressPolicy},
    config::amount,
    dial::Origin,
    tls::{self, Identity},
};

/// A checked HTTP binding.
#[derive(Debug)]
pub(crate) struct HttpSettings {
    pub(super) base: BaseUrl,
    /// Origins besides that of `base`.
    pub(super) origins: Vec<OriginPattern>,
    pub(super) credential: Option<Credential>,
    pub(crate) allow_private: Vec<IpNet>,
    pub(super) tls: Arc<ClientConfig>,
    /// As `tls`, without a certificate of our own.
    pub(super) tls_elsewhere: Arc<ClientConfig>,
    identity: Option<Digest>,
    pub(super) request_types: ContentTypes,
    pub(super) response_types: ContentTypes,
    pub(super) request_bytes_max: u64,
    pub(super) response_bytes_max: u64,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) requests_max: usize,
    pub(super) tenant_requests_max: usize,
    pub(super) redirects_max: u8,
    pub(super) retries_max: u8,
    pub(super) trace: bool,
    pub(crate) audit_path: AuditPath,
    pub(crate) soql: Vec<airlock_model::PathPattern>,
}

impl HttpSettings {
    /// Where requests go.
    pub(super) fn origin(&self, policy: AddressPolicy) -> Origin {
        self.dialled(&self.base, policy)
    }

    /// Where tokens are fetched, if there are any.
    pub(super) fn token_origin(&self, policy: AddressPolicy) -> Option<Origin> {
        let oauth = self.credential.as_ref().and_then(Credential::oauth)?;
        Some(self.dialled(&oauth.endpoint, policy))
    }

    fn dialled(&self, url: &BaseUrl, policy: AddressPolicy) -> Origin {
        let (host, port) = (url.host_to_resolve(), url.port());
        Origin { host, port, policy, connect_timeout: self.connect_timeout }
    }

    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        let shown = self.credential.as_ref().map(Credential::mark);
        match (shown, &self.identity) {
            (Some(one), Some(other)) => Some(Digest::of_parts(&[one.as_bytes(), other.as_bytes()])),
            (one, other) => one.or(*other),
        }
    }

    /// # Errors
    /// `BadRequest` when a body is too large.
    pub(super) fn check_request_size(&self, bytes: u64) -> Result<(), HostError> {
        if bytes <= self.request_bytes_max {
            return Ok(());
        }
        let text = format!("the body has {bytes} bytes, the binding allows {}", self.request_bytes_max);
        Err(HostError::BadRequest(text))
    }

    /// # Errors
    /// `Backend` when the body is of a type that the binding does not let in.
    pub(super) fn check_response(&self, response: &Response<Incoming>) -> Result<(), HostError> {
        if response.body().is_end_stream() {
            return Ok(());
        }
        self.response_types.check_response(response.headers().get(header::CONTENT_TYPE))
    }
}

const BODY_BYTES_MAX: u64 = 256 << 20;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
const REQUESTS_DEFAULT: usize = 256;
const REQUESTS_MAX: u64 = 10_000;
const REDIRECTS_MAX: u8 = 10;
const RETRIES_DEFAULT: u8 = 2;
const RETRIES_MAX: u8 = 5;

/// Checks what the operator wrote, and reads the credential and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &HttpConfig, sources: &Sources<'_>) -> Result<HttpSettings, ConfigError> {
    let base = BaseUrl::parse(&config.base_url)?;
    let allow_private = address::parse_nets(&config.allow_private)?;
    let credential = config.credential.as_ref().map(|written| Credential::resolve(written, sources)).transpose()?;
    let endpoint = credential.as_ref().and_then(Credential::oauth).map(|oauth| &oauth.endpoint);
    for url in [Some(&base), endpoint].into_iter().flatten() {
        if !url.is_secure() && !config.allow_plaintext && !url.is_listed_in(&allow_private) {
            return Err(ConfigError::Plaintext { host: url.host().to_owned() });
        }
    }
    let milliseconds = |key, value, default| amount(key, value, default, TIMEOUT_MS_MAX).map(Duration::from_millis);
    let requests_max = requests("requests_max", config.requests_max, REQUESTS_DEFAULT)?;
    let tls_elsewhere = Arc::new(tls::client(config.ca_file.as_deref())?);
    let (tls, identity) = identified(config, sources, &tls_elsewhere)?;
    Ok(HttpSettings {
        base,
        origins: origins(config, &allow_private)?,
        allow_private,
        credential,
        tls,
        tls_elsewhere,
        identity,
        request_types: ContentTypes::parse("request_types", &config.request_types)?,
        response_types: ContentTypes::parse("response_types", &config.response_types)?,
        request_bytes_max: amount("request_bytes_max", config.request_bytes_max, 1 << 20, BODY_BYTES_MAX)?,
        response_bytes_max: amount("response_bytes_max", config.response_bytes_max, 8 << 20, BODY_BYTES_MAX)?,
        timeout: milliseconds("timeout_ms", config.timeout_ms, 10_000)?,
        connect_timeout: milliseconds("connect_timeout_ms", config.connect_timeout_ms, 3_000)?,
        idle_timeout: milliseconds("idle_timeout_ms", config.idle_timeout_ms, 30_000)?,
        requests_max,
        tenant_requests_max: requests("tenant_requests_max", config.tenant_requests_max, requests_max / 2)?,
        redirects_max: at_most("redirects_max", config.redirects_max, REDIRECTS_MAX)?,
        retries_max: at_most("retries_max", config.retries_max.unwrap_or(RETRIES_DEFAULT), RETRIES_MAX)?,
        trace: config.trace,
        audit_path: config.audit_path,
        soql: config.soql.clone(),
    })
}

/// What may be named besides `base_url`: in clear text only where the operator allowed that.
fn origins(config: &HttpConfig, allow_private: &[IpNet]) -> Result<Vec<OriginPattern>, ConfigError> {
    let parse = |text: &String| {
        let pattern: OriginPattern = text.parse().map_err(|why| ConfigError::Origin { text: text.clone(), why })?;
        let is_listed = || {
            let url = pattern.exact_host().map(|host| BaseUrl::parse(&format!("http://{host}")));
            matches!(url, Some(Ok(url)) if url.is_listed_in(allow_private))
        };
        if pattern.is_plain() && !config.allow_plaintext && !is_listed() {
            return Err(ConfigError::Plaintext { host: pattern.to_string() });
        }
        Ok(pattern)
    };
    config.origins.iter().map(parse).collect()
}

type Identified = (Arc<ClientConfig>, Option<Digest>);

/// TLS for the binding's own origin, and what tells its certificate from another.
fn identified(
    config: &HttpConfig,
    sources: &Sources<'_>,
    plain: &Arc<ClientConfig>,
) -> Result<Identified, ConfigError> {
    let Some(shown) = &config.client_certificate else { return Ok((Arc::clone(plain), None)) };
    let key = shown.key.resolve(sources)?;
    let mark = Digest::of_parts(&[b"client_certificate", key.expose().as_bytes()]);
    let identity = Identity::read(&shown.certificate, &key)?;
    Ok((Arc::new(tls::identified(config.ca_file.as_deref(), identity)?), Some(mark)))
}

fn at_most(key: &'static str, value: u8, max: u8) -> Result<u8, ConfigError> {
    if value <= max { Ok(value) } else { Err(ConfigError::TooLarge { key, value: value.into(), max: max.into() }) }
}

/// How many exchanges may be under way at a time: at least one.
fn requests(key: &'static str, value: Option<NonZeroU64>, default: usize) -> Result<usize, ConfigError> {
    let count = amount(key, value, default.max(1) as u64, REQUESTS_MAX)?;
    Ok(usize::try_from(count).unwrap_or(default))
}
