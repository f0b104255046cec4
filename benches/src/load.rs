//! The load generator: a closed loop over a few HTTP/2 connections, cheap enough not to be what is measured.
//!
//! It speaks HTTP/2 through `h2` without hyper or tonic on top; headers and body are made once and sent again and again.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use airlock_proto::v1::{InvokeRequest, InvokeResponse, invoke_response};
use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::{HeaderMap, HeaderValue, Request};
use prost::Message as _;
use tokio::{net::TcpStream, task::JoinSet};

use crate::{
    guests::{INPUT, OUTPUT},
    issuer::ENVIRONMENT,
    server::{Server, own_cpu_time},
};

const CONNECTIONS_MAX: usize = 4;
const CALLERS_PER_CONNECTION: usize = 16;
const WINDOW_BYTES: u32 = 16 << 20;
/// A gRPC message is preceded by a flag and its length.
const FRAME_HEADER_BYTES: usize = 5;
/// What a caller allows for one call; becomes a limit of the run like the others.
const CALLER_TIMEOUT: &str = "5S";
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// One request, ready to be sent any number of times.
pub(crate) struct Target {
    address: SocketAddr,
    head: Request<()>,
    body: Bytes,
}

impl Target {
    /// A call of `function` with the common input. With a token it also carries a deadline, as real callers do.
    pub(crate) fn new(address: SocketAddr, function: &str, token: Option<&str>) -> anyhow::Result<Self> {
        let mut head = Request::post(format!("http://{address}/airlock.v1.InvocationService/Invoke"))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if let Some(token) = token {
            head = head.header("authorization", format!("Bearer {token}")).header("grpc-timeout", CALLER_TIMEOUT);
        }
        let message = InvokeRequest {
            function: function.to_owned(),
            environment: ENVIRONMENT.to_owned(),
            payload: INPUT.to_vec(),
            request_id: String::new(),
        };
        Ok(Self { address, head: head.body(())?, body: framed(&message)? })
    }
}

fn framed(message: &InvokeRequest) -> anyhow::Result<Bytes> {
    let mut body = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.encoded_len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.encoded_len())?);
    message.encode(&mut body)?;
    Ok(body.freeze())
}

/// What was seen in one window.
#[derive(Debug)]
pub(crate) struct Window {
    /// Calls answered.
    pub(crate) calls: u64,
    /// How long it was.
    pub(crate) elapsed: Duration,
    /// Processor time of the server.
    pub(crate) server_cpu: Duration,
    /// Processor time of the load generator.
    pub(crate) load_cpu: Duration,
    /// From sending a request to the end of its answer, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
}

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// What callers and the clock share.
struct Tally {
    phase: AtomicU8,
    latency: Mutex<Histogram<u64>>,
}

impl Tally {
    fn new() -> anyhow::Result<Arc<Self>> {
        let latency = Mutex::new(Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3)?);
        Ok(Arc::new(Self { phase: AtomicU8::new(WARMING), latency }))
    }

    fn record(&self, latency: Duration) {
        if self.phase.load(Relaxed) == MEASURING {
            let latency = u64::try_from(latency.as_nanos()).unwrap_or(LATENCY_NS_MAX);
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(latency);
        }
    }

    fn is_over(&self) -> bool {
        self.phase.load(Relaxed) == OVER
    }
}

/// Keeps `concurrency` calls in flight and watches one window of them, after a third of its length as warm-up.
///
/// # Errors
/// The first call that is not answered as it must be, with the server's words.
pub(crate) async fn drive(
    server: &Server,
    target: &Arc<Target>,
    concurrency: usize,
    length: Duration,
) -> anyhow::Result<Window> {
    let tally = Tally::new()?;
    let mut callers = JoinSet::new();
    let connections = concurrency.div_ceil(CALLERS_PER_CONNECTION).clamp(1, CONNECTIONS_MAX);
    for connection in 0..connections {
        let sender = connect(target.address).await?;
        // The first connections take what does not divide evenly.
        let share = concurrency / connections + usize::from(connection < concurrency % connections);
        for _ in 0..share {
            callers.spawn(caller(sender.clone(), Arc::clone(target), Arc::clone(&tally)));
        }
    }
    let window = tokio::select! {
        window = watch(server, &tally, length) => window?,
        Some(ended) = callers.join_next() => {
            ended??;
            anyhow::bail!("a caller ended before the window did");
        }
    };
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(window)
}

async fn watch(server: &Server, tally: &Tally, length: Duration) -> anyhow::Result<Window> {
    tokio::time::sleep(length / 3).await;
    let (server_cpu, load_cpu, began) = (server.cpu_time()?, own_cpu_time()?, Instant::now());
    tally.phase.store(MEASURING, Relaxed);
    tokio::time::sleep(length).await;
    tally.phase.store(OVER, Relaxed);
    let elapsed = began.elapsed();
    let (server_cpu, load_cpu) =
        (server.cpu_time()?.saturating_sub(server_cpu), own_cpu_time()?.saturating_sub(load_cpu));
    let latency = tally.latency.lock().unwrap_or_else(PoisonError::into_inner).clone();
    anyhow::ensure!(!latency.is_empty(), "no call was answered within {length:?}");
    Ok(Window { calls: latency.len(), elapsed, server_cpu, load_cpu, latency })
}

#[expect(clippy::disallowed_methods, reason = "the load generator calls our own server, at the address it announced")]
async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(stream)
        .await?;
    // How it ends is told to whoever has a call on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// One caller: sends, waits for the whole answer, and sends again.
async fn caller(sender: SendRequest<Bytes>, target: Arc<Target>, tally: Arc<Tally>) -> anyhow::Result<()> {
    let mut sender = sender.ready().await?;
    let (first, ready) = call(sender, &target).await?;
    check_output(&first)?;
    sender = ready;
    while !tally.is_over() {
        let began = Instant::now();
        (_, sender) = call(sender, &target).await?;
        tally.record(began.elapsed());
    }
    Ok(())
}

async fn call(mut sender: SendRequest<Bytes>, target: &Target) -> anyhow::Result<(Bytes, SendRequest<Bytes>)> {
    let (answer, mut sending) = sender.send_request(target.head.clone(), false)?;
    sending.send_data(target.body.clone(), true)?;
    let (head, mut body) = answer.await?.into_parts();
    anyhow::ensure!(head.status == http::StatusCode::OK, "HTTP status {}", head.status);
    let mut message = Bytes::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message = if message.is_empty() { part } else { [message, part].concat().into() };
    }
    match body.trailers().await? {
        Some(trailers) => check_status(&trailers)?,
        None => check_status(&head.headers)?,
    }
    anyhow::ensure!(message.len() > FRAME_HEADER_BYTES, "an answer without a message");
    Ok((message, sender.ready().await?))
}

fn check_status(headers: &HeaderMap) -> anyhow::Result<()> {
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let status = text("grpc-status");
    anyhow::ensure!(
        status == b"0",
        "a call failed with gRPC status `{}`: {}",
        String::from_utf8_lossy(status),
        String::from_utf8_lossy(text("grpc-message"))
    );
    Ok(())
}

/// Whether the answer is the one that every guest must give.
fn check_output(framed: &Bytes) -> anyhow::Result<()> {
    let message = framed.get(FRAME_HEADER_BYTES..).unwrap_or_default();
    match InvokeResponse::decode(message)?.result {
        Some(invoke_response::Result::Output(output)) if output == OUTPUT => Ok(()),
        other => anyhow::bail!("the wrong answer: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::echo;

    #[test]
    fn a_refusal_and_a_missing_status_are_failures() {
        let headers = |status: &'static str| {
            HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(status))])
        };
        assert!(check_status(&headers("0")).is_ok());
        assert!(check_status(&headers("14")).unwrap_err().to_string().contains("`14`"));
        assert!(check_status(&HeaderMap::new()).is_err());
    }

    #[test]
    fn only_the_right_output_passes() {
        let framed =
            |answer: &InvokeResponse| Bytes::from([vec![0; FRAME_HEADER_BYTES], answer.encode_to_vec()].concat());
        assert!(check_output(&framed(&echo::answer())).is_ok());
        let wrong = InvokeResponse { result: Some(invoke_response::Result::Output(b"{}".to_vec())), ..echo::answer() };
        assert!(check_output(&framed(&wrong)).is_err());
        assert!(check_output(&framed(&InvokeResponse::default())).is_err());
    }
}
