//! Messages of the data plane.

use airlock_model::{FunctionError, InvokeRequest, LogLevel, LogLine, Usage};
use airlock_proto::v1::{self, cancel_request, invoke_response};
use airlock_service::{Answer, CallName, InvokeReply};
use http::HeaderValue;
use serde::de::IgnoredAny;

use super::{name, optional_name};
use crate::{request, status::Refusal};

/// The request as the model says it. An empty payload is the JSON value `null`.
pub(crate) fn invoke_request(asked: v1::InvokeRequest) -> Result<InvokeRequest, Refusal> {
    Ok(InvokeRequest {
        function: name("function", &asked.function)?,
        environment: name("environment", &asked.environment)?,
        alias: optional_name("alias", &asked.alias)?,
        payload: json_text(asked.payload)?,
    })
}

fn json_text(payload: Vec<u8>) -> Result<String, Refusal> {
    const HINT: &str = "send one JSON text in UTF-8 (RFC 8259)";
    if payload.is_empty() {
        return Ok("null".to_owned());
    }
    let text = String::from_utf8(payload).map_err(|why| {
        let at = why.utf8_error().valid_up_to();
        Refusal::malformed("payload", format!("field `payload`: not UTF-8 at byte {at}"), HINT)
    })?;
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(why) => Err(Refusal::malformed("payload", format!("field `payload`: not JSON: {why}"), HINT)),
    }
}

/// The caller's own id for the answer's `x-request-id`, when the message has one.
pub(crate) fn own_request_id(text: &str) -> Result<Option<HeaderValue>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let sane = request::is_sane_id(text.as_bytes()).then(|| HeaderValue::from_str(text).ok()).flatten();
    sane.map(|id| Some(request::passing(id))).ok_or_else(|| {
        let hint = "use 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_` and `.`";
        Refusal::malformed("request_id", "field `request_id`: not a legal id", hint)
    })
}

/// Which calls are to be stopped.
pub(crate) fn call_name(asked: Option<cancel_request::Call>) -> Result<CallName, Refusal> {
    let sane = |field: &'static str, text: String| {
        let hint = "send the id as it was given: 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_` and `.`";
        let odd = || Refusal::malformed(field, format!("field `{field}`: not a legal id"), hint);
        if request::is_sane_id(text.as_bytes()) { Ok(text) } else { Err(odd()) }
    };
    match asked {
        Some(cancel_request::Call::InvocationId(id)) => sane("invocation_id", id).map(CallName::Invocation),
        Some(cancel_request::Call::RequestId(id)) => sane("request_id", id).map(CallName::Request),
        None => {
            let hint = "send `invocation_id` or `request_id`";
            Err(Refusal::malformed("invocation_id", "nothing says which call is meant", hint))
        }
    }
}

pub(crate) fn invoke_response(reply: InvokeReply) -> v1::InvokeResponse {
    let result = match reply.answer {
        Answer::Returned(output) => invoke_response::Result::Output(output.into_bytes()),
        Answer::FunctionError(error) => invoke_response::Result::FunctionError(function_error(error)),
    };
    v1::InvokeResponse {
        invocation_id: reply.invocation.to_string(),
        revision: reply.revision.to_string(),
        result: Some(result),
        usage: Some(usage(&reply.usage)),
    }
}

fn function_error(error: FunctionError) -> v1::FunctionError {
    v1::FunctionError { code: error.code, message: error.message, details: error.details.into_bytes() }
}

fn usage(usage: &Usage) -> v1::Usage {
    v1::Usage {
        fuel: usage.fuel,
        memory_bytes: usage.memory_bytes,
        wall_us: usage.wall_us,
        host_calls: usage.host_calls,
        host_bytes: usage.host_bytes,
        log_bytes: usage.log_bytes,
        egress_requests: usage.egress_requests,
        egress_bytes: usage.egress_bytes,
        result_rows: usage.result_rows,
    }
}

pub(crate) fn log_line(line: LogLine) -> v1::LogLine {
    let level = match line.level {
        LogLevel::Trace => v1::LogLevel::Trace,
        LogLevel::Debug => v1::LogLevel::Debug,
        LogLevel::Info => v1::LogLevel::Info,
        LogLevel::Warn => v1::LogLevel::Warn,
        LogLevel::Error => v1::LogLevel::Error,
    };
    v1::LogLine { level: level.into(), message: line.message, fields: line.fields.into_bytes() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(function: &str, environment: &str, payload: Vec<u8>) -> Result<InvokeRequest, Refusal> {
        let (function, environment) = (function.to_owned(), environment.to_owned());
        invoke_request(v1::InvokeRequest { function, environment, payload, ..Default::default() })
    }

    #[test]
    fn a_payload_is_kept_to_the_byte_and_nothing_means_null() {
        let text = br#" {"a": 1.10, "b": 123456789012345678901234567890} "#;
        let read = request("f", "dev", text.to_vec()).unwrap();
        assert_eq!(read.payload.as_bytes(), text);
        assert_eq!(request("f", "dev", Vec::new()).unwrap().payload, "null");
    }

    #[test]
    fn a_payload_that_is_not_one_json_text_is_refused() {
        for bytes in [&b"{"[..], b"{} {}", b"undefined", b"'a'", b"\xff", b"\"\xed\xa0\x80\"", b"01", b"NaN"] {
            assert!(request("f", "dev", bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn deep_json_does_not_end_the_process() {
        let deep = [b"[".repeat(1_000_000), b"]".repeat(1_000_000)].concat();
        // Either verdict is fine; overflowing the stack is not.
        let _ = request("f", "dev", deep);
    }

    #[test]
    fn names_are_parsed_at_the_edge() {
        assert!(request("Order", "dev", Vec::new()).is_err());
        assert!(request("order", "", Vec::new()).is_err());
    }

    #[test]
    fn a_call_is_named_once_and_sanely() {
        use cancel_request::Call::{InvocationId, RequestId};
        assert_eq!(call_name(Some(InvocationId("i-1".into()))).unwrap(), CallName::Invocation("i-1".into()));
        assert_eq!(call_name(Some(RequestId("r-1".into()))).unwrap(), CallName::Request("r-1".into()));
        for odd in [None, Some(InvocationId(String::new())), Some(RequestId("a\nb".into()))] {
            assert!(call_name(odd).is_err());
        }
    }

    #[test]
    fn a_request_id_is_sane_or_refused() {
        assert_eq!(own_request_id("").unwrap(), None);
        assert_eq!(own_request_id("job-1").unwrap(), Some(HeaderValue::from_static("job-1")));
        assert!(own_request_id("a\r\nb").is_err());
    }
}
