//! Where and when a run took place.

use std::fmt;

use serde::Serialize;

use crate::issuer::now_unix_s;

/// The machine at the start of a run.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    kernel: String,
    cpu: String,
    cores: usize,
    /// UTC, as in RFC 3339.
    date: String,
    /// Processes that wanted to run, averaged over one minute: much above 0 means that others were at work.
    load_average: f64,
}

impl Machine {
    pub(super) fn look() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
        let load = read("/proc/loadavg").split(' ').next().and_then(|first| first.parse().ok());
        Self {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: cpus.lines().filter(|line| line.starts_with("processor")).count(),
            date: date(now_unix_s()),
            load_average: load.unwrap_or_default(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, cpu, cores, date, load_average } = self;
        write!(f, "{date}, Linux {kernel}, {cpu}, {cores} cores, load average {load_average} at the start")
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
    }
}
