//! Why a configuration is not accepted: with its file and line, and for others than the operator without values.

use std::path::PathBuf;

use airlock_model::place::{key_lines, line_at};

use super::resource;

/// Why a configuration is not accepted. Names the key or line, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong shape.
    #[error("{origin} is not valid: {shown}")]
    Syntax {
        /// File or environment variable.
        origin: String,
        /// Where in the file, if it is the file's fault.
        line: Option<usize>,
        /// The cause alone, without values that may be secrets.
        cause: String,
        /// The cause with the lines around it, for the operator's own terminal.
        shown: String,
    },
    /// A value that is well-formed but makes no sense.
    #[error("`{key}`{}: {message}", at(.place))]
    Value {
        /// Dotted key.
        key: String,
        /// File and line, or the variable.
        place: Option<String>,
        /// Cause and remedy.
        message: String,
    },
}

fn at(place: &Option<String>) -> String {
    place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default()
}

impl ConfigError {
    pub(crate) fn value(key: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::Value { key: key.into(), place: None, message: message.to_string() }
    }

    pub(super) fn syntax(origin: &str, text: &str, why: &toml::de::Error) -> Self {
        let of_key = resource::wrong_key(text, why).and_then(|key| key_lines(text).remove(&key));
        let line = of_key.or_else(|| why.span().map(|span| line_at(text, span.start)));
        let cause = without_values(why.message());
        Self::Syntax { origin: origin.to_owned(), line, cause, shown: why.to_string() }
    }

    pub(super) fn overlay(origin: &str, variables: &[(String, String)], why: &toml::de::Error) -> Self {
        let names = variables.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let with = |text: &str| format!("{} (with the variables {names})", text.trim_end());
        let cause = with(&without_values(why.message()));
        Self::Syntax { origin: origin.to_owned(), line: None, cause, shown: with(&why.to_string()) }
    }

    /// The error on one line and without lines of the file, which may hold secrets: for callers, log and audit trail.
    #[must_use]
    pub fn public(&self) -> String {
        match self {
            Self::Syntax { origin, line, cause, .. } => {
                let line = line.map(|line| format!(":{line}")).unwrap_or_default();
                format!("{origin}{line}: {cause}")
            }
            Self::Read { source, .. } => format!("{self}: {source}"),
            Self::Value { .. } => self.to_string(),
        }
    }
}

/// serde quotes a text that stands where something else should: `invalid type: string "..", expected ..`.
fn without_values(message: &str) -> String {
    let message = message.trim().replace('\n', " ");
    let quoted = message.find("string \"").map(|at| at + "string ".len());
    match quoted.and_then(|start| Some((start, start + message.get(start..)?.rfind("\", expected")? + 1))) {
        Some((start, end)) => {
            format!("{}(not shown){}", message.get(..start).unwrap_or_default(), message.get(end..).unwrap_or_default())
        }
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_misplaced_text_is_not_repeated() {
        let message = "in `x`: invalid type: string \"can\\\"ary\", expected internally tagged enum CredentialConfig";
        assert_eq!(
            without_values(message),
            "in `x`: invalid type: string (not shown), expected internally tagged enum CredentialConfig"
        );
        assert_eq!(without_values("unknown field `fule`,\nexpected x"), "unknown field `fule`, expected x");
    }
}
