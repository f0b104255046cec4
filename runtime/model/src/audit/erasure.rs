//! Which values were erased, as the trail says it for as long as it lasts.

use serde::{Deserialize, Serialize};

use super::{AuditEvent, ValueField};

/// What an erasure is about. Everything that is set has to match; it never says what was erased.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Only of this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Only of this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Only of what this subject did, or an actor of this name for a subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Only of this invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<String>,
    /// The first record that it may be about.
    pub first_seq: u64,
    /// The last: never beyond the record that says so.
    pub last_seq: u64,
    /// Only of records before this time, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<u64>,
    /// Only these.
    pub fields: Vec<ValueField>,
    /// How many values it was.
    pub values: u64,
}

impl Erasure {
    /// Whether it is about this field of this record.
    #[must_use]
    pub fn covers(&self, seq: u64, event: &AuditEvent, field: ValueField) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let who = event.principal.as_deref();
        let acts =
            |name: &String| who.is_some_and(|who| who.subject == *name || who.actor.as_deref() == Some(name.as_str()));
        (self.first_seq..=self.last_seq).contains(&seq)
            && self.fields.contains(&field)
            && is(&self.tenant, who.map(|who| who.tenant.as_str()))
            && is(&self.environment, event.environment.as_deref())
            && self.principal.as_ref().is_none_or(acts)
            && is(&self.invocation, event.invocation.as_deref())
            && self.until_unix_ms.is_none_or(|until| event.time_unix_ms < until)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{AuditKind, Principal};

    fn erasure() -> Erasure {
        Erasure {
            tenant: Some("acme".to_owned()),
            environment: Some("dev".to_owned()),
            principal: Some("ada".to_owned()),
            invocation: Some("inv-1".to_owned()),
            first_seq: 3,
            last_seq: 9,
            until_unix_ms: Some(1_000),
            fields: vec![ValueField::Arguments],
            values: 1,
        }
    }

    #[test]
    fn an_erasure_covers_what_matches_all_that_it_says() {
        let mut event = AuditEvent::new(AuditKind::HostCallIntent, 999);
        event.environment = Some("dev".into());
        event.invocation = Some("inv-1".into());
        event.principal = Some(Arc::new(Principal {
            tenant: "acme".parse().expect("a name"),
            app: "shop".parse().expect("a name"),
            subject: "ada".to_owned(),
            actor: None,
        }));
        assert!(
            erasure().covers(3, &event, ValueField::Arguments) && erasure().covers(9, &event, ValueField::Arguments)
        );
        let other = |change: fn(&mut Erasure)| {
            let mut other = erasure();
            change(&mut other);
            other.covers(3, &event, ValueField::Arguments)
        };
        assert!(
            !erasure().covers(2, &event, ValueField::Arguments) && !erasure().covers(10, &event, ValueField::Arguments)
        );
        assert!(!erasure().covers(3, &event, ValueField::Statement));
        assert!(
            !other(|one| one.tenant = Some("globex".to_owned()))
                && !other(|one| one.environment = Some("qa".to_owned()))
        );
        assert!(
            !other(|one| one.principal = Some("eve".to_owned())) && !other(|one| one.invocation = Some("2".to_owned()))
        );
        assert!(!other(|one| one.until_unix_ms = Some(999)) && other(|one| one.until_unix_ms = None));
    }
}
