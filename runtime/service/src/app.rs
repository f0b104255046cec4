//! Puts the parts together once, at start.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use airlock_access::Admission;
use airlock_model::{Failure, Reason};
use airlock_resources::AddError;
use airlock_sandbox::{Compiler, Engine, EngineError, EngineOptions};
use airlock_store::{Store, StoreError, StoreOptions, SyncMode};

use crate::{
    clock,
    config::{Config, ConfigError},
    gate::Classes,
    refusals::Refusals,
    registry::Registry,
    reload::Reloader,
    settings::Settings,
};

/// What an [`App`] is made of.
pub struct Parts {
    /// The operator's word.
    pub config: Config,
    /// How components are compiled.
    pub compiler: Compiler,
    /// Our own addresses: no guest may reach them, whatever a resource allows.
    pub own_listeners: Vec<SocketAddr>,
}

/// Why the application cannot start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant carries the error of one part, which documents itself")]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Resource(#[from] AddError),
}

/// The application. Share it in an `Arc`; every method takes `&self`.
pub struct App {
    pub(crate) reloader: Reloader,
    pub(crate) admission: Admission,
    pub(crate) engine: Engine,
    pub(crate) compiler: Compiler,
    pub(crate) registry: Registry,
    pub(crate) refusals: Refusals,
    pub(crate) backends: Arc<Backends>,
}

/// What the gate of every call needs.
pub(crate) struct Backends {
    pub(crate) store: Store,
    pub(crate) classes: Classes,
}

impl App {
    /// Opens the state, binds the resources and loads every live revision.
    ///
    /// # Errors
    /// When a part refuses its configuration; nothing listens yet.
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, compiler, own_listeners } = parts;
        let sync = if config.state.sync { SyncMode::Full } else { SyncMode::OffForBenchmarksOnly };
        let options = engine_options(&config);
        let state_dir = config.state.dir.clone();
        let settings = Settings::build(config, &own_listeners, None)?;
        let store = Store::open_with(&state_dir, StoreOptions { sync, ..StoreOptions::default() })?;
        store.append(store.server_started_event(clock::now_unix_ms())).await?;
        let backends = Arc::new(Backends { store, classes: Classes::new() });
        let app = Self {
            reloader: Reloader::new(settings, Arc::clone(&backends), own_listeners),
            admission: Admission::new(),
            engine: Engine::new(options)?,
            compiler,
            registry: Registry::default(),
            refusals: Refusals::default(),
            backends,
        };
        warn_of_surprises(&app, sync);
        app.load_live_revisions().await?;
        Ok(app)
    }

    /// The settings in force: taken once, at the beginning of whatever uses them.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.reloader.settings()
    }

    /// How long a stopping server waits for calls in flight.
    #[must_use]
    pub fn drain_time(&self) -> Duration {
        self.settings().drain()
    }

    /// Whether a call could begin now, as far as durable state is concerned.
    ///
    /// # Errors
    /// What the call would be refused with.
    pub fn ready(&self) -> Result<(), Failure> {
        self.backends.store.ready().map_err(|why| store_failure(&why))
    }

    /// Verifies a token and nothing else: for requests that need one but no particular right.
    ///
    /// # Errors
    /// `token_invalid`.
    pub fn authenticate(&self, bearer: Option<&str>) -> Result<(), Failure> {
        self.settings().authenticator.verify(bearer, clock::now_unix_s()).map(drop)
    }
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        instances_max: config.sandbox.instances_max.get(),
        memory_bytes_max: config.sandbox.memory_bytes_max.get(),
        ..EngineOptions::default()
    }
}

fn warn_of_surprises(app: &App, sync: SyncMode) {
    if !app.engine.has_fast_reset() {
        tracing::warn!("this kernel has no PAGEMAP_SCAN (Linux 6.7): calls are several times slower");
    }
    if sync == SyncMode::OffForBenchmarksOnly {
        tracing::warn!("`[state] sync = false`: acknowledged audit records can be lost in a power cut");
    }
}

/// What callers are told when the store cannot do its part.
pub(crate) fn store_failure(error: &StoreError) -> Failure {
    let audit = |message: &str, hint: &str| Failure::new(Reason::AuditUnavailable, message, hint).with_log(error);
    match error {
        StoreError::Unavailable { .. } | StoreError::Held | StoreError::DiskLow { .. } => audit(
            "the audit trail cannot be written, so nothing runs",
            "try again later; operators see the cause in the server's log",
        ),
        StoreError::Busy { .. } => {
            let hint = "try again shortly";
            Failure::new(Reason::Overloaded, "the audit trail has more to write than it can", hint).with_log(error)
        }
        StoreError::PageToken => {
            let hint = "take `next_page_token` of the previous answer, with the same other fields";
            Failure::new(Reason::RequestMalformed, "`page_token` is not one this server gave for this request", hint)
        }
        StoreError::NotFound { .. } => {
            Failure::new(Reason::FunctionUnknown, error.to_string(), "deploy it first: `airlock deploy`")
        }
        StoreError::Locked { .. }
        | StoreError::Schema { .. }
        | StoreError::ArtifactMissing { .. }
        | StoreError::ArtifactAltered { .. }
        | StoreError::Io { .. }
        | StoreError::Sqlite { .. }
        | StoreError::Corrupt { .. } => Failure::internal(error),
    }
}
