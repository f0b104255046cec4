//! The host and the port of a URL.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::UrlError;

const HOST_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// # Errors
/// When it is no port, or spelled oddly.
pub(super) fn read_port(text: &str) -> Result<u16, UrlError> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain).ok_or(UrlError::Port)
}

/// A name or an address in lower case; an IPv6 address in brackets.
///
/// # Errors
/// When it is neither, or in a spelling that parsers read differently.
pub(super) fn read(text: &str) -> Result<String, UrlError> {
    let host = text.to_ascii_lowercase();
    if let Some(inner) = host.strip_prefix('[') {
        return read_v6(inner.strip_suffix(']').ok_or(UrlError::Host)?);
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(host);
    }
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || !host.bytes().all(plain) {
        return Err(UrlError::Host);
    }
    if host.ends_with('.') {
        return Err(UrlError::HostSpelling);
    }
    if host.split('.').any(is_no_label) {
        return Err(UrlError::Host);
    }
    // What ends in a number is an address to some parsers, in octal, hexadecimal or with parts left out.
    if host.rsplit('.').next().is_some_and(is_numeric) { Err(UrlError::HostSpelling) } else { Ok(host) }
}

fn is_no_label(label: &str) -> bool {
    label.is_empty() || label.len() > LABEL_BYTES_MAX || label.starts_with('-') || label.ends_with('-')
}

fn is_numeric(label: &str) -> bool {
    let digits = label.strip_prefix("0x").unwrap_or(label);
    let all = |legal: fn(&u8) -> bool| digits.as_bytes().iter().all(legal);
    if digits.len() == label.len() { all(u8::is_ascii_digit) } else { all(u8::is_ascii_hexdigit) }
}

/// One spelling (RFC 5952) of addresses that are not an IPv4 address in disguise.
fn read_v6(inner: &str) -> Result<String, UrlError> {
    let address: Ipv6Addr = inner.parse().map_err(|_| UrlError::Host)?;
    if address.to_ipv4_mapped().is_some() || address.to_string() != inner {
        return Err(UrlError::HostSpelling);
    }
    Ok(format!("[{inner}]"))
}
