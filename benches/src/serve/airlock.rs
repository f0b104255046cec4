//! Airlock as `airlock serve` starts it, with one worker.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use airlock_sandbox::{
    Compiler,
    compile::{ChildTerms, child_main},
};
use airlock_server::{ListenOptions, TransportLimits, bind};
use airlock_service::{App, Config, Parts};
use airlock_toolchain::EngineCache;
use anyhow::Context;

use super::{Addresses, released, runtime};
use crate::cores;

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
            metrics: config.telemetry.metrics_listener(),
            workers: config.server.workers.context("the configuration does not say how many workers")?,
            limits: TransportLimits { in_flight_max: config.in_flight_max().get(), ..TransportLimits::BUILT_IN },
        })?;
        let addresses = Addresses { data: bound.data_addr(), control: Some(bound.control_addr()) };
        let own_listeners = bound.addresses();
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
    Ok(Compiler::new(program, arguments.into()))
}

/// Runs the compile child.
pub(crate) fn compile_child(cache_dir: Option<&Path>, memory_bytes: u64, cpu_s: u64) -> ExitCode {
    let cache_dir = cache_dir.map(|dir| dir.join("compiled"));
    let terms = ChildTerms { cache_dir: cache_dir.as_deref(), locked: false, memory_bytes, cpu_s };
    let status = EngineCache::lend(cache_dir.as_deref(), |cache| child_main(terms, cache));
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
