//! A server as the run sees it: a process with addresses and a clock of its own.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use airlock_proto::v1::{DeployRequest, SourceFile, function_service_client::FunctionServiceClient};
use anyhow::Context;
use tonic::{Request, transport::Endpoint};

use crate::{guests::Component, issuer::ENVIRONMENT, serve::Addresses};

/// Room for a component and its sources.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// `USER_HZ`: part of the kernel's interface, the same on every machine that Linux and we run on.
const TICKS_PER_SECOND: u64 = 100;
/// For a server to end by itself once it is released.
const END_TIME_MAX: Duration = Duration::from_secs(5);

/// A running server. Dropping it ends the process.
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) addresses: Addresses,
}

impl Server {
    /// Starts the bare echo server on a core.
    pub(crate) fn echo(core: usize) -> anyhow::Result<Self> {
        Self::start(["serve-echo", "--core", &core.to_string()])
    }

    /// Starts Airlock on these cores.
    pub(crate) fn airlock(cores: &[usize], config: &Path, cache_dir: &Path) -> anyhow::Result<Self> {
        let cores = cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let words = ["serve-airlock", "--cores", &cores, "--config"].map(OsStr::new);
        Self::start(words.into_iter().chain([config.as_os_str(), OsStr::new("--cache-dir"), cache_dir.as_os_str()]))
    }

    fn start(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program on disk")?;
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a server")?;
        let mut line = String::new();
        let said = process.stdout.take().context("the server has no output")?;
        BufReader::new(said).read_line(&mut line).context("cannot hear the server")?;
        match serde_json::from_str(&line) {
            Ok(addresses) => Ok(Self { process, addresses }),
            Err(_) => {
                let status = process.wait().context("cannot wait for the server")?;
                anyhow::bail!("a server did not start ({status}); its own words are above")
            }
        }
    }

    /// Process id, for profilers.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Processor time of the whole process so far, all threads, user and system.
    pub(crate) fn cpu_time(&self) -> anyhow::Result<Duration> {
        cpu_time_of(&format!("/proc/{}/stat", self.process.id()))
    }

    /// Deploys one guest, which makes it live.
    pub(crate) async fn deploy(&self, token: &str, component: &Component) -> anyhow::Result<()> {
        self.deploy_as(token, component, component.name()).await
    }

    /// Deploys one guest under another name.
    pub(crate) async fn deploy_as(&self, token: &str, component: &Component, name: &str) -> anyhow::Result<()> {
        let control = self.addresses.control.context("this server takes no functions")?;
        let channel = Endpoint::from_shared(format!("http://{control}"))?.connect().await?;
        let sources = component.built.sources.iter();
        let mut request = Request::new(DeployRequest {
            environment: ENVIRONMENT.to_owned(),
            manifest_toml: component.manifest_named(name),
            component: component.built.component.clone(),
            sources: sources.map(|(path, text)| SourceFile { path: path.clone(), text: text.clone() }).collect(),
            signature: Vec::new(),
        });
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let mut client = FunctionServiceClient::new(channel).max_encoding_message_size(MESSAGE_BYTES_MAX);
        let deployed = client.deploy(request).await;
        deployed.map(drop).with_context(|| format!("cannot deploy `{name}`"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let end = Instant::now() + END_TIME_MAX;
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        // Both only fail when the process has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Processor time of this process so far.
pub(crate) fn own_cpu_time() -> anyhow::Result<Duration> {
    cpu_time_of("/proc/self/stat")
}

fn cpu_time_of(path: &str) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{path}`"))?;
    let ticks = ticks(&text).with_context(|| format!("`{path}` does not read as proc(5) says"))?;
    Ok(Duration::from_micros(ticks.saturating_mul(1_000_000) / TICKS_PER_SECOND))
}

/// `utime` and `stime`, fields 14 and 15. The name in field 2 may contain anything but ends at the last `)`.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_past_an_odd_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 100 0 0 0 31 11 7 8 20 0 3 0 99 1 1 1";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("42 (short) S 1"), None);
    }

    #[test]
    fn this_process_has_used_the_processor() {
        let before = own_cpu_time().unwrap();
        let until = Instant::now() + Duration::from_millis(60);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(own_cpu_time().unwrap() > before);
    }
}
