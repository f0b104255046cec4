//! One request to a token endpoint, and what it answers.

use std::time::Duration;

use ::http::{HeaderValue, Method, Request, header};
use airlock_model::{HostError, ResourceName};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{OAuthSettings, Token};
use crate::http::{Guarded, body::Outgoing, explain, target::QUERY};

const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The life of a token of which the server does not say when it expires.
const LIFE_DEFAULT: Duration = Duration::from_secs(300);
const LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);

/// RFC 6749 section 5.1.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

/// RFC 6749 section 5.2.
#[derive(Deserialize)]
struct Refused {
    error: String,
}

pub(super) async fn token(
    client: &Guarded,
    settings: &OAuthSettings,
    resource: &ResourceName,
) -> Result<Token, HostError> {
    let request = request(settings).ok_or_else(|| unusable(resource, "the request cannot be put together"))?;
    let response = client.request(request).await.map_err(|error| explain::request(resource, &error))?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|_| unusable(resource, "the answer broke off or is too long"))?.to_bytes();
    if !status.is_success() {
        let refused = serde_json::from_slice::<Refused>(&body).ok().map(|refused| refused.error);
        let code = refused.filter(|code| code.len() <= 64 && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        return Err(unusable(resource, &format!("status {} {}", status.as_u16(), code.unwrap_or_default())));
    }
    let granted: Granted = serde_json::from_slice(&body).map_err(|_| unusable(resource, "the answer is no token"))?;
    let text = Zeroizing::new(granted.access_token);
    let is_plain = text.len() >= super::super::SECRET_BYTES_MIN && text.bytes().all(|b| b.is_ascii_graphic());
    if !granted.token_type.eq_ignore_ascii_case("bearer") || !is_plain {
        return Err(unusable(resource, "the token is no bearer token"));
    }
    let lives = granted.expires_in.map_or(LIFE_DEFAULT, Duration::from_secs).min(LIFE_MAX);
    Ok(Token::new(settings, &text, lives))
}

fn request(settings: &OAuthSettings) -> Option<Request<Outgoing>> {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let mut form = Zeroizing::new("grant_type=client_credentials".to_owned());
    let mut add = |name: &str, value: &str| {
        form.push('&');
        form.push_str(name);
        form.push('=');
        form.extend(utf8_percent_encode(value, QUERY));
    };
    if !settings.scopes.is_empty() {
        add("scope", &settings.scopes);
    }
    if let Some(audience) = &settings.audience {
        add("audience", audience);
    }
    let secret = settings.secret.expose();
    if settings.secret_in_body {
        add("client_id", &settings.client_id);
        add("client_secret", secret);
    }
    let mut request = Request::new(Outgoing::Whole(Bytes::copy_from_slice(form.as_bytes())));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = settings.endpoint.whole().parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if !settings.secret_in_body {
        // Section 2.3.1: both are encoded as a form before they are joined.
        let pair = Zeroizing::new(format!("{}:{}", encoded(&settings.client_id), encoded(secret)));
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Some(request)
}

/// The log has the reason; a guest can do nothing about it.
fn unusable(resource: &ResourceName, why: &str) -> HostError {
    tracing::warn!(%resource, why, "no token");
    HostError::Unavailable(format!("the credential of `{resource}` could not be renewed: the operator's log says why"))
}
