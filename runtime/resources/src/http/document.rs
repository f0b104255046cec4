//! One small document at a fixed URL, for the host itself: the key sets of issuers, and checkpoints for whoever keeps them.
//!
//! Over the same guarded client as everything else: addresses are judged, no proxy is known, no redirect is followed.

mod collector;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use ipnet::IpNet;
use tokio::time::timeout;
use url::{Host, Url};

use super::{Guarded, Outgoing, guarded, target::BaseUrl};
use crate::{
    ConfigError, Needs, Network, Secret,
    address::{self, AddressPolicy},
    dial::Origin,
    log::chain,
    tls,
};

pub use collector::{CollectorAnswer, CollectorClient, CollectorConfig};

/// The largest document, in bytes.
const DOCUMENT_BYTES_MAX: usize = 64 << 10;
/// Headers that say how a request is framed, and what is in it.
const OURS: [HeaderName; 5] =
    [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TRANSFER_ENCODING, header::CONNECTION];
/// For the whole of it: resolving, connecting, asking and reading.
const FETCH_TIME_MAX: Duration = Duration::from_secs(5);
const CONNECT_TIME_MAX: Duration = Duration::from_secs(3);

/// Where a document is, in the words of an HTTP binding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DocumentConfig {
    /// `https://login.example.com/keys`; a query is allowed.
    pub url: String,
    /// Address ranges that are allowed although they are not global.
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    pub allow_plaintext: bool,
    /// PEM certificates to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Fetches or posts one document, over and over.
#[derive(Debug)]
pub struct DocumentClient {
    client: Guarded,
    uri: Uri,
    /// Sent with every request. Their values are marked as secrets.
    headers: HeaderMap,
}

/// Why a document cannot be had. Names hosts and addresses: for the operator alone.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// There was no response.
    #[error("no answer: {0}")]
    Request(String),
    /// Redirects are not followed: whoever can redirect us could choose our keys.
    #[error("the answer has the status {0}, which is no success; redirects are not followed")]
    Status(u16),
    /// Compressed, which was not asked for.
    #[error("the answer is compressed, which was not asked for")]
    Encoding,
    /// It broke off, or has more than 64 KiB.
    #[error("the answer broke off, or has more than {DOCUMENT_BYTES_MAX} bytes")]
    Body,
    /// Not UTF-8.
    #[error("the answer is not text")]
    Text,
    /// It took longer than 5 s.
    #[error("no whole answer within {FETCH_TIME_MAX:?}")]
    TooSlow,
    /// It took longer than a batch may.
    #[error("no whole answer within {0:?}")]
    NoAnswer(Duration),
}

impl DocumentConfig {
    /// Takes every relative path from `base`, the directory of the configuration file.
    pub fn resolve_paths(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
    }

    /// What it needs of the second wall.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let url = Url::parse(&self.url).ok();
        Needs {
            files: self.ca_file.iter().cloned().collect(),
            ports: url.as_ref().and_then(Url::port_or_known_default).into_iter().collect(),
            resolves_names: url.as_ref().is_some_and(|url| matches!(url.host(), Some(Host::Domain(_)))),
            ..Needs::default()
        }
    }

    fn address(&self, nets: &[IpNet]) -> Result<(BaseUrl, Uri), ConfigError> {
        let refuse = |rule| ConfigError::Key { key: "url", rule };
        let (before, query) = self.url.split_once('?').map_or((self.url.as_str(), None), |(a, b)| (a, Some(b)));
        let base = BaseUrl::parse(before).map_err(|why| match why {
            ConfigError::BaseUrl(rule) => refuse(rule),
            other => other,
        })?;
        if !base.is_secure() && !self.allow_plaintext && !base.is_listed_in(nets) {
            return Err(refuse(
                "uses http://: use https://, list the host's address in `allow_private` (an IP address or `localhost`), or \
                 set `allow_plaintext = true`",
            ));
        }
        let whole = query.map_or_else(|| base.whole().to_owned(), |query| format!("{}?{query}", base.whole()));
        let is_plain = query.is_none_or(|query| query.bytes().all(|b| b.is_ascii_graphic() && b != b'#'));
        let uri = whole.parse().ok().filter(|_| is_plain).ok_or(refuse("has a query that makes no URL"))?;
        Ok((base, uri))
    }
}

impl DocumentClient {
    /// Checks what was written, and reads the certificates to trust. Connects to nothing.
    ///
    /// # Errors
    /// The first mistake found.
    pub fn new(config: &DocumentConfig, network: &Network) -> Result<Self, ConfigError> {
        let nets = address::parse_nets(&config.allow_private)?;
        let (base, uri) = config.address(&nets)?;
        let tls = tls::client(config.ca_file.as_deref())?;
        let (host, port) = (base.host_to_resolve(), base.port());
        let policy = AddressPolicy::new(nets, network);
        let origin = Origin { host, port, policy, connect_timeout: CONNECT_TIME_MAX };
        Ok(Self { client: guarded(&tls, origin), uri, headers: HeaderMap::new() })
    }

    /// Fetches the document once.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub async fn fetch(&self) -> Result<String, DocumentError> {
        match timeout(FETCH_TIME_MAX, self.exchange()).await {
            Ok(ended) => ended,
            Err(_) => Err(DocumentError::TooSlow),
        }
    }

    /// Has a header go with every request, for instance `authorization`.
    ///
    /// # Errors
    /// When the name is no header's, or one that is ours to set, or when the value does not fit into a header.
    pub fn with_header(mut self, name: &str, value: &Secret) -> Result<Self, ConfigError> {
        let refuse = |rule| ConfigError::Key { key: "headers", rule };
        let name: HeaderName = name.parse().map_err(|_| refuse("has a name that is no header's"))?;
        if OURS.contains(&name) {
            return Err(refuse("has a header that the client sets by itself: leave it out"));
        }
        let mut value: HeaderValue =
            value.expose().parse().map_err(|_| refuse("has a value that no header can have"))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Posts a text of JSON there. Whatever the answer says beyond its status is not read.
    ///
    /// # Errors
    /// Why it is not known to have arrived.
    pub async fn post(&self, json: String) -> Result<(), DocumentError> {
        let answered = timeout(FETCH_TIME_MAX, self.send("application/json", json.into())).await;
        answered.map_err(|_| DocumentError::TooSlow)?.map(drop)
    }

    /// Posts bytes of that type there, and gives what is answered, 64 KiB at most.
    ///
    /// # Errors
    /// Why it is not known to have arrived.
    pub async fn post_as(&self, kind: &'static str, body: Vec<u8>) -> Result<Vec<u8>, DocumentError> {
        let exchange = async {
            let answer = self.send(kind, body.into()).await?;
            let whole = Limited::new(answer, DOCUMENT_BYTES_MAX).collect().await.map_err(|_| DocumentError::Body)?;
            Ok(whole.to_bytes().into())
        };
        timeout(FETCH_TIME_MAX, exchange).await.unwrap_or(Err(DocumentError::TooSlow))
    }

    async fn send(&self, kind: &'static str, body: Bytes) -> Result<Incoming, DocumentError> {
        let mut request = self.request(Method::POST, body);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        let response = self.client.request(request).await.map_err(|why| DocumentError::Request(chain(&why)))?;
        let status = response.status();
        if status.is_success() { Ok(response.into_body()) } else { Err(DocumentError::Status(status.as_u16())) }
    }

    fn request(&self, method: Method, body: Bytes) -> Request<Outgoing> {
        let mut request = Request::new(Outgoing::Whole(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }

    async fn exchange(&self) -> Result<String, DocumentError> {
        let mut request = self.request(Method::GET, Bytes::new());
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        request.headers_mut().insert(header::ACCEPT, accept);
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let response = self.client.request(request).await.map_err(|why| DocumentError::Request(chain(&why)))?;
        if response.status() != StatusCode::OK {
            return Err(DocumentError::Status(response.status().as_u16()));
        }
        let encoding = response.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(DocumentError::Encoding);
        }
        read(response.into_body()).await
    }
}

async fn read(body: Incoming) -> Result<String, DocumentError> {
    let whole = Limited::new(body, DOCUMENT_BYTES_MAX).collect().await.map_err(|_| DocumentError::Body)?;
    String::from_utf8(whole.to_bytes().into()).map_err(|_| DocumentError::Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> DocumentConfig {
        DocumentConfig { url: url.to_owned(), ..DocumentConfig::default() }
    }

    fn uri(config: &DocumentConfig) -> Result<String, String> {
        let client = DocumentClient::new(config, &Network::default());
        client.map(|client| client.uri.to_string()).map_err(|why| why.to_string())
    }

    #[test]
    fn a_url_is_taken_as_it_stands_with_its_query() {
        for url in ["https://login.example.com/a/keys", "https://login.example.com:8443/keys/?p=b2c_1&v=2"] {
            assert_eq!(uri(&config(url)).as_deref(), Ok(url));
        }
        for (url, named) in [
            ("login.example.com/keys", "not a URL"),
            ("file:///etc/passwd", "http"),
            ("https://user@example.com/keys", "user"),
            ("https://example.com/keys#a", "fragment"),
            ("https://example.com/keys?a#b", "query"),
            ("https://example.com/keys?a b", "query"),
            ("http://example.com/keys", "allow_plaintext"),
            ("http://127.0.0.1/keys", "allow_private"),
        ] {
            let why = uri(&config(url)).expect_err(url);
            assert!(why.starts_with("`url`") && why.contains(named), "{url}: {why}");
        }
    }

    #[test]
    fn plain_http_is_for_those_who_say_so() {
        let listed = DocumentConfig { allow_private: vec!["127.0.0.1/32".to_owned()], ..config("http://127.0.0.1/k") };
        assert!(uri(&listed).is_ok());
        let allowed = DocumentConfig { allow_plaintext: true, ..config("http://example.com/k") };
        assert!(uri(&allowed).is_ok());
        let wrong = DocumentConfig { allow_private: vec!["here".to_owned()], ..config("https://example.com/k") };
        assert!(uri(&wrong).is_err_and(|why| why.contains("allow_private")));
    }

    #[test]
    fn a_url_needs_its_port_its_certificates_and_names() {
        let ca_file = Some(PathBuf::from("/c/ca.pem"));
        let found = DocumentConfig { ca_file, ..config("https://login.example.com/keys?a=b") }.needs();
        let files = vec![PathBuf::from("/c/ca.pem")];
        assert_eq!(found, Needs { files, ports: vec![443], resolves_names: true, ..Needs::default() });
        let plain = config("http://127.0.0.1:8080/keys").needs();
        assert_eq!(plain, Needs { ports: vec![8080], ..Needs::default() });
    }
}
