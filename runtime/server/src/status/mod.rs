//! Failures on the wire: the one map from reasons to gRPC codes, and the only place that makes a status.

mod details;

use std::time::Duration;

use airlock_model::{Failure, InvocationId, Reason};
use tonic::{Code, Status, metadata::MetadataValue};

pub(crate) use details::{Explained, explain};

use crate::trace;

/// Metadata key of the run: of one that failed, and of every stream.
pub(crate) const INVOCATION_ID: &str = "airlock-invocation-id";

/// When whoever lost their place may come back: longer than an honest request needs to arrive.
const PLACE_RETRY_AFTER: Duration = Duration::from_millis(100);

/// A failure with what only the wire knows about it.
#[derive(Debug)]
pub(crate) struct Refusal {
    failure: Box<Failure>,
    field: Option<String>,
    invocation: Option<InvocationId>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { failure: Box::new(failure), field: None, invocation: None }
    }
}

impl Refusal {
    /// A failure caused by one field of the request.
    pub(crate) fn field(field: impl Into<String>, failure: Failure) -> Self {
        Self { field: Some(field.into()), ..Self::from(failure) }
    }

    /// One field of the request has the wrong shape.
    pub(crate) fn malformed(field: &str, message: impl Into<String>, hint: &str) -> Self {
        Self::field(field, Failure::new(Reason::RequestMalformed, message, hint))
    }

    /// The server has as many calls as it may.
    pub(crate) fn overloaded(retry_after: Duration) -> Self {
        let hint = "try again after the time given, with a growing and jittered pause";
        Failure::new(Reason::Overloaded, "the server is busy", hint).with_retry_after(retry_after).into()
    }

    /// A message that does not fit.
    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("the request is larger than the {bytes_max} bytes this listener takes");
        Failure::new(Reason::PayloadTooLarge, message, "send less").into()
    }

    pub(crate) fn of_run(failure: Failure, invocation: Option<InvocationId>) -> Self {
        Self { invocation, ..Self::from(failure) }
    }
}

/// The gRPC code of a reason.
pub(crate) const fn code(reason: Reason) -> Code {
    match reason {
        Reason::RequestMalformed => Code::InvalidArgument,
        Reason::TokenInvalid | Reason::TokenUsed => Code::Unauthenticated,
        Reason::NotGranted
        | Reason::StatementRefused
        | Reason::EgressDenied
        | Reason::WritesDenied
        | Reason::StorageFull
        | Reason::ModelDenied
        | Reason::StatementUnlisted
        | Reason::SpendingExhausted
        | Reason::Revoked
        | Reason::ApprovalRejected
        | Reason::ApprovalRowsExceeded => Code::PermissionDenied,
        Reason::FunctionUnknown | Reason::EnvironmentUnknown | Reason::ApprovalUnknown => Code::NotFound,
        Reason::ResourceUnbound
        | Reason::ApprovalPending
        | Reason::ApprovalClosed
        | Reason::ComponentRejected
        | Reason::FunctionDisabled
        | Reason::PromotionOnly
        | Reason::ConfigInvalid
        | Reason::RestartNeeded => Code::FailedPrecondition,
        Reason::PayloadTooLarge
        | Reason::TenantBusy
        | Reason::TenantRateExceeded
        | Reason::TenantBudgetExhausted
        | Reason::FuelExhausted
        | Reason::MemoryExhausted
        | Reason::TableElementsExhausted
        | Reason::InstancesExhausted
        | Reason::HandlesExhausted
        | Reason::HostCallsExhausted
        | Reason::HostBytesExhausted
        | Reason::OutputTooLarge
        | Reason::LogBytesExhausted
        | Reason::EgressRequestsExhausted
        | Reason::EgressBytesExhausted
        | Reason::ResultRowsExhausted
        | Reason::ResultBytesExhausted => Code::ResourceExhausted,
        Reason::Overloaded
        | Reason::Draining
        | Reason::AuditUnavailable
        | Reason::KeysUnavailable
        | Reason::ResourceUnavailable => Code::Unavailable,
        Reason::TimeExhausted => Code::DeadlineExceeded,
        Reason::Cancelled => Code::Cancelled,
        Reason::GuestTrap | Reason::OutputMalformed => Code::Unknown,
        Reason::Internal => Code::Internal,
    }
}

/// Makes the status of a refusal, and gives its private text to the log.
pub(crate) fn status(refusal: impl Into<Refusal>, request_id: &str) -> Status {
    let mut refusal = refusal.into();
    log(&refusal.failure, request_id);
    cut(&mut refusal.failure.message);
    cut(&mut refusal.failure.hint);
    let code = code(refusal.failure.reason);
    let details = details::encode(code, &refusal, request_id);
    let mut status = Status::with_details(code, refusal.failure.message, details);
    if let Some(Ok(id)) = refusal.invocation.map(|id| MetadataValue::try_from(&*id.0)) {
        status.metadata_mut().insert(INVOCATION_ID, id);
    }
    status
}

/// A request whose body takes too long to arrive.
pub(crate) fn too_slow() -> Status {
    let hint = "send the whole request without pauses";
    status(Failure::new(Reason::TimeExhausted, "the request did not arrive in time", hint), "")
}

/// A request without a token whose place somebody else has taken before it arrived.
pub(crate) fn place_taken() -> Status {
    let hint = "send the whole request at once, after a growing and jittered pause";
    let message = "the request was still to come when others needed its place";
    let failure = Failure::new(Reason::Overloaded, message, hint);
    status(failure.with_retry_after(PLACE_RETRY_AFTER), "")
}

/// A stream that ends because the server stops.
pub(crate) fn draining() -> Status {
    let hint = "connect again; another instance answers";
    status(Failure::new(Reason::Draining, "the server is stopping", hint), "")
}

/// An RPC that is not served here.
pub(crate) fn unimplemented(hint: &str, request_id: &str) -> Status {
    let details = details::encode_unimplemented(hint, request_id);
    Status::with_details(Code::Unimplemented, "there is no such method on this listener", details)
}

/// Gives a status that tonic made by itself our shape: it blames us for requests that are the caller's fault.
///
/// tonic answers INTERNAL to a message that is not protobuf and OUT_OF_RANGE to one that is too large.
pub(crate) fn repaired(made: &Status, bytes_max: usize, request_id: &str) -> Status {
    match made.code() {
        Code::OutOfRange | Code::ResourceExhausted => status(Refusal::too_large(bytes_max), request_id),
        Code::Cancelled => status(Failure::new(Reason::Cancelled, "the caller went away", "nothing to do"), request_id),
        Code::Unimplemented => unimplemented("see the service's .proto, or ask reflection", request_id),
        _ => {
            let text: String = made.message().chars().filter(|c| !c.is_control()).take(200).collect();
            let message = format!("the request is not a well-formed gRPC message: {text}");
            let hint = "build the request from proto/airlock/v1 of this release";
            status(Failure::new(Reason::RequestMalformed, message, hint), request_id)
        }
    }
}

/// Clients take about 8 KiB of trailers in all.
fn cut(text: &mut String) {
    const BYTES_MAX: usize = 1024;
    if let Some((end, _)) = text.char_indices().find(|(at, c)| at + c.len_utf8() > BYTES_MAX) {
        text.truncate(end);
        text.push('…');
    }
}

/// Text of ours, but it may quote what a caller or backend sent: written escaped.
fn log(failure: &Failure, request_id: &str) {
    let reason = failure.reason.as_str();
    let (trace_id, span_id) = trace::ids().unzip();
    match (&failure.log, failure.reason) {
        (cause, Reason::Internal) => {
            let cause = cause.as_deref().unwrap_or_default();
            tracing::error!(reason, request_id, trace_id, span_id, ?cause, "internal failure");
        }
        (Some(cause), _) => tracing::info!(reason, request_id, trace_id, span_id, ?cause, "refused"),
        (None, _) => tracing::debug!(reason, request_id, trace_id, span_id, "refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bug_of_ours_is_internal() {
        for reason in Reason::ALL {
            assert_eq!(code(*reason) == Code::Internal, *reason == Reason::Internal, "{reason}");
        }
    }

    #[test]
    fn the_private_text_never_reaches_the_wire() {
        let failure = Failure::internal("password=hunter2");
        let status = status(failure, "r-1");
        let wire = format!("{status:?}{:?}", String::from_utf8_lossy(status.details()));
        assert!(!wire.contains("hunter2"), "{wire}");
        assert!(wire.contains("r-1"));
    }

    #[test]
    fn the_invocation_stands_in_the_metadata() {
        let failure = Failure::new(Reason::GuestTrap, "trap", "look");
        let status = status(Refusal::of_run(failure, Some(InvocationId("i-1".into()))), "r-1");
        assert_eq!(status.metadata().get(INVOCATION_ID).map(|v| v.to_str().unwrap()), Some("i-1"));
    }

    #[test]
    fn what_tonic_blames_on_us_goes_back_to_the_caller() {
        let made = Status::internal("failed to decode\u{1b}[31m Protobuf message");
        let repaired = repaired(&made, 10, "r-1");
        assert_eq!(repaired.code(), Code::InvalidArgument);
        assert!(!repaired.message().contains('\u{1b}'));
    }
}
