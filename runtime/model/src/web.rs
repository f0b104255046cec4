//! Web addresses as functions and upstreams may name them, and the patterns that allow their origins.
//!
//! Stricter than the WHATWG URL standard: a text that any two parsers could read differently is none. What is accepted is
//! read the same way by that standard, by RFC 3986 and by ourselves.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use crate::{PathError, RequestPath};

mod host;
mod query;

const URL_BYTES_MAX: usize = 8 << 10;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// In clear text.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As URLs begin with it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where a URL names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Scheme, host and port (RFC 6454).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WebOrigin {
    scheme: Scheme,
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: u16,
}

/// A URL: an origin, a path that nobody reads in two ways, and a query taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl {
    /// Where.
    pub origin: WebOrigin,
    /// As written.
    pub path: RequestPath,
    /// Names and values, decoded.
    pub query: Vec<(String, String)>,
}

/// An origin, or all origins of one scheme and port whose host has one more label: `https://*.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    origin: WebOrigin,
    /// The host of `origin` is what follows `*.`.
    is_wildcard: bool,
}

/// Why a text is not an acceptable URL. Each has a stable name, see [`Self::rule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Longer than 8 KiB, or not visible ASCII, or with characters that parsers repair.
    #[error(
        "a URL is at most 8,192 bytes of visible ASCII, without `\\`, quotes, `<`, `>`, `^`, backquotes, `{{`, `|` or `}}`"
    )]
    Characters,
    /// Neither `http://` nor `https://`.
    #[error("a URL begins with `http://` or `https://`")]
    Scheme,
    /// `user@host`.
    #[error("a URL holds no user and no password")]
    UserInfo,
    /// No host, or one that is no name and no address.
    #[error("the host of a URL is a name of letters, digits, `-` and `_`, or an IP address")]
    Host,
    /// An address or a name in a spelling that parsers read differently.
    #[error("an IP address is written in its usual form, and a name without a last dot")]
    HostSpelling,
    /// Not a number from 1 to 65535, or with leading zeros.
    #[error("a port is a number from 1 to 65535 without leading zeros")]
    Port,
    /// The path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The query.
    #[error("a query has `%` only before two hexadecimal digits, and is UTF-8 once decoded")]
    Query,
    /// A wildcard that is not the first label, or that stands before less than two.
    #[error("`*` stands for one whole label, the first, before a domain of at least two: `https://*.example.com`")]
    Wildcard,
    /// An origin with a path, a query or a fragment.
    #[error("an origin is a scheme, a host and at most a port: `https://files.example.com:8443`")]
    NotAnOrigin,
}

impl UrlError {
    /// The stable name of the rule that refused it.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Characters => "url_characters",
            Self::Scheme => "url_scheme",
            Self::UserInfo => "url_user_info",
            Self::Host => "url_host",
            Self::HostSpelling => "url_host_spelling",
            Self::Port => "url_port",
            Self::Path(PathError::Ambiguous) => "path_ambiguous",
            Self::Path(_) => "path_malformed",
            Self::Query => "url_query",
            Self::Wildcard => "origin_wildcard",
            Self::NotAnOrigin => "origin_malformed",
        }
    }
}

impl WebOrigin {
    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as it stands in a URL: in lower case, brackets around IPv6.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, also where the scheme implies it.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    fn parse(scheme: Scheme, authority: &str) -> Result<Self, UrlError> {
        let (host, port) = split_port(authority)?;
        let port = port.map_or(Ok(scheme.default_port()), host::read_port)?;
        Ok(Self { scheme, host: host::read(host)?, port })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl FromStr for WebUrl {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, rest) = split_scheme(text)?;
        let (rest, _fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = before.split_at(before.find('/').unwrap_or(before.len()));
        let origin = WebOrigin::parse(scheme, authority)?;
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { origin, path: path.parse()?, query: query::pairs(query)? })
    }
}

impl OriginPattern {
    /// Whether the origin is one of these. A wildcard covers exactly one label, and no address.
    #[must_use]
    pub fn covers(&self, origin: &WebOrigin) -> bool {
        if (self.origin.scheme, self.origin.port) != (origin.scheme, origin.port) {
            return false;
        }
        if !self.is_wildcard {
            return self.origin.host == origin.host;
        }
        let label = origin.host.strip_suffix(self.origin.host.as_str()).and_then(|front| front.strip_suffix('.'));
        label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
    }

    /// The port that all of them have.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.origin.port
    }

    /// Whether requests to them are in clear text.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.origin.scheme == Scheme::Http
    }

    /// The one host, as a URL has it; `None` where there is a wildcard.
    #[must_use]
    pub fn exact_host(&self) -> Option<&str> {
        Some(self.origin.host.as_str()).filter(|_| !self.is_wildcard)
    }
}

impl FromStr for OriginPattern {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        check_characters(text)?;
        let (scheme, authority) = split_scheme(text)?;
        if authority.contains(['/', '?', '#']) {
            return Err(UrlError::NotAnOrigin);
        }
        let (is_wildcard, rest) = authority.strip_prefix("*.").map_or((false, authority), |rest| (true, rest));
        if rest.contains('*') {
            return Err(UrlError::Wildcard);
        }
        let origin = WebOrigin::parse(scheme, rest)?;
        let is_domain = origin.host.contains('.') && origin.host.parse::<Ipv4Addr>().is_err();
        if is_wildcard && !is_domain { Err(UrlError::Wildcard) } else { Ok(Self { origin, is_wildcard }) }
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.origin.to_string();
        match text.split_once("://") {
            Some((scheme, rest)) if self.is_wildcard => write!(f, "{scheme}://*.{rest}"),
            _ => f.write_str(&text),
        }
    }
}

fn check_characters(text: &str) -> Result<(), UrlError> {
    let legal = |b: u8| b.is_ascii_graphic() && !b"\\\"<>^`{|}".contains(&b);
    if text.len() <= URL_BYTES_MAX && text.bytes().all(legal) { Ok(()) } else { Err(UrlError::Characters) }
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((Scheme::Http, rest)),
        "https" => Ok((Scheme::Https, rest)),
        _ => Err(UrlError::Scheme),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let host_ends = if authority.starts_with('[') { authority.find(']').map(|at| at + 1) } else { authority.find(':') };
    let (host, rest) = authority.split_at(host_ends.unwrap_or(authority.len()));
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(UrlError::Host),
    }
}

#[cfg(test)]
mod tests;
