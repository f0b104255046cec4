//! What one record adds to usage: the only place that says so.

use airlock_model::{AuditEvent, AuditKind, Decision, Spending, Spent, Usage};

use super::{
    HOUR_MS, Measures,
    key::SharedKey,
    measures::{Reasons, count},
};
use crate::chain::kind_name;

/// What a record adds, and to whose usage.
#[derive(Debug, Clone)]
pub(crate) struct Contribution {
    pub(crate) key: SharedKey,
    time_unix_ms: u64,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Ended {
        outcome: String,
        usage: Option<Usage>,
    },
    Refused(String),
    /// A host call that was made, or denied.
    Answered(Box<Answered>),
    /// What a completion took of its budgets before its request left.
    Reserved(Charge),
}

#[derive(Debug, Clone)]
struct Answered {
    decision: Decision,
    reason: String,
    duration_us: Option<u64>,
    rows: u64,
    bytes: u64,
    attempts: u64,
    sent_bytes: u64,
    received_bytes: u64,
    charge: Charge,
}

/// Below zero where less was needed than was reserved.
#[derive(Debug, Clone, Copy, Default)]
struct Charge {
    tokens: i64,
    cost_micros: i64,
}

/// The kinds of records that add something; the others need not be read.
pub(crate) fn counted_kinds() -> [&'static str; 5] {
    [
        kind_name(AuditKind::InvocationFinished),
        kind_name(AuditKind::InvocationAbandoned),
        kind_name(AuditKind::InvocationRefused),
        kind_name(AuditKind::HostCallIntent),
        kind_name(AuditKind::HostCallOutcome),
    ]
}

impl Contribution {
    /// What this record adds, if anything. It counts in the hour in which it was made, and a completion in the hour in which it
    /// began.
    pub(crate) fn of(event: &AuditEvent) -> Option<Self> {
        let hour = hour_of(event);
        let (key, what) = match event.kind {
            AuditKind::InvocationFinished | AuditKind::InvocationAbandoned => {
                (SharedKey::of_call(event, hour), What::Ended { outcome: reason(event), usage: event.usage })
            }
            AuditKind::InvocationRefused => (SharedKey::of_refusal(event, hour), What::Refused(reason(event))),
            AuditKind::HostCallIntent => {
                (SharedKey::of_host_call(event, hour), What::Reserved(Charge::reserved(event.spending.as_ref()?)))
            }
            AuditKind::HostCallOutcome => {
                (SharedKey::of_host_call(event, hour), What::Answered(Box::new(Answered::of(event))))
            }
            _ => return None,
        };
        Some(Self { key, time_unix_ms: event.time_unix_ms, what })
    }

    /// Adds it to what was counted for its key.
    pub(crate) fn add_to(self, measures: &mut Measures) {
        measures.see(self.time_unix_ms);
        match self.what {
            What::Ended { outcome, usage } => {
                count(&mut measures.calls.outcomes, outcome);
                if let Some(usage) = usage {
                    measures.calls.add_usage(&usage);
                }
            }
            What::Refused(reason) => count(&mut measures.calls.refusals, reason),
            What::Reserved(charge) => charge.add_to(measures),
            What::Answered(answered) => answered.add_to(measures),
        }
    }
}

/// In hours since the Unix epoch.
fn hour_of(event: &AuditEvent) -> u64 {
    let took_ms = match event.spending {
        Some(_) => event.duration_us.unwrap_or_default() / 1_000,
        None => 0,
    };
    event.time_unix_ms.saturating_sub(took_ms) / HOUR_MS
}

fn reason(event: &AuditEvent) -> String {
    event.reason.clone().unwrap_or_else(|| "unknown".to_owned())
}

impl Answered {
    fn of(event: &AuditEvent) -> Self {
        Self {
            decision: event.decision.unwrap_or(Decision::Permit),
            reason: reason(event),
            duration_us: event.duration_us,
            rows: event.rows.unwrap_or_default(),
            bytes: event.bytes.unwrap_or_default(),
            attempts: event.attempts.unwrap_or_default().into(),
            sent_bytes: event.sent_bytes.unwrap_or_default(),
            received_bytes: event.received_bytes.unwrap_or_default(),
            charge: event.spending.as_ref().map(Charge::settled).unwrap_or_default(),
        }
    }

    fn add_to(self, measures: &mut Measures) {
        self.charge.add_to(measures);
        let host = &mut measures.host;
        let reasons: &mut Reasons = match self.decision {
            Decision::Permit => &mut host.outcomes,
            Decision::Deny => &mut host.denials,
        };
        count(reasons, self.reason);
        if let (Decision::Permit, Some(duration_us)) = (self.decision, self.duration_us) {
            host.duration_us.add(duration_us);
        }
        host.rows = host.rows.saturating_add(self.rows);
        host.bytes = host.bytes.saturating_add(self.bytes);
        host.attempts = host.attempts.saturating_add(self.attempts);
        host.sent_bytes = host.sent_bytes.saturating_add(self.sent_bytes);
        host.received_bytes = host.received_bytes.saturating_add(self.received_bytes);
    }
}

impl Charge {
    /// An intent takes what it reserves.
    fn reserved(Spending { reserved, .. }: &Spending) -> Self {
        Self { tokens: signed(reserved.tokens), cost_micros: signed(reserved.cost_micros) }
    }

    /// An outcome corrects that to what was needed; where nobody knows, what was reserved stays taken.
    fn settled(Spending { reserved, settled }: &Spending) -> Self {
        let Spent { tokens, cost_micros } = settled.unwrap_or(*reserved);
        Self {
            tokens: signed(tokens).saturating_sub(signed(reserved.tokens)),
            cost_micros: signed(cost_micros).saturating_sub(signed(reserved.cost_micros)),
        }
    }

    fn add_to(self, measures: &mut Measures) {
        let host = &mut measures.host;
        host.tokens = host.tokens.saturating_add(self.tokens);
        host.cost_micros = host.cost_micros.saturating_add(self.cost_micros);
    }
}

fn signed(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
