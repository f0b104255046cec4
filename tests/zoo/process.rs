//! A process as the kernel sees it: its memory.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

/// Memory of a process, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now (`VmRSS`).
    pub(crate) resident: u64,
    /// Of that, what is the process's own: without pages of files, such as the code of functions, which the kernel takes back
    /// when it needs them (`VmRSS` less `RssFile`).
    pub(crate) own: u64,
    /// Most that was resident since [`Process::forget_peak`] (`VmHWM`).
    pub(crate) peak: u64,
}

/// A process by its id.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    folder: PathBuf,
}

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{id}")) }
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let path = self.folder.join("status");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let of = |name| field(&text, name).with_context(|| format!("`{}` has no {name}", path.display()));
        let resident = of("VmRSS:")?;
        Ok(Memory { resident, own: resident.saturating_sub(of("RssFile:")?), peak: of("VmHWM:")? })
    }

    /// Starts the peak anew from what is resident now (proc(5), `clear_refs`, value 5).
    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        let path = self.folder.join("clear_refs");
        fs::write(&path, "5").with_context(|| format!("cannot write `{}`", path.display()))
    }
}

/// A field of `/proc/PID/status`, which counts in KiB.
fn field(status: &str, name: &str) -> Option<u64> {
    let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Bytes as MiB with one decimal.
#[expect(clippy::cast_precision_loss, reason = "sizes of memory stay far below 2^53")]
pub(crate) fn mib(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_this_process_is_read() {
        assert_eq!(field("VmPeak:\t  9 kB\nVmRSS:\t     42 kB\n", "VmRSS:"), Some(42 << 10));
        assert_eq!(field("VmRSS:\t42", "VmRSS:"), None);
        let own = Process::new(std::process::id()).memory().unwrap();
        assert!(own.peak >= own.resident && own.resident > own.own && own.own > 1 << 16, "{own:?}");
    }
}
