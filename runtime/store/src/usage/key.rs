//! What usage is counted by.

use std::{fmt, str::FromStr, sync::Arc};

use airlock_model::{AuditEvent, Principal};
use serde::{Deserialize, Serialize};

/// One of the things that usage is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// Who pays.
    Tenant,
    /// Where.
    Environment,
    /// Which application called.
    App,
    /// The function.
    Function,
    /// Digest of its revision.
    Revision,
    /// The resource of host calls.
    Resource,
    /// The `sub` of the token.
    Subject,
    /// Who acted for them.
    Actor,
}

impl Dimension {
    /// All of them, in the order of a key.
    pub const ALL: [Self; 8] = [
        Self::Tenant,
        Self::Environment,
        Self::App,
        Self::Function,
        Self::Revision,
        Self::Resource,
        Self::Subject,
        Self::Actor,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Environment => "environment",
            Self::App => "app",
            Self::Function => "function",
            Self::Revision => "revision",
            Self::Resource => "resource",
            Self::Subject => "subject",
            Self::Actor => "actor",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dimension {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|one| one.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("`{text}` is nothing that usage is counted by: {all}")
        })
    }
}

/// Whose usage, of what. An empty text stands for "none".
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UsageKey {
    /// Who pays; none for refusals of callers without a valid token.
    pub tenant: String,
    /// Where.
    pub environment: String,
    /// Which application called.
    pub app: String,
    /// The function.
    pub function: String,
    /// Digest of its revision; none for refusals.
    pub revision: String,
    /// The resource of host calls; none for what is counted by call.
    pub resource: String,
    /// The `sub` of the token.
    pub subject: String,
    /// Who acted for them.
    pub actor: String,
}

impl UsageKey {
    /// One of its parts.
    #[must_use]
    pub fn get(&self, dimension: Dimension) -> &str {
        match dimension {
            Dimension::Tenant => &self.tenant,
            Dimension::Environment => &self.environment,
            Dimension::App => &self.app,
            Dimension::Function => &self.function,
            Dimension::Revision => &self.revision,
            Dimension::Resource => &self.resource,
            Dimension::Subject => &self.subject,
            Dimension::Actor => &self.actor,
        }
    }
}

/// The same as events have it: shared, so that one is made for each record without copying texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SharedKey {
    pub(crate) hour: u64,
    principal: Option<Arc<Principal>>,
    environment: Option<Arc<str>>,
    function: Option<Arc<str>>,
    revision: Option<Arc<str>>,
    resource: Option<String>,
}

impl SharedKey {
    pub(crate) fn of_call(event: &AuditEvent, hour: u64) -> Self {
        Self {
            hour,
            principal: event.principal.clone(),
            environment: event.environment.clone(),
            function: event.function.clone(),
            revision: event.revision.clone(),
            resource: None,
        }
    }

    pub(crate) fn of_host_call(event: &AuditEvent, hour: u64) -> Self {
        Self { resource: event.resource.clone(), ..Self::of_call(event, hour) }
    }

    /// Whoever has no valid token can ask for any name: these are counted together.
    pub(crate) fn of_refusal(event: &AuditEvent, hour: u64) -> Self {
        let all = Self { revision: None, ..Self::of_call(event, hour) };
        if all.principal.is_some() { all } else { Self { function: None, environment: None, ..all } }
    }

    pub(crate) fn to_key(&self) -> UsageKey {
        let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().to_owned();
        let mut key = UsageKey {
            environment: text(&self.environment),
            function: text(&self.function),
            revision: text(&self.revision),
            resource: self.resource.clone().unwrap_or_default(),
            ..UsageKey::default()
        };
        if let Some(Principal { tenant, app, subject, actor, .. }) = self.principal.as_deref() {
            key.tenant = tenant.to_string();
            key.app = app.to_string();
            key.subject.clone_from(subject);
            key.actor = actor.clone().unwrap_or_default();
        }
        key
    }
}
