//! Exports: the trail, given to others while the server runs.
//!
//! Each export reads the trail from a cursor that is kept in the store, and moves it only when its sink has taken what it was
//! given. So a sink that is slow, gone or talks nonsense keeps nobody waiting but itself, and nothing is lost over restarts;
//! records may come twice, and their sequence number and hash tell that they did.

mod file;
mod format;
mod lines;
mod sink;
mod worker;

use std::sync::Arc;

use airlock_resources::{Network, Sources};
use airlock_store::{Checkpoint, ExportCursors, Reader, Store};

use crate::{
    app::StartError,
    clock,
    config::{Config, ConfigError, process_environment},
};
use sink::Sink;
use worker::Worker;

pub use format::export_line;

/// Checks what a configuration says about exports, without writing to anything.
pub(crate) fn check(config: &Config, network: &Network) -> Result<(), ConfigError> {
    sinks(config, network).map(drop)
}

/// Every export that runs. Dropping it ends them; what they were about to move comes again.
#[derive(Default)]
pub(crate) struct Exports(Vec<tokio::task::AbortHandle>);

impl Drop for Exports {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Exports {
    /// Finds every cursor and begins to give records away.
    pub(crate) async fn start(config: &Config, network: &Network, store: &Store) -> Result<Self, StartError> {
        let sinks = sinks(config, network)?;
        let cursors = store.export_cursors();
        let names: Vec<String> = config.audit.export.iter().map(|export| export.name.clone()).collect();
        if names.is_empty() && store.exports().await?.is_empty() {
            return Ok(Self::default());
        }
        cursors.configure(names, clock::now_unix_ms()).await?;
        // One that does not keep the store open, and whose reads nobody else waits behind.
        let reader = Arc::new(Store::open_read_only(&config.state.dir)?);
        let mut running = Self::default();
        for (export, sink) in config.audit.export.iter().zip(sinks) {
            let at = place_of(&export.name, &reader).await?;
            let trail = Trail { reader: Arc::clone(&reader), cursors: cursors.clone() };
            let worker = Worker::new(export, sink, trail, at);
            running.0.push(tokio::spawn(worker.run()).abort_handle());
        }
        Ok(running)
    }
}

/// What an export reads, and where it says how far it has come.
struct Trail {
    reader: Arc<Reader>,
    cursors: ExportCursors,
}

/// Where an export goes on: at its cursor, unless the trail is another than the one that it was about.
async fn place_of(name: &str, reader: &Reader) -> Result<Checkpoint, StartError> {
    let kept = reader.exports().await?.into_iter().find(|export| export.name == name);
    let at = kept.map_or_else(Checkpoint::genesis, |export| export.at);
    if reader.passes_through(at).await? {
        return Ok(at);
    }
    tracing::error!(
        export = name,
        seq = at.seq,
        "the audit trail does not pass through the last record that was exported: it was changed while no server ran, see \
         `airlock audit verify`; everything is exported again"
    );
    Ok(Checkpoint::genesis())
}

fn sinks(config: &Config, network: &Network) -> Result<Vec<Sink>, ConfigError> {
    let sources = Sources { read_env: &process_environment, allow_inline: false };
    let open = |(index, export)| {
        let sink = Sink::new(export, &config.tokens.instance, &sources, network);
        sink.map_err(|(key, why)| {
            config.origins.locate(ConfigError::value(format!("audit.export[{index}].{key}"), why))
        })
    };
    config.audit.export.iter().enumerate().map(open).collect()
}
