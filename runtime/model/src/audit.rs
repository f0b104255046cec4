//! The audit event: one shape for everything that is worth proving later.

mod erasure;
mod redact;
mod values;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, Principal, Spending, StatementClass, Usage};

pub use erasure::Erasure;
pub use values::{AuditValue, KEPT_BYTES_MAX, StatementPolicy, ValueField, ValuePolicy};

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// The server opened the trail.
    ServerStarted,
    /// A call was turned away before it ran.
    InvocationRefused,
    /// A run ended, with its outcome and usage.
    InvocationFinished,
    /// A run ended without anybody saying how: a crash or a dropped call.
    InvocationAbandoned,
    /// A guest is about to touch a resource.
    HostCallIntent,
    /// What came of it, or that it was denied.
    HostCallOutcome,
    /// A revision was stored and made live.
    FunctionDeployed,
    /// A revision of another environment was checked anew, stored and made live, or given a share of the calls.
    FunctionPromoted,
    /// A revision that had been live went live again.
    FunctionRolledBack,
    /// A function was taken out of service.
    FunctionDisabled,
    /// It takes calls again.
    FunctionEnabled,
    /// A function ended in an environment.
    FunctionDeleted,
    /// An alias leads elsewhere.
    AliasChanged,
    /// A deploy or a promotion was turned away.
    DeployRefused,
    /// A control-plane request was turned away.
    ControlRefused,
    /// The configuration was read again: what changed, or why the old one stays.
    ConfigReloaded,
    /// The tables of a database were shown to somebody who writes functions.
    SchemaDescribed,
    /// A database has said that it stopped a statement which its call had left running.
    StatementStopped,
    /// A function wants to change something that a person has to approve.
    ApprovalRequested,
    /// A person said yes.
    ApprovalGranted,
    /// A person said no.
    ApprovalRejected,
    /// A person took an approval back.
    ApprovalRevoked,
    /// The time of a request or an approval has passed.
    ApprovalExpired,
    /// An approved execution is about to happen.
    ApprovalExecuting,
    /// It has ended, and how is known.
    ApprovalUsed,
    /// It has ended, and how is not known.
    ApprovalUnknown,
    /// Somebody saw what a statement would change, in a transaction that was rolled back.
    ApprovalPreviewed,
    /// A token of an identity provider became a scoped one.
    TokenExchanged,
    /// A token became one that allows less.
    TokenAttenuated,
    /// Tokens, or what they are for, were ended: which, and which calls were cut.
    Revoked,
    /// A revocation no longer holds.
    RevocationLifted,
    /// The oldest records were removed, because their time was over.
    TrailCut,
    /// Values of records, and their salts, were erased: which records, and why.
    ValuesErased,
}

/// What is left of records that were removed: where they ended, and what they said about calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailCut {
    /// Number of the last record that was removed.
    pub seq: u64,
    /// Its hash: whoever has a copy of it can show that it is this one.
    pub hash: Digest,
    /// How many this cut removed.
    pub records: u64,
    /// When the first of them was written, in milliseconds since the Unix epoch.
    pub first_unix_ms: u64,
    /// When the last of them was.
    pub last_unix_ms: u64,
    /// Calls that they show to have ended.
    pub calls: u64,
    /// Calls that they show to have begun, and that never end, because their server was killed.
    pub unfinished_calls: u64,
    /// The highest number of a call that was issued by then.
    pub highest_call: u64,
    /// Numbers of calls that had not ended by then: first and last of each run.
    pub open_calls: Vec<(u64, u64)>,
    /// The cut, signed by the key of the checkpoints: a compact JWS of the type `airlock-trail-cut+jwt`.
    pub signed: String,
}

/// Which way a decision went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Allowed.
    Permit,
    /// Not allowed.
    Deny,
}

/// One event, before the store gives it a place in the chain.
///
/// What every event of one call repeats is shared, so that an event is cheap to make.
///
/// Texts that come from guests are capped and escaped by whoever fills them in; secrets never appear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// What happened.
    pub kind: AuditKind,
    /// Milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// Number issued before the run began: a gap is visible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_number: Option<u64>,
    /// The invocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Arc<str>>,
    /// Who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Arc<Principal>>,
    /// The token's `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<Arc<str>>,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<Arc<str>>,
    /// Digest of the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Arc<str>>,
    /// The environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Arc<str>>,
    /// The resource touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// What was done to it: `read`, `write`, `GET`, `compare-and-set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The call's transaction it belongs to, by number: what it changed lasts only when a `commit` of that number is `ok`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<u32>,
    /// Statement text, request path or key, capped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// SHA-256 over resource, language and text of a statement, as the statement manifest has it: equal statements are found by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_fingerprint: Option<Digest>,
    /// Commitment to the text of the statement, where that is kept beside the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement_commitment: Option<Digest>,
    /// Commitment to the parameters or body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_commitment: Option<Digest>,
    /// SHA-256 of the parameters or body, in hexadecimal: in records of before there were commitments. Not written any more, because
    /// whoever guesses a value proves it by its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments_sha256: Option<String>,
    /// The approval it is about or rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// Class of the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<StatementClass>,
    /// Tables named by the statement.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Which way it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// The rule that decided, or the outcome's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Public explanation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The groups and subjects of the configuration that gave a token its rights: `group payments`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_to: Vec<String>,
    /// Rows returned or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Of the outcome of a statement: whether the database was told to run it. When it was not, nothing of it happened. Missing
    /// where the engine does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<bool>,
    /// Bytes handed to the guest, and those of a value that it stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// HTTP status of the backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Where an HTTP request went: a host, and one more for each redirect that was followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// HTTP requests that were sent for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Bytes that left for it over HTTP: heads and bodies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_bytes: Option<u64>,
    /// Bytes that came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received_bytes: Option<u64>,
    /// How long it took, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// What a completion was given and took of the budgets of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spending: Option<Spending>,
    /// What the run spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Box<TrailCut>>,
    /// Which values were erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<Box<Erasure>>,
    /// What the commitments are to, on its way to its place beside the chain.
    // INVARIANT: never in the body that is hashed, or it could not be erased.
    #[serde(skip)]
    pub values: Vec<AuditValue>,
    /// Number of the host call's span in a trace; 0 where there is none. Not recorded.
    #[serde(skip)]
    pub span: u64,
}

impl AuditEvent {
    /// Commits the event to a value, which goes beside the chain.
    pub fn commit(&mut self, value: AuditValue) {
        let commitment = Some(value.commitment());
        match value.field {
            ValueField::Arguments => self.arguments_commitment = commitment,
            ValueField::Statement => self.statement_commitment = commitment,
        }
        self.values.retain(|other| other.field != value.field);
        self.values.push(value);
    }

    /// What it is committed to.
    #[must_use]
    pub fn commitment(&self, field: ValueField) -> Option<Digest> {
        match field {
            ValueField::Arguments => self.arguments_commitment,
            ValueField::Statement => self.statement_commitment,
        }
    }

    /// An event that says nothing yet but when.
    #[must_use]
    pub fn new(kind: AuditKind, time_unix_ms: u64) -> Self {
        Self {
            kind,
            time_unix_ms,
            call_number: None,
            invocation: None,
            principal: None,
            token_id: None,
            function: None,
            revision: None,
            environment: None,
            resource: None,
            operation: None,
            transaction: None,
            target: None,
            statement_fingerprint: None,
            statement_commitment: None,
            arguments_commitment: None,
            arguments_sha256: None,
            approval: None,
            class: None,
            tables: Vec::new(),
            decision: None,
            reason: None,
            message: None,
            granted_to: Vec::new(),
            rows: None,
            sent: None,
            bytes: None,
            status: None,
            hosts: Vec::new(),
            attempts: None,
            sent_bytes: None,
            received_bytes: None,
            duration_us: None,
            spending: None,
            usage: None,
            cut: None,
            erasure: None,
            values: Vec::new(),
            span: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_never_part_of_the_body() {
        let mut event = AuditEvent::new(AuditKind::HostCallIntent, 1);
        event.commit(AuditValue::new(ValueField::Arguments, ValuePolicy::Plain, [9; 32], "[\"canary\"]"));
        let body = serde_json::to_string(&event).expect("a body");
        assert!(!body.contains("canary") && body.contains("arguments_commitment"), "{body}");
        let read: AuditEvent = serde_json::from_str(&body).expect("an event");
        assert_eq!((read.commitment(ValueField::Arguments), read.values.len()), (event.arguments_commitment, 0));
    }

    #[test]
    fn bodies_of_before_there_were_commitments_are_read() {
        let body = r#"{"kind":"host_call_intent","time_unix_ms":1,"arguments_sha256":"00ff"}"#;
        let event: AuditEvent = serde_json::from_str(body).expect("an event");
        assert_eq!(event.arguments_sha256.as_deref(), Some("00ff"));
        assert_eq!(serde_json::to_string(&event).expect("a body"), body);
    }
}
