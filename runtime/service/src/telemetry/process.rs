//! What the process takes of the machine.

use std::{fs::File, os::unix::fs::FileExt as _, sync::OnceLock};

static STAT: OnceLock<Option<File>> = OnceLock::new();

/// Opens what is read later. To be called before the wall is raised, which lets nobody open it.
pub fn prepare() {
    STAT.get_or_init(|| File::open("/proc/self/stat").ok());
}

/// What the process takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    /// Bytes of memory that are in use.
    pub(super) resident_bytes: u64,
    /// Processor time of all threads since the start, in seconds.
    pub(super) cpu_seconds: f64,
}

/// `None` where the system does not tell.
pub(super) fn taken() -> Option<Taken> {
    prepare();
    let mut text = [0; 1_024];
    let length = STAT.get()?.as_ref()?.read_at(&mut text, 0).ok()?;
    read(std::str::from_utf8(text.get(..length)?).ok()?)
}

/// `/proc/PID/stat` (proc_pid_stat(5)): the name of the program, which may have blanks, ends at the last parenthesis.
fn read(stat: &str) -> Option<Taken> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    // Field 3 comes first.
    let field = |number: usize| fields.get(number.checked_sub(3)?)?.parse::<u64>().ok();
    let ticks = field(14)?.checked_add(field(15)?)?;
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let cpu_seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Some(Taken { resident_bytes: field(24)?.checked_mul(page)?, cpu_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_takes_time() {
        let one = taken().expect("told");
        assert!(one.resident_bytes > 1 << 20, "{one:?}");
        let numbers: Vec<_> = (4..=30).map(|number| number.to_string()).collect();
        let told = read(&format!("7 (a b) c) S {}", numbers.join(" "))).expect("told");
        assert!(told.cpu_seconds > 0.0 && told.resident_bytes == 24 * rustix::param::page_size() as u64, "{told:?}");
    }
}
