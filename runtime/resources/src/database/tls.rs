//! TLS to a database server, once its protocol has asked for it.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::TlsMode;
use crate::{ConfigError, dial::Stream};

/// How connections of one binding are protected.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    mode: TlsMode,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Tls {
    /// Reads the certificates.
    ///
    /// # Errors
    /// When they cannot be used, or `host` is no name that a certificate can be for.
    pub(super) fn new(mode: TlsMode, host: &str, ca_file: Option<&Path>) -> Result<Self, ConfigError> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| ConfigError::Server { key: "host", rule: "is neither a host name nor an IP address" })?;
        let mut config = crate::tls::client(ca_file)?;
        if mode != TlsMode::VerifyFull {
            let provider = Arc::clone(config.crypto_provider());
            config.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(provider)));
        }
        Ok(Self { mode, config: Arc::new(config), name })
    }

    /// Whether it is certain who answers before anything secret is said.
    pub(crate) fn checks_server(&self) -> bool {
        self.mode == TlsMode::VerifyFull
    }

    /// Whether the connection is to be protected at all.
    pub(crate) fn is_wanted(&self) -> bool {
        self.mode != TlsMode::Disable
    }

    /// Shakes hands on a connection whose protocol has agreed to it.
    ///
    /// # Errors
    /// When the handshake fails.
    pub(crate) async fn shake_hands(&self, stream: TcpStream) -> io::Result<Stream> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        Ok(Box::new(connector.connect(self.name.clone(), stream).await?))
    }
}

/// Takes any certificate whose key signed the handshake: `tls = "require"`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
