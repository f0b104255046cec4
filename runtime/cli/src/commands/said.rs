//! What a function said, as every command prints it.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

/// Its output or its own error: one field of a document. JSON stays exactly as it came, however deep or odd it is.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// What it returned.
    Result(Box<RawValue>),
    /// The error it returned instead.
    FunctionError(SaidError),
}

/// A function's own error as a document.
#[derive(Serialize)]
pub struct SaidError {
    code: String,
    message: String,
    details: Box<RawValue>,
}

impl Said {
    /// An output, as JSON text.
    pub fn result(output: &[u8]) -> Self {
        Self::Result(json_of(output))
    }

    /// An error with its details, as JSON text.
    pub fn function_error(code: String, message: String, details: &[u8]) -> Self {
        Self::FunctionError(SaidError { code, message, details: json_of(details) })
    }

    /// Output or error, as JSON on one line.
    pub fn text(&self) -> serde_json::Result<String> {
        match self {
            Self::Result(output) => Ok(output.get().to_owned()),
            Self::FunctionError(error) => serde_json::to_string(error),
        }
    }
}

/// Servers only send JSON; anything else is shown as text rather than lost.
fn json_of(bytes: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let as_text = |text: &str| RawValue::from_string(Value::from(text).to_string());
    RawValue::from_string(text.clone()).or_else(|_| as_text(&text)).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Said;

    /// A document with what a function said as one of its fields.
    #[derive(serde::Serialize)]
    struct Document {
        #[serde(flatten)]
        said: Said,
        usage: u8,
    }

    fn document(said: Said) -> String {
        serde_json::to_string(&Document { said, usage: 1 }).unwrap()
    }

    #[test]
    fn json_is_printed_as_it_came() {
        let deep = format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(document(Said::result(deep.as_bytes())), format!(r#"{{"result":{deep},"usage":1}}"#));
        let error = Said::function_error("c".to_owned(), "m".to_owned(), br#"{"n":1}"#);
        assert_eq!(error.text().unwrap(), r#"{"code":"c","message":"m","details":{"n":1}}"#);
        assert_eq!(document(error), r#"{"function_error":{"code":"c","message":"m","details":{"n":1}},"usage":1}"#);
    }

    #[test]
    fn what_is_no_json_is_shown_as_text() {
        assert_eq!(Said::result(b"a \"b\"").text().unwrap(), r#""a \"b\"""#);
    }
}
