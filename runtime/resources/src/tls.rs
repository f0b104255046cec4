//! Whom TLS clients trust.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::ConfigError;

/// The public roots come with the binary, so that a machine's own store changes nothing; a `ca_file` replaces them.
///
/// # Errors
/// When the file holds no certificates that can be roots.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<ClientConfig, ConfigError> {
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
