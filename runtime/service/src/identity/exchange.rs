//! A scoped token in exchange for one of an identity provider (RFC 8693).

use std::sync::Arc;

use airlock_access::{
    AccessRule, Grounds, Identity, IdentityProvider, IdentityRefusal, Minted, Rights, Selection, TokenRefusal, Wish,
};
use airlock_model::{AuditEvent, AuditKind, Bearer, Decision, EnvironmentName, Failure, Principal, Reason};

use super::{Provider, attenuate::said_of};
use crate::{
    App,
    app::store_failure,
    clock,
    refusals::{Refused, Subject},
    settings::Settings,
};

/// What is asked for, and by whose word.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The token of the person or service that calls are to be made for.
    pub subject: SubjectToken,
    /// The token of whoever acts for that person. The rights are those that both have.
    pub actor: Option<SubjectToken>,
    /// Where.
    pub environment: EnvironmentName,
    /// How much of it.
    pub wish: Wish,
}

/// The text of a token of an identity provider. A secret: shown nowhere.
#[derive(Clone)]
pub struct SubjectToken(pub String);

impl std::fmt::Debug for SubjectToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubjectToken(..)")
    }
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Exchanged {
    /// The token.
    pub minted: Minted,
    /// How long it is good for, in seconds.
    pub expires_in_s: u64,
    /// Where the rules stand that gave the rights.
    pub granted_by: Vec<String>,
}

/// What gave the rights: where it is written, and whom it names.
struct Given {
    places: Vec<String>,
    members: Vec<String>,
}

impl App {
    /// Exchanges a token of an identity provider for a scoped one. On record before it is told.
    ///
    /// # Errors
    /// `token_invalid` in one text for every fault of the token; `revoked`; `not_granted` when no rule gives what is asked;
    /// `environment_unknown`.
    pub async fn exchange(&self, asked: Exchange) -> Result<Exchanged, Failure> {
        let settings = self.settings();
        let environment = asked.environment.clone();
        for token in std::iter::once(&asked.subject).chain(&asked.actor) {
            look_for_key(&settings, token).await;
        }
        let judged = self.judge_exchange(&settings, asked);
        let (exchanged, event) = judged.map_err(|why| {
            let subject = Subject { function: None, environment: environment.as_str() };
            self.refusals.record(&self.backends.store, AuditKind::ControlRefused, subject, Refused::from(why))
        })?;
        self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
        Ok(exchanged)
    }

    fn judge_exchange(&self, settings: &Settings, asked: Exchange) -> Result<(Exchanged, AuditEvent), Failure> {
        let Exchange { subject, actor, environment, wish } = asked;
        let now = clock::now_unix_s();
        let (provider, identity) = verified(settings, &subject, now)?;
        let acting = actor.map(|actor| verified(settings, &actor, now)).transpose()?;
        let principal = principal(provider, &identity, acting.as_ref())?;
        self.check_not_revoked(&principal, &environment, &identity)?;
        if let Some((_, actor)) = &acting {
            self.check_not_revoked(&principal, &environment, actor)?;
        }
        settings.environment(&environment)?;
        let rules = &settings.identity.rules;
        let (mut selection, mut given) = selected(rules, &identity, &environment, &wish)?;
        if let Some((_, actor)) = &acting {
            // The same functions, so that both speak of the same.
            let same = Wish { functions: Some(selection.functions.clone()), ..wish.clone() };
            let (its, more) = selected(rules, actor, &environment, &same)?;
            selection = selection.meet(&its)?;
            given.places.extend(more.places);
            given.members.extend(more.members);
        }
        let selection = selection.with_scopes(wish.scopes)?;
        let shortest = acting.as_ref().map_or(&identity, |(_, actor)| {
            if actor.expires_at_unix_s() < identity.expires_at_unix_s() { actor } else { &identity }
        });
        let lifetime_s = wish.lifetime_s.map_or(u64::MAX, |wished| wished);
        let left = shortest.expires_at_unix_s().saturating_sub(now);
        let tokens = &settings.config.tokens;
        let lifetimes_max_s = (tokens.max_lifetime_s, tokens.lifetime_write_max_s());
        let grounds = Grounds {
            principal: principal.clone(),
            environment: environment.clone(),
            identity: &identity,
            lifetimes_max_s,
        };
        let minted = settings.identity.own.exchange(grounds, selection, Some(lifetime_s.min(left)), now)?;
        let expires_in_s = minted.expires_at_unix_s.saturating_sub(now);
        let event = exchanged_event(principal, &environment, &minted, &given);
        Ok((Exchanged { minted, expires_in_s, granted_by: given.places }, event))
    }

    /// Whoever was ended has no way back with a token from before.
    fn check_not_revoked(
        &self,
        principal: &Principal,
        environment: &EnvironmentName,
        identity: &Identity,
    ) -> Result<(), Failure> {
        let token_ids = [identity.token_id()];
        let token_ids = if identity.token_id().is_empty() { &[] } else { token_ids.as_slice() };
        let issued_unix_s = identity.issued_at_unix_s();
        self.backends.revocations.check_bearer(&Bearer { principal, environment, token_ids, issued_unix_s })
    }
}

/// Waits for a key that the provider may have published a moment ago. Believes nothing that the token says.
async fn look_for_key(settings: &Settings, SubjectToken(token): &SubjectToken) {
    let claimed = IdentityProvider::claimed_issuer(token);
    let provider = settings.identity.providers.iter().find(|one| Some(&one.provider.iss) == claimed.as_ref());
    let Some(set) = provider.and_then(|one| one.keys.published()) else { return };
    let Some(key_id) = IdentityProvider::claimed_key(token) else { return };
    if !set.keys().is_some_and(|keys| keys.key_ids().any(|known| known == key_id)) {
        set.look_for(&key_id).await;
    }
}

fn keys_unavailable(iss: &str) -> Failure {
    let message = format!("the keys of `{iss}` are not at hand, so its tokens cannot be judged");
    Failure::new(
        Reason::KeysUnavailable,
        message,
        "try again shortly; operators see in the log why they cannot be fetched",
    )
}

fn verified<'s>(
    settings: &'s Settings,
    SubjectToken(token): &SubjectToken,
    now_unix_s: u64,
) -> Result<(&'s Provider, Identity), Failure> {
    let claimed = IdentityProvider::claimed_issuer(token);
    let unknown = || IdentityRefusal::from(TokenRefusal::Issuer).into_failure();
    let mut providers = settings.identity.providers.iter();
    let provider = providers.find(|one| Some(&one.provider.iss) == claimed.as_ref()).ok_or_else(unknown)?;
    let keys = provider.keys.now().ok_or_else(|| keys_unavailable(&provider.provider.iss))?;
    let identity = provider.provider.verify(token, &keys, now_unix_s).map_err(IdentityRefusal::into_failure)?;
    Ok((provider, identity))
}

fn principal(
    provider: &Provider,
    identity: &Identity,
    acting: Option<&(&Provider, Identity)>,
) -> Result<Principal, Failure> {
    if let Some((other, _)) = acting.filter(|(other, _)| other.tenant != provider.tenant) {
        let message = format!("the actor belongs to tenant `{}`, the subject does not", other.tenant);
        return Err(Failure::new(Reason::NotGranted, message, "act for somebody of the same tenant"));
    }
    Ok(Principal {
        tenant: provider.tenant.clone(),
        app: provider.app.clone(),
        subject: identity.subject().to_owned(),
        actor: acting.map(|(_, actor)| actor.subject().to_owned()),
    })
}

fn selected(
    rules: &[AccessRule],
    identity: &Identity,
    environment: &EnvironmentName,
    wish: &Wish,
) -> Result<(Selection, Given), Failure> {
    let rights = Rights::of(identity, rules, environment).ok_or_else(|| {
        let message = format!(
            "no [[identity.access]] of environment `{environment}` names `{}` or one of the groups in the token",
            identity.subject()
        );
        Failure::new(Reason::NotGranted, message, "ask the operator to be given access, or for a group that has it")
    })?;
    let selection = rights.select(wish.functions.as_ref())?;
    Ok((selection, Given { places: rights.places().map(str::to_owned).collect(), members: rights.members() }))
}

fn exchanged_event(principal: Principal, environment: &EnvironmentName, minted: &Minted, given: &Given) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::TokenExchanged, clock::now_unix_ms());
    event.principal = Some(Arc::new(principal));
    event.token_id = Some(minted.token_id.as_str().into());
    event.environment = Some(environment.into());
    event.decision = Some(Decision::Permit);
    event.message = Some(format!("{}; by {}", said_of(minted), given.places.join(", ")));
    event.granted_to.clone_from(&given.members);
    event
}
