//! A scoped token in exchange for one of an identity provider (RFC 8693).

use std::sync::Arc;

use airlock_access::{
    AccessRule, Functions, Grounds, Identity, IdentityProvider, IdentityRefusal, KeyName, Minted, Rights, Selection,
    Sender, TokenRefusal, Wish,
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

/// Who asks, by the word of identity providers.
struct People<'r> {
    principal: Arc<Principal>,
    environment: EnvironmentName,
    /// The subject, and whoever acts for them.
    identities: Vec<Identity>,
    /// What the request shows of whoever sent it.
    sender: &'r Sender,
    now: u64,
}

impl<'r> People<'r> {
    fn identified(settings: &Settings, (asked, sender): (&Exchange, &'r Sender), now: u64) -> Result<Self, Failure> {
        let (provider, subject) = verified(settings, &asked.subject, now)?;
        let acting = asked.actor.as_ref().map(|actor| verified(settings, actor, now)).transpose()?;
        let principal = Arc::new(principal(provider, &subject, acting.as_ref())?);
        let identities = std::iter::once(subject).chain(acting.map(|(_, actor)| actor)).collect();
        Ok(Self { principal, environment: asked.environment.clone(), identities, sender, now })
    }
}

/// What gave the rights: where it is written, and whom it names.
struct Given {
    places: Vec<String>,
    members: Vec<String>,
}

impl Given {
    fn add(&mut self, more: Self) {
        self.places.extend(more.places);
        self.members.extend(more.members);
        for texts in [&mut self.places, &mut self.members] {
            texts.sort_unstable();
            texts.dedup();
        }
    }
}

impl App {
    /// Exchanges a token of an identity provider for a scoped one, which is bound to what the request shows of its sender. On
    /// record before it is told.
    ///
    /// # Errors
    /// `token_invalid` in one text for every fault of the token, and with its cause for a proof that is no good;
    /// `request_malformed` when nothing is shown and tokens have to be bound; `tenant_busy`; `revoked`; `not_granted` when no rule gives what is asked;
    /// `environment_unknown`.
    pub async fn exchange(&self, asked: Exchange, sender: Sender) -> Result<Exchanged, Failure> {
        let settings = self.settings();
        let environment = asked.environment.clone();
        let refuse = |refused: Refused| {
            let subject =
                Subject { rpc: Some("TokenService.Exchange"), function: None, environment: environment.as_str() };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        };
        self.paces.check_unverified().map_err(|why| refuse(why.into()))?;
        for token in std::iter::once(&asked.subject).chain(&asked.actor) {
            look_for_key(&settings, token).await;
        }
        // As they are after that wait.
        let settings = self.settings();
        let now = clock::now_unix_s();
        let sender = settings.lasting(sender);
        let people = People::identified(&settings, (&asked, &sender), now).map_err(|why| refuse(why.into()))?;
        let by = |why| refuse(Refused::of(&people.principal)(why));
        self.paces.check(&people.principal.tenant).map_err(by)?;
        let (exchanged, event) = self.judge_exchange(&settings, &people, asked.wish).map_err(by)?;
        self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
        Ok(exchanged)
    }

    fn judge_exchange(
        &self,
        settings: &Settings,
        people: &People<'_>,
        wish: Wish,
    ) -> Result<(Exchanged, AuditEvent), Failure> {
        let People { principal, environment, identities, sender, now } = people;
        for identity in identities {
            self.check_not_revoked(principal, environment, identity)?;
        }
        settings.environment(environment)?;
        let mut selection: Option<Selection> = None;
        let mut given = Given { places: Vec::new(), members: Vec::new() };
        for identity in identities {
            // The same functions for both, so that both speak of the same.
            let functions = selection.as_ref().map(|first| first.functions.clone()).or_else(|| wish.functions.clone());
            let (its, more) = selected(&settings.identity.rules, identity, environment, functions.as_ref())?;
            selection = Some(match selection {
                None => its,
                Some(first) => first.meet(&its)?,
            });
            given.add(more);
        }
        let selection =
            selection.ok_or_else(|| Failure::internal("nobody was identified"))?.with_scopes(wish.scopes)?;
        // Last, so that only a token that is given uses the proof up.
        let holder = settings.authenticator.bind(sender, principal, *now)?;
        let tokens = &settings.config.tokens;
        let grounds = Grounds {
            principal: (**principal).clone(),
            environment: environment.clone(),
            identities: identities.iter().collect(),
            holder,
            lifetimes_max_s: (tokens.max_lifetime_s, tokens.lifetime_write_max_s()),
        };
        let minted = settings.identity.own.exchange(grounds, selection, wish.lifetime_s, *now)?;
        let expires_in_s = minted.expires_at_unix_s.saturating_sub(*now);
        let event = exchanged_event(principal, environment, &minted, &given);
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

impl Settings {
    /// What a sender can show again wherever a token is used: a certificate that one listener alone asks for would bind a token
    /// to what the other never sees.
    fn lasting(&self, sender: Sender) -> Sender {
        Sender { certificate: sender.certificate.filter(|_| self.tls.share_clients()), ..sender }
    }
}

/// Waits for a key that the provider may have published a moment ago. Believes nothing that the token says.
async fn look_for_key(settings: &Settings, SubjectToken(token): &SubjectToken) {
    let claimed = IdentityProvider::claimed_issuer(token);
    let provider = settings.identity.providers.iter().find(|one| Some(&one.provider.iss) == claimed.as_ref());
    let Some(set) = provider.and_then(|one| one.keys.published()) else { return };
    let Some(key_id) = IdentityProvider::claimed_key(token) else { return };
    set.look_for(&KeyName::Id(key_id)).await;
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
    functions: Option<&Functions>,
) -> Result<(Selection, Given), Failure> {
    let rights = Rights::of(identity, rules, environment).ok_or_else(|| {
        let message = format!(
            "no [[identity.access]] of environment `{environment}` names `{}` or one of the groups in the token",
            identity.subject()
        );
        Failure::new(Reason::NotGranted, message, "ask the operator to be given access, or for a group that has it")
    })?;
    let selection = rights.select(functions)?;
    Ok((selection, Given { places: rights.places().map(str::to_owned).collect(), members: rights.members() }))
}

fn exchanged_event(
    principal: &Arc<Principal>,
    environment: &EnvironmentName,
    minted: &Minted,
    given: &Given,
) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::TokenExchanged, clock::now_unix_ms());
    event.principal = Some(Arc::clone(principal));
    event.token_id = Some(minted.token_id.as_str().into());
    event.environment = Some(environment.into());
    event.decision = Some(Decision::Permit);
    let bound = minted.holder.map(|holder| format!("; bound to {holder}")).unwrap_or_default();
    event.message = Some(format!("{}{bound}; by {}", said_of(minted), given.places.join(", ")));
    event.granted_to.clone_from(&given.members);
    event
}
