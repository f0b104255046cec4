//! Puts the parts together once, at start.

use std::{net::SocketAddr, num::NonZeroUsize, pin::Pin, sync::Arc, time::Duration};

use airlock_access::{Admission, Holding, Holdings, Presented, VerifiedToken, expect_control, expect_invoke};
use airlock_model::{AuditEvent, AuditKind, ControlScope, Failure, Reason, TenantName};
use airlock_resources::AddError;
use airlock_sandbox::{Compiler, Engine, EngineError, Lanes, MappingShortage};
use airlock_store::{AuditFilter, AuditOrder, Store, StoreError, StoreOptions, SyncMode};

use crate::{
    audit::Followers,
    checkpoints::{Notary, Timer},
    clock::{self, ServerClock},
    config::{Config, ConfigError},
    deploy::Deploying,
    explain,
    exports::Exports,
    gate::Classes,
    identity::Paces,
    isolation::{self, IsolationLevel},
    keys::KeyRing,
    line::Line,
    loader::Loader,
    logs::Logs,
    recorder::Recorder,
    refusals::{Refusals, Refused, Subject},
    registry::Registry,
    reload::Reloader,
    retention,
    revocations::Revocations,
    running::Running,
    settings::{self, Settings},
    spending::Books,
    telemetry::{
        Format, Sampler, Telemetry,
        otlp::{Outlets, Telling},
    },
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
    #[error(
        "`[isolation] level` asks for {asked}, but this process runs at {reached}: start it with `airlock serve`, which raises \
         the wall, or ask for {reached}"
    )]
    Isolation { asked: IsolationLevel, reached: IsolationLevel },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Resource(#[from] AddError),
    #[error("what is counted has two numbers of one name")]
    Telemetry(#[from] prometheus::Error),
    #[error("no thread could be started for heavy calls")]
    Lanes(#[source] std::io::Error),
}

/// The application. Share it in an `Arc`; every method takes `&self`.
pub struct App {
    pub(crate) reloader: Reloader,
    pub(crate) admission: Admission,
    pub(crate) holdings: Holdings,
    pub(crate) lanes: Lanes,
    pub(crate) deploying: Deploying,
    pub(crate) explaining: Arc<Line>,
    pub(crate) loader: Loader,
    pub(crate) registry: Registry,
    pub(crate) running: Arc<Running>,
    pub(crate) refusals: Refusals,
    pub(crate) paces: Paces,
    pub(crate) followers: Followers,
    pub(crate) notary: Notary,
    /// Whoever reads the whole trail.
    pub(crate) verifying: tokio::sync::Mutex<()>,
    _checkpoints: Timer,
    _retention: Option<Timer>,
    _exports: Exports,
    pub(crate) sampler: Sampler,
    _telling: Telling,
    pub(crate) backends: Arc<Backends>,
}

/// What the gate of every call needs.
pub(crate) struct Backends {
    pub(crate) store: Store,
    pub(crate) classes: Classes,
    pub(crate) books: Arc<Books>,
    pub(crate) recorder: Recorder,
    pub(crate) revocations: Revocations,
    pub(crate) logs: Arc<Logs>,
    pub(crate) telemetry: Arc<Telemetry>,
}

impl App {
    /// Opens the state, binds the resources and loads every live revision.
    ///
    /// # Errors
    /// When a part refuses its configuration; nothing listens yet.
    #[expect(clippy::too_many_lines, reason = "the parts, one after the other as they need each other")]
    pub async fn open(parts: Parts) -> Result<Self, StartError> {
        let Parts { config, compiler, own_listeners } = parts;
        require_isolation(config.isolation.level)?;
        let sync = if config.state.sync { SyncMode::Full } else { SyncMode::OffForBenchmarksOnly };
        if config.cuts_the_queue_short() {
            tracing::warn!("`[server] in_flight_max` is less than may run and wait: some calls are shed out of turn");
        }
        let options = config.sandbox.engine_options();
        let state_dir = config.state.dir.clone();
        let lanes = Lanes::start(lanes(&config)).map_err(StartError::Lanes)?;
        let compiler = compiler.limited_to(config.deploy.compile_limits());
        let deploying = Deploying::new(&config.deploy);
        let admission = Admission::new(config.admission(), Arc::new(ServerClock::start()));
        let holdings = Holdings::new(config.holdings());
        let ring = KeyRing::start(&state_dir, settings::network(&config, &own_listeners));
        let settings = Settings::build(config, &own_listeners, &ring, None)?;
        let store = Store::open_with(&state_dir, StoreOptions { sync, ..StoreOptions::default() })?;
        forget_no_proof(&settings, &store).await?;
        let network = settings::network(&settings.config, &own_listeners);
        let notary = Notary::open(&settings.config, &network, &store).await?;
        let last_record = retention::last_record(&store).await?;
        store.append(started_event(&store, &settings.config)).await?;
        warn_of_lost_executions(store.lose_executions(clock::now_unix_ms()).await?);
        let checkpoints = notary.start(settings.config.audit.checkpoints.every());
        let exports = Exports::start(&settings.config, &network, &store).await?;
        let revocations = Revocations::new(store.revocations(clock::now_unix_s()).await?);
        let mut telemetry = Telemetry::new()?;
        let outlets = Outlets::open(&settings.config, &network, &mut telemetry)?;
        let telemetry = Arc::new(telemetry);
        telemetry.watch_store(&store);
        let backends = Arc::new(Backends {
            store,
            classes: Classes::new(),
            books: Arc::default(),
            recorder: Recorder::new(),
            revocations,
            logs: Arc::new(Logs::new(&state_dir)),
            telemetry: Arc::clone(&telemetry),
        });
        let retention =
            settings.config.audit.keep().map(|keep| retention::start(&backends, &notary, keep, last_record));
        let registry = Registry::default();
        let engine = Engine::new(options)?;
        let reloader = Reloader::new(
            settings,
            Arc::clone(&backends),
            (own_listeners, ring),
            (admission.clone(), holdings.clone()),
            deploying.last_step(),
        );
        let sampler = Sampler {
            telemetry,
            backends: Arc::downgrade(&backends),
            settings: reloader.shared_settings(),
            admission: admission.clone(),
            holdings: holdings.clone(),
            engine: engine.clone(),
            turn: Arc::default(),
        };
        let app = Self {
            _telling: outlets.start(&sampler),
            reloader,
            admission,
            holdings,
            lanes,
            deploying,
            explaining: explain::line(),
            loader: Loader {
                backends: Arc::clone(&backends),
                registry: registry.clone(),
                engine,
                compiler: Arc::new(compiler),
            },
            registry,
            running: Arc::default(),
            refusals: Refusals::default(),
            paces: Paces::default(),
            followers: Followers::default(),
            notary,
            verifying: tokio::sync::Mutex::default(),
            _checkpoints: checkpoints,
            _retention: retention,
            _exports: exports,
            sampler,
            backends,
        };
        warn_of_surprises(&app, sync);
        app.count_today().await?;
        app.count_spending().await?;
        app.loader.load_live_revisions().await?;
        app.settings().keys_settled().await;
        Ok(app)
    }

    /// Whether this is a development server, which takes the tokens of a desk.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.settings().config.development().is_some()
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

    /// Drops the calls that still run where they can be dropped only while the server's own threads live: the last thing
    /// before those end.
    pub fn halt(&self) {
        self.lanes.halt();
    }

    /// Waits until nothing is left of the calls that began on this thread, because it is about to end.
    pub async fn leave_thread(&self) {
        airlock_sandbox::leave_thread().await;
    }

    /// Whether a call could begin now, as far as durable state is concerned.
    ///
    /// # Errors
    /// What the call would be refused with.
    pub fn ready(&self) -> Result<(), Failure> {
        self.backends.store.ready().map_err(|why| store_failure(&why))
    }

    /// Looks for the key that a token names, where its issuer publishes keys and none of them is it: to be waited for before the
    /// token is judged. `None` when there is nothing to look for. Believes nothing that the token says, and decides nothing.
    #[must_use]
    pub fn find_key(&self, token: Option<&str>) -> Option<Looking> {
        let settings = self.settings();
        if settings.published.is_empty() {
            return None;
        }
        let missing = settings.authenticator.missing_key(token?)?;
        let set = Arc::clone(settings.published.get(&missing.iss)?);
        Some(Box::pin(async move { set.look_for(&missing.key).await }))
    }

    /// Verifies a token and that it could allow what is wanted: for requests that need no particular right, and for those
    /// that are not all here yet. Names the tenant.
    ///
    /// # Errors
    /// `token_invalid`, `keys_unavailable`, `not_granted`.
    pub fn authenticate(&self, bearer: Presented<'_>, wanted: Wanted) -> Result<TenantName, Failure> {
        let kind = match wanted {
            Wanted::Call => AuditKind::InvocationRefused,
            Wanted::Deploy | Wanted::Other => AuditKind::ControlRefused,
        };
        self.expect(bearer, wanted).map(|token| token.principal().tenant.clone()).map_err(|refused| {
            let subject = Subject { rpc: None, function: None, environment: "" };
            self.refusals.record(&self.backends, kind, subject, refused)
        })
    }

    /// The token, if it is genuine, valid now and not revoked. Every door asks here.
    pub(crate) fn verify(&self, settings: &Settings, bearer: Presented<'_>) -> Result<VerifiedToken, Refused> {
        let judged = settings.authenticator.verify(bearer, clock::now_unix_s()).map_err(Refused::from);
        let judged = judged.and_then(|token| {
            self.backends.revocations.check_token(&token).map_err(Refused::by(&token))?;
            Ok(token)
        });
        self.backends.telemetry.token_judged(judged.as_ref().err().map(|refused| refused.failure.reason));
        judged
    }

    /// What is counted, for whoever counts more.
    #[must_use]
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.backends.telemetry
    }

    /// All numbers as they are now.
    pub async fn metrics_text(&self, format: Format) -> String {
        format.write(&self.sampler.sample().await, &self.telemetry().exemplars())
    }

    fn expect(&self, bearer: Presented<'_>, wanted: Wanted) -> Result<VerifiedToken, Refused> {
        let token = self.verify(&self.settings(), bearer)?;
        let expected = match wanted {
            Wanted::Call => expect_invoke(&token),
            Wanted::Deploy => expect_control(&token, ControlScope::FunctionDeploy),
            Wanted::Other => Ok(()),
        };
        expected.map_err(Refused::by(&token)).map(|()| token)
    }

    /// Whose token it is, if it is good. Decides nothing and leaves no record.
    #[must_use]
    pub fn tenant_of(&self, bearer: Presented<'_>) -> Option<TenantName> {
        let token = self.verify(&self.settings(), bearer).ok()?;
        Some(token.principal().tenant.clone())
    }

    /// Begins to count what is held for one request.
    #[must_use]
    pub fn open_holding(&self) -> Holding {
        self.holdings.open()
    }
}

/// The time that it takes to look for a key: a few seconds at most.
pub type Looking = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What a request is about, as far as its path tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To run a function.
    Call,
    /// To deploy one, or to ask whether it could be.
    Deploy,
    /// Anything else.
    Other,
}

/// A configuration that asks for more than there is never gets to serve, whoever opens it.
fn require_isolation(asked: IsolationLevel) -> Result<(), StartError> {
    let reached = isolation::reached();
    if asked <= reached { Ok(()) } else { Err(StartError::Isolation { asked, reached }) }
}

/// How far a clock may have been set back between two runs and still count, in seconds.
const CLOCK_STEP_MAX_S: u64 = 60;

/// Where a server ran on this state before, nobody remembers which proofs it took, at most until it let go of the state, or
/// until its last record where the clock has been set back since.
async fn forget_no_proof(settings: &Settings, store: &Store) -> Result<(), StoreError> {
    let newest = AuditFilter { limit: Some(1), order: AuditOrder::NewestFirst, ..AuditFilter::default() };
    if let Some(last) = store.query(newest).await?.first() {
        let now = clock::now_unix_s();
        // A clock that was wrong by more than that is no reason to refuse every proof until then.
        let until = (last.event.time_unix_ms / 1_000).clamp(now, now.saturating_add(CLOCK_STEP_MAX_S));
        settings.authenticator.used_proofs().served_until(until);
    }
    Ok(())
}

fn started_event(store: &Store, config: &Config) -> AuditEvent {
    let mut event = store.server_started_event(clock::now_unix_ms());
    let message = event.message.unwrap_or_default();
    let desk = config.development().map(|one| format!("development server, tokens of `{}`; ", one.iss()));
    event.message = Some(format!("{}isolation {}; {message}", desk.unwrap_or_default(), isolation::described()));
    event
}

/// As many as there are cores to compute on.
fn lanes(config: &Config) -> NonZeroUsize {
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    config.server.workers.unwrap_or_else(cores)
}

fn warn_of_lost_executions(count: usize) {
    if count > 0 {
        tracing::warn!(
            count,
            "approved executions were under way when the server ended, and nobody knows whether they took effect: see \
             `airlock approvals list --state unknown`"
        );
    }
}

fn warn_of_surprises(app: &App, sync: SyncMode) {
    if !app.loader.engine.has_fast_reset() {
        tracing::warn!("this kernel has no PAGEMAP_SCAN (Linux 6.7): calls are several times slower");
    }
    if let Some(MappingShortage { needed, allowed }) = app.loader.engine.mapping_shortage() {
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
        StoreError::Unavailable { .. } | StoreError::Held | StoreError::DiskLow { .. } | StoreError::DiskFull => audit(
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
        StoreError::Superseded { .. } => Failure::new(
            Reason::Overloaded,
            error.to_string(),
            "nothing was changed; look at what is live and try again",
        ),
        StoreError::Full { .. } => {
            let hint = "nothing was changed; remove one that is not used any more: `airlock alias NAME ALIAS`";
            Failure::new(Reason::RequestMalformed, error.to_string(), hint)
        }
        StoreError::TooMuch { .. } => {
            let hint = "leave a dimension out of `group_by`, take the step `day` or `none`, or a shorter time";
            Failure::new(Reason::RequestMalformed, error.to_string(), hint)
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
