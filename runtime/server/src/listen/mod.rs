//! Listeners, workers and the end of serving.

mod activity;
mod connection;
mod frames;
mod guarded;
mod health;
mod scrape;
mod socket;
mod tls;
mod worker;

use std::{fmt, io, net::SocketAddr, num::NonZeroUsize, sync::Arc, thread::JoinHandle, time::Duration};

use tokio::sync::{mpsc, watch};
use tonic_health::{ServingStatus, server::HealthReporter};

pub(crate) use activity::{Busy, Unsent};
pub(crate) use tls::Peer;

use socket::Sockets;

use crate::{
    application::Application,
    config::{ListenOptions, TransportLimits},
    counters::{Counters, Tally},
    json, memory,
    route::{self, Router, Shared, Which},
    rpcs::Rpcs,
};

/// Where a server is in its life. Only ever moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes connections and calls.
    Serving,
    /// Takes no connection; what runs may finish.
    Draining,
    /// What still runs is dropped.
    Stopped,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Most often: another process has the port.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A thread or its runtime did not start.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
    /// The descriptors of this build do not read.
    #[error("the contract is damaged")]
    Contract(#[from] json::ContractError),
    /// The descriptors of this build do not serve reflection.
    #[error("reflection cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Both addresses, taken but not yet answering: an application can know them before it is built.
#[derive(Debug)]
pub struct Bound {
    data: Sockets,
    control: Sockets,
    metrics: Option<Sockets>,
    limits: TransportLimits,
}

impl Bound {
    /// Where invocations will be served; the real port when 0 was asked for.
    #[must_use]
    pub fn data_addr(&self) -> SocketAddr {
        self.data.address
    }

    /// Where the control plane will be served; the real port when 0 was asked for.
    #[must_use]
    pub fn control_addr(&self) -> SocketAddr {
        self.control.address
    }
}

impl Bound {
    /// Where the numbers will be served, if anywhere; the real port when 0 was asked for.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|sockets| sockets.address)
    }

    /// All of them: no guest may reach any.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        [self.data_addr(), self.control_addr()].into_iter().chain(self.metrics_addr()).collect()
    }
}

/// Takes all addresses. Clients are refused until [`serve`].
///
/// # Errors
/// When an address cannot be had, most often because another process has it.
pub fn bind(options: &ListenOptions) -> Result<Bound, ServeError> {
    Ok(Bound {
        data: socket::bind(options.data, options.workers)?,
        control: socket::bind(options.control, NonZeroUsize::MIN)?,
        metrics: options.metrics.map(|address| socket::bind(address, NonZeroUsize::MIN)).transpose()?,
        limits: options.limits.clone(),
    })
}

/// Starts to answer, on threads of its own, and returns.
///
/// # Errors
/// When a thread cannot start. Nothing is left running then.
pub fn serve<A: Application>(bound: Bound, app: Arc<A>) -> Result<ServerHandle, ServeError> {
    let Bound { data, control, metrics, limits } = bound;
    let (phase, watched) = watch::channel(Phase::Serving);
    let tally = Tally::new(limits.in_flight_max);
    let reporter = HealthReporter::new();
    let health = health::Health::new(reporter.clone(), route::health_names(app.is_development()));
    health.set(ServingStatus::Serving);
    let contract = json::Contract::load()?;
    let counted = Arc::clone(&tally);
    app.telemetry().watch_transport(move || counted.numbers());
    let shared = Shared {
        rpcs: Arc::new(Rpcs::new(&contract, app.telemetry())),
        app,
        sides: route::sides(reporter)?,
        contract,
        tally: Arc::clone(&tally),
        phase: watched,
        strangers: Arc::default(),
    };
    let (done, finished) = mpsc::channel(1);
    let app = Arc::clone(&shared.app);
    let mut handle = ServerHandle {
        data: data.address,
        control: control.address,
        metrics: metrics.as_ref().map(|sockets| sockets.address),
        phase,
        tally,
        health,
        finished,
        threads: Vec::new(),
        halt: Halt(Box::new(move || app.halt())),
    };
    let data = data.listen()?.into_iter().map(|socket| (Which::Data, socket));
    let control = control.listen()?.into_iter().map(|socket| (Which::Control, socket));
    for (which, socket) in data.chain(control) {
        let router = Router::new(which, &limits, &shared);
        let beside = (which == Which::Control).then(|| {
            let health = health::follow(Arc::clone(&shared.app), handle.health.clone(), shared.phase.clone());
            async {
                tokio::select! { () = health => {}, () = memory::give_back() => {} }
            }
        });
        let thread = worker::start(router, socket, limits.clone(), beside, done.clone());
        handle.threads.push(thread.map_err(ServeError::Worker)?);
    }
    for socket in metrics.map(Sockets::listen).transpose()?.into_iter().flatten() {
        let thread = scrape::start(Arc::clone(&shared.app), socket, shared.phase.clone(), done.clone());
        handle.threads.push(thread.map_err(ServeError::Worker)?);
    }
    Ok(handle)
}

/// A running server. Dropping it stops the server at once; [`ServerHandle::drain`] stops it gently.
#[derive(Debug)]
pub struct ServerHandle {
    data: SocketAddr,
    control: SocketAddr,
    metrics: Option<SocketAddr>,
    phase: watch::Sender<Phase>,
    tally: Arc<Tally>,
    health: health::Health,
    /// Closes when the last worker has ended.
    finished: mpsc::Receiver<()>,
    threads: Vec<JoinHandle<()>>,
    halt: Halt,
}

/// Drops what the application still runs.
struct Halt(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Halt(..)")
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainReport {
    /// Whether everything finished by itself.
    pub complete: bool,
    /// Invocations that were still running when the time was up, and were dropped.
    pub dropped: usize,
}

impl ServerHandle {
    /// Where invocations are served; the real port when 0 was asked for.
    #[must_use]
    pub fn data_addr(&self) -> SocketAddr {
        self.data
    }

    /// Where the control plane is served; the real port when 0 was asked for.
    #[must_use]
    pub fn control_addr(&self) -> SocketAddr {
        self.control
    }

    /// Where the numbers are served, if anywhere; the real port when 0 was asked for.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// What the server counts.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.tally.read()
    }

    /// Says NOT_SERVING, takes no more connections, tells clients to go elsewhere (GOAWAY), lets running calls finish for
    /// at most `grace`, then stops.
    pub async fn drain(mut self, grace: Duration) -> DrainReport {
        self.health.set(ServingStatus::NotServing);
        self.phase.send_replace(Phase::Draining);
        let complete = tokio::time::timeout(grace, self.finished.recv()).await.is_ok();
        let dropped = if complete { 0 } else { self.tally.read().in_flight };
        self.stop();
        // Workers end at once now: nothing they hold is waited for.
        self.finished.recv().await;
        for thread in self.threads.drain(..) {
            // A worker catches the panics of its tasks; its own end is all that counts here.
            let _ = thread.join();
        }
        DrainReport { complete, dropped }
    }

    /// What runs elsewhere ends before the workers do: it may wait on their clocks and sockets.
    fn stop(&self) {
        (self.halt.0)();
        self.phase.send_replace(Phase::Stopped);
    }
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
