//! What is asked of Airlock, row by row: the floors and goals that every run stands beside what it measured.

use serde::{Deserialize, Serialize};

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    /// Times, sizes, ratios to something faster.
    Lower,
    /// Throughput and counts.
    Higher,
}

/// One row of the goals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    name: &'static str,
    unit: &'static str,
    floor: Option<f64>,
    goal: Option<f64>,
    better: Better,
}

macro_rules! goals {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $unit:literal, $floor:expr, $goal:expr, $better:ident;)*) => {
        $($(#[$doc])*
        pub(crate) const $name: Goal =
            Goal { name: $text, unit: $unit, floor: $floor, goal: $goal, better: Better::$better };)*

        /// All of them, in the order of the report.
        pub(crate) const ALL: &[Goal] = &[$($name,)*];
    };
}

goals! {
    /// `invoke`
    OF_ECHO = "trivial Rust guest with the arena, throughput c=64 over bare tonic echo", "%", Some(35.0), Some(45.0), Higher;
    ADDED_CPU = "added server CPU per call over echo", "us", Some(25.0), Some(13.0), Lower;
    P99_OF_ECHO = "p99 c=64 over echo's p99", "x", Some(4.0), Some(2.5), Lower;
    /// Not measured here.
    WASMTIME_SERVE = "Rust guest against `wasmtime serve` (fresh instance), requests/s", "x", Some(2.0), Some(5.0), Higher;
    /// `instantiate`
    QUICKJS_IN_PROCESS = "QuickJS hello, in-process, CPU", "us", Some(110.0), Some(40.0), Lower;
    /// Not measured here.
    WORKERD = "first call of a new function against workerd with fresh isolates, faster", "x", Some(5.0), Some(10.0), Higher;
    /// `scaling`
    TWO_CORES = "two cores over one, in-process, measured", "x", Some(1.6), Some(1.9), Higher;
    TWO_CORES_SERVED = "two cores over one, whole server, from CPU per call", "x", Some(1.6), Some(1.9), Higher;
    /// `compute`
    COMPUTE_SHA = "CPU-bound Rust with fuel over native, sha256", "x", Some(1.2), Some(1.15), Lower;
    COMPUTE_JSON = "CPU-bound Rust with fuel over native, JSON", "x", Some(2.2), Some(1.8), Lower;
    /// `cold-start`
    COLD_RUST = "cold start of a precompiled function, page cache warm, Rust", "ms", Some(0.3), Some(0.15), Lower;
    COLD_QUICKJS = "cold start of a precompiled function, page cache warm, QuickJS", "ms", Some(1.0), Some(0.6), Lower;
    SOURCE_TO_DEPLOYED = "TypeScript source to deployed function, warm cache", "s", Some(3.0), Some(1.0), Lower;
    /// `density`
    RESIDENT_RUST = "resident functions on 24 GiB, Rust", "", Some(10_000.0), Some(20_000.0), Higher;
    RESIDENT_QUICKJS = "resident functions on 24 GiB, QuickJS", "", Some(2_500.0), Some(5_000.0), Higher;
    SUSPENDED = "calls suspended in a host call", "", Some(5_000.0), Some(10_000.0), Higher;
    SUSPENDED_BYTES = "memory of a call suspended in a host call", "KiB", None, Some(70.0), Lower;
    /// `neighbour`
    LATE_ONE = "endless loop ends after its deadline, one loop, latest of a window", "ms", Some(50.0), Some(10.0), Lower;
    LATE_EIGHT = "endless loop ends after its deadline, eight loops, latest of a window", "ms", Some(50.0), Some(10.0), Lower;
    NEIGHBOUR_ONE = "neighbour's p99 beside one endless loop, over alone", "x", Some(1.5), Some(1.5), Lower;
    NEIGHBOUR_EIGHT = "neighbour's p99 beside eight endless loops, over alone", "x", Some(1.5), Some(1.5), Lower;
    /// `overload`
    GOODPUT = "goodput at ten times the load, of peak goodput", "%", Some(90.0), Some(90.0), Higher;
    REFUSAL_P99 = "refusal at ten times the load, p99", "ms", Some(5.0), Some(5.0), Lower;
    /// `host-call`
    HOST_CALL = "one host call through the gate, without the backend", "us", Some(5.0), Some(2.0), Lower;
    HOST_CALL_ALLOCATIONS = "allocations of one warm host call", "", None, Some(0.0), Lower;
    /// `sql`
    SQL_ADDED = "a read by a guest on PostgreSQL, p50, over the bare driver", "us", Some(30.0), None, Lower;
    CLASSIFY = "classify a typical statement that is not in the cache", "us", Some(20.0), None, Lower;
    /// `egress`
    EGRESS_ADDED = "a GET by the guarded client on loopback, p50, over bare hyper", "us", Some(150.0), None, Lower;
    /// `audit`
    AUDIT_ADDED = "durable audit, p50 added by group commit", "ms", Some(1.0), None, Lower;
    AUDIT_RATE = "durable audit, records a second", "1/s", None, Some(20_000.0), Higher;
    /// `search`
    SEARCH = "search of 10 million records by principal and day, longest of 200", "ms", None, Some(100.0), Lower;
}

/// What became of a goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reached {
    /// The goal.
    Goal,
    /// The floor and not the goal.
    Floor,
    /// Neither.
    Missed,
    /// Nothing: there is no figure.
    NotMeasured,
    /// Nothing was asked: a figure that explains others.
    Unasked,
}

/// One row of the report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    /// What it is.
    pub(crate) name: String,
    /// Of all three figures; empty for counts.
    pub(crate) unit: String,
    /// The least that is asked.
    pub(crate) floor: Option<f64>,
    /// What is aimed at.
    pub(crate) goal: Option<f64>,
    /// What was seen.
    pub(crate) measured: Option<f64>,
    /// What became of the goal.
    pub(crate) reached: Reached,
    /// Why there is no figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Goal {
    /// A row with what was seen.
    pub(crate) fn measured(self, value: f64) -> Row {
        if !value.is_finite() {
            return self.unmeasured("the figures gave no number");
        }
        // What is shown is what is judged.
        let value = rounded(value);
        Row { measured: Some(value), reached: self.judge(value), ..self.row() }
    }

    /// A row without a figure.
    pub(crate) fn unmeasured(self, why: impl Into<String>) -> Row {
        Row { why: Some(why.into()), ..self.row() }
    }

    /// Whether a row is about this goal.
    pub(crate) fn is_of(self, row: &Row) -> bool {
        self.name == row.name
    }

    fn row(self) -> Row {
        let Self { name, unit, floor, goal, .. } = self;
        let (name, unit) = (name.to_owned(), unit.to_owned());
        Row { name, unit, floor, goal, measured: None, reached: Reached::NotMeasured, why: None }
    }

    fn judge(self, value: f64) -> Reached {
        let met = |asked: Option<f64>| {
            asked.is_some_and(|asked| match self.better {
                Better::Lower => value <= asked,
                Better::Higher => value >= asked,
            })
        };
        match (met(self.goal), met(self.floor)) {
            (true, _) => Reached::Goal,
            (false, true) => Reached::Floor,
            (false, false) => Reached::Missed,
        }
    }
}

impl Row {
    /// A figure that nothing is asked of.
    pub(crate) fn figure(name: impl Into<String>, unit: &str, value: f64) -> Self {
        let measured = value.is_finite().then(|| rounded(value));
        let (name, unit) = (name.into(), unit.to_owned());
        Self { name, unit, floor: None, goal: None, measured, reached: Reached::Unasked, why: None }
    }
}

/// Figures are not better than four digits, and shorter ones are read.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = (3 - value.abs().log10().floor() as i32).max(0);
    let parts = 10_f64.powi(digits);
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_in_the_direction_of_its_goal() {
        assert_eq!(HOST_CALL.measured(1.9).reached, Reached::Goal);
        assert_eq!(HOST_CALL.measured(4.9).reached, Reached::Floor);
        assert_eq!(HOST_CALL.measured(5.1).reached, Reached::Missed);
        assert_eq!(TWO_CORES.measured(1.9).reached, Reached::Goal);
        assert_eq!(TWO_CORES.measured(1.5).reached, Reached::Missed);
    }

    #[test]
    fn a_row_with_one_threshold_is_judged_by_it() {
        assert_eq!(AUDIT_ADDED.measured(0.9).reached, Reached::Floor);
        assert_eq!(AUDIT_RATE.measured(19_999.0).reached, Reached::Missed);
        assert_eq!(HOST_CALL_ALLOCATIONS.measured(0.0).reached, Reached::Goal);
    }

    #[test]
    fn no_number_is_no_figure() {
        assert_eq!(GOODPUT.measured(f64::NAN).reached, Reached::NotMeasured);
        assert_eq!(Row::figure("x", "us", f64::INFINITY).measured, None);
    }

    #[test]
    fn names_are_not_used_twice() {
        let mut names: Vec<_> = ALL.iter().map(|goal| goal.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn figures_keep_four_digits() {
        assert_eq!([0.123_456, 12.345_6, 123_456.7].map(rounded), [0.1235, 12.35, 123_457.0]);
    }
}
