//! Where and when a run took place.

use std::fmt;

use serde::Serialize;

use crate::{goals::rounded, issuer::now_unix_s};

/// The machine at the start of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    kernel: String,
    cpu: String,
    cores: usize,
    memory_mib: u64,
    /// Memory mappings that one process may have.
    max_map_count: u64,
    /// UTC, as in RFC 3339.
    date: String,
    /// How this program was compiled. Figures of a debug build mean nothing.
    profile: &'static str,
    /// Processes that wanted to run, averaged over one minute: much above 0 means that others were at work.
    load_average: f64,
    /// Share of processor time that other virtual machines took during the run, in percent.
    steal_percent: Option<f64>,
    #[serde(skip)]
    before: Ticks,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let load = read("/proc/loadavg").split(' ').next().and_then(|first| first.parse().ok());
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            memory_mib: memory_kib("MemTotal:") >> 10,
            max_map_count: max_map_count(),
            date: date(now_unix_s()),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            load_average: load.unwrap_or_default(),
            steal_percent: None,
            before: Ticks::now(),
        }
    }

    /// Adds what only the end of a run can tell.
    pub(crate) fn conclude(&mut self) {
        self.steal_percent = Ticks::now().stolen_since(&self.before).map(rounded);
    }

    /// What makes the figures doubtful.
    pub(crate) fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        if cfg!(debug_assertions) {
            doubts.push("this is a debug build: its figures show that the benchmark works and nothing else".to_owned());
        }
        if let Some(steal) = self.steal_percent.filter(|steal| *steal > STEAL_PERCENT_NOTED) {
            doubts.push(format!("other virtual machines took {steal} % of the processor time during the run"));
        }
        if self.load_average > LOAD_AVERAGE_NOTED {
            doubts.push(format!("the machine was at work before the run: load average {}", self.load_average));
        }
        doubts
    }
}

const STEAL_PERCENT_NOTED: f64 = 1.0;
const LOAD_AVERAGE_NOTED: f64 = 0.7;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// A figure of `/proc/meminfo`, which are all in KiB.
pub(crate) fn memory_kib(key: &str) -> u64 {
    let text = read("/proc/meminfo");
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// `vm.max_map_count`.
pub(crate) fn max_map_count() -> u64 {
    read("/proc/sys/vm/max_map_count").trim().parse().unwrap_or_default()
}

/// Processor time of the whole machine so far, in ticks: all of it, and the part that was stolen.
#[derive(Debug, Default)]
struct Ticks {
    all: u64,
    stolen: u64,
}

impl Ticks {
    fn now() -> Self {
        Self::parse(&read("/proc/stat")).unwrap_or_default()
    }

    /// The first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice`. Guests' time is in user's.
    fn parse(stat: &str) -> Option<Self> {
        let fields = stat.lines().next()?.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
        let fields: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { all: fields.iter().sum(), stolen: *fields.get(7)? })
    }

    fn stolen_since(&self, before: &Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        Some(self.stolen.saturating_sub(before.stolen) as f64 * 100.0 / all as f64)
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpu, cores, date, profile, load_average, .. } = self;
        write!(
            f,
            "{date}, Linux {kernel}, {cpu}, {cores} cores, {profile} build, load average {load_average} at the start"
        )?;
        self.steal_percent.map_or(Ok(()), |steal| write!(f, ", {steal} % stolen"))
    }
}

/// Days to a civil date after H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn date(unix_s: u64) -> String {
    let days = unix_s / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (unix_s % 86_400 / 3_600, unix_s % 3_600 / 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01T00:00Z");
        assert_eq!(date(951_827_696), "2000-02-29T12:34Z");
        assert_eq!(date(4_102_444_799), "2099-12-31T23:59Z");
    }

    #[test]
    fn this_machine_can_be_described() {
        let machine = Machine::look();
        assert!(machine.cores > 0 && !machine.kernel.is_empty());
        assert!(machine.memory_mib > 0 && machine.max_map_count > 0);
    }

    #[test]
    fn stolen_time_is_a_share_of_all() {
        let before = Ticks::parse("cpu  100 0 50 800 0 0 0 50 7 0\ncpu0 1 1").unwrap();
        let after = Ticks::parse("cpu  150 0 50 830 0 0 0 70 9 0\n").unwrap();
        assert_eq!(after.stolen_since(&before), Some(20.0));
        assert_eq!(before.stolen_since(&before), None);
        assert!(Ticks::parse("cpu  1 2 3").is_none());
    }
}
