//! Tokens that this server signs: in exchange for those of identity providers, and derived from others.

mod attenuate;
mod exchange;
mod pace;
mod revoke;

use std::sync::Arc;

use airlock_access::{
    AccessRule, Algorithm, Algorithms, IdentityProvider, Issuer, KeyError, KeySet, SigningKey, TokenIssuer, public_jwks,
};
use airlock_model::{AppName, Digest, TenantName};
use uuid::Uuid;

use crate::{
    config::{Config, ConfigError, Origin, ProviderConfig, Setting},
    keys::{self, KeyRing, Keys, Opened, Published},
};

pub use attenuate::Attenuation;
pub(crate) use pace::Paces;

pub use exchange::{Exchange, Exchanged, SubjectToken};
pub use revoke::{RevocationRequest, RevokedCalls};

/// What `[identity]` says, with its keys.
pub(crate) struct Identities {
    own: Arc<TokenIssuer>,
    /// Whether the key was made when the server started, and ends with it.
    is_ephemeral: bool,
    providers: Vec<Provider>,
    rules: Vec<AccessRule>,
    /// Differs whenever other keys of providers may be used.
    keys_mark: Vec<u8>,
}

/// An identity provider, and whom its people belong to.
pub(crate) struct Provider {
    pub(crate) provider: IdentityProvider,
    pub(crate) keys: Keys,
    pub(crate) algorithms: Algorithms,
    pub(crate) tenant: TenantName,
    pub(crate) app: AppName,
}

impl Identities {
    /// Reads the keys. A key that was made at the start goes on, so that a reload ends no token.
    pub(crate) fn read(
        config: &Config,
        ring: &KeyRing,
        before: Option<&Self>,
    ) -> Result<(Self, Vec<Setting>), ConfigError> {
        let (mut providers, mut listed, mut keys_mark) = (Vec::new(), Vec::new(), Vec::new());
        for ((section, source), written) in config.provider_sources().zip(&config.identity.provider) {
            let algorithms = source.allowed();
            let Opened { keys, mark, setting } = keys::open(config, ring, (&section, source))?;
            listed.push(setting);
            keys_mark.extend(mark.as_bytes());
            providers.push(provider(config, written, (keys, algorithms)));
        }
        let (own, is_ephemeral) = own(config, before)?;
        listed.push(own_setting(config, &own.key));
        let rules = config.access_rules().map_err(|why| config.origins.locate(why))?;
        Ok((Self { own, is_ephemeral, providers, rules, keys_mark }, listed))
    }

    /// The server itself as an issuer.
    pub(crate) fn issuer(&self) -> Result<Issuer, ConfigError> {
        let keys = KeySet::parse(&public_jwks(&[&self.own.key]));
        let keys = keys.map_err(|why| ConfigError::value("identity.key", why))?;
        Ok(Issuer { iss: self.own.iss.clone(), algorithms: Algorithms::OWN, keys: Some(keys) })
    }

    /// Those whose tokens are exchanged.
    pub(crate) fn exchanged(&self) -> Vec<Issuer> {
        self.providers.iter().map(|one| one.keys.issuer(&one.provider.iss, one.algorithms)).collect()
    }

    /// The key sets that providers publish, by `iss`.
    pub(crate) fn published(&self) -> impl Iterator<Item = (String, Arc<Published>)> {
        self.providers.iter().filter_map(|one| Some((one.provider.iss.clone(), Arc::clone(one.keys.published()?))))
    }

    /// Differs whenever other tokens may be accepted.
    pub(crate) fn mark(&self) -> Vec<u8> {
        let mut mark = format!("{}\n{}", self.own.iss, public_jwks(&[&self.own.key]));
        for provider in &self.providers {
            mark.push('\n');
            mark.push_str(&provider.provider.iss);
        }
        [mark.into_bytes(), self.keys_mark.clone()].join(&b'\n')
    }

    /// The oldest token of a provider that still counts, in seconds.
    pub(crate) fn provider_age_max_s(&self) -> u64 {
        self.providers.iter().map(|provider| provider.provider.age_max_s).max().unwrap_or(0)
    }
}

fn own(config: &Config, before: Option<&Identities>) -> Result<(Arc<TokenIssuer>, bool), ConfigError> {
    let (iss, instance) = (&config.identity.iss, &config.tokens.instance);
    let Some(source) = &config.identity.key else {
        let goes_on =
            |before: &&Identities| before.is_ephemeral && before.own.iss == *iss && before.own.instance == *instance;
        if let Some(before) = before.filter(goes_on) {
            return Ok((Arc::clone(&before.own), true));
        }
        let refuse = |why: KeyError| ConfigError::value("identity.key", why);
        // A name of its own: keys of several servers, and of one before and after a restart, are never mistaken for each other.
        let key = SigningKey::generate(Algorithm::EdDsa, &format!("airlock-{}", Uuid::now_v7())).map_err(refuse)?;
        return Ok((Arc::new(TokenIssuer { iss: iss.clone(), instance: instance.clone(), key }), true));
    };
    let refuse = |why| config.origins.locate(ConfigError::value("identity.key.file", why));
    let key = source.read().map_err(refuse)?;
    Ok((Arc::new(TokenIssuer { iss: iss.clone(), instance: instance.clone(), key }), false))
}

fn provider(config: &Config, written: &ProviderConfig, (keys, algorithms): (Keys, Algorithms)) -> Provider {
    let provider = IdentityProvider {
        iss: written.iss.clone(),
        audience: written.audience.clone(),
        subject_claim: written.subject_claim.clone(),
        groups_claim: written.groups_claim.members(),
        age_max_s: written.max_age_s,
        leeway_s: config.identity_leeway_s(),
    };
    Provider { provider, keys, algorithms, tenant: written.tenant.clone(), app: written.app.clone() }
}

/// The key that the server signs with, so that a reload says when it is another one.
fn own_setting(config: &Config, key: &SigningKey) -> Setting {
    let public = public_jwks(&[key]);
    let digest = Digest::of(public.as_bytes()).excerpt();
    let origin = config.identity.key.as_ref().map_or(Origin::BuiltIn, |key| Origin::NamedFile(key.file.clone()));
    Setting { key: "identity.signs_with".to_owned(), value: format!("{} (sha256 {digest})", key.key_id()), origin }
}
