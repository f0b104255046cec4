//! Messages of the token service.

use std::num::{NonZeroU32, NonZeroU64};

use airlock_model::{FunctionName, Limit, LimitCaps, Revocation, Scope};
use airlock_proto::v1;
use airlock_service::{
    Attenuation, Exchange, Exchanged, Functions, Minted, RevocationRequest, RevokedCalls, SubjectToken, Wish,
};

use super::{name, timestamp};
use crate::status::Refusal;

const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub(crate) fn exchange(asked: &v1::ExchangeRequest) -> Result<Exchange, Refusal> {
    let v1::ExchangeRequest { subject_token, subject_token_type, actor_token, actor_token_type, environment, .. } =
        asked;
    if subject_token.is_empty() {
        let hint = "send the ID token or access token of the identity provider";
        return Err(Refusal::malformed("subject_token", "field `subject_token` is empty", hint));
    }
    token_type("subject_token_type", subject_token_type)?;
    token_type("actor_token_type", actor_token_type)?;
    let functions = match asked.functions.as_slice() {
        [] => None,
        [all] if all == "*" => Some(Functions::All),
        names => Some(Functions::Named(function_names(names)?)),
    };
    let scopes = scopes(&asked.scope)?;
    Ok(Exchange {
        subject: SubjectToken(subject_token.clone()),
        actor: (!actor_token.is_empty()).then(|| SubjectToken(actor_token.clone())),
        environment: name("environment", environment)?,
        wish: Wish {
            functions,
            scopes: (!scopes.is_empty()).then_some(scopes),
            lifetime_s: (asked.lifetime_s > 0).then_some(asked.lifetime_s),
        },
    })
}

fn token_type(field: &'static str, given: &str) -> Result<(), Refusal> {
    if given.is_empty() || [ID_TOKEN, ACCESS_TOKEN, JWT].contains(&given) {
        return Ok(());
    }
    let message = format!("field `{field}`: tokens of type `{}` are not exchanged", given.escape_debug());
    Err(Refusal::malformed(field, message, &format!("send {ID_TOKEN}, {ACCESS_TOKEN} or {JWT}")))
}

fn function_names(names: &[String]) -> Result<Vec<FunctionName>, Refusal> {
    names.iter().map(|text| name("functions", text)).collect()
}

fn scopes(text: &str) -> Result<Vec<Scope>, Refusal> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    let scope = |word: &str| {
        word.parse().map_err(|why: airlock_model::grant::GrantError| {
            Refusal::malformed("scope", format!("field `scope`: {why}"), "write scopes with one space between them")
        })
    };
    words.map(scope).collect()
}

pub(crate) fn exchange_response(exchanged: Exchanged) -> v1::ExchangeResponse {
    let Exchanged { minted, expires_in_s, granted_by } = exchanged;
    v1::ExchangeResponse {
        scope: scope_text(&minted),
        functions: function_texts(&minted.functions),
        token_type: scheme(&minted).to_owned(),
        access_token: minted.token,
        issued_token_type: JWT.to_owned(),
        expires_in: expires_in_s,
        granted_by,
    }
}

/// How the token is sent (RFC 9449 section 5, RFC 8705 section 3).
fn scheme(minted: &Minted) -> &'static str {
    if minted.holder.is_some_and(|holder| holder.names_key()) { "DPoP" } else { "Bearer" }
}

fn scope_text(minted: &Minted) -> String {
    minted.scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn function_texts(functions: &Functions) -> Vec<String> {
    match functions {
        Functions::All => vec!["*".to_owned()],
        Functions::Named(names) => names.iter().map(ToString::to_string).collect(),
    }
}

pub(crate) fn attenuation(asked: &v1::AttenuateRequest) -> Result<Attenuation, Refusal> {
    let mut limits = LimitCaps::default();
    for (limit, value) in &asked.limits {
        let found = Limit::ALL.iter().find(|one| one.name() == limit).ok_or_else(|| {
            let message = format!("field `limits`: there is no limit `{}`", limit.escape_debug());
            Refusal::malformed("limits", message, "`airlock limits` lists them")
        })?;
        let value = NonZeroU64::new(*value).ok_or_else(|| {
            Refusal::malformed("limits", format!("field `limits`: `{limit}` is zero"), "each is above zero")
        })?;
        limits.set(*found, value);
    }
    Ok(Attenuation {
        functions: function_names(&asked.functions)?,
        scopes: scopes(&asked.scope)?,
        lifetime_s: (asked.lifetime_s > 0).then_some(asked.lifetime_s),
        limits,
        calls_max: NonZeroU32::new(asked.calls),
    })
}

pub(crate) fn attenuate_response((minted, expires_in): (Minted, u64)) -> v1::AttenuateResponse {
    v1::AttenuateResponse {
        expires_in,
        scope: scope_text(&minted),
        functions: function_texts(&minted.functions),
        access_token: minted.token,
    }
}

pub(crate) fn revocation_request(asked: v1::TokenServiceRevokeRequest) -> Result<RevocationRequest, Refusal> {
    let what = asked.kind.parse().map_err(|why: String| {
        Refusal::malformed("kind", format!("field `kind`: {}", why.escape_debug()), "name what is to end")
    })?;
    Ok(RevocationRequest {
        what,
        value: asked.value,
        tenant: (!asked.tenant.is_empty()).then_some(asked.tenant),
        is_everywhere: asked.everywhere,
        until_lifted: asked.until_lifted,
        reason: asked.reason,
    })
}

pub(crate) fn revoke_response(RevokedCalls { revocation: made, cut }: RevokedCalls) -> v1::TokenServiceRevokeResponse {
    let cut = cut.iter().map(ToString::to_string).collect();
    v1::TokenServiceRevokeResponse { revocation: Some(revocation(made)), cut }
}

pub(crate) fn list_revocations_response(found: Vec<Revocation>) -> v1::ListRevocationsResponse {
    v1::ListRevocationsResponse { revocations: found.into_iter().map(revocation).collect() }
}

pub(crate) fn revocation(made: Revocation) -> v1::Revocation {
    let seconds = |unix_s: u64| timestamp(unix_s.saturating_mul(1000));
    v1::Revocation {
        id: made.id.0,
        kind: made.what.to_string(),
        value: made.value,
        tenant: made.tenant.map(String::from).unwrap_or_default(),
        environment: made.environment.map(String::from).unwrap_or_default(),
        issued_until: made.issued_until_unix_s.map(seconds),
        expires_at: made.expires_unix_s.map(seconds),
        revoked_at: Some(timestamp(made.revoked_unix_ms)),
        revoked_by: made.by,
        reason: made.reason,
    }
}
