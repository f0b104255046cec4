//! Whom TLS clients trust, and what they show of themselves.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::{ConfigError, Secret};

/// A certificate of our own, for servers that ask for one.
#[derive(Debug)]
pub(crate) struct Identity {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate with its chain, and its key: both PEM.
    ///
    /// # Errors
    /// When either is no PEM or of another kind.
    pub(crate) fn read(certificate: &Path, key: &Secret) -> Result<Self, ConfigError> {
        let refuse = |rule| ConfigError::ClientCertificate { path: certificate.to_owned(), rule };
        let pem = std::fs::read(certificate).map_err(|_| refuse("cannot be read"))?;
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| refuse("is not PEM"))?;
        if certificates.is_empty() {
            return Err(refuse("holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose().as_bytes())
            .map_err(|_| refuse("has a `key` that is no private key in PEM"))?;
        Ok(Self { certificates, key })
    }
}

/// As [`client`], for one that shows a certificate of its own.
///
/// # Errors
/// Also when certificate and key do not belong together.
pub(crate) fn identified(ca_file: Option<&Path>, identity: Identity) -> Result<ClientConfig, ConfigError> {
    Ok(trusting(ca_file)?.with_client_auth_cert(identity.certificates, identity.key)?)
}

/// The public roots come with the binary, so that a machine's own store changes nothing; a `ca_file` replaces them.
///
/// # Errors
/// When the file holds no certificates that can be roots.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
    Ok(trusting(ca_file)?.with_no_client_auth())
}

fn trusting(ca_file: Option<&Path>) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ConfigError> {
    let roots = match ca_file {
        Some(path) => read_roots(path)?,
        None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
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
