//! The server as the run sees it: a process of its own.

use std::{net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use airlock_access::{Algorithm, SigningKey};
use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::{
    client::Client,
    process::{Memory, Process},
    serve::{Announcement, Counts},
};

/// For the server to open its state and load what is live, and to answer a question.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);
/// For the death of a process to be seen after its connection broke.
const DEATH_TIME_MAX: Duration = Duration::from_secs(2);

/// A running server. Dropping it ends the process.
pub(crate) struct Server {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    memory: Process,
    pub(crate) address: Address,
    pub(crate) client: Client,
}

/// Where a server is and who may call it.
#[derive(Clone)]
pub(crate) struct Address {
    data: SocketAddr,
    control: SocketAddr,
    key: Arc<SigningKey>,
}

impl Address {
    /// Connections of the caller's own.
    pub(crate) async fn connect(&self) -> anyhow::Result<Client> {
        Client::connect(self.data, self.control, Arc::clone(&self.key)).await
    }
}

impl Server {
    /// Starts this program again as a server, with as many workers as `airlock serve` would have.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program on disk")?;
        let workers = std::thread::available_parallelism().context("the number of processors is not known")?;
        let mut process = Command::new(program)
            .arg("serve")
            .env("AIRLOCK__SERVER__WORKERS", workers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a server")?;
        let stdin = process.stdin.take().context("the server has no input")?;
        let stdout = process.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let said = timeout(ANSWER_TIME_MAX, lines.next_line()).await.context("the server does not start")??;
        let said = said.context("the server did not start; its own words are above")?;
        let Announcement { data, control, key } = serde_json::from_str(&said).context("the server speaks oddly")?;
        let key = SigningKey::from_pkcs8(Algorithm::EdDsa, "test", &key).context("the server's key does not read")?;
        let memory = Process::new(process.id().context("the server has ended already")?);
        let address = Address { data, control, key: Arc::new(key) };
        let client = address.connect().await?;
        Ok(Self { process, stdin, lines, memory, address, client })
    }

    /// What the server counts.
    pub(crate) async fn counts(&mut self) -> anyhow::Result<Counts> {
        self.stdin.write_all(b"counts\n").await.context("the server does not listen")?;
        let said = timeout(ANSWER_TIME_MAX, self.lines.next_line()).await.context("the server does not answer")??;
        serde_json::from_str(&said.context("the server has ended")?).context("the server speaks oddly")
    }

    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        self.memory.memory()
    }

    pub(crate) fn forget_peak(&self) -> anyhow::Result<()> {
        self.memory.forget_peak()
    }

    /// How the process died, if it did; waits a moment, for a connection breaks before its process is gone.
    pub(crate) async fn death(&mut self) -> Option<String> {
        match timeout(DEATH_TIME_MAX, self.process.wait()).await {
            Ok(Ok(status)) => Some(status.to_string()),
            Ok(Err(why)) => Some(why.to_string()),
            Err(_still_alive) => None,
        }
    }
}
