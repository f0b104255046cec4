//! `airlock serve`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use airlock_server::Bound;
use airlock_service::{
    App, Config, Listener,
    isolation::{self, IsolationLevel},
    telemetry,
};
use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    args::ServeOptions,
    desk::{self, Desk},
    host, output,
    output::EXIT_FAILURE,
};

/// Takes the ports, raises the wall, and serves behind it. Call it with one thread.
pub fn main(options: &ServeOptions) -> anyhow::Result<ExitCode> {
    let (config, config_file) = configuration(options)?;
    let cache_dir = host::cache_dir(options.cache.cache_dir.as_deref())?;
    // Before the wall, which lets nobody bind: not even us, a second time.
    let bound = host::listen(&config)?;
    telemetry::prepare_for_the_wall();
    isolate(&config, &config_file, &cache_dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(bound, config, &cache_dir))
}

/// What is to be served, and where that is written. The key of a desk is not kept: servers only verify.
fn configuration(options: &ServeOptions) -> anyhow::Result<(Config, PathBuf)> {
    let asked = options.desk.config.as_deref();
    if !options.desk.dev {
        let file = asked.unwrap_or(Path::new(desk::CONFIG_FILE));
        let without = || format!("`airlock serve --dev` needs no `{}` and no keys", file.display());
        let loaded = Config::load(file);
        let config = if file.exists() { loaded? } else { loaded.with_context(without)? };
        return Ok((config, file.to_owned()));
    }
    let Desk { config, config_file, .. } = desk::open(asked)?;
    let iss = config.development().map_or("", |development| development.iss());
    output::warning(format!("this is a development server: it takes tokens of `{iss}`, which no other server takes"));
    output::progress("Token", format!("export AIRLOCK_TOKEN=$({})", Desk::mint_command(asked)));
    output::progress("Trail", format!("airlock audit list --state {}", config.state.dir.display()));
    Ok((config, config_file))
}

/// Raises the wall that the configuration asks for, or fails: serving with less is not an option.
fn isolate(config: &Config, config_file: &Path, cache_dir: &Path) -> anyhow::Result<()> {
    if config.isolation.level >= IsolationLevel::L1 {
        let mut wall = isolation::wall_for(config, config_file);
        for dir in [&config.state.dir, &cache_dir.join("compiled")] {
            private_dir(dir)?;
            wall.write(dir);
        }
        for file in isolation::exposed_files(config, config_file) {
            output::warning(format!(
                "`{}` lies in a directory that the server may write to: give databases and state a directory of their own",
                file.display()
            ));
        }
        wall.raise()?;
    }
    output::progress("Isolation", isolation::described());
    Ok(())
}

/// Rules are about files that are there, so these are made first; for this user alone, as their owners would.
fn private_dir(dir: &Path) -> anyhow::Result<()> {
    airlock_store::create_dir(dir).with_context(|| format!("cannot make `{}`", dir.display()))
}

/// Serves until it is told to stop, then lets calls in flight finish.
async fn serve(bound: Bound, config: Config, cache_dir: &Path) -> anyhow::Result<ExitCode> {
    // Asked for before serving, so that a signal cannot slip in between.
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    let [data, control] =
        [Listener::Data, Listener::Control].map(|listener| if config.speaks_tls(listener) { "https" } else { "http" });
    for address in config.exposed_listeners() {
        output::warning(format!(
            "{address} is open to a network without TLS, and tokens travel there in clear text: set `[server.tls]`, or listen on \
             loopback behind a proxy that speaks it"
        ));
    }
    let (server, app) = host::start(bound, config, cache_dir).await?;
    output::progress("Serving", format!("calls on {data}://{}", server.data_addr()));
    if let Some(address) = server.metrics_addr() {
        output::progress("Serving", format!("metrics on http://{address}/metrics"));
    }
    output::progress("Serving", format!("control on {control}://{}", server.control_addr()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = reload_on(&mut hangup, &app) => {}
    }
    let grace = app.drain_time();
    output::progress("Draining", format!("for at most {grace:?}"));
    let report = server.drain(grace).await;
    tracing::info!(?report, "stopped");
    app.telemetry().flush().await;
    if let Err(why) = app.ready() {
        // Closing still waits a while for the state database; whether that helped, only the trail can say.
        output::warning(format!("{}; run `airlock audit verify` afterwards", why.message));
        return Ok(ExitCode::from(EXIT_FAILURE));
    }
    // What was done last is proven too.
    if let Err(why) = app.announce_checkpoint().await {
        output::warning(format!("no last checkpoint was made: {}", why.message));
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
