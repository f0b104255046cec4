//! `airlock serve`.

use std::process::ExitCode;

use airlock_service::{App, Config};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{args::ServeOptions, host, output, output::EXIT_FAILURE};

/// Serves until it is told to stop, then lets calls in flight finish.
pub async fn run(options: ServeOptions) -> anyhow::Result<ExitCode> {
    let config = Config::load(&options.config)?;
    let cache_dir = host::cache_dir(options.cache.cache_dir.as_deref())?;
    // Asked for before serving, so that a signal cannot slip in between.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let (server, app) = host::start(config, &cache_dir).await?;
    output::progress("Serving", format!("calls on http://{}", server.data_addr()));
    output::progress("Serving", format!("control on http://{}", server.control_addr()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = reload_on(&mut hangup, &app) => {}
    }
    let grace = app.drain_time();
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

/// Reads the configuration again for every signal, and says what came of it. Ends when there can be no more signals.
async fn reload_on(hangup: &mut Signal, app: &App) {
    while hangup.recv().await.is_some() {
        match app.reload_by_signal().await {
            Ok(changes) => {
                output::progress("Reloaded", format!("{} value(s) changed", changes.len()));
                changes.iter().for_each(|change| output::progress("Changed", change));
            }
            Err(failure) => output::warning(format!("not reloaded: {}; {}", failure.message, failure.hint)),
        }
    }
}
