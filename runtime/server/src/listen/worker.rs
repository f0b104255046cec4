//! One thread, one runtime, one listening socket.
//!
//! A `current_thread` runtime per worker measured a third cheaper per call than one runtime with worker threads: nothing
//! is stolen, woken across threads or locked.

use std::{io, net::TcpListener as StdListener, sync::Arc, thread, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::sleep,
};
use tokio_util::task::TaskTracker;

use super::{Phase, connection::Connections};
use crate::{application::Application, config::TransportLimits, route::Router};

/// After an error of `accept` that is not the connection's own (no file descriptors left, for instance).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Starts the thread, with one more task `beside` its connections. `done` is dropped when it ends.
pub(super) fn start<A: Application>(
    router: Router<A>,
    socket: StdListener,
    limits: TransportLimits,
    beside: Option<impl Future<Output = ()> + Send + 'static>,
    done: mpsc::Sender<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(socket)?
    };
    thread::Builder::new().name(router.thread_name().to_owned()).spawn(move || {
        if let Some(task) = beside {
            drop(runtime.spawn(task));
        }
        runtime.block_on(work(router, listener, &limits));
        // Drops what still runs; blocking work that cannot be dropped is not waited for.
        runtime.shutdown_background();
        drop(done);
    })
}

async fn work<A: Application>(router: Router<A>, listener: TcpListener, limits: &TransportLimits) {
    let mut phase = router.phase.clone();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let app = router.app();
    let connections = Connections::new(router, limits, Arc::clone(&places));
    let running = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = leaves(&mut phase, Phase::Serving) => break,
            accepted = accept(&listener, &places) => {
                if let Some((stream, place)) = accepted {
                    running.spawn(connections.serve(stream, place));
                }
            }
        }
    }
    // Closing the socket now makes new clients go elsewhere at once instead of waiting in the backlog.
    drop(listener);
    running.close();
    tokio::select! {
        () = running.wait() => {}
        () = leaves(&mut phase, Phase::Draining) => {}
    }
    app.leave_thread().await;
}

/// Waits until the server has left this phase.
pub(super) async fn leaves(phase: &mut watch::Receiver<Phase>, left: Phase) {
    let gone = |now: &Phase| match left {
        Phase::Serving => *now != Phase::Serving,
        Phase::Draining | Phase::Stopped => *now == Phase::Stopped,
    };
    // An error means the handle is gone, and it says `Stopped` first.
    let _ = phase.wait_for(gone).await;
}

/// The next connection, once there is a place for it; until then clients wait in the kernel's backlog.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, place)),
        Err(why) => {
            if !matches!(why.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                tracing::warn!(error = %why, "cannot accept connections");
                sleep(ACCEPT_PAUSE).await;
            }
            None
        }
    }
}
