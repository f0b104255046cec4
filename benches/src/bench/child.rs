//! A benchmark in a process of its own: clean memory, its own cores, and an end of its own.

use std::{
    io::Read as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::Value;

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Runs this program again and reads the JSON it prints. Progress goes to our own standard error.
///
/// # Errors
/// When it fails, prints something else, or takes longer than it may.
pub(super) fn run(arguments: &[String], longest: Duration) -> anyhow::Result<Value> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let mut process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start a benchmark")?;
    let mut said = process.stdout.take().context("the benchmark has no output")?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        said.read_to_string(&mut text).map(|_| text)
    });
    wait(&mut process, longest)?;
    let text =
        reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?.context("cannot hear the benchmark")?;
    serde_json::from_str(&text).context("the benchmark did not print a report")
}

fn wait(process: &mut Child, longest: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + longest;
    loop {
        if let Some(status) = process.try_wait().context("cannot wait for the benchmark")? {
            anyhow::ensure!(status.success(), "it ended with {status}; its own words are above");
            return Ok(());
        }
        if Instant::now() > end {
            // Its servers end with it: their standard input closes.
            process.kill().context("cannot end the benchmark")?;
            process.wait().context("cannot wait for the benchmark")?;
            anyhow::bail!("it was ended after {} s", longest.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
