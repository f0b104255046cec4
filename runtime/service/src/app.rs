//! Puts the parts together once, at start.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use airlock_access::{Admission, Authenticator, PolicyError};
use airlock_model::{EnvironmentName, Failure, LimitCaps, Limits, Reason, TenantName};
use airlock_resources::{AddError, Resources, Sources};
use airlock_sandbox::{Compiler, Engine, EngineError, EngineOptions, MappingShortage};
use airlock_store::{Store, StoreError, StoreOptions, SyncMode};

use crate::{
    clock,
    config::{Config, ConfigError, EnvironmentConfig, process_environment},
    gate::Classes,
    refusals::Refusals,
    registry::Registry,
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
    Tokens(#[from] PolicyError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Resource(#[from] AddError),
}

/// The application. Share it in an `Arc`; every method takes `&self`.
pub struct App {
    pub(crate) authenticator: Authenticator,
    pub(crate) admission: Admission,
    pub(crate) engine: Engine,
    pub(crate) compiler: Compiler,
    pub(crate) registry: Registry,
    pub(crate) policies: Policies,
    pub(crate) refusals: Refusals,
    pub(crate) backends: Arc<Backends>,
}

/// What the gate of every call needs.
pub(crate) struct Backends {
    pub(crate) store: Store,
    pub(crate) resources: Resources,
    pub(crate) classes: Classes,
}

/// What the operator decided, besides resources.
pub(crate) struct Policies {
    pub(crate) operator: Limits,
    tenants: BTreeMap<TenantName, LimitCaps>,
    environments: BTreeMap<EnvironmentName, EnvironmentConfig>,
    nothing: LimitCaps,
}

impl Policies {
    pub(crate) fn tenant(&self, tenant: &TenantName) -> &LimitCaps {
        self.tenants.get(tenant).unwrap_or(&self.nothing)
    }

    pub(crate) fn environment(&self, environment: &EnvironmentName) -> Option<&EnvironmentConfig> {
        self.environments.get(environment)
    }

    pub(crate) fn environment_limits(&self, environment: &EnvironmentName) -> &LimitCaps {
        self.environment(environment).map_or(&self.nothing, |environment| &environment.limits)
    }
}

impl App {
    /// Opens the state, binds the resources and loads every live revision.
    ///
    /// # Errors
    /// When a part refuses its configuration; nothing listens yet.
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, compiler, own_listeners } = parts;
        let resources = bind_resources(&config, &own_listeners)?;
        let sync = if config.state.sync { SyncMode::Full } else { SyncMode::OffForBenchmarksOnly };
        let store = Store::open_with(&config.state.dir, StoreOptions { sync, ..StoreOptions::default() })?;
        store.append(store.server_started_event(clock::now_unix_ms())).await?;
        let app = Self {
            authenticator: Authenticator::new(config.token_policy()?)?,
            admission: Admission::new(),
            engine: Engine::new(engine_options(&config))?,
            compiler,
            registry: Registry::default(),
            policies: policies(config),
            refusals: Refusals::default(),
            backends: Arc::new(Backends { store, resources, classes: Classes::new() }),
        };
        warn_of_surprises(&app, sync);
        app.load_live_revisions().await?;
        Ok(app)
    }

    /// Judges a configuration as [`App::open`] would, keys and credentials included, without opening anything.
    ///
    /// # Errors
    /// What the start of a server with this configuration would say.
    pub fn check_config(config: &Config) -> Result<(), StartError> {
        Authenticator::new(config.token_policy()?)?;
        bind_resources(config, &[]).map(drop)
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
        self.authenticator.verify(bearer, clock::now_unix_s()).map(drop)
    }
}

fn engine_options(config: &Config) -> EngineOptions {
    EngineOptions {
        instances_max: config.sandbox.instances_max.get(),
        memory_bytes_max: config.sandbox.memory_bytes_max.get(),
        ..EngineOptions::default()
    }
}

fn policies(config: Config) -> Policies {
    Policies {
        operator: config.limits.operator(),
        tenants: config.limits.tenant,
        environments: config.environments,
        nothing: LimitCaps::default(),
    }
}

fn bind_resources(config: &Config, own_listeners: &[SocketAddr]) -> Result<Resources, StartError> {
    let mut resources = Resources::new();
    for (name, resource) in &config.resources {
        for (environment, binding) in resource.bindings() {
            let allow_inline = config.environments.get(environment).is_some_and(|e| e.development);
            let sources = Sources { read_env: &process_environment, allow_inline };
            let unclear = |why| ConfigError::value(format!("resources.{name}.{environment}"), why);
            let binding = binding.resolve(&sources).map_err(unclear)?;
            resources.add(name.clone(), environment.clone(), binding, own_listeners)?;
        }
    }
    Ok(resources)
}

fn warn_of_surprises(app: &App, sync: SyncMode) {
    if !app.engine.has_fast_reset() {
        tracing::warn!("this kernel has no PAGEMAP_SCAN (Linux 6.7): calls are several times slower");
    }
    if let Some(MappingShortage { needed, allowed }) = app.engine.mapping_shortage() {
        tracing::warn!(
            needed,
            allowed,
            "`vm.max_map_count` is too low for `[sandbox] instances_max`: raise it with sysctl"
        );
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
