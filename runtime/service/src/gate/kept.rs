//! What the trail keeps of parameters and texts, by the policy of the environment.

use airlock_model::{
    AuditEvent, AuditValue, BlobAction, Digest, HostError, HttpCall, KEPT_BYTES_MAX, KvAction, ResourceName,
    StatementLanguage, StatementPolicy, ValueField, ValuePolicy, fingerprint,
};
use airlock_store::{StoreError, draw_salt};
use serde_json::{Value, json};

use super::{CallGate, judge::Judge, plan::TARGET_CHARS_MAX};
use crate::config::AuditPolicy;

/// Words in names of headers and query parameters whose values are credentials.
const SECRET_WORDS: [&str; 9] =
    ["auth", "cookie", "token", "secret", "passw", "key", "signature", "credential", "session"];
const WITHHELD: &str = "(withheld)";

/// Commits an event to a value, and keeps of it beside the chain what the policy says.
///
/// # Errors
/// [`StoreError::Unavailable`] without random bits for a salt.
pub(crate) fn keep(
    event: &mut AuditEvent,
    field: ValueField,
    policy: ValuePolicy,
    value: &str,
) -> Result<(), StoreError> {
    event.commit(AuditValue::new(field, policy, draw_salt()?, value));
    Ok(())
}

impl Judge<'_> {
    fn audit_policy(&self) -> AuditPolicy {
        let environment = self.settings.environment(&self.deployed.environment);
        // One that is gone by now keeps least.
        environment.map_or(AuditPolicy::LEAST, |environment| environment.audit)
    }

    /// The text of a statement as the policy wants it, and in any case what equal ones are found by.
    pub(super) fn keep_statement(
        &self,
        event: &mut AuditEvent,
        (resource, language): (&ResourceName, StatementLanguage),
        text: &str,
    ) -> Result<(), StoreError> {
        event.resource = Some(resource.to_string());
        event.statement_fingerprint = Some(fingerprint(resource, language, text));
        match self.audit_policy().statements {
            StatementPolicy::Text => event.target = Some(text.chars().take(TARGET_CHARS_MAX).collect()),
            StatementPolicy::Erasable => keep(event, ValueField::Statement, ValuePolicy::Plain, text)?,
            StatementPolicy::Fingerprint => {}
        }
        Ok(())
    }

    /// The same for a query within a path, which the trail keeps without its values.
    pub(super) fn keep_soql(
        &self,
        event: &mut AuditEvent,
        resource: &ResourceName,
        (listed, shown): (&str, &str),
    ) -> Result<(), StoreError> {
        event.statement_fingerprint = Some(fingerprint(resource, StatementLanguage::Soql, listed));
        match (self.audit_policy().statements, &mut event.target) {
            (StatementPolicy::Text, Some(target)) => {
                target.push_str("?q=");
                target.extend(shown.chars().take(TARGET_CHARS_MAX));
            }
            (StatementPolicy::Erasable, _) => keep(event, ValueField::Statement, ValuePolicy::Plain, shown)?,
            (StatementPolicy::Text, None) | (StatementPolicy::Fingerprint, _) => {}
        }
        Ok(())
    }
}

impl CallGate {
    /// As [`Judge::keep_statement`], for a host call that is not made without it.
    pub(super) fn keep_statement(
        &self,
        event: &mut AuditEvent,
        of: (&ResourceName, StatementLanguage),
        text: &str,
    ) -> Result<(), HostError> {
        self.judge().keep_statement(event, of, text).map_err(|error| self.unrecorded(&error))
    }

    /// The same for one that is refused anyway.
    pub(super) fn describe_statement(
        &self,
        mut event: AuditEvent,
        of: (&ResourceName, StatementLanguage),
        text: &str,
    ) -> AuditEvent {
        if let Err(error) = self.judge().keep_statement(&mut event, of, text) {
            tracing::error!(%error, "the trail has only the fingerprint of a statement that was refused");
        }
        event
    }

    /// An error as the trail tells it: what a backend says of parameters can quote them.
    pub(super) fn told(&self, error: &HostError) -> String {
        match (error, self.judge().audit_policy().parameters) {
            (HostError::Backend { code, .. }, ValuePolicy::Hash | ValuePolicy::Redacted) => {
                format!("backend error `{code}`; its text may quote parameters, which the policy does not keep")
            }
            _ => error.to_string(),
        }
    }

    /// Commits the event of a host call to its arguments; to nothing when it has none.
    pub(super) fn keep_arguments(&self, event: &mut AuditEvent, arguments: Option<&str>) -> Result<(), HostError> {
        self.keep_as(event, arguments, self.judge().audit_policy().parameters)
    }

    /// The same for a request over HTTP, of which nothing is kept where the operator hides even its path.
    pub(super) fn keep_request(&self, event: &mut AuditEvent, call: &HttpCall) -> Result<(), HostError> {
        let settings = &self.facts.settings;
        let hides = settings.resources.hides_path(&self.facts.deployed.environment, &call.resource);
        let policy = if hides { ValuePolicy::Hash } else { self.judge().audit_policy().parameters };
        self.keep_as(event, of_request(call).as_deref(), policy)
    }

    fn keep_as(&self, event: &mut AuditEvent, arguments: Option<&str>, policy: ValuePolicy) -> Result<(), HostError> {
        let kept = arguments.map_or(Ok(()), |arguments| keep(event, ValueField::Arguments, policy, arguments));
        kept.map_err(|error| self.unrecorded(&error))
    }
}

/// Parameters and variables as a function gave them.
pub(super) fn of_json(text: &str) -> Option<&str> {
    Some(text).filter(|text| !matches!(text.trim(), "" | "[]" | "{}" | "null"))
}

/// The values of a call to a store, as a list.
pub(super) fn of_kv(action: &KvAction) -> Option<String> {
    let [expected, value] = action.values();
    match (expected, value) {
        ("", "") => None,
        ("", value) => Some(json!([value]).to_string()),
        both => Some(json!([both.0, both.1]).to_string()),
    }
}

/// What is stored as an object.
pub(super) fn of_blob(action: &BlobAction) -> Option<String> {
    let [content_type, content] = action.content();
    let kind = String::from_utf8_lossy(content_type);
    let stores = !(content_type.is_empty() && content.is_empty());
    stores.then(|| json!({"content_type": kind, "content": body(content)}).to_string())
}

/// Query, headers and body of a request.
fn of_request(call: &HttpCall) -> Option<String> {
    let HttpCall { query, headers, body: content, .. } = call;
    let content = content.as_deref().unwrap_or_default();
    if query.is_empty() && headers.is_empty() && content.is_empty() {
        return None;
    }
    let content = if content.is_empty() { Value::Null } else { body(content) };
    Some(json!({"query": pairs(query), "headers": pairs(headers), "body": content}).to_string())
}

fn pairs(pairs: &[(String, String)]) -> Value {
    let shown = pairs.iter().map(|(name, value)| json!([name, if is_secret(name) { WITHHELD } else { value }]));
    shown.collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A text as it is; of bytes, and of what is longer than what is kept, digest and length.
fn body(content: &[u8]) -> Value {
    match str::from_utf8(content) {
        Ok(text) if content.len() <= KEPT_BYTES_MAX => text.into(),
        _ => json!({"sha256": Digest::of(content), "bytes": content.len()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_keeps_no_credential_that_a_function_brings() {
        let pair = |name: &str| (name.to_owned(), "canary".to_owned());
        for name in ["Authorization", "x-api-key", "Cookie", "access_token", "X-Amz-Signature", "PASSWORD"] {
            assert!(!pairs(&[pair(name)]).to_string().contains("canary"), "{name}");
        }
        assert!(pairs(&[pair("page")]).to_string().contains("canary"), "the twin: a parameter like any");
    }

    #[test]
    fn bytes_and_long_texts_are_told_by_digest_and_length() {
        assert_eq!(body(b"text"), json!("text"));
        let long = vec![b'x'; KEPT_BYTES_MAX + 1];
        for content in [&[0xff][..], &long] {
            assert_eq!(body(content), json!({"sha256": Digest::of(content), "bytes": content.len()}));
        }
    }

    #[test]
    fn no_arguments_need_no_commitment() {
        assert_eq!([of_json(""), of_json("[]"), of_json(" {} "), of_json("[1]")], [None, None, None, Some("[1]")]);
        assert_eq!(of_kv(&KvAction::Get { key: "k".to_owned() }), None);
        let set = KvAction::Set { key: "k".to_owned(), value: "v".to_owned(), ttl_ms: None };
        assert_eq!(of_kv(&set).as_deref(), Some("[\"v\"]"));
    }
}
