//! Between the messages of `airlock.v1` and the model. Requests are parsed here, once, and trusted afterwards.

mod approval;
mod audit;
mod explain;
mod function;
mod invocation;
mod lifecycle;
mod log;
mod operator;
mod resource;
mod token;
mod usage;

use std::str::FromStr;

use airlock_model::NameError;
use airlock_service::{PageRequest, PageToken};

pub(crate) use approval::{
    approval_filter, approval_id, decided, get_approval_response, list_approvals_response, preview_response, terms,
};
pub(crate) use audit::{
    audit_erase, audit_query, audit_response, audit_tail, audit_verify, checkpoint_response, erase_response,
    tail_response, verify_response,
};
pub(crate) use explain::{explain_response, question};
pub(crate) use function::{
    check_response, deploy_response, finding, get_response, list_candidates_response, list_response,
    list_revisions_response, upload,
};
pub(crate) use invocation::{call_name, invoke_request, invoke_response, log_line, own_request_id};
pub(crate) use lifecycle::{changed, promote_response, promotion, rollback, set_alias};
pub(crate) use log::{log_query, log_response};
pub(crate) use operator::{get_config_response, limits_response, reload_response};
pub(crate) use resource::{describe_schema_response, list_resources_response};
pub(crate) use token::{
    attenuate_response, attenuation, exchange, exchange_response, list_revocations_response, revocation,
    revocation_request, revoke_response,
};
pub(crate) use usage::{unused_grants, unused_grants_response, usage_query, usage_response};

use crate::status::Refusal;

/// A name that must be there.
pub(crate) fn name<N: FromStr<Err = NameError>>(field: &'static str, text: &str) -> Result<N, Refusal> {
    text.parse().map_err(|why: NameError| Refusal::malformed(field, format!("field `{field}`: {why}"), why.rule))
}

/// A name that may be missing.
pub(crate) fn optional_name<N: FromStr<Err = NameError>>(
    field: &'static str,
    text: &str,
) -> Result<Option<N>, Refusal> {
    if text.is_empty() { Ok(None) } else { name(field, text).map(Some) }
}

/// AIP-158: zero means the default, more than the maximum means the maximum, less than zero is an error.
fn page_size(asked: i32, default: u32, max: u32) -> Result<u32, Refusal> {
    match u32::try_from(asked) {
        Ok(0) => Ok(default),
        Ok(size) => Ok(size.min(max)),
        Err(_) => {
            let message = format!("field `page_size`: `{asked}` is less than zero");
            Err(Refusal::malformed("page_size", message, "leave it out or ask for at least 1"))
        }
    }
}

/// Which part of a list.
pub(crate) fn page(size: i32, token: &str) -> Result<PageRequest, Refusal> {
    let size = Some(page_size(size, 50, 500)?);
    if token.is_empty() {
        return Ok(PageRequest { size, token: None });
    }
    let token: PageToken = token.parse().map_err(|_| {
        let hint = "send `next_page_token` of the page before, unchanged";
        Refusal::malformed("page_token", "field `page_token`: not a token of ours", hint)
    })?;
    Ok(PageRequest { size, token: Some(token) })
}

fn timestamp(unix_ms: u64) -> prost_types::Timestamp {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or(i64::MAX);
    let nanos = i32::try_from(unix_ms % 1000 * 1_000_000).unwrap_or_default();
    prost_types::Timestamp { seconds, nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_follow_aip_158() {
        for (asked, size) in [(0, 50), (7, 7), (500, 500), (501, 500), (i32::MAX, 500)] {
            assert_eq!(page(asked, "").unwrap().size, Some(size), "{asked}");
        }
        assert!(page(-1, "").is_err());
        assert!(page(0, "not-ours").is_err());
    }

    #[test]
    fn timestamps_keep_milliseconds() {
        let time = timestamp(1_700_000_000_123);
        assert_eq!((time.seconds, time.nanos), (1_700_000_000, 123_000_000));
    }
}
