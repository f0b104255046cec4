//! What went wrong on the way, in words that a guest may see: no address, no URL, no text of the upstream.

use std::error::Error as StdError;

use airlock_model::{HostError, Reason, ResourceName};

use crate::{
    dial::DialError,
    log::{causes, chain},
};

/// Whether the address is one that the binding does not allow: waiting does not help.
pub(crate) fn is_forbidden(error: &hyper_util::client::legacy::Error) -> bool {
    matches!(find::<DialError>(error), Some(DialError::Forbidden { .. }))
}

/// A request that got no response.
pub(crate) fn request(resource: &ResourceName, error: &hyper_util::client::legacy::Error) -> HostError {
    if let Some(dial) = find::<DialError>(error) {
        return dial.explain(resource);
    }
    if error.is_connect() {
        tracing::warn!(%resource, error = %chain(error), "no secure connection");
        return HostError::Unavailable(format!("a secure connection to `{resource}` could not be made"));
    }
    match find::<hyper::Error>(error) {
        Some(error) => exchange(resource, error),
        None => {
            tracing::warn!(%resource, error = %chain(error), "a request failed");
            closed(resource)
        }
    }
}

/// A response that broke off.
pub(super) fn exchange(resource: &ResourceName, error: &hyper::Error) -> HostError {
    tracing::warn!(%resource, error = %chain(error), "a response failed");
    if error.is_parse() {
        return malformed();
    }
    closed(resource)
}

/// Not HTTP, or more of it than anybody needs.
pub(super) fn malformed() -> HostError {
    HostError::Backend {
        code: "response_malformed".to_owned(),
        message: "the API answered with something that is not HTTP, or with too large a head".to_owned(),
    }
}

/// A rule that refused, by its stable name.
pub(super) fn refused(rule: &str, text: impl std::fmt::Display, hint: &str) -> HostError {
    HostError::Denied {
        reason: Reason::EgressDenied.to_string(),
        rule: format!("{text} (rule `{rule}`)"),
        hint: hint.to_owned(),
    }
}

/// A response in pieces whose next piece nobody asked for.
pub(super) fn unread(resource: &ResourceName) -> HostError {
    HostError::Timeout(format!(
        "the response of `{resource}` was not read on for longer than `idle_timeout_ms` of its binding allows: read it as it comes"
    ))
}

/// A response that ended before its end.
pub(super) fn closed(resource: &ResourceName) -> HostError {
    HostError::Unavailable(format!("`{resource}` closed the connection before the response was complete"))
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}
