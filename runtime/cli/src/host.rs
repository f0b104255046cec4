//! Starts the server in this process, for `serve` and `demo`, and the application alone for `run`.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_sandbox::Compiler;
use airlock_server::{Bound, ListenOptions, ServerHandle, TransportLimits, bind, serve};
use airlock_service::{App, Config, Parts, isolation::IsolationLevel};
use anyhow::Context;

/// Takes the ports. Nobody is answered yet.
pub fn listen(config: &Config) -> anyhow::Result<Bound> {
    Ok(bind(&ListenOptions {
        data: config.server.data,
        control: config.server.control,
        metrics: config.telemetry.metrics_listener(),
        workers: config.server.workers.unwrap_or_else(cores),
        limits: TransportLimits { in_flight_max: config.in_flight_max().get(), ..TransportLimits::BUILT_IN },
    })?)
}

/// Opens the application and serves.
pub async fn start(bound: Bound, config: Config, cache_dir: &Path) -> anyhow::Result<(ServerHandle, Arc<App>)> {
    let app = Arc::new(open(config, cache_dir, bound.addresses()).await?);
    Ok((serve(bound, Arc::clone(&app))?, app))
}

/// Opens the application without listening.
pub async fn open(config: Config, cache_dir: &Path, own_listeners: Vec<SocketAddr>) -> anyhow::Result<App> {
    let compiler = compiler(cache_dir, config.isolation.level)?;
    Ok(App::open(Parts { config, compiler, own_listeners }).await?)
}

/// The compile child is this very program.
fn compiler(cache_dir: &Path, level: IsolationLevel) -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let cache_dir = cache_dir.to_str().context("the cache directory is not UTF-8")?;
    let locked = (level >= IsolationLevel::L1).then_some("--locked");
    let arguments = ["compile-child", "--cache-dir", cache_dir].into_iter().chain(locked).map(str::to_owned);
    Ok(Compiler::new(program, arguments.collect()))
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// The directory of compiled parts: as asked, or in the user's own cache.
pub fn cache_dir(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    match asked {
        Some(dir) => std::path::absolute(dir).context("the cache directory has no absolute form"),
        None => {
            let home = std::env::home_dir().context("there is no home directory: say --cache-dir")?;
            Ok(home.join(".cache/airlock"))
        }
    }
}
