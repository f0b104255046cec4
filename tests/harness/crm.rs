//! A real HTTP API: wants a credential, echoes, redirects, dawdles and floods on request.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore};

/// The API, and a trap beside it that nobody may ever reach.
pub struct Crm {
    pub address: SocketAddr,
    pub requests: Arc<AtomicUsize>,
    pub trapped: Arc<AtomicUsize>,
    /// Slow requests whose client went away before the answer.
    pub left: Arc<AtomicUsize>,
    /// Lets one request to `/held` go on.
    pub release: Arc<Semaphore>,
}

#[derive(Clone)]
struct Api {
    expected: String,
    trap: SocketAddr,
    requests: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
    release: Arc<Semaphore>,
}

/// Counts when it is dropped.
struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Crm {
    pub(crate) async fn start(secret: &str) -> Self {
        let (requests, trapped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let left = Arc::new(AtomicUsize::new(0));
        let trap = trap(trapped.clone()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let release = Arc::new(Semaphore::new(0));
        let api = Api {
            expected: format!("Bearer {secret}"),
            trap,
            requests: requests.clone(),
            left: left.clone(),
            release: release.clone(),
        };
        let router = Router::new()
            .route("/customers/{name}", get(customer))
            .route("/echo", any(echo))
            .route("/redirect", get(redirect))
            .route("/slow", get(slow))
            .route("/held", get(held))
            .route("/flood", get(flood))
            .with_state(api);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, requests, trapped, left, release }
    }

    pub fn request_count(&self) -> usize {
        self.requests.load(SeqCst)
    }

    pub fn left_count(&self) -> usize {
        self.left.load(SeqCst)
    }

    pub fn trapped_count(&self) -> usize {
        self.trapped.load(SeqCst)
    }
}

async fn trap(count: Arc<AtomicUsize>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, SeqCst);
        }
    });
    address
}

async fn customer(State(api): State<Api>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    api.requests.fetch_add(1, SeqCst);
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match (given == Some(api.expected.as_str()), name.as_str()) {
        (false, _) => StatusCode::UNAUTHORIZED.into_response(),
        (true, "ada") => Json(json!({ "name": "Ada Lovelace", "tier": "gold" })).into_response(),
        (true, _) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Says back everything it was told, the credential included.
async fn echo(State(api): State<Api>, method: Method, headers: HeaderMap, body: Bytes) -> Json<Value> {
    api.requests.fetch_add(1, SeqCst);
    let text = |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Json(json!({ "method": method.as_str(), "headers": headers, "body": String::from_utf8_lossy(&body) }))
}

async fn redirect(State(api): State<Api>) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, format!("http://{}/", api.trap))]).into_response()
}

async fn slow(State(api): State<Api>) -> &'static str {
    api.requests.fetch_add(1, SeqCst);
    let leaves = Leaves(api.left);
    tokio::time::sleep(Duration::from_secs(60)).await;
    std::mem::forget(leaves);
    "late"
}

/// Answers when the test says so.
async fn held(State(api): State<Api>) -> &'static str {
    api.requests.fetch_add(1, SeqCst);
    api.release.acquire().await.expect("open").forget();
    "held"
}

async fn flood() -> Vec<u8> {
    vec![b'x'; 8 << 20]
}
