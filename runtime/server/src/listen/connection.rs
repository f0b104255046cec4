//! One connection: HTTP/1.1 or HTTP/2 with prior knowledge, and when it has to end.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use super::{
    Phase,
    activity::{Activity, Busy},
    frames::Allowance,
    guarded::Guarded,
    tls,
    worker::leaves,
};
use crate::{application::Application, config::TransportLimits, counters::Tally, route::Router};

/// When every place is taken, idle connections give way sooner.
const IDLE_UNDER_PRESSURE: Duration = Duration::from_secs(2);
const HTTP1_BUFFER_BYTES_MAX: usize = 32 << 10;
const HTTP1_HEADERS_MAX: usize = 64;
const SEND_BUFFER_BYTES_MAX: usize = 256 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Makes connections of one worker.
pub(super) struct Connections<A: Application> {
    router: Arc<Router<A>>,
    builder: auto::Builder<TokioExecutor>,
    allowance: Allowance,
    ages: Ages,
    places: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy)]
struct Ages {
    handshake_max: Duration,
    owed_max: Duration,
    stall_max: Duration,
    idle_max: Duration,
    age_max: Duration,
    linger_max: Duration,
}

impl<A: Application> Connections<A> {
    pub(super) fn new(router: Router<A>, limits: &TransportLimits, places: Arc<Semaphore>) -> Self {
        let allowance = Allowance { burst: limits.idle_frames_burst, per_second: limits.idle_frames_per_second };
        let ages = Ages {
            handshake_max: limits.handshake_max,
            owed_max: limits.header_read_max,
            stall_max: limits.send_stall_max,
            idle_max: limits.connection_idle_max,
            age_max: limits.connection_age_max,
            linger_max: limits.connection_linger_max,
        };
        Self { router: Arc::new(router), builder: builder(limits), allowance, ages, places }
    }

    /// Serves one connection to its end.
    pub(super) fn serve(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (router, builder, ages) = (Arc::clone(&self.router), self.builder.clone(), self.ages);
        let (places, allowance) = (Arc::clone(&self.places), self.allowance);
        async move {
            let _place = place;
            let _counted = router.tally.connect();
            // Small frames must not wait for each other; where it cannot be set, calls are only slower.
            let _ = stream.set_nodelay(true);
            let (mut phase, tally) = (router.phase.clone(), Arc::clone(&router.tally));
            // Asked for now, so that a reload holds for this connection.
            let tls = router.app().tls(router.listener());
            let opened = tokio::select! {
                biased;
                opened = tls::open(stream, tls, ages.handshake_max) => opened,
                () = leaves(&mut phase, Phase::Serving) => return,
            };
            let (stream, peer) = match opened {
                Ok(opened) => opened,
                Err(why) => return refused(&why, &tally),
            };
            let activity = Arc::new(Activity::default());
            let seen = Arc::clone(&activity);
            let service = service_fn(move |request: http::Request<Incoming>| {
                // Boxed: hyper moves what it is given several times on the way into a task and out of it.
                let respond = Box::pin(Arc::clone(&router).respond(request, peer, Busy::begin(&seen)));
                async move { Ok::<_, Infallible>(respond.await) }
            });
            let stream = Guarded::new(stream, allowance, ages.owed_max, tally.clone());
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            tokio::select! {
                // What goes wrong on one connection is the client's own doing and its own loss.
                _ = connection.as_mut() => return,
                () = activity.stalled(ages.stall_max) => return tally.count_cut(),
                () = leaves(&mut phase, Phase::Serving) => {}
                () = worn_out(&activity, ages, &places) => {}
            }
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                _ = connection.as_mut() => {}
                () = activity.stalled(ages.stall_max) => tally.count_cut(),
                () = lingered(&activity, ages.linger_max) => {}
            }
        }
    }
}

/// A client that goes away before it is known did nothing wrong: probes do.
fn refused(why: &io::Error, tally: &Tally) {
    tracing::debug!(error = %why, "no TLS handshake");
    if !matches!(why.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) {
        tally.count_cut();
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

/// Resolves when the connection is too old, or idle for too long.
async fn worn_out(activity: &Activity, ages: Ages, places: &Semaphore) {
    let old = Instant::now() + ages.age_max;
    let full = || places.available_permits() == 0;
    let within = || if full() { ages.idle_max.min(IDLE_UNDER_PRESSURE) } else { ages.idle_max };
    tokio::select! {
        () = sleep_until(old) => {}
        () = activity.idle(within) => {}
    }
}

/// Resolves when a connection that was told to finish does nothing and still does not close.
async fn lingered(activity: &Activity, linger_max: Duration) {
    activity.idle(|| linger_max).await;
}
