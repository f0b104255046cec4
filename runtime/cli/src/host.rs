//! Starts the server in this process, for `serve` and `demo`, and the application alone for `run`.

use std::{
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_sandbox::Compiler;
use airlock_server::{ListenOptions, ServerHandle, TransportLimits, bind, serve};
use airlock_service::{App, Config, Parts};
use anyhow::Context;

/// Listens, opens the application and serves.
pub async fn start(config: Config, cache_dir: &Path) -> anyhow::Result<(ServerHandle, Arc<App>)> {
    let bound = bind(&ListenOptions {
        data: config.server.data,
        control: config.server.control,
        workers: config.server.workers.unwrap_or_else(cores),
        limits: TransportLimits { in_flight_max: config.in_flight_max().get(), ..TransportLimits::BUILT_IN },
    })?;
    let app = Arc::new(open(config, cache_dir, vec![bound.data_addr(), bound.control_addr()]).await?);
    Ok((serve(bound, Arc::clone(&app))?, app))
}

/// Opens the application without listening.
pub async fn open(config: Config, cache_dir: &Path, own_listeners: Vec<SocketAddr>) -> anyhow::Result<App> {
    Ok(App::open(Parts { config, compiler: compiler(cache_dir)?, own_listeners }).await?)
}

/// The compile child is this very program.
fn compiler(cache_dir: &Path) -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let cache_dir = cache_dir.to_str().context("the cache directory is not UTF-8")?;
    let arguments = ["compile-child", "--cache-dir", cache_dir].map(str::to_owned);
    Ok(Compiler::new(program, arguments.into()))
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
