//! From the operator's text to settings that hold.

use std::{path::Path, sync::Arc, time::Duration};

use airlock_model::Digest;
use ipnet::IpNet;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::{credential::Credential, target::BaseUrl};
use crate::{ConfigError, HttpConfig, Sources, address, config::amount};

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
}

impl HttpSettings {
    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        self.credential.as_ref().map(Credential::mark)
    }
}

const BODY_BYTES_MAX: u64 = 256 << 20;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;

/// Checks what the operator wrote, and reads the credential and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &HttpConfig, sources: &Sources<'_>) -> Result<HttpSettings, ConfigError> {
    let base = BaseUrl::parse(&config.base_url)?;
    let allow_private = config
        .allow_private
        .iter()
        .map(|text| address::parse_net(text).ok_or_else(|| ConfigError::AllowPrivate(text.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    if !base.is_secure() && !config.allow_plaintext && !base.is_listed_in(&allow_private) {
        return Err(ConfigError::Plaintext { host: base.host().to_owned() });
    }
    let milliseconds = |key, value, default| amount(key, value, default, TIMEOUT_MS_MAX).map(Duration::from_millis);
    Ok(HttpSettings {
        base,
        allow_private,
        credential: config.credential.as_ref().map(|written| Credential::resolve(written, sources)).transpose()?,
        tls: Arc::new(tls(config.ca_file.as_deref())?),
        request_bytes_max: amount("request_bytes_max", config.request_bytes_max, 1 << 20, BODY_BYTES_MAX)?,
        response_bytes_max: amount("response_bytes_max", config.response_bytes_max, 8 << 20, BODY_BYTES_MAX)?,
        timeout: milliseconds("timeout_ms", config.timeout_ms, 10_000)?,
        connect_timeout: milliseconds("connect_timeout_ms", config.connect_timeout_ms, 3_000)?,
    })
}

/// The public roots come with the binary, so that a machine's own store changes nothing; a `ca_file` replaces them.
fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
    let roots = match ca_file {
        Some(path) => read_roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn read_roots(path: &Path) -> Result<RootCertStore, ConfigError> {
    let refuse = |rule| ConfigError::CaFile { path: path.to_owned(), rule };
    let pem = std::fs::read(path).map_err(|_| refuse("cannot be read"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| refuse("is not PEM"))?;
        roots.add(certificate).map_err(|_| refuse("has a certificate that cannot be a root"))?;
    }
    if roots.is_empty() { Err(refuse("holds no certificate")) } else { Ok(roots) }
}
