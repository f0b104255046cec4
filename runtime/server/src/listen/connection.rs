//! One connection: HTTP/1.1 or HTTP/2 with prior knowledge, and when it has to end.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{Phase, worker::leaves};
use crate::{application::Application, config::TransportLimits, route::Router};

/// When every place is taken, idle connections give way sooner.
const IDLE_UNDER_PRESSURE: Duration = Duration::from_secs(2);
/// How often a connection looks at its own idleness.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const HTTP1_BUFFER_BYTES_MAX: usize = 32 << 10;
const HTTP1_HEADERS_MAX: usize = 64;
const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Makes connections of one worker.
pub(super) struct Connections<A: Application> {
    router: Arc<Router<A>>,
    builder: auto::Builder<TokioExecutor>,
    ages: Ages,
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy)]
struct Ages {
    idle_max: Duration,
    age_max: Duration,
    linger_max: Duration,
}

impl<A: Application> Connections<A> {
    pub(super) fn new(router: Router<A>, limits: &TransportLimits, places: Arc<Semaphore>) -> Self {
        let ages = Ages {
            idle_max: limits.connection_idle_max,
            age_max: limits.connection_age_max,
            linger_max: limits.connection_linger_max,
        };
        Self { router: Arc::new(router), builder: builder(limits), ages, places }
    }

    /// Serves one connection to its end.
    pub(super) fn serve(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (router, builder, ages) = (Arc::clone(&self.router), self.builder.clone(), self.ages);
        let places = Arc::clone(&self.places);
        async move {
            let _place = place;
            let _counted = router.tally.connect();
            // Small frames must not wait for each other; where it cannot be set, calls are only slower.
            let _ = stream.set_nodelay(true);
            let mut phase = router.phase.clone();
            let activity = Arc::new(Activity::default());
            let seen = Arc::clone(&activity);
            let service = service_fn(move |request: http::Request<Incoming>| {
                // Boxed: hyper moves what it is given several times on the way into a task and out of it.
                let respond = Box::pin(Arc::clone(&router).respond(request, Busy::begin(&seen)));
                async move { Ok::<_, Infallible>(respond.await) }
            });
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                // What goes wrong on one connection is the client's own doing and its own loss.
                _ = connection.as_mut() => return,
                () = leaves(&mut phase, Phase::Serving) => {}
                () = worn_out(&activity, ages, &places) => {}
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection.as_mut() => {}
                () = lingered(&activity, ages.linger_max) => {}
            }
        }
    }
}

fn builder(limits: &TransportLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_max)
        .max_headers(HTTP1_HEADERS_MAX)
        .max_buf_size(HTTP1_BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(limits.pending_resets_max)
        .max_local_error_reset_streams(limits.error_resets_max)
        .max_header_list_size(limits.header_bytes_max)
        .max_frame_size(limits.frame_bytes_max)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        // gRPC has no use for it, and it is one more header on every answer.
        .auto_date_header(false);
    builder
}

/// What a connection is doing.
#[derive(Debug, Default)]
struct Activity {
    open: AtomicUsize,
    begun: AtomicUsize,
}

/// One request in progress. Dropped when its answer is ready, or for streams when it is sent.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Activity>);

impl Busy {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Relaxed);
        activity.begun.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Relaxed);
    }
}

/// Resolves when the connection is too old, or idle for too long.
async fn worn_out(activity: &Activity, ages: Ages, places: &Semaphore) {
    let old = Instant::now() + ages.age_max;
    let full = || places.available_permits() == 0;
    let within = || if full() { ages.idle_max.min(IDLE_UNDER_PRESSURE) } else { ages.idle_max };
    tokio::select! {
        () = sleep_until(old) => {}
        () = idle(activity, within) => {}
    }
}

/// Resolves when a connection that was told to finish does nothing and still does not close.
async fn lingered(activity: &Activity, linger_max: Duration) {
    idle(activity, || linger_max).await;
}

async fn idle(activity: &Activity, within: impl Fn() -> Duration) {
    let mut look = interval(LOOK_EVERY.min(within()));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut begun, mut since) = (activity.begun.load(Relaxed), Instant::now());
    loop {
        look.tick().await;
        let now_begun = activity.begun.load(Relaxed);
        if activity.open.load(Relaxed) > 0 || now_begun != begun {
            (begun, since) = (now_begun, Instant::now());
        } else if since.elapsed() >= within() {
            return;
        }
    }
}
