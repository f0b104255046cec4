//! Tokens of the OAuth 2 client credentials grant (RFC 6749 section 4.4): fetched by one, used by all, renewed in time.

mod fetch;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use airlock_model::{HostError, ResourceName};
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout_at},
};
use zeroize::Zeroizing;

use super::super::{Guarded, scrub::Scrubber, target::BaseUrl};
use crate::{ConfigError, CredentialConfig, Secret};

/// A token is renewed this long before it expires, or in the last quarter of its life when that is shorter.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);
/// How long a token is kept after the API refused one, whoever asks: a path that always says 401 would have one fetched each time.
const REFUSAL_HELD: Duration = Duration::from_secs(30);
/// How long a failure to fetch one is answered without another try.
const FAILURE_HELD: Duration = Duration::from_secs(1);

/// Where and how tokens are fetched.
#[derive(Debug)]
pub(in crate::http) struct OAuthSettings {
    pub(in crate::http) endpoint: BaseUrl,
    client_id: String,
    secret: Secret,
    scopes: String,
    audience: Option<String>,
    secret_in_body: bool,
}

impl OAuthSettings {
    /// # Errors
    /// When the URL is none, or the name does not fit a header.
    pub(super) fn check(written: &CredentialConfig, secret: Secret) -> Result<Self, ConfigError> {
        let refuse = ConfigError::Credential;
        let CredentialConfig::Oauth2 { token_url, client_id, scopes, audience, secret_in_body, .. } = written else {
            return Err(refuse("is of another kind"));
        };
        let endpoint =
            BaseUrl::parse(token_url).map_err(|_| refuse("has a `token_url` that is no plain https:// URL"))?;
        if client_id.is_empty() {
            return Err(refuse("has an empty `client_id`"));
        }
        let (client_id, scopes) = (client_id.clone(), scopes.join(" "));
        Ok(Self { endpoint, client_id, secret, scopes, audience: audience.clone(), secret_in_body: *secret_in_body })
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// One token.
#[derive(Debug)]
pub(in crate::http) struct Token {
    header: Secret,
    scrubber: Arc<Scrubber>,
    renew_at: Instant,
}

impl Token {
    fn new(settings: &OAuthSettings, text: &str, lives: Duration) -> Self {
        let pair = format!("{}:{}", settings.client_id, settings.secret.expose());
        let known = [text, settings.secret.expose(), &pair].map(|text| Zeroizing::new(text.to_owned()));
        Self {
            header: Secret::from_text(format!("Bearer {text}")),
            scrubber: Arc::new(Scrubber::new(&known)),
            renew_at: Instant::now() + lives.saturating_sub(RENEWED_BEFORE.min(lives / 4)),
        }
    }

    pub(super) fn header(&self) -> &str {
        self.header.expose()
    }

    pub(super) fn scrubber(&self) -> Arc<Scrubber> {
        Arc::clone(&self.scrubber)
    }
}

/// The token of one binding.
#[derive(Debug)]
pub(in crate::http) struct Tokens {
    current: Mutex<Option<Arc<Token>>>,
    refused_at: Mutex<Option<Instant>>,
    /// Held by whoever fetches; the last failure.
    fetching: AsyncMutex<Option<(Instant, HostError)>>,
    client: Guarded,
}

impl Tokens {
    pub(in crate::http) fn new(client: Guarded) -> Self {
        Self { current: Mutex::default(), refused_at: Mutex::default(), fetching: AsyncMutex::default(), client }
    }

    /// A token that is good now. However many ask, one fetches.
    ///
    /// # Errors
    /// When there is none, in words that a guest may see; `Timeout` when it takes too long.
    pub(in crate::http) async fn get(
        &self,
        settings: &OAuthSettings,
        resource: &ResourceName,
        ends: Instant,
    ) -> Result<Arc<Token>, HostError> {
        if let Some(token) = self.good() {
            return Ok(token);
        }
        timeout_at(ends, self.fetch(settings, resource))
            .await
            .map_err(|_| HostError::Timeout(format!("the credential of `{resource}` was not renewed in time")))?
    }

    async fn fetch(&self, settings: &OAuthSettings, resource: &ResourceName) -> Result<Arc<Token>, HostError> {
        let mut failed = self.fetching.lock().await;
        if let Some(token) = self.good() {
            return Ok(token);
        }
        if let Some((_, error)) = failed.as_ref().filter(|(at, _)| at.elapsed() < FAILURE_HELD) {
            return Err(error.clone());
        }
        match fetch::token(&self.client, settings, resource).await {
            Ok(token) => {
                let token = Arc::new(token);
                *self.lock() = Some(Arc::clone(&token));
                *failed = None;
                Ok(token)
            }
            Err(error) => {
                *failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Forgets a token that the API refused, unless it has been replaced already, and says whether there can be another now.
    pub(in crate::http) fn reject(&self, refused: &Arc<Token>) -> bool {
        let mut current = self.lock();
        if !current.as_ref().is_some_and(|current| Arc::ptr_eq(current, refused)) {
            return true;
        }
        let mut refused_at = self.refused_at.lock().unwrap_or_else(PoisonError::into_inner);
        if refused_at.is_some_and(|at| at.elapsed() < REFUSAL_HELD) {
            return false;
        }
        *refused_at = Some(Instant::now());
        *current = None;
        true
    }

    fn good(&self) -> Option<Arc<Token>> {
        self.lock().as_ref().filter(|token| Instant::now() < token.renew_at).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Token>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
