//! Between the JSON text of the contract and the typed handler.

use std::panic::PanicHookInfo;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::log;
use crate::wit::airlock::guest::types::FunctionError;

/// The handler's input from the caller's JSON text.
///
/// # Errors
/// `input_invalid` with serde's message, which names the field and the place.
pub fn decode<'a, In: Deserialize<'a>>(input: &'a str) -> Result<In, FunctionError> {
    serde_json::from_str(input).map_err(|error| Error::new("input_invalid", error.to_string()).into())
}

/// The handler's result as the contract carries it.
///
/// # Errors
/// The handler's own error, or `output_invalid` when the output has no JSON form.
pub fn encode<Out: Serialize, E: Into<Error>>(result: Result<Out, E>) -> Result<String, FunctionError> {
    let output = result.map_err(|error| FunctionError::from(error.into()))?;
    serde_json::to_string(&output).map_err(|error| Error::new("output_invalid", error.to_string()).into())
}

/// Makes a panic leave a log line before it traps.
pub fn install_panic_hook() {
    // A function item has no size: boxing it allocates nothing.
    std::panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    #[derive(Serialize)]
    struct Place<'a> {
        file: &'a str,
        line: u32,
    }
    let text = payload_text(info).unwrap_or("panic with a payload that is not text");
    let place = info.location().map(|at| Place { file: at.file(), line: at.line() });
    log::write(log::Level::Error, &format!("panicked: {text}"), &place);
}

// `PanicHookInfo::payload_as_str` is newer than our oldest compiler.
fn payload_text<'a>(info: &'a PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = info.payload();
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Input<'a> {
        name: &'a str,
    }

    #[test]
    fn input_may_borrow_from_the_text() {
        let input: Input<'_> = decode(r#"{"name":"Ada"}"#).expect("valid input");
        assert_eq!(input.name, "Ada");
    }

    #[test]
    fn wrong_input_names_the_field() {
        let error = decode::<Input<'_>>("{}").expect_err("a field is missing");
        assert_eq!(error.code, "input_invalid");
        assert!(error.message.contains("name"), "{}", error.message);
    }

    #[test]
    fn handler_error_arrives_as_it_is() {
        let error = encode::<(), _>(Err(Error::new("sold_out", "none left").with_details([1]))).expect_err("an error");
        assert_eq!(
            (error.code.as_str(), error.message.as_str(), error.details.as_str()),
            ("sold_out", "none left", "[1]")
        );
    }
}
