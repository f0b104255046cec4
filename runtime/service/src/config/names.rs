//! `[server] names`: what clients call a listener.

use std::{net::IpAddr, str::FromStr};

use airlock_model::OriginPattern;
use serde::{Deserialize, Serialize};

/// A host, and its port where one is named: as `:authority` or `host` have it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName {
    /// In lower case; an IPv6 address in brackets.
    host: String,
    port: Option<u16>,
}

impl HostName {
    /// Whether a request that names `asked` means this one. A name without a port is good for every port.
    #[must_use]
    pub fn covers(&self, asked: &Self) -> bool {
        self.host == asked.host && self.port.is_none_or(|port| asked.has_port(port))
    }

    /// The host, an IPv6 address without brackets.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The host as an address, where it is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.bare_host().parse().ok()
    }

    /// Whether this is the port, named or implied by either scheme: behind a proxy nobody here knows which one it was.
    #[must_use]
    pub fn has_port(&self, port: u16) -> bool {
        self.port.map_or(port == 80 || port == 443, |own| own == port)
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is no name of a server: write `airlock.example` or `10.0.0.5:7070`", text.escape_debug());
        let read = |scheme: &str| format!("{scheme}://{text}").parse::<OriginPattern>().map_err(|_| wrong());
        let (plain, secure) = (read("http")?, read("https")?);
        let host = plain.exact_host().ok_or_else(wrong)?.to_owned();
        // Each scheme implies another port, so a port that both have was written.
        Ok(Self { host, port: Some(plain.port()).filter(|port| *port == secure.port()) })
    }
}

impl TryFrom<String> for HostName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<HostName> for String {
    fn from(HostName { host, port }: HostName) -> Self {
        port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HostName {
        text.parse().expect(text)
    }

    #[test]
    fn a_name_with_a_port_is_for_that_port() {
        for (own, asked) in [
            ("airlock.example", "Airlock.Example"),
            ("airlock.example", "airlock.example:7070"),
            ("airlock.example:443", "airlock.example"),
            ("[::1]:7070", "[::1]:7070"),
            ("10.0.0.5", "10.0.0.5:1"),
        ] {
            assert!(name(own).covers(&name(asked)), "{own} {asked}");
        }
        for (own, asked) in [
            ("airlock.example", "other.example"),
            ("airlock.example", "x.airlock.example"),
            ("airlock.example:7070", "airlock.example:7071"),
            ("airlock.example:7070", "airlock.example"),
            ("[::1]:7070", "[::2]:7070"),
        ] {
            assert!(!name(own).covers(&name(asked)), "{own} {asked}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in
            ["", "*.airlock.example", "https://airlock.example", "a/b", "x@y", "a:0", "a:b", "[::1", "a b", "a."]
        {
            assert!(text.parse::<HostName>().is_err_and(|why| why.contains("airlock.example")), "{text}");
        }
        for text in ["airlock.example", "airlock.example:80", "127.0.0.1:7070", "[::1]"] {
            assert_eq!(String::from(name(text)), text);
        }
        assert_eq!(name("[::1]:7070").address(), Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
    }
}
