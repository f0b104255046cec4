//! The credential of a binding: put on the wire here, and nowhere else.

mod aws;
mod oauth;

use std::sync::Arc;

use ::http::{HeaderName, HeaderValue, Request, header::AUTHORIZATION};
use airlock_model::{Digest, HostError};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use super::{body::Outgoing, headers, scrub::Scrubber};
use crate::{ConfigError, CredentialConfig, Secret, Sources, sign::Signer};
pub(super) use oauth::{OAuthSettings, Token, Tokens};

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
    /// A token that is fetched.
    OAuth(Box<OAuthSettings>),
    /// A signature of the request.
    Aws(Box<Signer>),
}

/// What was presented with one request, and so must not come back to a guest.
#[derive(Debug, Default)]
pub(super) struct Presented {
    pub(super) scrubber: Option<Arc<Scrubber>>,
    /// The token that was used, to be renewed when the API refuses it.
    pub(super) token: Option<Arc<Token>>,
}

impl Credential {
    /// Reads the secret and decides how it travels.
    ///
    /// # Errors
    /// When the secret cannot be had, is shorter than 4 bytes, or does not fit where it has to go.
    pub(super) fn resolve(written: &CredentialConfig, sources: &Sources<'_>) -> Result<Self, ConfigError> {
        let secret = written.value().resolve(sources)?;
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
            CredentialConfig::Header { name, .. } => {
                // Behind a word for the scheme, as in `Token abc`, the rest is the secret.
                let rest = secret.expose().split_once(' ').map(|(_, rest)| rest.to_owned());
                known.extend(rest.filter(|rest| rest.len() >= SECRET_BYTES_MIN).map(Zeroizing::new));
                Way::Header(header_name(name)?, secret)
            }
            CredentialConfig::Query { name, .. } => {
                if name.is_empty() {
                    return Err(ConfigError::Credential("has an empty parameter name"));
                }
                Way::Query(name.clone(), secret)
            }
            CredentialConfig::Oauth2 { .. } => Way::OAuth(Box::new(OAuthSettings::check(written, secret)?)),
            CredentialConfig::AwsSigv4 { .. } => Way::Aws(Box::new(aws::signer(written, secret)?)),
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
            Way::Header(..) | Way::Query(..) | Way::OAuth(_) | Way::Aws(_) => Ok(()),
        }
    }

    /// The header that it sets, and that a guest therefore cannot.
    pub(super) fn header_name(&self) -> Option<&HeaderName> {
        match &self.way {
            Way::Header(name, _) => Some(name),
            Way::Query(..) => None,
            Way::OAuth(_) | Way::Aws(_) => Some(&AUTHORIZATION),
        }
    }

    /// The query parameter to add.
    pub(super) fn parameter(&self) -> Option<(&str, &str)> {
        match &self.way {
            Way::Query(name, value) => Some((name, value.expose())),
            Way::Header(..) | Way::OAuth(_) | Way::Aws(_) => None,
        }
    }

    /// How its tokens are fetched, if it has any.
    pub(super) fn oauth(&self) -> Option<&OAuthSettings> {
        match &self.way {
            Way::OAuth(settings) => Some(settings),
            Way::Header(..) | Way::Query(..) | Way::Aws(_) => None,
        }
    }

    /// Puts it on a request that is otherwise complete; its parameter is there already.
    ///
    /// # Errors
    /// When the request cannot carry it.
    pub(super) fn present(
        &self,
        request: &mut Request<Outgoing>,
        token: Option<Arc<Token>>,
        now_unix_ms: u64,
    ) -> Result<Presented, HostError> {
        let mut scrubber = Arc::clone(&self.scrubber);
        match (&self.way, &token) {
            (Way::Header(name, value), _) => insert(request, name.clone(), value.expose()),
            (Way::OAuth(_), Some(token)) => {
                insert(request, AUTHORIZATION, token.header());
                scrubber = token.scrubber();
            }
            (Way::Aws(signer), _) => scrubber = aws::sign(signer, request, now_unix_ms)?,
            (Way::Query(..) | Way::OAuth(_), _) => {}
        }
        Ok(Presented { scrubber: Some(scrubber), token })
    }

    /// Tells two credentials apart without showing either.
    pub(crate) fn mark(&self) -> Digest {
        let (way, name, value) = match &self.way {
            Way::Header(name, value) => ("header", name.as_str(), value),
            Way::Query(name, value) => ("query", name.as_str(), value),
            Way::OAuth(settings) => ("oauth2", settings.client_id(), settings.secret()),
            Way::Aws(signer) => ("aws_sigv4", signer.access_key_id.as_str(), &signer.secret),
        };
        Digest::of_parts(&[way.as_bytes(), name.as_bytes(), value.expose().as_bytes()])
    }
}

/// Sets a header that is never printed nor kept in a compression table.
fn insert(request: &mut Request<Outgoing>, name: HeaderName, text: &str) {
    if let Some(mut value) = headers::ascii_value(text) {
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
}

fn plain(text: &str) -> Result<HeaderValue, HostError> {
    headers::ascii_value(text).ok_or_else(|| HostError::BadRequest("the request cannot be signed".to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_behind_the_word_for_its_scheme_is_known_by_itself() {
        let written = "kind = 'header'\nname = 'x-api-key'\nvalue = { env = 'KEY' }";
        let written: CredentialConfig = toml::from_str(written).expect("a credential");
        let sources = Sources { read_env: &|_| Some("Token canary-9f3".to_owned()), allow_inline: false };
        let credential = Credential::resolve(&written, &sources).expect("valid");
        assert_eq!(credential.scrubber.scrub(b"it is canary-9f3".to_vec()), b"it is [redacted]");
    }
}
