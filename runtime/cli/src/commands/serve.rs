//! `airlock serve`.

use std::{process::ExitCode, time::Duration};

use airlock_service::Config;
use tokio::signal::unix::{SignalKind, signal};

use crate::{args::ServeOptions, host, output, output::EXIT_FAILURE};

/// Serves until it is told to stop, then lets calls in flight finish.
pub async fn run(options: ServeOptions) -> anyhow::Result<ExitCode> {
    let config = Config::load(&options.config)?;
    let grace = Duration::from_millis(config.server.drain_ms);
    let cache_dir = host::cache_dir(options.cache.cache_dir.as_deref())?;
    // Asked for before serving, so that a signal cannot slip in between.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (server, app) = host::start(config, &cache_dir).await?;
    output::progress("Serving", format!("calls on http://{}", server.data_addr()));
    output::progress("Serving", format!("control on http://{}", server.control_addr()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    output::progress("Draining", format!("for at most {grace:?}"));
    let report = server.drain(grace).await;
    tracing::info!(?report, "stopped");
    if let Err(why) = app.ready() {
        // Closing still waits a while for the state database; whether that helped, only the trail can say.
        output::warning(format!("{}; run `airlock audit verify` afterwards", why.message));
        return Ok(ExitCode::from(EXIT_FAILURE));
    }
    Ok(ExitCode::SUCCESS)
}
