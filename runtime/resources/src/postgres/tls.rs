//! TLS as PostgreSQL begins it: a request in clear text, one byte for an answer, then the handshake.

use std::{io, path::Path, sync::Arc};

use postgres_protocol::message::frontend;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::TlsMode;
use crate::{ConfigError, dial::Stream};

/// How connections of one binding are protected.
#[derive(Debug)]
pub(super) struct Tls {
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
            .map_err(|_| ConfigError::Postgres { key: "host", rule: "is neither a host name nor an IP address" })?;
        let mut config = crate::tls::client(ca_file)?;
        if mode != TlsMode::VerifyFull {
            let provider = Arc::clone(config.crypto_provider());
            config.dangerous().set_certificate_verifier(Arc::new(AnyCertificate(provider)));
        }
        Ok(Self { mode, config: Arc::new(config), name })
    }

    /// Whether it is certain who answers before anything secret is said.
    pub(super) fn checks_server(&self) -> bool {
        self.mode == TlsMode::VerifyFull
    }

    /// Protects a fresh connection as the mode says.
    ///
    /// # Errors
    /// When the server does not speak TLS, or the handshake fails.
    pub(super) async fn protect(&self, mut stream: TcpStream) -> io::Result<Stream> {
        if self.mode == TlsMode::Disable {
            return Ok(Box::new(stream));
        }
        let mut request = bytes::BytesMut::new();
        frontend::ssl_request(&mut request);
        stream.write_all(&request).await?;
        // One byte and no more: what follows it in clear text is not to be taken for TLS's own (CVE-2021-23222).
        match stream.read_u8().await? {
            b'S' => {}
            b'N' => return Err(io::Error::other("the server does not speak TLS")),
            _ => return Err(io::Error::other("the answer to the request for TLS is not PostgreSQL's")),
        }
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
