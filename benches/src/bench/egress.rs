//! `egress`: what the guarded client adds to hyper on the same loopback, and what streams hold.
//!
//! Bare hyper sends one prepared GET over one kept connection and reads the answer. Airlock's client puts the request together from a
//! binding with a credential, and counts, scrubs and caps what comes back.

mod streams;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use airlock_model::{EnvironmentName, HttpMethod, ResourceName};
use airlock_resources::{BindingConfig, EgressBudget, HttpRequest, Network, Permitted, Resources, Sources};
use anyhow::Context as _;
use axum::{Router, routing::get};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::{
    args::Window,
    goals::{EGRESS_ADDED, Row, rounded},
    guests::Places,
    load::open::{histogram, nanoseconds},
    processor::median,
    report::Findings,
    serve::runtime,
};

const LONG: Duration = Duration::from_secs(600);
/// An answer as APIs give them.
const ANSWER: &str = r#"{"name":"Ada Lovelace","tier":"gold","orders":[1,2,3],"note":"nothing to redact here"}"#;

/// Medians of one round, in microseconds.
struct Round {
    bare: f64,
    client: f64,
}

/// Starts a server on a thread of its own and asks it in two ways.
pub(crate) fn run(window: &Window, _: &Places) -> anyhow::Result<Findings> {
    let (address, runtime) = (serve()?, runtime()?);
    let api = Api::new(address, "")?;
    let mut rounds = Vec::new();
    for _ in 0..window.rounds.get() {
        let round = runtime.block_on(one(address, &api, window.length() / 2))?;
        eprintln!("bare {:.0} us, client {:.0} us", round.bare, round.client);
        rounds.push(round);
    }
    let streams = runtime.block_on(streams::measure())?;
    Ok(findings(&rounds, &streams))
}

/// Axum on a thread of its own, as another process would be.
fn serve() -> anyhow::Result<SocketAddr> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            sender.send(listener.local_addr()?)?;
            axum::serve(listener, Router::new().route("/things", get(async || ANSWER))).await?;
            anyhow::Ok(())
        })
    });
    receiver.recv().context("the server did not start")
}

/// The resources crate with one binding.
struct Api {
    resources: Resources,
    resource: ResourceName,
    environment: EnvironmentName,
}

impl Api {
    fn new(address: SocketAddr, more: &str) -> anyhow::Result<Self> {
        let text = format!(
            "engine = 'http'\nbase_url = 'http://{address}'\noperations = ['GET']\nallow_private = ['127.0.0.1/32']\n\
             credential = {{ kind = 'bearer', value = {{ env = 'KEY' }} }}\n{more}"
        );
        let binding: BindingConfig = toml::from_str(&text)?;
        let read_env = |_: &str| Some("bench-credential-0123456789abcdef".to_owned());
        let binding = binding.resolve(&Sources { read_env: &read_env, allow_inline: false })?;
        let (resource, environment): (ResourceName, EnvironmentName) = ("api".parse()?, "dev".parse()?);
        let mut resources = Resources::new();
        resources.add(resource.clone(), environment.clone(), binding, &Network::default())?;
        Ok(Self { resources, resource, environment })
    }

    fn request(&self, path: &str) -> anyhow::Result<HttpRequest> {
        Ok(HttpRequest {
            resource: self.resource.clone(),
            tenant: "bench".parse()?,
            method: HttpMethod::Get,
            path: path.parse()?,
            query: Vec::new(),
            headers: vec![("accept".to_owned(), "application/json".to_owned())],
            body: None,
            deadline: tokio::time::Instant::now() + LONG,
            egress: EgressBudget::new(u64::MAX / 2),
            now_unix_ms: 0,
            origin: None,
            hops: None,
            trace: None,
        })
    }

    async fn get(&self) -> anyhow::Result<()> {
        let request = Permitted::Http(self.request("/things")?);
        self.resources.perform(&self.environment, request).await.reply?;
        Ok(())
    }
}

async fn one(address: SocketAddr, api: &Api, length: Duration) -> anyhow::Result<Round> {
    let client = p50(length, async || api.get().await).await?;
    Ok(Round { bare: bare(address, length).await?, client })
}

#[expect(clippy::disallowed_methods, reason = "the yardstick calls our own server, at the address it announced")]
async fn bare(address: SocketAddr, length: Duration) -> anyhow::Result<f64> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/things").header("host", address.to_string()).header("accept", "application/json");
    let request = request.body(Empty::<Bytes>::new())?;
    let found = p50(length, async || {
        sender.ready().await?;
        sender.send_request(request.clone()).await?.into_body().collect().await?;
        Ok(())
    });
    let found = found.await;
    drop(sender);
    connection.await??;
    found
}

async fn p50(length: Duration, mut ask: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut times: Histogram<u64> = histogram()?;
    let until = Instant::now() + length;
    while times.is_empty() || Instant::now() < until {
        let began = Instant::now();
        ask().await?;
        times.saturating_record(nanoseconds(began.elapsed()));
    }
    Ok(times.value_at_quantile(0.5) as f64 / 1e3)
}

fn findings(rounds: &[Round], streams: &streams::Memory) -> Findings {
    let of = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let (bare, client) = (of(|round| round.bare), of(|round| round.client));
    let rows = vec![
        EGRESS_ADDED.measured(client - bare),
        Row::figure("a GET by bare hyper on loopback, p50", "us", bare),
        Row::figure("the same by Airlock's client, p50", "us", client),
        Row::figure(format!("memory of one of {} open streams, begun", streams.count), "KiB", streams.begun_kib),
        Row::figure("the same at its most while all are read", "KiB", streams.read_kib),
    ];
    let details = json!({
        "bare_us": rounded(bare), "client_us": rounded(client), "streams": streams.count,
        "stream_begun_kib": rounded(streams.begun_kib), "stream_read_kib": rounded(streams.read_kib),
    });
    Findings { rows, details, notes: Vec::new() }
}
