//! The credential of a binding: put on the wire here, and nowhere else.

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, header::AUTHORIZATION};
use airlock_model::Digest;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{headers, scrub::Scrubber};
use crate::{ConfigError, CredentialConfig, Secret, Sources};

/// Shorter ones cannot be scrubbed without mangling every other word of a response.
const SECRET_BYTES_MIN: usize = 4;

/// A resolved credential.
#[derive(Debug)]
pub(super) struct Credential {
    way: Way,
    scrubber: Arc<Scrubber>,
}

#[derive(Debug)]
enum Way {
    /// The whole header value.
    Header(HeaderName, Secret),
    /// Name and value of a query parameter.
    Query(String, Secret),
}

impl Credential {
    /// Reads the secret and decides how it travels.
    ///
    /// # Errors
    /// When the secret cannot be had, is shorter than 4 bytes, or does not fit where it has to go.
    pub(super) fn resolve(written: &CredentialConfig, sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let (CredentialConfig::Bearer { value }
        | CredentialConfig::Basic { value, .. }
        | CredentialConfig::Header { value, .. }
        | CredentialConfig::Query { value, .. }) = written;
        let secret = value.resolve(sources)?;
        if secret.expose().len() < SECRET_BYTES_MIN {
            return Err(ConfigError::Credential("is too short to be kept out of responses: use at least 4 bytes"));
        }
        let mut known = vec![Zeroizing::new(secret.expose().to_owned())];
        let way = match written {
            CredentialConfig::Bearer { .. } => {
                Way::Header(AUTHORIZATION, Secret::from_text(format!("Bearer {}", secret.expose())))
            }
            CredentialConfig::Basic { username, .. } => {
                let pair = basic_pair(username, &secret)?;
                let value = Secret::from_text(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
                known.push(pair);
                Way::Header(AUTHORIZATION, value)
            }
            CredentialConfig::Header { name, .. } => Way::Header(header_name(name)?, secret),
            CredentialConfig::Query { name, .. } => {
                if name.is_empty() {
                    return Err(ConfigError::Credential("has an empty parameter name"));
                }
                Way::Query(name.clone(), secret)
            }
        };
        let credential = Self { way, scrubber: Arc::new(Scrubber::new(&known)) };
        credential.check_value()?;
        Ok(credential)
    }

    fn check_value(&self) -> Result<(), ConfigError> {
        match &self.way {
            Way::Header(_, value) if headers::ascii_value(value.expose()).is_none() => {
                Err(ConfigError::Credential("has a value that cannot stand in a header: use visible ASCII, one line"))
            }
            Way::Header(..) | Way::Query(..) => Ok(()),
        }
    }

    /// The header to set, marked so that it is never printed nor kept in a compression table.
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        let Way::Header(name, value) = &self.way else { return None };
        let mut value = headers::ascii_value(value.expose())?;
        value.set_sensitive(true);
        Some((name.clone(), value))
    }

    /// The query parameter to add.
    pub(super) fn parameter(&self) -> Option<(&str, &str)> {
        match &self.way {
            Way::Query(name, value) => Some((name, value.expose())),
            Way::Header(..) => None,
        }
    }

    /// Tells two credentials apart without showing either.
    pub(crate) fn mark(&self) -> Digest {
        let (way, name, value) = match &self.way {
            Way::Header(name, value) => ("header", name.as_str(), value),
            Way::Query(name, value) => ("query", name.as_str(), value),
        };
        Digest::of_parts(&[way.as_bytes(), name.as_bytes(), value.expose().as_bytes()])
    }

    pub(super) fn scrubber(&self) -> Arc<Scrubber> {
        Arc::clone(&self.scrubber)
    }
}

fn basic_pair(username: &str, secret: &Secret) -> Result<Zeroizing<String>, ConfigError> {
    if username.contains(':') || username.contains(char::is_control) {
        return Err(ConfigError::Credential("has a username with `:` or control characters"));
    }
    Ok(Zeroizing::new(format!("{username}:{}", secret.expose())))
}

fn header_name(text: &str) -> Result<HeaderName, ConfigError> {
    let refuse = ConfigError::Credential("has a header name that is not a legal name, or that frames the message");
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(name) if !headers::is_framing(name.as_str()) => Ok(name),
        Ok(_) | Err(_) => Err(refuse),
    }
}
