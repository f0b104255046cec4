//! Where Prometheus reads the numbers: a listener of its own, on a thread of its own, for few clients with little time.

use std::{convert::Infallible, io, net::TcpListener as StdListener, sync::Arc, thread, time::Duration};

use airlock_service::telemetry::Format;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use hyper::{body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, mpsc, watch},
    time::{sleep, timeout},
};

use super::{Phase, worker::leaves};
use crate::application::Application;

/// Clients at a time; further ones wait in the kernel's line.
const CONNECTIONS_MAX: usize = 8;
/// For a client to ask, and to take its answer.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);
const HEADER_READ_MAX: Duration = Duration::from_secs(5);
const BUFFER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 32;
/// After an error of `accept`.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Starts the thread. `done` is dropped when it ends.
pub(super) fn start<A: Application>(
    app: Arc<A>,
    socket: StdListener,
    phase: watch::Receiver<Phase>,
    done: mpsc::Sender<()>,
) -> io::Result<thread::JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _context = runtime.enter();
        TcpListener::from_std(socket)?
    };
    thread::Builder::new().name("airlock-metrics".to_owned()).spawn(move || {
        runtime.block_on(serve(app, listener, phase));
        runtime.shutdown_background();
        drop(done);
    })
}

/// Answers until the server drains: what it counts then, nobody asks for any more.
async fn serve<A: Application>(app: Arc<A>, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            () = leaves(&mut phase, Phase::Serving) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let exchange = timeout(CONNECTION_TIME_MAX, exchange(Arc::clone(&app), stream));
                tokio::spawn(async move {
                    // Whoever is too slow is cut off.
                    let _ = exchange.await;
                    drop(place);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// One request, then the end.
async fn exchange<A: Application>(app: Arc<A>, stream: TcpStream) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let app = Arc::clone(&app);
        let (asked, _) = request.into_parts();
        async move { Ok::<_, Infallible>(answer(&*app, &asked).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(why) = served.await {
        tracing::debug!(error = %why, "a reader of metrics went away");
    }
}

async fn answer<A: Application>(app: &A, asked: &Parts) -> Response<Full<Bytes>> {
    let format = format(&asked.headers);
    let (status, text) = match (asked.uri.path(), &asked.method) {
        ("/metrics", &Method::GET | &Method::HEAD) => (StatusCode::OK, app.metrics_text(format).await),
        ("/metrics", _) => (StatusCode::METHOD_NOT_ALLOWED, "use GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "the numbers are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = if status == StatusCode::OK && format == Format::OpenMetrics { OPEN_METRICS } else { TEXT };
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// OpenMetrics for whoever names it, as Prometheus does before everything else.
fn format(headers: &HeaderMap) -> Format {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok()).unwrap_or_default();
    let names = |one: &str| one.trim().starts_with("application/openmetrics-text") && !one.contains("version=0.");
    if accepted.split(',').any(names) { Format::OpenMetrics } else { Format::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_is_named() {
        let of = |accepted: &'static str| {
            format(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accepted))]))
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3";
        assert_eq!(of(prometheus), Format::OpenMetrics);
        assert_eq!(of("application/openmetrics-text"), Format::OpenMetrics);
        for other in ["text/plain", "*/*", "application/openmetrics-text;version=0.0.1", ""] {
            assert_eq!(of(other), Format::Text, "{other}");
        }
    }
}
