//! Processor time and memory, as the kernel counts them.

use std::{fs, time::Duration};

use anyhow::Context;

/// Processor time of this thread so far. Exact to about a timer tick (1 to 4 ms).
pub(crate) fn thread_time() -> anyhow::Result<Duration> {
    let path = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    nanoseconds.map(Duration::from_nanos).with_context(|| format!("`{path}` does not start with a number"))
}

/// What a process occupies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Footprint {
    /// Resident memory in KiB. A page of a file that is mapped twice counts twice.
    pub(crate) resident_kib: u64,
    /// The part that no file backs, and that cannot be dropped under pressure.
    pub(crate) anonymous_kib: u64,
    /// Page tables.
    pub(crate) tables_kib: u64,
    /// Memory mappings.
    pub(crate) maps: u64,
}

impl Footprint {
    /// Of this process.
    pub(crate) fn own() -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/self/{file}");
            fs::read(&path).with_context(|| format!("cannot read `{path}`"))
        };
        let status = String::from_utf8_lossy(&read("status")?).into_owned();
        let maps = read("maps")?.iter().filter(|byte| **byte == b'\n').count() as u64;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
            number.with_context(|| format!("`status` has no `{key}`"))
        };
        Ok(Self { resident_kib: kib("VmRSS:")?, anonymous_kib: kib("RssAnon:")?, tables_kib: kib("VmPTE:")?, maps })
    }

    /// What has come since.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            resident_kib: self.resident_kib.saturating_sub(before.resident_kib),
            anonymous_kib: self.anonymous_kib.saturating_sub(before.anonymous_kib),
            tables_kib: self.tables_kib.saturating_sub(before.tables_kib),
            maps: self.maps.saturating_sub(before.maps),
        }
    }

    /// Resident memory with its page tables, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        self.resident_kib + self.tables_kib
    }
}

/// The middle of some figures.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_occupies_something() {
        let before = Footprint::own().unwrap();
        assert!(before.resident_kib > before.anonymous_kib && before.maps > 3);
        let block = vec![1_u8; 32 << 20];
        let grown = Footprint::own().unwrap().since(&before);
        assert!(grown.anonymous_kib >= 30 << 10, "{grown:?}");
        drop(block);
    }

    #[test]
    fn this_thread_has_used_the_processor() {
        let before = thread_time().unwrap();
        let until = std::time::Instant::now() + Duration::from_millis(50);
        while std::time::Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(thread_time().unwrap() > before);
    }

    #[test]
    fn the_middle_is_not_the_mean() {
        assert_eq!(median([9.0, 1.0, 2.0]), 2.0);
        assert!(median([]).is_nan());
    }
}
