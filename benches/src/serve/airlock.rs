//! Airlock as `airlock serve` starts it, with one worker.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use airlock_sandbox::Compiler;
use airlock_server::{ListenOptions, TransportLimits, bind};
use airlock_service::{App, Config, Parts};
use airlock_toolchain::EngineCache;
use anyhow::Context;

use super::{Addresses, released, runtime};
use crate::cores;

const COMPILE_TIME_MAX: Duration = Duration::from_secs(120);
const CACHE_BYTES_MAX: u64 = 512 << 20;
const GRACE: Duration = Duration::from_secs(2);

/// Serves on these cores, audit writer and all, until released.
pub(crate) fn serve(cores: &[usize], config: &Path, cache_dir: &Path) -> anyhow::Result<()> {
    cores::pin(cores)?;
    let filter = tracing_subscriber::EnvFilter::new("error");
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    runtime()?.block_on(async {
        let config = Config::load(config)?;
        let bound = bind(&ListenOptions {
            data: config.server.data,
            control: config.server.control,
            workers: config.server.workers.context("the configuration does not say how many workers")?,
            limits: TransportLimits { in_flight_max: config.server.in_flight_max.get(), ..TransportLimits::BUILT_IN },
        })?;
        let addresses = Addresses { data: bound.data_addr(), control: Some(bound.control_addr()) };
        let own_listeners = vec![bound.data_addr(), bound.control_addr()];
        let app = App::open(Parts { config, compiler: compiler(cache_dir)?, own_listeners }).await?;
        let server = airlock_server::serve(bound, Arc::new(app))?;
        addresses.announce()?;
        released().await;
        server.drain(GRACE).await;
        Ok(())
    })
}

/// The compile child is this very program.
pub(crate) fn compiler(cache_dir: &Path) -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("cannot find this program on disk")?;
    let cache_dir = cache_dir.to_str().context("the cache directory is not UTF-8")?;
    let arguments = ["compile-child", "--cache-dir", cache_dir].map(str::to_owned);
    Ok(Compiler::new(program, arguments.into(), COMPILE_TIME_MAX))
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
