//! What was seen, the bars it is held against, and how both are shown.

use std::{fmt::Display, io::Write as _, time::Duration};

use serde::Serialize;

use crate::{
    neighbour::{Latency, Neighbour, Phase, ms},
    process::mib,
    select::Guest,
};

/// Beyond its deadline, for any guest (GUARDS section 1).
const OVER_DEADLINE_MAX_MS: f64 = 50.0;
/// Beyond its declared memory, for any guest.
const GROWTH_BEYOND_CAP_MAX: u64 = 16 << 20;
/// What may stay after a guest.
pub(crate) const KEPT_BYTES_MAX: u64 = 16 << 20;
/// The neighbour's p99 beside hostile guests, as a multiple of its p99 in calm.
const NEIGHBOUR_P99_RATIO_MAX: f64 = 1.5;

/// One attempt as it is judged.
pub(crate) struct Record {
    pub(crate) actual: String,
    pub(crate) is_expected: bool,
    pub(crate) detail: String,
    pub(crate) took: Duration,
    pub(crate) over: Duration,
    /// Resident memory, highest over before, in bytes; only known for a guest that runs alone.
    pub(crate) growth: u64,
    /// The server's own memory, after the call over before it.
    pub(crate) kept: u64,
}

/// One guest over all its attempts.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    group: &'static str,
    expected: String,
    /// The expected outcome, or the first that was another.
    actual: String,
    /// Whether the outcome was the expected one every time.
    ok: bool,
    over_deadline_ms: f64,
    rss_growth_mib: f64,
    /// What the guest may grow by: its declared memory and 16 MiB.
    rss_growth_max_mib: f64,
    rss_kept_mib: f64,
    runs: u32,
    slowest_ms: f64,
    detail: String,
}

/// Everything, as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    guests: Vec<Row>,
    /// The worse of both phases beside hostile guests, over calm before and after taken together.
    neighbour_p99_ratio: f64,
    #[serde(rename = "host_panics")]
    pub(crate) panics: u64,
    pub(crate) aborts: u64,
    pub(crate) hangs: u64,
    /// Calls that the server still counted as running when all had ended.
    pub(crate) leaked_calls: usize,
    rss_before_mib: f64,
    rss_after_mib: f64,
    neighbour: Phases,
    /// Bars that were missed, in words; empty when all is well.
    missed: Vec<String>,
    #[serde(skip)]
    pub(crate) resident_before: u64,
    #[serde(skip)]
    pub(crate) resident_after: u64,
}

/// The neighbour, phase by phase.
#[derive(Debug, Default, Serialize)]
struct Phases {
    calm_before: Latency,
    alone: Latency,
    crowd: Latency,
    calm_after: Latency,
}

impl Document {
    pub(crate) fn new(guests: &[Guest]) -> Self {
        Self {
            guests: guests.iter().map(Row::new).collect(),
            neighbour_p99_ratio: 0.0,
            panics: 0,
            aborts: 0,
            hangs: 0,
            leaked_calls: 0,
            rss_before_mib: 0.0,
            rss_after_mib: 0.0,
            neighbour: Phases::default(),
            missed: Vec::new(),
            resident_before: 0,
            resident_after: 0,
        }
    }

    pub(crate) fn add(&mut self, place: usize, record: &Record) {
        if let Some(row) = self.guests.get_mut(place) {
            row.add(record);
        }
    }

    /// Reads off the neighbour and judges everything.
    pub(crate) fn close(&mut self, neighbour: &Neighbour) {
        let of = |phase| neighbour.latency(&[phase]);
        self.neighbour = Phases {
            calm_before: of(Phase::CalmBefore),
            alone: of(Phase::Alone),
            crowd: of(Phase::Crowd),
            calm_after: of(Phase::CalmAfter),
        };
        let calm = neighbour.latency(&[Phase::CalmBefore, Phase::CalmAfter]).p99_ms;
        let worst = self.neighbour.alone.p99_ms.max(self.neighbour.crowd.p99_ms);
        self.neighbour_p99_ratio = if calm > 0.0 { (worst / calm * 100.0).round() / 100.0 } else { 0.0 };
        (self.rss_before_mib, self.rss_after_mib) = (mib(self.resident_before), mib(self.resident_after));
        self.missed = self.judge();
    }

    pub(crate) fn is_good(&self) -> bool {
        self.missed.is_empty()
    }

    fn judge(&self) -> Vec<String> {
        let mut missed: Vec<String> = self.guests.iter().flat_map(Row::missed).collect();
        let mut none = |count: u64, what: &str| {
            if count > 0 {
                missed.push(format!("{what}: {count} instead of 0"));
            }
        };
        none(self.aborts, "aborts");
        none(self.panics, "host panics");
        none(self.hangs, "hangs");
        none(self.leaked_calls as u64, "calls that never ended for the server");
        let Phases { calm_before, alone, crowd, calm_after } = &self.neighbour;
        let failed: usize = [calm_before, alone, crowd, calm_after].iter().map(|phase| phase.failed).sum();
        none(failed as u64, "calls of the neighbour that failed");
        if self.neighbour_p99_ratio > NEIGHBOUR_P99_RATIO_MAX {
            let ratio = self.neighbour_p99_ratio;
            missed.push(format!("the neighbour's p99: {ratio}x of calm instead of {NEIGHBOUR_P99_RATIO_MAX}x at most"));
        }
        missed
    }

    /// Prints the document, or a table of it.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
        } else {
            self.table(&mut out)?;
        }
        Ok(out.flush()?)
    }

    fn table(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let heads = ("guest", "expected", "actual", "over ms", "grew MiB", "kept MiB", "runs");
        let (a, b, c, d, e, f, g) = heads;
        writeln!(out, "   {a:<28} {b:<26} {c:<26} {d:>8} {e:>9} {f:>9} {g:>5}")?;
        for row in &self.guests {
            let mark = if row.missed().is_empty() { "ok" } else { "!!" };
            let Row { name, expected, actual, over_deadline_ms, rss_growth_mib, rss_kept_mib, runs, .. } = row;
            let expected = if expected.is_empty() { "(contained)" } else { expected };
            writeln!(
                out,
                "{mark} {name:<28} {expected:<26} {actual:<26} {over_deadline_ms:>8.1} {rss_growth_mib:>9.1} \
                 {rss_kept_mib:>9.1} {runs:>5}"
            )?;
        }
        writeln!(out, "\nneighbour        calls  failed   p50 ms   p99 ms   max ms")?;
        let Phases { calm_before, alone, crowd, calm_after } = &self.neighbour;
        let phases = [("calm before", calm_before), ("alone", alone), ("crowd", crowd), ("calm after", calm_after)];
        for (name, phase) in phases {
            let Latency { calls, failed, p50_ms, p99_ms, max_ms } = phase;
            writeln!(out, "{name:<14} {calls:>7} {failed:>7} {p50_ms:>8.2} {p99_ms:>8.2} {max_ms:>8.2}")?;
        }
        let Self { neighbour_p99_ratio, panics, aborts, hangs, rss_before_mib, rss_after_mib, .. } = self;
        writeln!(
            out,
            "\nneighbour p99 ratio {neighbour_p99_ratio}, host panics {panics}, aborts {aborts}, hangs {hangs}, \
             resident {rss_before_mib} MiB before and {rss_after_mib} MiB after"
        )?;
        for bar in &self.missed {
            writeln!(out, "missed: {bar}")?;
        }
        Ok(())
    }
}

impl Row {
    fn new(guest: &Guest) -> Self {
        let (_, memory_bytes) = guest.limits();
        Self {
            name: guest.name.clone(),
            group: guest.group,
            expected: guest.expected.clone(),
            actual: String::new(),
            ok: true,
            over_deadline_ms: 0.0,
            rss_growth_mib: 0.0,
            rss_growth_max_mib: mib(memory_bytes.saturating_add(GROWTH_BEYOND_CAP_MAX)),
            rss_kept_mib: 0.0,
            runs: 0,
            slowest_ms: 0.0,
            detail: String::new(),
        }
    }

    /// The worst of all attempts; an outcome that is not the expected one stays.
    fn add(&mut self, record: &Record) {
        if self.ok {
            record.actual.clone_into(&mut self.actual);
            record.detail.clone_into(&mut self.detail);
        }
        self.ok &= record.is_expected;
        self.over_deadline_ms = self.over_deadline_ms.max(ms(record.over));
        self.slowest_ms = self.slowest_ms.max(ms(record.took));
        self.rss_growth_mib = self.rss_growth_mib.max(mib(record.growth));
        self.rss_kept_mib = self.rss_kept_mib.max(mib(record.kept));
        self.runs += 1;
    }

    fn missed(&self) -> Vec<String> {
        let Self { name, expected, actual, over_deadline_ms, rss_growth_mib, rss_growth_max_mib, .. } = self;
        let mut missed = Vec::new();
        if !self.ok {
            let expected = if expected.is_empty() { "an outcome with a name" } else { expected };
            missed.push(format!("{name}: `{actual}` instead of `{expected}` ({})", self.detail));
        }
        if *over_deadline_ms > OVER_DEADLINE_MAX_MS {
            missed.push(format!("{name}: {over_deadline_ms} ms over its deadline instead of {OVER_DEADLINE_MAX_MS}"));
        }
        if rss_growth_mib > rss_growth_max_mib {
            missed.push(format!("{name}: memory grew by {rss_growth_mib} MiB instead of {rss_growth_max_mib} at most"));
        }
        let kept_max = mib(KEPT_BYTES_MAX);
        if self.rss_kept_mib > kept_max {
            let kept = self.rss_kept_mib;
            missed.push(format!("{name}: {kept} MiB of memory did not come back, instead of {kept_max} at most"));
        }
        missed
    }
}

/// Lines for people on standard error, while the run goes on.
pub(crate) struct Progress {
    guests: usize,
    seen: usize,
    crowd: usize,
}

impl Progress {
    pub(crate) fn new(guests: usize) -> Self {
        Self { guests, seen: 0, crowd: 0 }
    }

    #[expect(clippy::unused_self, reason = "all progress goes through one place")]
    pub(crate) fn say(&self, verb: &str, what: impl Display) {
        // Whoever reads standard error may have gone; the run goes on.
        let _unheard = writeln!(std::io::stderr(), "{verb:>12} {what}");
    }

    /// A guest has run alone.
    pub(crate) fn ended(&mut self, record: &Record, guest: &Guest) {
        self.seen += 1;
        let verb = if record.is_expected { "Contained" } else { "Unexpected" };
        let (seen, guests) = (self.seen, self.guests);
        let Record { actual, took, growth, .. } = record;
        let (took, growth) = (ms(*took), mib(*growth));
        let detail = if record.is_expected { String::new() } else { format!(": {}", record.detail) };
        self.say(verb, format_args!("{seen}/{guests} {} {actual} {took} ms, {growth} MiB{detail}", guest.name));
    }

    pub(crate) fn crowd(&mut self, attempts: usize, parallel: usize) {
        (self.seen, self.crowd) = (0, attempts);
        self.say("Crowding", format_args!("{attempts} attempts, {parallel} at once"));
    }

    /// An attempt in the crowd has ended: every hundredth is told, and every odd one.
    pub(crate) fn in_crowd(&mut self, record: &Record, guest: &Guest) {
        self.seen += 1;
        if !record.is_expected {
            let Record { actual, detail, .. } = record;
            self.say("Unexpected", format_args!("{} {actual}: {detail}", guest.name));
        }
        if self.seen.is_multiple_of(100) {
            self.say("Crowding", format_args!("{}/{}", self.seen, self.crowd));
        }
    }
}
