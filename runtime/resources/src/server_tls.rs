//! TLS of our own listeners: what they show, and whose client certificates they verify.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_model::Digest;
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use serde::{Deserialize, Serialize, Serializer};

use crate::{CredentialRef, ReadEnv, Secret, SecretError, Sources};

/// HTTP/2 first: it is what gRPC needs.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Who may do nothing with a key: others everything, and the group changes. A group may read, for services that share one.
const KEY_MODE_FORBIDDEN: u32 = 0o027;
const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;
/// A label that nobody has: what is good for it is a wildcard.
const NOBODY: &str = "airlock-nobody-a8d1f6c3";

/// `[server.tls]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTlsConfig {
    /// The certificate with its chain, the server's own first, PEM.
    pub certificate: CertificateFile,
    /// Its private key, PEM: PKCS#8, PKCS#1 or SEC 1.
    #[serde(serialize_with = "reference")]
    pub key: CredentialRef,
    /// Authorities whose client certificates are good, PEM; without them no client is asked for one.
    pub client_ca: Option<CertificateFile>,
    /// Whether a client needs a certificate; `required` where `client_ca` is set and this is not.
    pub client_auth: Option<ClientAuth>,
}

/// Where certificates are.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFile {
    /// A PEM file, relative to the configuration file.
    pub file: PathBuf,
}

/// Whether a client needs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    /// A client without one is served; one that shows a bad one is not.
    Optional,
    /// Without one there is no connection.
    Required,
}

/// A reference as it was written; what it refers to is never shown.
fn reference<S: Serializer>(reference: &CredentialRef, to: S) -> Result<S::Ok, S::Error> {
    let written = match reference {
        CredentialRef::Env(name) => ("env", name.clone()),
        CredentialRef::File(path) => ("file", path.display().to_string()),
        CredentialRef::Inline(_) => ("inline", String::new()),
    };
    to.collect_map([written])
}

impl ServerTlsConfig {
    /// Takes relative paths from `base`, the directory of the configuration file.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.certificate.file = base.join(&self.certificate.file);
        self.key.resolve_path(base);
        if let Some(authorities) = &mut self.client_ca {
            authorities.file = base.join(&authorities.file);
        }
    }

    /// The files it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let key = match &self.key {
            CredentialRef::File(path) => Some(path.as_path()),
            CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
        };
        let authorities = self.client_ca.as_ref().map(|authorities| authorities.file.as_path());
        [self.certificate.file.as_path()].into_iter().chain(key).chain(authorities)
    }
}

/// Why a listener cannot speak TLS. Names the file, never what a key says.
#[derive(Debug, thiserror::Error)]
pub enum ServerTlsError {
    /// A file of certificates.
    #[error("`{path}` {rule}")]
    Certificates {
        /// `certificate` or `client_ca`.
        key: &'static str,
        /// As written.
        path: PathBuf,
        /// What it has to be.
        rule: &'static str,
    },
    /// The private key cannot be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Others than its owner can read the private key.
    #[error("`{path}` has mode {mode:o}: others may read it; `chmod 600` it, or 640 for a group that shares it")]
    Readable {
        /// As written.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Not a private key.
    #[error("{0} holds no private key in PEM")]
    NotAKey(String),
    /// Certificate and key do not belong together, or cannot be used.
    #[error("the certificate in `{path}` and the key from {key} cannot be used together: {why}")]
    Pair {
        /// Of the certificate.
        path: PathBuf,
        /// Where the key is.
        key: String,
        /// What the TLS library says.
        why: rustls::Error,
    },
    /// `client_auth` without `client_ca`.
    #[error("`client_auth` needs `client_ca`: say whose certificates are good")]
    NoAuthorities,
    /// The TLS library refused its configuration.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
}

impl ServerTlsError {
    /// The key of the section that is wrong.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Certificates { key, .. } => key,
            Self::Secret(_) | Self::Readable { .. } | Self::NotAKey(_) => "key",
            Self::Pair { .. } | Self::Tls(_) => "certificate",
            Self::NoAuthorities => "client_auth",
        }
    }
}

/// What a listener speaks TLS with, read and checked.
#[derive(Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    /// What is shown: the server's own certificate.
    own: CertificateDer<'static>,
    client_authorities: Option<Digest>,
    public: Digest,
    mark: Digest,
}

impl ServerTls {
    /// Reads the files and makes sure that certificate and key belong together.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file.
    pub fn read(from: &ServerTlsConfig, read_env: ReadEnv<'_>) -> Result<Self, ServerTlsError> {
        let path = &from.certificate.file;
        let (chain, chain_pem) = certificates("certificate", path)?;
        let refuse =
            || ServerTlsError::Certificates { key: "certificate", path: path.clone(), rule: "holds no certificate" };
        let own = chain.first().cloned().ok_or_else(refuse)?;
        let secret = private_key(&from.key, read_env)?;
        let key = PrivateKeyDer::from_pem_slice(secret.expose().as_bytes())
            .map_err(|_| ServerTlsError::NotAKey(from.key.to_string()))?;
        let (verifier, authorities) = verifier(from)?;
        let setup = |why: rustls::Error| ServerTlsError::Tls(why.to_string());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(setup)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|why| ServerTlsError::Pair { path: path.clone(), key: from.key.to_string(), why })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        if from.client_ca.is_some() {
            // A resumed session would take the client's certificate from the first one, also after it expired.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        let auth = serde_json::to_vec(&from.client_auth).unwrap_or_default();
        let client_authorities = from.client_ca.is_some().then(|| Digest::of(&authorities));
        let public = Digest::of_parts(&[&chain_pem, &authorities, &auth]);
        let mark = Digest::of_parts(&[public.as_bytes(), secret.expose().as_bytes()]);
        Ok(Self { config: Arc::new(config), own, client_authorities, public, mark })
    }

    /// For new connections.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Tells apart whose client certificates are good; `None` when none is asked for.
    #[must_use]
    pub const fn client_authorities(&self) -> Option<Digest> {
        self.client_authorities
    }

    /// Whether the certificate was made for this very host: a name, or an address without brackets. One for a wildcard is for
    /// no host in particular, because servers of others may have it too.
    #[must_use]
    pub fn is_for(&self, host: &str) -> bool {
        let Ok(certificate) = ParsedCertificate::try_from(&self.own) else { return false };
        let covers =
            |host: &str| ServerName::try_from(host).is_ok_and(|name| verify_server_name(&certificate, &name).is_ok());
        let sibling = host.split_once('.').map(|(_, domain)| format!("{NOBODY}.{domain}"));
        covers(host) && !sibling.is_some_and(|sibling| covers(&sibling))
    }

    /// Changes with certificates, authorities and `client_auth`. Tells nothing of the key.
    #[must_use]
    pub const fn public_digest(&self) -> Digest {
        self.public
    }

    /// Whether it is made of the same, the key too.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.mark == other.mark
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn certificates(key: &'static str, path: &Path) -> Result<(Vec<CertificateDer<'static>>, Vec<u8>), ServerTlsError> {
    let refuse = |rule| ServerTlsError::Certificates { key, path: path.to_owned(), rule };
    let length = fs::metadata(path).map_err(|_| refuse("cannot be read"))?.len();
    if length > CERTIFICATES_BYTES_MAX {
        return Err(refuse("is larger than 1 MiB"));
    }
    let pem = fs::read(path).map_err(|_| refuse("cannot be read"))?;
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| refuse("is not PEM"))?;
    if found.is_empty() { Err(refuse("holds no certificate")) } else { Ok((found, pem)) }
}

/// Everybody who can read the key can be this server.
fn private_key(from: &CredentialRef, read_env: ReadEnv<'_>) -> Result<Secret, ServerTlsError> {
    let secret = from.resolve(&Sources { read_env, allow_inline: false })?;
    if let CredentialRef::File(path) = from {
        let failed = |source| SecretError::File { path: path.clone(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & KEY_MODE_FORBIDDEN != 0 {
            return Err(ServerTlsError::Readable { path: path.clone(), mode });
        }
    }
    Ok(secret)
}

/// Who may connect, and the bytes that say so.
fn verifier(from: &ServerTlsConfig) -> Result<(Arc<dyn ClientCertVerifier>, Vec<u8>), ServerTlsError> {
    let Some(authorities) = &from.client_ca else {
        return match from.client_auth {
            Some(_) => Err(ServerTlsError::NoAuthorities),
            None => Ok((WebPkiClientVerifier::no_client_auth(), Vec::new())),
        };
    };
    let (found, pem) = certificates("client_ca", &authorities.file)?;
    let refuse = |rule| ServerTlsError::Certificates { key: "client_ca", path: authorities.file.clone(), rule };
    let mut roots = RootCertStore::empty();
    for certificate in found {
        roots.add(certificate).map_err(|_| refuse("has a certificate that cannot be an authority"))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let builder = match from.client_auth.unwrap_or(ClientAuth::Required) {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    Ok((builder.build().map_err(|why| ServerTlsError::Tls(why.to_string()))?, pem))
}
