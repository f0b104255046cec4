//! What went wrong at a provider, in words that a guest may see: no text of the provider's.

use airlock_model::{HostError, ResourceName};

use super::Fault;

/// Longest time to wait that is passed on, in seconds.
const RETRY_AFTER_S_MAX: u64 = 86_400;

/// A status outside 200 to 299.
pub(super) fn status(resource: &ResourceName, status: u16, headers: &[(String, String)]) -> HostError {
    tracing::warn!(%resource, status, "a provider of language models turned a request away");
    match status {
        429 => rate_limited(retry_after_s(headers)),
        401 | 403 => {
            HostError::Unavailable(format!("`{resource}` does not take the host's credential: tell the operator"))
        }
        408 | 500.. => HostError::Unavailable(format!("`{resource}` is overloaded or broken right now, try again")),
        _ => backend("LLM_REQUEST_REFUSED", format!("the provider refused the request with status {status}")),
    }
}

/// An answer that is none.
pub(super) fn fault(resource: &ResourceName, fault: &Fault) -> HostError {
    tracing::warn!(%resource, ?fault, "a completion failed");
    match fault {
        Fault::Malformed => {
            backend("LLM_ANSWER_MALFORMED", "the provider answered with something that is not its protocol".to_owned())
        }
        Fault::Truncated => backend("LLM_ANSWER_TRUNCATED", "the completion broke off before its end".to_owned()),
        Fault::Refused => backend("LLM_REFUSED", "the model or its provider declines to answer this".to_owned()),
        Fault::Provider(kind) if kind.starts_with("rate_limit") => rate_limited(None),
        Fault::Provider(_) => backend("LLM_PROVIDER_ERROR", "the provider failed while it answered".to_owned()),
    }
}

fn rate_limited(seconds: Option<u64>) -> HostError {
    let when = seconds.map_or_else(|| "try again later".to_owned(), |seconds| format!("try again in {seconds} s"));
    backend("LLM_RATE_LIMITED", format!("the provider takes no more requests right now: {when}"))
}

/// In seconds; a date (RFC 9110 section 10.2.3) is as good as nothing.
fn retry_after_s(headers: &[(String, String)]) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name == "retry-after")?;
    value.parse().ok().filter(|seconds| *seconds <= RETRY_AFTER_S_MAX)
}

fn backend(code: &str, message: String) -> HostError {
    HostError::Backend { code: code.to_owned(), message }
}
