//! Why a call is not admitted, in numbers and then in words.

use std::time::Duration;

use airlock_model::{EffectiveLimits, Failure, Limit, LimitName, LimitReport, LimitSource, Quota, Reason};

/// The shortest and the longest time that a caller who was shed is told to wait. Quotas say how long they take.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// A call that is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy {
    pub(super) bound: Bound,
    /// When it could be admitted, as far as anybody knows.
    pub(super) wait: Duration,
}

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The tenant's calls that run at once; so many run and so many wait before this one.
    InFlight { running: u64, queued: u32 },
    /// The tenant's, or its principal's, calls that wait at once.
    TenantQueue { configured: u32, used: u32 },
    /// Calls of everybody that wait at once.
    Queue { configured: u32, used: u32 },
    /// How long a call may wait: this one would have to wait longer.
    QueueTime { configured: Duration },
    /// How long a call may wait: this one did.
    Waited { configured: Duration },
    /// The call's own deadline.
    Deadline,
    /// The tenant's pace.
    Rate { configured: u64, burst: u64, used: u64 },
    /// The tenant's day.
    Budget { quota: Quota, configured: u64, used: u64 },
}

impl Busy {
    pub(super) fn until(bound: Bound, wait: Duration) -> Self {
        Self { bound, wait }
    }

    /// The refusal, for a call with these limits. `jitter` keeps callers who were shed together from coming back together.
    pub(super) fn refusal(self, limits: &EffectiveLimits, jitter: Jitter) -> Failure {
        let after = match self.bound {
            Bound::Rate { .. } | Bound::Budget { .. } => jitter.after(self.wait),
            Bound::InFlight { .. }
            | Bound::TenantQueue { .. }
            | Bound::Queue { .. }
            | Bound::QueueTime { .. }
            | Bound::Waited { .. }
            | Bound::Deadline => jitter.around(self.wait.clamp(RETRY_MIN, RETRY_MAX)),
        };
        self.in_words(limits).with_retry_after(after)
    }

    /// The same for a call that nobody makes: nobody comes back, so nothing is spread.
    pub(super) fn foreseen(self, limits: &EffectiveLimits) -> Failure {
        self.in_words(limits).with_retry_after(self.wait)
    }

    fn in_words(self, limits: &EffectiveLimits) -> Failure {
        let about = self.wait.as_millis();
        match self.bound {
            Bound::InFlight { running, queued } => {
                let mut failure = Failure::limit(Limit::InFlight, limits, running.saturating_add(1));
                failure.message = format!("{}; {queued} more wait, which takes about {about} ms", failure.message);
                failure
            }
            Bound::TenantQueue { configured, used } => {
                let what = format!(
                    "{used} calls of the tenant wait for their turn; it may have {configured}, and one caller half of \
                     what is left"
                );
                let name = LimitName::new("queue_max_per_tenant");
                of_server(Reason::TenantBusy, name, (configured.into(), used.saturating_add(1).into()), what)
            }
            Bound::Queue { configured, used } => {
                let what = format!(
                    "the server runs as many calls as it can and {used} wait; it lets {configured} wait, and one tenant \
                     half of what is left"
                );
                let name = LimitName::new("queue_max");
                of_server(Reason::Overloaded, name, (configured.into(), used.saturating_add(1).into()), what)
            }
            Bound::QueueTime { configured } => {
                let most = in_ms(configured);
                let what =
                    format!("the call's turn would come in about {about} ms, and no call waits longer than {most} ms");
                let name = LimitName::new("queue_time_ms_max");
                of_server(Reason::Overloaded, name, (most, in_ms(self.wait)), what)
            }
            Bound::Waited { configured } => {
                let most = in_ms(configured);
                let what = format!("the call waited {most} ms for its turn, and no call waits longer");
                let name = LimitName::new("queue_time_ms_max");
                of_server(Reason::Overloaded, name, (most, most), what)
            }
            Bound::Deadline => {
                let (configured, source) = (limits.get(Limit::WallTimeMs), limits.source(Limit::WallTimeMs));
                let (limit, place) = (Limit::WallTimeMs.into(), limits.place(Limit::WallTimeMs).to_owned());
                let report = LimitReport { limit, configured, used: in_ms(self.wait), source, place };
                let what = format!(
                    "the call's turn would come in about {about} ms, after its own deadline: `wall_time_ms` is {configured}"
                );
                refused(Reason::Overloaded, what, HINT_SHED.to_owned(), report)
            }
            Bound::Rate { configured, burst, used } => {
                let what = format!(
                    "limit `calls_per_second` reached: {configured} allowed, at most {burst} at once; this call would be \
                     number {used}"
                );
                let numbers = (configured, used);
                of_tenant(Reason::TenantRateExceeded, Quota::CallsPerSecond, numbers, what)
            }
            Bound::Budget { quota, configured, used } => {
                let left = self.wait.as_secs() / 60;
                let what = format!(
                    "limit `{}` reached: {configured} allowed, {used} used or asked for; the day ends at 00:00 UTC, in \
                     {} h {} min",
                    quota.name(),
                    left / 60,
                    left % 60
                );
                of_tenant(Reason::TenantBudgetExhausted, quota, (configured, used), what)
            }
        }
    }
}

const HINT_SHED: &str = "try again after the time given, with a growing and jittered pause";

/// A call whose deadline passed before its turn came.
pub(super) fn timed_out(limits: &EffectiveLimits, waited: Duration) -> Failure {
    let waited = in_ms(waited);
    let mut failure = Failure::limit(Limit::WallTimeMs, limits, waited.max(limits.get(Limit::WallTimeMs)));
    failure.message =
        format!("{}; all of it, {waited} ms, waiting in the queue: the function never ran", failure.message);
    failure
}

pub(super) fn of_server(reason: Reason, limit: LimitName, (configured, used): (u64, u64), what: String) -> Failure {
    let source = LimitSource::Admission;
    let hint = format!("{HINT_SHED}; operators: the value comes from `{limit}` in {}", source.place());
    refused(reason, what, hint, LimitReport { limit, configured, used, source, place: source.place().to_owned() })
}

fn of_tenant(reason: Reason, quota: Quota, (configured, used): (u64, u64), what: String) -> Failure {
    let source = LimitSource::Tenant;
    let hint = format!("try again after the time given, or ask the operator; the value comes from {}", source.place());
    let place = source.place().to_owned();
    refused(reason, what, hint, LimitReport { limit: quota.into(), configured, used, source, place })
}

fn refused(reason: Reason, what: String, hint: String, report: LimitReport) -> Failure {
    Failure { limit: Some(Box::new(report)), ..Failure::new(reason, what, hint) }
}

fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A number that differs from refusal to refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jitter(pub(super) u64);

impl Jitter {
    /// Half to one and a half of the time.
    fn around(self, time: Duration) -> Duration {
        (time / 2).saturating_add(self.part_of(time))
    }

    /// The time and up to a tenth, at most 10 s, more: earlier would be refused again.
    fn after(self, time: Duration) -> Duration {
        time.saturating_add(self.part_of((time / 10).min(Duration::from_secs(10))))
    }

    fn part_of(self, time: Duration) -> Duration {
        let parts = u32::try_from(self.0 % 1_000).unwrap_or_default();
        time.saturating_mul(parts) / 1_000
    }
}

#[cfg(test)]
mod tests;
