//! The origin of a binding, and the URIs below it.

use ::http::Uri;
use airlock_model::{HostError, RequestPath, WebOrigin};
use ipnet::IpNet;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};
use zeroize::Zeroizing;

use crate::ConfigError;

/// Everything but RFC 3986's unreserved characters: there is nothing left to read in two ways.
pub(super) const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const URI_BYTES_MAX: usize = 16 << 10;

/// Scheme, host, port and path prefix, as the operator set them.
#[derive(Debug)]
pub(crate) struct BaseUrl {
    url: Url,
    /// Without the last slash.
    prefix: String,
    port: u16,
}

impl BaseUrl {
    /// Reads a base URL.
    ///
    /// # Errors
    /// When it is no URL, not http(s), or has user info, a query, a fragment or an ambiguous path.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let refuse = ConfigError::BaseUrl;
        // `Url` would drop tabs and newlines and turn backslashes into slashes.
        if !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('\\') {
            return Err(refuse("is not a URL: write for instance https://api.example.com/v1"));
        }
        let url =
            Url::parse(text).map_err(|_| refuse("is not a URL: write for instance https://api.example.com/v1"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("has to begin with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse("holds a user or password: use `credential`"));
        }
        if url.query().is_some() {
            return Err(refuse("holds a query: leave it out, guests send their own"));
        }
        if url.fragment().is_some() {
            return Err(refuse("holds a fragment: leave it out"));
        }
        let path: RequestPath =
            url.path().parse().map_err(|_| refuse("has a path that two servers could read differently"))?;
        let prefix = path.as_str().trim_end_matches('/').to_owned();
        let port = url.port_or_known_default().ok_or(refuse("has no port"))?;
        Ok(Self { url, prefix, port })
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host as it stands in the URL: brackets around IPv6.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The host as a resolver takes it: no brackets.
    pub(crate) fn host_to_resolve(&self) -> String {
        self.host().trim_start_matches('[').trim_end_matches(']').to_owned()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether requests go below the root.
    pub(crate) fn has_no_path(&self) -> bool {
        self.prefix.is_empty()
    }

    /// Scheme, host and port: what URLs begin with.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.authority())
    }

    /// Host and port, the port only where the scheme has another: what `host` says.
    pub(crate) fn authority(&self) -> String {
        self.url.port().map_or_else(|| self.host().to_owned(), |port| format!("{}:{port}", self.host()))
    }

    /// Whether the host is an address that the operator listed, or `localhost` with loopback listed.
    pub(crate) fn is_listed_in(&self, nets: &[IpNet]) -> bool {
        let lists = |ip: std::net::IpAddr| nets.iter().any(|net| net.contains(&ip));
        match self.url.host() {
            Some(Host::Ipv4(ip)) => lists(ip.into()),
            Some(Host::Ipv6(ip)) => lists(std::net::IpAddr::V6(ip).to_canonical()),
            Some(Host::Domain("localhost")) => nets.iter().any(|net| net.addr().is_loopback()),
            Some(Host::Domain(_)) | None => false,
        }
    }

    /// The URL as it was written, normalised.
    pub(super) fn whole(&self) -> &str {
        self.url.as_str()
    }

    /// Whether it is this one origin.
    pub(super) fn is_at(&self, origin: &WebOrigin) -> bool {
        (self.url.scheme(), self.host(), self.port) == (origin.scheme().as_str(), origin.host(), origin.port())
    }

    /// The rest of a path that lies below the prefix.
    pub(super) fn below(&self, path: &RequestPath) -> Option<RequestPath> {
        let rest = path.as_str().strip_prefix(self.prefix.as_str())?;
        if rest.is_empty() { "/".parse().ok() } else { rest.parse().ok() }
    }

    /// The URI of a request: our origin, the prefix, the checked path, and a query that we encode.
    ///
    /// # Errors
    /// `BadRequest` when it is longer than 16 KiB.
    pub(super) fn uri(
        &self,
        path: &RequestPath,
        query: &[(String, String)],
        secret: Parameter<'_>,
    ) -> Result<Uri, HostError> {
        uri(&format!("{}{}", self.origin(), self.prefix), path, query, secret)
    }
}

/// Name and value of a credential that travels in the query.
pub(super) type Parameter<'a> = Option<(&'a str, &'a str)>;

/// A URI of what it begins with, a checked path, and a query that we encode.
///
/// # Errors
/// `BadRequest` when it is longer than 16 KiB.
pub(super) fn uri(
    begin: &str,
    path: &RequestPath,
    query: &[(String, String)],
    secret: Parameter<'_>,
) -> Result<Uri, HostError> {
    let mut text = Zeroizing::new(begin.to_owned());
    text.push_str(path.as_str());
    let pairs = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(secret);
    for (index, (name, value)) in pairs.enumerate() {
        text.push(if index == 0 { '?' } else { '&' });
        text.extend(utf8_percent_encode(name, QUERY));
        text.push('=');
        text.extend(utf8_percent_encode(value, QUERY));
    }
    if text.len() > URI_BYTES_MAX {
        return Err(HostError::BadRequest(format!("path and query are longer than {URI_BYTES_MAX} bytes")));
    }
    Uri::try_from(text.as_str()).map_err(|_| HostError::BadRequest("path and query do not make a URI".to_owned()))
}
