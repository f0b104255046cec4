//! The report of `invoke`: a row for each guest and concurrency, and what they say about the goals.

use std::{fmt, path::Path};

use serde::Serialize;

use super::{Table, machine::Machine, write_and_print};
use crate::{
    args::InvokeOptions,
    goals::{ADDED_CPU, OF_ECHO, P99_OF_ECHO, Row as GoalRow},
    load::closed::Window,
};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    /// A guest, or `echo`.
    pub(crate) guest: &'static str,
    /// Whether each answer waits until its audit record is on disk.
    pub(crate) durable: bool,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let audit = match (self.guest, self.durable) {
            ("echo", _) => "",
            (_, true) => ", durable audit",
            (_, false) => ", audit without fsync",
        };
        write!(f, "{}{audit}", self.guest)
    }
}

/// One lane's figures at one concurrency.
#[derive(Debug)]
pub(crate) struct Measured {
    lane: Lane,
    calls_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    server_cpu_us_per_call: f64,
    server_busy: f64,
    load_busy: f64,
}

impl Measured {
    /// The window with the median throughput. Nothing without windows.
    pub(crate) fn median(lane: Lane, windows: &[Window]) -> Option<Self> {
        let mut measured: Vec<Self> = windows.iter().map(|window| Self::of(lane, window)).collect();
        measured.sort_by(|one, other| one.calls_per_s.total_cmp(&other.calls_per_s));
        let middle = measured.len() / 2;
        measured.into_iter().nth(middle)
    }

    fn of(lane: Lane, window: &Window) -> Self {
        let (calls, seconds) = (window.calls as f64, window.elapsed.as_secs_f64());
        let quantile_us = |quantile| window.latency.value_at_quantile(quantile) as f64 / 1e3;
        Self {
            lane,
            calls_per_s: calls / seconds,
            p50_us: quantile_us(0.5),
            p99_us: quantile_us(0.99),
            server_cpu_us_per_call: window.server_cpu.as_secs_f64() * 1e6 / calls,
            server_busy: window.server_cpu.as_secs_f64() / seconds,
            load_busy: window.load_cpu.as_secs_f64() / seconds,
        }
    }
}

/// One row of the report.
#[derive(Debug, Serialize)]
struct Row {
    guest: &'static str,
    concurrency: usize,
    durable: bool,
    calls_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    /// Processor time of the server process, all threads.
    server_cpu_us_per_call: f64,
    /// More than echo's at the same concurrency.
    added_cpu_us: f64,
    /// Throughput over echo's at the same concurrency.
    of_echo: f64,
    /// p99 over echo's at the same concurrency.
    p99_of_echo: f64,
    /// Share of its core that the server used.
    server_busy: f64,
    /// Share of its core that the load generator used.
    load_busy: f64,
}

impl Row {
    fn new(concurrency: usize, measured: &Measured, echo: &Measured) -> Self {
        Self {
            guest: measured.lane.guest,
            concurrency,
            durable: measured.lane.durable,
            calls_per_s: rounded(measured.calls_per_s, 1.0),
            p50_us: rounded(measured.p50_us, 10.0),
            p99_us: rounded(measured.p99_us, 10.0),
            server_cpu_us_per_call: rounded(measured.server_cpu_us_per_call, 100.0),
            added_cpu_us: rounded(measured.server_cpu_us_per_call - echo.server_cpu_us_per_call, 100.0),
            of_echo: rounded(measured.calls_per_s / echo.calls_per_s, 1000.0),
            p99_of_echo: rounded(measured.p99_us / echo.p99_us, 100.0),
            server_busy: rounded(measured.server_busy, 100.0),
            load_busy: rounded(measured.load_busy, 100.0),
        }
    }
}

/// Figures are not better than this, and shorter ones are read.
fn rounded(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    rows: Vec<Row>,
    goals: Vec<GoalRow>,
    machine: Machine,
    notes: Vec<String>,
}

/// Share of a core above which it is taken to be the bottleneck.
const BUSY: f64 = 0.9;

impl Document {
    /// An empty report of a run that begins now.
    pub(crate) fn begin(options: &InvokeOptions) -> Self {
        let notes = vec![
            format!(
                "windows of {} s, rounds: {}, the median by throughput is shown",
                options.window.seconds, options.window.rounds
            ),
            "every server runs on one core with one worker, audit writer included; the load generator has another core"
                .to_owned(),
            "Airlock's callers send a token and a deadline, echo's send neither".to_owned(),
        ];
        Self { rows: Vec::new(), goals: Vec::new(), machine: Machine::look(), notes }
    }

    /// Adds the rows of one concurrency. The first is the yardstick.
    pub(crate) fn add(&mut self, concurrency: usize, measured: &[Measured]) {
        let Some(echo) = measured.first() else { return };
        for measured in measured {
            let row = Row::new(concurrency, measured, echo);
            if row.load_busy > BUSY && row.server_busy < BUSY {
                self.notes.push(format!(
                    "{} at c={concurrency}: the load generator was the bottleneck; trust the processor time, not calls/s",
                    measured.lane
                ));
            }
            self.rows.push(row);
        }
    }

    /// Ends the run: sets the figures beside their goals, writes the report for machines and prints it.
    pub(crate) fn conclude(mut self, path: &Path, as_json: bool) -> anyhow::Result<()> {
        self.goals = self.judged();
        self.machine.conclude();
        self.notes.extend(self.machine.doubts());
        write_and_print(&self, path, as_json)
    }

    /// The goals speak of the arena guest with everything on, at 64 calls in flight.
    fn judged(&self) -> Vec<GoalRow> {
        let find = |durable| {
            self.rows
                .iter()
                .find(|row| row.guest == JUDGED && row.concurrency == CONCURRENCY_JUDGED && row.durable == durable)
        };
        let Some(row) = find(true) else { return Vec::new() };
        let mut goals = vec![
            OF_ECHO.measured(row.of_echo * 100.0),
            ADDED_CPU.measured(row.added_cpu_us),
            P99_OF_ECHO.measured(row.p99_of_echo),
        ];
        goals.extend(find(false).map(|lazy| {
            let added_ms = (row.p50_us - lazy.p50_us) / 1e3;
            GoalRow::figure("p50 that waiting for the disk adds to a whole call, c=64", "ms", added_ms)
        }));
        goals
    }
}

const JUDGED: &str = "rust-arena";
const CONCURRENCY_JUDGED: usize = 64;

/// A table for people.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12}{:>4}{:>9}{:>11}{:>9}{:>9}{:>11}{:>10}{:>9}{:>10}{:>8}{:>7}",
            "guest",
            "c",
            "durable",
            "calls/s",
            "p50 us",
            "p99 us",
            "cpu us",
            "added us",
            "of echo",
            "p99/echo",
            "server",
            "load"
        )?;
        for row in &self.rows {
            let durable = match (row.guest, row.durable) {
                ("echo", _) => "-",
                (_, true) => "yes",
                (_, false) => "no",
            };
            writeln!(
                f,
                "{:<12}{:>4}{durable:>9}{:>11.0}{:>9.0}{:>9.0}{:>11.1}{:>10.1}{:>9.2}{:>10.2}{:>8.2}{:>7.2}",
                row.guest,
                row.concurrency,
                row.calls_per_s,
                row.p50_us,
                row.p99_us,
                row.server_cpu_us_per_call,
                row.added_cpu_us,
                row.of_echo,
                row.p99_of_echo,
                row.server_busy,
                row.load_busy,
            )?;
        }
        if !self.goals.is_empty() {
            write!(f, "\n{}", Table(&self.goals))?;
        }
        writeln!(f, "\n{}", self.machine)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "* {note}"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hdrhistogram::Histogram;

    use super::*;

    fn window(calls: u64, server_cpu_ms: u64) -> Window {
        let mut latency = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        latency.record_n(20_000, calls).unwrap();
        Window {
            calls,
            elapsed: Duration::from_secs(2),
            server_cpu: Duration::from_millis(server_cpu_ms),
            load_cpu: Duration::from_millis(500),
            latency,
        }
    }

    fn measured(guest: &'static str, windows: &[Window]) -> Measured {
        Measured::median(Lane { guest, durable: true }, windows).unwrap()
    }

    #[test]
    fn a_row_is_relative_to_the_yardstick_of_its_concurrency() {
        let (echo, guest) = (measured("echo", &[window(200_000, 1_800)]), measured("rust", &[window(80_000, 1_880)]));
        let row = Row::new(64, &guest, &echo);
        assert_eq!((row.calls_per_s, row.of_echo), (40_000.0, 0.4));
        assert_eq!((row.server_cpu_us_per_call, row.added_cpu_us), (23.5, 14.5));
        assert_eq!((row.server_busy, row.load_busy), (0.94, 0.25));
    }

    #[test]
    fn the_median_window_is_reported() {
        let windows = vec![window(300, 30), window(100, 10), window(200, 20)];
        assert_eq!(measured("rust", &windows).calls_per_s, 100.0);
        assert!(Measured::median(Lane { guest: "rust", durable: true }, &[]).is_none());
    }
}
