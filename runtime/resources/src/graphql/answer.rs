//! What an API answered, and what of it a guest is told.
//!
//! An answer with data is a reply, with the errors beside it: a client can use a part. An answer without data is an error. Data
//! goes to the guest as it is, scrubbed of the credential; the texts of errors are cut and cleaned as well.

use airlock_model::{GraphqlError, GraphqlReply, HostError, HttpReply, ResourceName};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Errors of one answer that a guest is told.
const ERRORS_MAX: usize = 20;
const MESSAGE_CHARS_MAX: usize = 500;
const CODE_CHARS_MAX: usize = 64;
const PATH_CHARS_MAX: usize = 200;
/// The code where the API says none.
const CODE_DEFAULT: &str = "GRAPHQL_ERROR";

#[derive(Deserialize)]
struct Answer {
    #[serde(default, deserialize_with = "present")]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    errors: Vec<WrittenError>,
}

#[derive(Deserialize)]
struct WrittenError {
    message: String,
    #[serde(default)]
    path: Vec<Value>,
    #[serde(default)]
    extensions: Option<Value>,
}

/// A `null` of raw text is text.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Box<RawValue>>, D::Error> {
    let text = Box::<RawValue>::deserialize(source)?;
    Ok((text.get() != "null").then_some(text))
}

/// What became of a document.
pub(super) struct Read {
    pub(super) reply: Result<GraphqlReply, HostError>,
    /// Whether the API itself said what it did, or the status says that it was never asked. A gateway that gave up waiting knows
    /// nothing of what happens behind it.
    pub(super) is_settled: bool,
}

/// Reads an answer, whatever its status: servers of the specification send errors with one of 400 and above.
pub(super) fn read(resource: &ResourceName, response: &HttpReply) -> Read {
    let no_answer =
        || Read { reply: Err(no_answer(resource, response.status)), is_settled: was_turned_away(response.status) };
    let Ok(Answer { data, errors }) = serde_json::from_slice(&response.body) else { return no_answer() };
    let errors: Vec<_> = errors.into_iter().take(ERRORS_MAX).map(GraphqlError::from).collect();
    let reply = match data {
        Some(data) if data.get().starts_with('{') => Ok(GraphqlReply { data: data.get().to_owned(), errors }),
        None if !errors.is_empty() => Err(failed(&errors)),
        Some(_) | None => return no_answer(),
    };
    Read { reply, is_settled: true }
}

/// Statuses of a request that was not carried out, whoever answers: RFC 9110 sections 15.4 and 15.5, RFC 6585 section 4.
const fn was_turned_away(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 403 | 404 | 405 | 413 | 415 | 429)
}

impl From<WrittenError> for GraphqlError {
    fn from(written: WrittenError) -> Self {
        let code = written.extensions.as_ref().and_then(|extensions| extensions.get("code")?.as_str());
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let path = written.path.iter().map(step).collect::<Vec<_>>().join(".");
        Self {
            message: cleaned(&written.message, MESSAGE_CHARS_MAX),
            code: cleaned(code.unwrap_or_default(), CODE_CHARS_MAX),
            path: cleaned(&path, PATH_CHARS_MAX),
        }
    }
}

fn cleaned(text: &str, chars_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars_max).collect()
}

fn failed(errors: &[GraphqlError]) -> HostError {
    let code = errors.iter().map(|error| error.code.as_str()).find(|code| !code.is_empty());
    let place = |error: &GraphqlError| {
        if error.path.is_empty() { error.message.clone() } else { format!("{} (at {})", error.message, error.path) }
    };
    let message = cleaned(&errors.iter().map(place).collect::<Vec<_>>().join("; "), MESSAGE_CHARS_MAX);
    HostError::Backend { code: code.unwrap_or(CODE_DEFAULT).to_owned(), message }
}

/// Its text may be anybody's: the guest gets the status alone.
fn no_answer(resource: &ResourceName, status: u16) -> HostError {
    tracing::warn!(%resource, status, "an API answered with something that is not GraphQL");
    match status {
        429 | 500.. => HostError::Unavailable(format!("`{resource}` is overloaded or broken right now, try again")),
        401 | 403 => {
            HostError::Unavailable(format!("`{resource}` does not take the host's credential: tell the operator"))
        }
        _ => HostError::Backend {
            code: "GRAPHQL_ANSWER_MALFORMED".to_owned(),
            message: format!("the API answered with status {status} and no GraphQL response"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<GraphqlReply, HostError> {
        let response = HttpReply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
        read(&"shop".parse().expect("a name"), &response).reply
    }

    /// A gateway's page in front of an API that may have done all of it.
    #[test]
    fn what_became_of_a_mutation_is_known_by_an_answer_or_by_a_status_that_turns_away() {
        let is_settled = |status, body: &str| {
            let response = HttpReply { status, headers: Vec::new(), body: body.as_bytes().to_vec() };
            read(&"shop".parse().expect("a name"), &response).is_settled
        };
        for status in [200, 400, 408, 409, 422, 500, 502, 503, 504] {
            assert!(!is_settled(status, "<html>gateway</html>"), "{status}");
            assert!(is_settled(status, r#"{"errors":[{"message":"no"}]}"#), "the twin, an answer: {status}");
            assert!(is_settled(status, r#"{"data":{"a":1}}"#), "the twin, data: {status}");
        }
        for status in [301, 308, 401, 403, 404, 405, 413, 415, 429] {
            assert!(is_settled(status, "<html>gateway</html>"), "{status}");
        }
        assert!(!is_settled(200, r#"{"data":null,"errors":[]}"#) && !is_settled(200, ""));
    }

    #[test]
    fn data_keeps_every_digit_and_its_errors_beside_it() {
        let reply = answer(
            200,
            r#"{"data":{"n":12345678901234567890.10},"errors":[{"message":"half\u0000","path":["a",0,"b"],"extensions":{"code":"X"}}]}"#,
        );
        let reply = reply.expect("data");
        assert_eq!(reply.data, r#"{"n":12345678901234567890.10}"#);
        let error = GraphqlError { message: "half".into(), code: "X".into(), path: "a.0.b".into() };
        assert_eq!(reply.errors, [error]);
    }

    #[test]
    fn errors_without_data_are_an_error_with_the_first_code() {
        for status in [200, 400, 500] {
            let body =
                r#"{"errors":[{"message":"no"},{"message":"never","extensions":{"code":"FORBIDDEN"}}],"data":null}"#;
            let wanted = HostError::Backend { code: "FORBIDDEN".into(), message: "no; never".into() };
            assert_eq!(answer(status, body), Err(wanted), "{status}");
        }
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "x".repeat(5_000));
        let Err(HostError::Backend { code, message }) = answer(200, &long) else { panic!("an error") };
        assert_eq!((code.as_str(), message.len()), (CODE_DEFAULT, MESSAGE_CHARS_MAX));
    }

    #[test]
    fn what_is_no_answer_is_told_without_its_text() {
        for (status, body) in [
            (200, "<html>secret</html>"),
            (200, "{}"),
            (200, "[]"),
            (200, r#"{"data":[]}"#),
            (200, r#"{"data":"secret"}"#),
            (200, r#"{"data":null,"errors":[]}"#),
            (200, r#"{"errors":"secret"}"#),
            (404, "secret"),
            (200, ""),
        ] {
            let error = answer(status, body).expect_err(body);
            assert!(matches!(&error, HostError::Backend { code, .. } if code == "GRAPHQL_ANSWER_MALFORMED"), "{error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        for status in [401, 403, 429, 500, 502, 503] {
            assert!(matches!(answer(status, "secret"), Err(HostError::Unavailable(_))), "{status}");
        }
    }
}
