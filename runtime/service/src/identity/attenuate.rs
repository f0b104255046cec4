//! A token for less, from a token.

use std::num::NonZeroU32;

use airlock_access::{Functions, Minted, Narrowing, Presented, VerifiedToken};
use airlock_model::{AuditEvent, AuditKind, Decision, Failure, FunctionName, LimitCaps, Scope};

use crate::{
    App,
    app::store_failure,
    clock,
    refusals::{Refused, Subject},
};

/// What the new token is to lose. What is empty or missing stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Attenuation {
    /// The functions that stay.
    pub functions: Vec<FunctionName>,
    /// The scopes that stay.
    pub scopes: Vec<Scope>,
    /// How long it is good for, in seconds.
    pub lifetime_s: Option<u64>,
    /// Limits; they only tighten.
    pub limits: LimitCaps,
    /// How many calls it is good for.
    pub calls_max: Option<NonZeroU32>,
}

impl App {
    /// Signs a token that allows at most what the bearer's does, and says how long it is good for, in seconds. Any holder may ask; on record before it is told.
    ///
    /// # Errors
    /// `token_invalid`, `revoked`, `tenant_busy`; `not_granted` for what the bearer's token does not have.
    pub async fn attenuate(&self, bearer: Presented<'_>, asked: Attenuation) -> Result<(Minted, u64), Failure> {
        let refuse = |environment: &str, refused: Refused| {
            let subject = Subject { rpc: Some("TokenService.Attenuate"), function: None, environment };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        };
        let (settings, now) = (self.settings(), clock::now_unix_s());
        let parent = self.verify(&settings, bearer).map_err(|why| refuse("", why))?;
        let paced = self.paces.check(&parent.principal().tenant);
        paced.map_err(|why| refuse(parent.environment().as_str(), Refused::by(&parent)(why)))?;
        let minted = settings.identity.own.attenuate(&parent, narrowing(asked), now);
        let minted = minted.map_err(|why| refuse(parent.environment().as_str(), Refused::by(&parent)(why)))?;
        let event = attenuated_event(&parent, &minted);
        self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
        let expires_in_s = minted.expires_at_unix_s.saturating_sub(now);
        Ok((minted, expires_in_s))
    }
}

fn narrowing(asked: Attenuation) -> Narrowing {
    let Attenuation { functions, scopes, lifetime_s, limits, calls_max } = asked;
    Narrowing {
        functions: (!functions.is_empty()).then_some(Functions::Named(functions)),
        scopes: (!scopes.is_empty()).then_some(scopes),
        lifetime_s,
        limits,
        calls_max,
    }
}

fn attenuated_event(parent: &VerifiedToken, minted: &Minted) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::TokenAttenuated, clock::now_unix_ms());
    event.principal = Some(parent.principal().clone());
    event.token_id = Some(parent.token_id().clone());
    event.environment = Some(parent.environment().into());
    event.decision = Some(Decision::Permit);
    event.target = Some(minted.token_id.clone());
    event.message = Some(said_of(minted));
    event
}

/// What a token allows, for the trail.
pub(super) fn said_of(minted: &Minted) -> String {
    let functions = match &minted.functions {
        Functions::All => "*".to_owned(),
        Functions::Named(names) => names.iter().map(FunctionName::as_str).collect::<Vec<_>>().join(" "),
    };
    let scopes = minted.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    format!("functions `{functions}`, scope `{scopes}`, until {}", minted.expires_at_unix_s)
}
