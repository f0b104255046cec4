//! The kill switch: what is ended takes no more calls, and those in flight are cut.

use std::sync::Arc;

use airlock_access::{Authorized, Control, Presented};
use airlock_model::{
    AppName, AuditEvent, AuditKind, ControlScope, Decision, EnvironmentName, Failure, FunctionName, InvocationId,
    NameError, Reason, ResourceName, Revocation, RevocationId, Revoked, TenantName,
};
use airlock_store::StoreError;
use uuid::Uuid;

use crate::{
    App,
    app::store_failure,
    clock,
    control::About,
    refusals::{Refused, Subject},
    revocations::ended_by,
};

/// Characters of the reason.
const REASON_CHARS_MAX: usize = 500;
/// Bytes of what is named.
const VALUE_BYTES_MAX: usize = 255;
/// Bytes of a `jti`, as tokens may have it.
const TOKEN_ID_BYTES_MAX: usize = 128;
/// Invocations that the trail names one by one.
const CUT_RECORDED_MAX: usize = 100;
/// How long the memory of an ended token is kept at least, in seconds: longer than any token lives.
const KEPT_S_MIN: u64 = 24 * 3_600;

/// What is to end.
#[derive(Debug, Clone)]
pub struct RevocationRequest {
    /// Which kind of thing.
    pub what: Revoked,
    /// Which one.
    pub value: String,
    /// Whose; the token's own tenant when missing, everybody's with `*`. Others than the own need `operator:write`.
    pub tenant: Option<String>,
    /// Not only in the environment of the token. Needs `operator:write`.
    pub is_everywhere: bool,
    /// For subjects, apps and tenants: not only tokens from before, but all until it is lifted.
    pub until_lifted: bool,
    /// Why: shown to whoever is refused.
    pub reason: String,
}

/// What was ended.
#[derive(Debug, Clone)]
pub struct RevokedCalls {
    /// The revocation.
    pub revocation: Revocation,
    /// The calls that were cut.
    pub cut: Vec<InvocationId>,
}

impl App {
    /// Ends tokens, a function or a resource: at once, also for calls in flight, and for as long as it is to hold.
    ///
    /// # Errors
    /// When the token lacks `token:revoke`, or `operator:write` for more than its own tenant and environment;
    /// `request_malformed`. `audit_unavailable` when it holds now but would not survive a restart.
    pub async fn revoke(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        asked: RevocationRequest,
    ) -> Result<RevokedCalls, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::TokenRevoke, About("TokenService.Revoke", &environment, None))?;
        let revocation = self.judge_revocation(&permit, asked).map_err(|why| {
            let subject =
                Subject { rpc: Some("TokenService.Revoke"), function: None, environment: environment.as_str() };
            let refused = Refused::by(permit.token())(why);
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        })?;
        // In force first: a full disk must not keep anybody from ending something.
        self.backends.revocations.add(revocation.clone())?;
        let cut = self.running.cut(&revocation, &ended_by(&revocation));
        let event = revoked_event(&permit, &revocation, &cut);
        let backends = Arc::clone(&self.backends);
        let made = revocation.clone();
        // In a task of its own: whoever asks may go away, and what is in force has to be kept all the same.
        let kept = tokio::spawn(async move { backends.store.keep_revocation(made, event).await });
        kept.await.map_err(Failure::internal)?.map_err(|why| {
            let mut failure = store_failure(&why);
            failure.message = format!("it is in force, but not kept for after a restart: {}", failure.message);
            failure
        })?;
        Ok(RevokedCalls { revocation, cut })
    }

    /// What is ended for the token's tenant in its environment; everything with `operator:write`. Without that, of what is ended
    /// for all tenants the names are left out that the token's own calls would not be refused with.
    ///
    /// # Errors
    /// When the token lacks `token:revoke`.
    pub async fn list_revocations(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> Result<Vec<Revocation>, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::TokenRevoke,
            About("TokenService.ListRevocations", &environment, None),
        )?;
        let found = self.backends.revocations.list(|one| may_touch(&permit, one) || reaches(&permit, one));
        let is_whole = |one: &Revocation| may_touch(&permit, one) || one.tenant.is_some() || ends_own(&permit, one);
        Ok(found.into_iter().map(|one| if is_whole(&one) { one } else { without_names(one) }).collect())
    }

    /// Takes a revocation back.
    ///
    /// # Errors
    /// When the token lacks `token:revoke`, or `operator:write` where that was needed; `request_malformed` when there is none
    /// of that name that it may lift.
    pub async fn lift_revocation(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        id: RevocationId,
    ) -> Result<Revocation, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::TokenRevoke,
            About("TokenService.LiftRevocation", &environment, None),
        )?;
        let found = self.backends.revocations.list(|one| one.id == id && may_lift(&permit, one));
        let Some(revocation) = found.into_iter().next() else {
            let message = format!("there is no revocation `{id}` that this token may lift");
            let hint = "`airlock token revocations` lists them; what was ended in one environment is lifted with a token for it, \
                        and nobody lifts what ends themselves";
            return Err(Failure::new(Reason::RequestMalformed, message, hint));
        };
        let mut event = control_event(AuditKind::RevocationLifted, &permit);
        describe(&mut event, &revocation);
        let backends = Arc::clone(&self.backends);
        // In a task of its own: whoever asks may go away, and memory and disk have to say the same.
        let lifted = tokio::spawn(async move {
            // Kept first: what was lifted must not come back with a restart.
            match backends.store.lift_revocation(id.clone(), event).await {
                // It was in force and never kept.
                Ok(_) | Err(StoreError::NotFound { .. }) => backends.revocations.remove(&id),
                Err(why) => return Err(store_failure(&why)),
            }
            Ok(())
        });
        lifted.await.map_err(Failure::internal)??;
        Ok(revocation)
    }

    fn judge_revocation(&self, permit: &Authorized<Control>, asked: RevocationRequest) -> Result<Revocation, Failure> {
        let RevocationRequest { what, value, tenant, is_everywhere, until_lifted, reason } = asked;
        let malformed = |message: String, hint: &str| Err(Failure::new(Reason::RequestMalformed, message, hint));
        if value.is_empty() || value.len() > VALUE_BYTES_MAX || value.chars().any(char::is_control) {
            return malformed(format!("name the {what} in 1 to {VALUE_BYTES_MAX} bytes of text"), "see `value`");
        }
        if reason.chars().count() > REASON_CHARS_MAX || reason.chars().any(char::is_control) {
            return malformed(format!("a reason is one line of at most {REASON_CHARS_MAX} characters"), "shorten it");
        }
        let own = &permit.principal().tenant;
        let tenant: Option<TenantName> = match tenant.as_deref() {
            None => Some(own.clone()),
            Some("*") => None,
            Some(name) => match name.parse() {
                Ok(name) => Some(name),
                Err(why) => return malformed(format!("field `tenant`: {why}"), "name a tenant, or `*` for all"),
            },
        };
        let tenant = match (what, tenant) {
            // A tenant's tokens are its own: whose they are is said already.
            (Revoked::Tenant, _) => Some(value.parse().map_err(|why: NameError| not_a_name(&why))?),
            (_, tenant) => tenant,
        };
        check_value(what, &value)?;
        let is_wide = tenant.as_ref() != Some(own) || is_everywhere;
        if is_wide && !permit.token().control_scopes().contains(&ControlScope::OperatorWrite) {
            let message = "the token may end what is its own tenant's, in its own environment";
            let hint = "ask for a token with `operator:write` for other tenants or every environment";
            return Err(Failure::new(Reason::NotGranted, message, hint));
        }
        let now_ms = clock::now_unix_ms();
        let settings = self.settings();
        let (leeway, now) = (settings.config.tokens.leeway_s, now_ms / 1000);
        let kept_s = KEPT_S_MIN
            .max(settings.config.tokens.max_lifetime_s)
            .max(settings.identity.provider_age_max_s())
            .saturating_add(leeway.saturating_mul(2));
        let is_about_tokens = matches!(what, Revoked::Subject | Revoked::App | Revoked::Tenant);
        let is_passing = what == Revoked::Token || (is_about_tokens && !until_lifted);
        Ok(Revocation {
            id: RevocationId(Uuid::now_v7().to_string()),
            what,
            value,
            tenant,
            environment: (!is_everywhere).then(|| permit.call().environment().clone()),
            // Issuers' clocks may be ahead of ours by as much as is forgiven.
            issued_until_unix_s: (is_about_tokens && !until_lifted).then(|| now.saturating_add(leeway)),
            expires_unix_s: is_passing.then(|| now.saturating_add(kept_s)),
            revoked_unix_ms: now_ms,
            by: permit.principal().subject.clone(),
            reason,
        })
    }
}

/// What names nothing ends nothing, and whoever asked would believe that it did.
fn check_value(what: Revoked, value: &str) -> Result<(), Failure> {
    let is_name = match what {
        Revoked::Token => {
            let is_id = value.len() <= TOKEN_ID_BYTES_MAX && value.bytes().all(|byte| byte.is_ascii_graphic());
            let message = format!("a `jti` is 1 to {TOKEN_ID_BYTES_MAX} visible ASCII characters");
            return if is_id { Ok(()) } else { Err(Failure::new(Reason::RequestMalformed, message, "see `value`")) };
        }
        Revoked::Subject => return Ok(()),
        Revoked::App => value.parse::<AppName>().map(drop),
        Revoked::Tenant => value.parse::<TenantName>().map(drop),
        Revoked::Function => value.parse::<FunctionName>().map(drop),
        Revoked::Resource => value.parse::<ResourceName>().map(drop),
    };
    is_name.map_err(|why| not_a_name(&why))
}

fn not_a_name(why: &NameError) -> Failure {
    Failure::new(Reason::RequestMalformed, format!("field `value`: {why}"), why.rule)
}

/// Whether a token may lift it: where it holds, and not if it ends the token's own holder anywhere.
fn may_lift(permit: &Authorized<Control>, revocation: &Revocation) -> bool {
    let is_here = revocation.environment.as_ref().is_none_or(|mine| mine == permit.call().environment());
    is_here && !ends_holder(permit, revocation) && may_touch(permit, revocation)
}

/// Whether it is about the token's own holder, or the token.
fn ends_holder(permit: &Authorized<Control>, revocation: &Revocation) -> bool {
    let principal = permit.principal();
    match revocation.what {
        Revoked::Subject => {
            principal.subject == revocation.value || principal.actor.as_ref() == Some(&revocation.value)
        }
        Revoked::App => principal.app.as_str() == revocation.value,
        Revoked::Tenant => principal.tenant.as_str() == revocation.value,
        Revoked::Token => permit.token().token_ids().any(|id| id == revocation.value),
        Revoked::Function | Revoked::Resource => false,
    }
}

/// Whether calls with this token would be told of it when they are refused.
fn ends_own(permit: &Authorized<Control>, revocation: &Revocation) -> bool {
    let token = permit.token();
    match revocation.what {
        Revoked::Function => revocation.value.parse().is_ok_and(|name| token.covers(&name)),
        Revoked::Resource => token.grants().iter().any(|grant| grant.resource.as_str() == revocation.value),
        Revoked::Token | Revoked::Subject | Revoked::App | Revoked::Tenant => ends_holder(permit, revocation),
    }
}

/// Whether it ends something of the token's tenant in its environment, whoever made it.
fn reaches(permit: &Authorized<Control>, revocation: &Revocation) -> bool {
    revocation.tenant.as_ref().is_none_or(|tenant| *tenant == permit.principal().tenant)
        && revocation.environment.as_ref().is_none_or(|mine| mine == permit.call().environment())
}

/// That something is ended, and not what, by whom and why: those may be names of other tenants.
fn without_names(revocation: Revocation) -> Revocation {
    Revocation { value: String::new(), by: String::new(), reason: String::new(), ..revocation }
}

/// Whether a token may change it: by the same rule as it may make it.
fn may_touch(permit: &Authorized<Control>, revocation: &Revocation) -> bool {
    permit.token().control_scopes().contains(&ControlScope::OperatorWrite)
        || (revocation.tenant.as_ref() == Some(&permit.principal().tenant)
            && revocation.environment.as_ref() == Some(permit.call().environment()))
}

fn control_event(kind: AuditKind, permit: &Authorized<Control>) -> AuditEvent {
    let mut event = AuditEvent::new(kind, clock::now_unix_ms());
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event.environment = Some(permit.call().environment().into());
    event.decision = Some(Decision::Permit);
    event
}

fn describe(event: &mut AuditEvent, revocation: &Revocation) {
    event.operation = Some(revocation.what.to_string());
    event.target = Some(revocation.value.clone());
    let tenant = revocation.tenant.as_ref().map_or("every tenant".to_owned(), |name| format!("tenant `{name}`"));
    let place = revocation.environment.as_ref().map_or("everywhere".to_owned(), |name| format!("in `{name}`"));
    event.message = Some(format!("revocation {} of {tenant} {place}: {}", revocation.id, revocation.reason));
}

fn revoked_event(permit: &Authorized<Control>, revocation: &Revocation, cut: &[InvocationId]) -> AuditEvent {
    let mut event = control_event(AuditKind::Revoked, permit);
    describe(&mut event, revocation);
    event.rows = Some(cut.len() as u64);
    if !cut.is_empty() {
        let named: Vec<_> = cut.iter().take(CUT_RECORDED_MAX).map(ToString::to_string).collect();
        let said = event.message.take().unwrap_or_default();
        event.message = Some(format!("{said}; cut {}: {}", cut.len(), named.join(" ")));
    }
    event
}
