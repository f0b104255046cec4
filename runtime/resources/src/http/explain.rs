//! What went wrong on the way, in words that a guest may see: no address, no URL, no text of the upstream.

use std::error::Error as StdError;

use airlock_model::{HostError, Reason, ResourceName};

use super::{connect::DialError, reply::Fault};
use crate::address::Forbidden;

/// A request that got no response.
pub(super) fn request(resource: &ResourceName, error: &hyper_util::client::legacy::Error) -> HostError {
    if let Some(dial) = find::<DialError>(error) {
        return dialling(resource, dial);
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

/// A response that broke off or went over a cap.
pub(super) fn response(resource: &ResourceName, fault: Fault) -> HostError {
    match fault {
        Fault::Host(error) => error,
        Fault::Broken(error) => exchange(resource, &error),
    }
}

fn exchange(resource: &ResourceName, error: &hyper::Error) -> HostError {
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

fn closed(resource: &ResourceName) -> HostError {
    HostError::Unavailable(format!("`{resource}` closed the connection before the response was complete"))
}

fn dialling(resource: &ResourceName, error: &DialError) -> HostError {
    tracing::warn!(%resource, error = %chain(error), "no connection");
    match error {
        DialError::Resolve { .. } | DialError::NoAddress(_) => {
            HostError::Unavailable(format!("the host of `{resource}` has no address right now"))
        }
        DialError::Connect { .. } => HostError::Unavailable(format!("`{resource}` refuses connections right now")),
        DialError::TooSlow(within) => {
            HostError::Timeout(format!("no connection to `{resource}` within {} ms", within.as_millis()))
        }
        DialError::Forbidden { why: Forbidden::OwnListener, .. } => denied(
            format!("`{resource}` points at a listener of Airlock itself"),
            "the operator has to give the binding another `base_url`",
        ),
        DialError::Forbidden { why: Forbidden::Class(class), .. } => denied(
            format!("`{resource}` has a {class} address, which the binding does not allow"),
            if class.is_never_a_target() {
                "no listing allows such an address; the operator has to correct the name"
            } else {
                "if that is meant, the operator lists the range in `allow_private` of the binding"
            },
        ),
    }
}

fn denied(rule: String, hint: &str) -> HostError {
    HostError::Denied { reason: Reason::EgressDenied.to_string(), rule, hint: hint.to_owned() }
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// For the log: the error and its causes. Never holds a URL: neither hyper nor the dialler knows more than an address.
fn chain(error: &(dyn StdError + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&cause| cause.source())
}
