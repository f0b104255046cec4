//! Which content types a binding lets through.

use ::http::HeaderValue;
use airlock_model::HostError;

use super::explain;
use crate::ConfigError;

/// A list of `application/json` and `text/*`; an empty one lets everything through.
#[derive(Debug)]
pub(super) struct ContentTypes {
    key: &'static str,
    patterns: Vec<String>,
}

impl ContentTypes {
    /// # Errors
    /// When one is no content type.
    pub(super) fn parse(key: &'static str, texts: &[String]) -> Result<Self, ConfigError> {
        let legal = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-._".contains(&b))
        };
        let is_type = |text: &String| {
            text.split_once('/').is_some_and(|(kind, rest)| legal(kind) && (rest == "*" || legal(rest)))
        };
        if !texts.iter().all(is_type) {
            return Err(ConfigError::Key {
                key,
                rule: "lists content types in lower case: `application/json`, `text/*`",
            });
        }
        Ok(Self { key, patterns: texts.to_vec() })
    }

    /// # Errors
    /// `Denied` when a body of this type may not leave.
    pub(super) fn check_request(&self, given: Option<&HeaderValue>) -> Result<(), HostError> {
        if self.covers(given) {
            return Ok(());
        }
        let text = format!("the binding does not list the content type of the body in `{}`", self.key);
        Err(explain::refused("content_type_not_listed", text, "send a type that the binding lists"))
    }

    /// # Errors
    /// `Backend` when a body of this type may not come in.
    pub(super) fn check_response(&self, given: Option<&HeaderValue>) -> Result<(), HostError> {
        if self.covers(given) {
            return Ok(());
        }
        Err(HostError::Backend {
            code: "response_type".to_owned(),
            message: format!("the API answered with a content type that `{}` of the binding does not list", self.key),
        })
    }

    fn covers(&self, given: Option<&HeaderValue>) -> bool {
        if self.patterns.is_empty() {
            return true;
        }
        let text = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(kind) => essence.starts_with(kind) && essence.len() > kind.len(),
            None => *pattern == essence,
        };
        self.patterns.iter().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_covered_by_its_name_or_its_kind_whatever_its_parameters() {
        let list = |texts: &[&str]| {
            ContentTypes::parse("response_types", &texts.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let types = list(&["application/json", "text/*"]).expect("types");
        let covers = |text: &'static str| types.covers(Some(&HeaderValue::from_static(text)));
        assert!(covers("Application/JSON; charset=utf-8") && covers("text/plain"));
        assert!(!covers("application/jsonp") && !covers("text/") && !covers("texts/plain") && !types.covers(None));
        assert!(list(&[]).expect("types").covers(None));
        for wrong in ["json", "*/*", "Text/plain", "text/plain; x=y", "text/"] {
            assert!(list(&[wrong]).is_err(), "{wrong}");
        }
    }
}
