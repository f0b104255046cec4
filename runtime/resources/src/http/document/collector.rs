//! Records in batches for a collector, with the headers that it asks for.

use std::{collections::BTreeMap, time::Duration};

use ::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use tokio::time::timeout;

use super::{DOCUMENT_BYTES_MAX, DocumentClient, DocumentConfig, DocumentError};
use crate::{
    ConfigError, CredentialRef, Needs, Network, Sources,
    http::{headers, wait},
    log::chain,
};

/// For the whole of it: a collector may write a batch down before it answers.
const POST_TIME_MAX: Duration = Duration::from_secs(10);
/// For what comes after a status that says it was taken.
const BODY_TIME_MAX: Duration = Duration::from_secs(2);

/// Where records are posted to.
#[derive(Debug)]
pub struct CollectorConfig<'a> {
    /// Where that is.
    pub document: DocumentConfig,
    /// Headers whose values are secrets: `authorization`, `dd-api-key`.
    pub headers: &'a BTreeMap<String, CredentialRef>,
}

/// Posts batches to one collector.
#[derive(Debug)]
pub struct CollectorClient {
    client: DocumentClient,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a collector answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectorAnswer {
    /// A status of success, with what the body says: at most 64 KiB.
    Taken {
        /// `content-type`, without its parameters, in lower case.
        content_type: Option<String>,
        /// The body.
        body: Vec<u8>,
    },
    /// Any other status.
    Refused {
        /// Which.
        status: u16,
        /// How long it wants to be left alone (RFC 9110 section 10.2.3), if it says so.
        retry_after: Option<Duration>,
    },
}

impl CollectorConfig<'_> {
    /// What it needs of the second wall.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let mut needs = self.document.needs();
        let secrets = self.headers.values().filter_map(|value| match value {
            CredentialRef::File(path) => Some(path.clone()),
            CredentialRef::Env(_) | CredentialRef::Inline(_) => None,
        });
        needs.files.extend(secrets);
        needs
    }
}

impl CollectorClient {
    /// Checks what was written, and reads certificates and secrets. Connects to nothing.
    ///
    /// # Errors
    /// The first mistake found. Names a header, never its value.
    pub fn new(config: &CollectorConfig<'_>, sources: &Sources<'_>, network: &Network) -> Result<Self, ConfigError> {
        let client = DocumentClient::new(&config.document, network)?;
        let headers = config.headers.iter().map(|(name, value)| header_of(name, value, sources));
        Ok(Self { client, headers: headers.collect::<Result<_, _>>()? })
    }

    /// Posts a batch. `now` is counted from 1970: a collector may say until when it wants to be left alone.
    ///
    /// # Errors
    /// Why it is not known to have arrived.
    pub async fn post(
        &self,
        body: Vec<u8>,
        content_type: &'static str,
        now: Duration,
    ) -> Result<CollectorAnswer, DocumentError> {
        match timeout(POST_TIME_MAX, self.exchange(body, content_type, now)).await {
            Ok(ended) => ended,
            Err(_) => Err(DocumentError::NoAnswer(POST_TIME_MAX)),
        }
    }

    async fn exchange(
        &self,
        body: Vec<u8>,
        content_type: &'static str,
        now: Duration,
    ) -> Result<CollectorAnswer, DocumentError> {
        let mut request = self.client.request(Method::POST, Bytes::from(body));
        let set = request.headers_mut();
        set.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        set.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        for (name, value) in &self.headers {
            set.insert(name.clone(), value.clone());
        }
        let answered = self.client.client.request(request).await;
        let response = answered.map_err(|why| DocumentError::Request(chain(&why)))?;
        let status: StatusCode = response.status();
        if !status.is_success() {
            let retry_after = wait::wished(response.headers(), now);
            return Ok(CollectorAnswer::Refused { status: status.as_u16(), retry_after });
        }
        let media = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media = media.map(|media| media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        // It is taken, whatever comes after the status; whoever wants to read that sees that there is nothing to be read.
        let body = timeout(BODY_TIME_MAX, Limited::new(response.into_body(), DOCUMENT_BYTES_MAX).collect()).await;
        let (content_type, body) = match body {
            Ok(Ok(whole)) => (media, whole.to_bytes().into()),
            Ok(Err(_)) | Err(_) => (None, Vec::new()),
        };
        Ok(CollectorAnswer::Taken { content_type, body })
    }
}

fn header_of(
    name: &str,
    value: &CredentialRef,
    sources: &Sources<'_>,
) -> Result<(HeaderName, HeaderValue), ConfigError> {
    let refuse = |rule| ConfigError::Key { key: "headers", rule };
    let named = HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !headers::is_framing(name.as_str()));
    let named = named.ok_or(refuse("has a name that is no header, or one that frames the message"))?;
    let secret = value.resolve(sources)?;
    let text = headers::ascii_value(secret.expose());
    let mut text = text.ok_or(refuse("has a value that cannot stand in a header: use visible ASCII, one line"))?;
    text.set_sensitive(true);
    Ok((named, text))
}
