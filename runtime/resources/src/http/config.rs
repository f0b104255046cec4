//! An HTTP binding as the operator writes it.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use airlock_model::{Operation, PathPattern};
use serde::Deserialize;

use crate::CredentialRef;

/// An HTTP API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Scheme, host, port and path prefix: `https://api.example.com/v1`.
    pub base_url: String,
    /// What the environment allows: `GET`, `POST:/customers/*`. Patterns do not contain the prefix of `base_url`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// Sent with every request; the guest never sees it.
    #[serde(default)]
    pub credential: Option<CredentialConfig>,
    /// Address ranges that are allowed although they are not global: `["127.0.0.1/32"]`.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// Other origins that a function may name in a whole URL and that redirects may lead to: `https://files.example.com:8443`,
    /// `https://*.example.com` for one label. They never get the credential.
    #[serde(default)]
    pub origins: Vec<String>,
    /// PEM certificates to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A certificate to show to the server of `base_url`.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificateConfig>,
    /// Content types that bodies may have on the way out, and on the way in: `["application/json", "text/*"]`. All unless set.
    #[serde(default)]
    pub request_types: Vec<String>,
    /// See `request_types`.
    #[serde(default)]
    pub response_types: Vec<String>,
    /// Redirects that are followed, each judged like a request of its own; none unless set, 10 at most.
    #[serde(default)]
    pub redirects_max: u8,
    /// How often a request is repeated that may be; 2 unless set, 5 at most.
    #[serde(default)]
    pub retries_max: Option<u8>,
    /// Whether requests carry `traceparent` (W3C Trace Context), made from the invocation.
    #[serde(default)]
    pub trace: bool,
    /// How paths stand in the audit trail.
    #[serde(default)]
    pub audit_path: AuditPath,
    /// Largest request body, in bytes; 1 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub request_bytes_max: Option<NonZeroU64>,
    /// Largest response body, in bytes; 8 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub response_bytes_max: Option<NonZeroU64>,
    /// Longest time for one request with its response, in milliseconds; 10 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub timeout_ms: Option<NonZeroU64>,
    /// Longest time to resolve and connect, in milliseconds; 3 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connect_timeout_ms: Option<NonZeroU64>,
    /// Longest time that a response in pieces waits for whoever reads it to ask for the next one, in milliseconds; 30 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub idle_timeout_ms: Option<NonZeroU64>,
    /// Paths whose parameter `q` is a SOQL query, which is then checked to be one that only reads:
    /// `/services/data/*/query`.
    #[serde(default)]
    pub soql: Vec<PathPattern>,
    /// Exchanges under way at a time; 256 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub requests_max: Option<NonZeroU64>,
    /// How many of them may be one tenant's; half of them unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub tenant_requests_max: Option<NonZeroU64>,
}

/// How the path of a request stands in the audit trail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditPath {
    /// As it is.
    #[default]
    Plain,
    /// As the pattern of `operations` that covers it.
    Redacted,
    /// Its SHA-256.
    Hash,
}

/// A certificate of Airlock's own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateConfig {
    /// PEM file: the certificate, then its chain.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: CredentialRef,
}

/// How a credential travels.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialConfig {
    /// `authorization: Bearer <value>` (RFC 6750).
    Bearer {
        /// The token.
        value: CredentialRef,
    },
    /// `authorization: Basic <base64(username:value)>` (RFC 7617).
    Basic {
        /// User name, without `:`.
        username: String,
        /// The password.
        value: CredentialRef,
    },
    /// A header of the API's own.
    Header {
        /// Header name.
        name: String,
        /// The whole value.
        value: CredentialRef,
    },
    /// A query parameter.
    Query {
        /// Parameter name.
        name: String,
        /// The value.
        value: CredentialRef,
    },
    /// `authorization: Bearer <token>` with a token that is fetched with the client's own credential (RFC 6749 section 4.4) and
    /// renewed before it expires, or when the API refuses it.
    Oauth2 {
        /// Where tokens are fetched, over the same guarded client.
        token_url: String,
        /// The client's name.
        client_id: String,
        /// The client's secret.
        value: CredentialRef,
        /// What the token is asked for.
        #[serde(default)]
        scopes: Vec<String>,
        /// Whom it is for, where the server wants to know.
        #[serde(default)]
        audience: Option<String>,
        /// Sends name and secret in the body instead of in `authorization: Basic`.
        #[serde(default)]
        secret_in_body: bool,
    },
    /// AWS Signature Version 4.
    AwsSigv4 {
        /// The key's name.
        access_key_id: String,
        /// The secret access key.
        value: CredentialRef,
        /// For instance `eu-central-1`.
        region: String,
        /// For instance `execute-api`.
        service: String,
    },
}

impl HttpConfig {
    /// Takes every relative path from `base`.
    pub(crate) fn resolve_paths(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
        if let Some(shown) = &mut self.client_certificate {
            shown.certificate = base.join(&shown.certificate);
            shown.key.resolve_path(base);
        }
        if let Some(credential) = &mut self.credential {
            credential.value_mut().resolve_path(base);
        }
    }
}

impl CredentialConfig {
    pub(crate) fn value(&self) -> &CredentialRef {
        match self {
            Self::Bearer { value }
            | Self::Basic { value, .. }
            | Self::Header { value, .. }
            | Self::Query { value, .. }
            | Self::Oauth2 { value, .. }
            | Self::AwsSigv4 { value, .. } => value,
        }
    }

    fn value_mut(&mut self) -> &mut CredentialRef {
        match self {
            Self::Bearer { value }
            | Self::Basic { value, .. }
            | Self::Header { value, .. }
            | Self::Query { value, .. }
            | Self::Oauth2 { value, .. }
            | Self::AwsSigv4 { value, .. } => value,
        }
    }
}
