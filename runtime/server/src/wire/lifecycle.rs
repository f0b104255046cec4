//! Messages about what happens to a function after its deploy.

use airlock_model::DigestPrefix;
use airlock_proto::v1;
use airlock_service::{Deployment, FunctionChange, Landing, LiveFunction, Promotion, Share};

use super::{
    function::{findings, revision, whole_function},
    name,
};
use crate::status::Refusal;

pub(crate) fn promotion(asked: &v1::PromoteRequest) -> Result<Promotion, Refusal> {
    let landing = match asked.percent {
        0 | 100 => Landing::Live,
        other => Landing::Share(percent("percent", other)?),
    };
    Ok(Promotion {
        function: name("function", &asked.function)?,
        from: name("from_environment", &asked.from_environment)?,
        to: name("environment", &asked.environment)?,
        revision: optional_digest(&asked.revision)?,
        landing,
    })
}

pub(crate) fn promote_response(deployed: Deployment) -> v1::PromoteResponse {
    v1::PromoteResponse { revision: Some(revision(deployed.revision)), findings: findings(&deployed.findings) }
}

pub(crate) fn rollback(asked: &v1::RollbackRequest) -> Result<FunctionChange, Refusal> {
    Ok(FunctionChange::Rollback(optional_digest(&asked.revision)?))
}

pub(crate) fn set_alias(asked: &v1::SetAliasRequest) -> Result<FunctionChange, Refusal> {
    let share = |share: &v1::AliasShare| {
        let revision = digest("shares.revision", &share.revision)?;
        Ok(Share { revision, percent: percent("shares.percent", share.percent)? })
    };
    let shares = asked.shares.iter().map(share).collect::<Result<_, Refusal>>()?;
    Ok(FunctionChange::SetAlias(name("alias", &asked.alias)?, shares))
}

/// What callers meet after a change.
pub(crate) fn changed(live: Option<LiveFunction>) -> Option<v1::Function> {
    live.map(whole_function)
}

fn optional_digest(text: &str) -> Result<Option<DigestPrefix>, Refusal> {
    if text.is_empty() { Ok(None) } else { digest("revision", text).map(Some) }
}

fn digest(field: &'static str, text: &str) -> Result<DigestPrefix, Refusal> {
    text.parse().map_err(|why| {
        let hint = "send a digest as ListRevisions gives it";
        Refusal::malformed(field, format!("field `{field}`: {why}"), hint)
    })
}

fn percent(field: &'static str, asked: u32) -> Result<u8, Refusal> {
    u8::try_from(asked).ok().filter(|percent| *percent <= 100).ok_or_else(|| {
        let message = format!("field `{field}`: `{asked}` is more than 100");
        Refusal::malformed(field, message, "give a share of a hundred calls")
    })
}
