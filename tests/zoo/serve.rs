//! The server's side: the harness in a process of its own, with the allocator and the worker threads of the product.

use std::{
    io::{BufRead as _, Write as _},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use airlock_sandbox::Compiler;
use airlock_tests::{Harness, Options, guests};
use airlock_toolchain::EngineCache;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};

const CACHE_BYTES_MAX: u64 = 512 << 20;

/// Panics of any thread of this process, caught or not: nothing in the host may panic, whoever catches it.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// What the server says once it serves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Announcement {
    /// For calls.
    pub(crate) data: SocketAddr,
    /// For deploys.
    pub(crate) control: SocketAddr,
    /// The key that signs tokens, as PKCS#8: a test's key of a test's server on loopback.
    pub(crate) key: Vec<u8>,
}

/// What the server says when it is asked.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Panics anywhere in the process.
    pub(crate) panics: u64,
    /// Invocations that the server believes are running.
    pub(crate) in_flight: usize,
}

/// Serves until standard input closes; answers each line on it with its counts.
pub(crate) fn serve() -> anyhow::Result<()> {
    count_panics();
    let filter = tracing_subscriber::EnvFilter::new("error");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let harness = runtime.block_on(Harness::start_with_compiler(Options::default(), compiler()?));
    let key = harness.key().to_pkcs8().context("the key cannot be handed over")?.expose().to_vec();
    let server = harness.server();
    say(&Announcement { data: server.data_addr(), control: server.control_addr(), key })?;
    for line in std::io::stdin().lock().lines() {
        line?;
        say(&Counts { panics: PANICS.load(Relaxed), in_flight: harness.server().counters().in_flight })?;
    }
    Ok(())
}

fn count_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Relaxed);
        report(panic);
    }));
}

fn say(message: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::to_string(message)?).context("nobody reads what the server says")?;
    Ok(out.flush()?)
}

/// The compile child is this very program: `cargo run --bin zoo` builds no other.
fn compiler() -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let cache = guests::target_dir().join("airlock-cache");
    let cache = cache.to_str().context("the cache directory is not UTF-8")?;
    let arguments = ["compile-child", "--cache-dir", cache].map(str::to_owned);
    Ok(Compiler::new(program, arguments.into()))
}

/// Runs the compile child. A cache that cannot be opened costs time and nothing else.
pub(crate) fn compile_child(cache_dir: Option<&Path>) -> ExitCode {
    let cache = cache_dir.and_then(|dir| EngineCache::open(&dir.join("compiled"), CACHE_BYTES_MAX).ok());
    let status = airlock_sandbox::compile::child_main(cache.as_ref().map(EngineCache::store));
    if let Some(cache) = cache {
        cache.flush();
    }
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
