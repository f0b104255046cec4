use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use airlock_model::{EnvironmentName, HttpMethod, HttpReply, Limit};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::*;
use crate::{BindingConfig, EgressBudget, Network, Permitted, Resources, Sources};

mod certificate;
mod document;
mod egress;
mod http2;
mod limits;
mod messages;
mod parked;
mod reflection;

const SECRET: &str = "canary+S3cret/Value~77";

/// A raw HTTP/1.1 server: hands each request's bytes to a function and writes back what it says.
struct Upstream {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Upstream {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let upstream = Self {
            address: listener.local_addr().expect("address"),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (Arc::clone(&upstream.requests), Arc::clone(&upstream.connections));
        let answer = Arc::new(answer);
        tokio::task::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::task::spawn(serve(stream, Arc::clone(&answer), Arc::clone(&requests)));
            }
        });
        upstream
    }

    fn seen(&self) -> Vec<String> {
        self.requests.lock().expect("lock").clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<impl Fn(&str) -> Vec<u8> + Send + Sync + 'static>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let bytes = answer(&request);
        requests.lock().expect("lock").push(request);
        if stream.write_all(&bytes).await.is_err() || !bytes.starts_with(b"HTTP/1.1") {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let (mut text, mut buffer) = (String::new(), [0_u8; 4096]);
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => text.push_str(&String::from_utf8_lossy(&buffer[..count])),
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    response("", body)
}

fn response(headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes()
}

/// A binding of `api` with every method, and the calls a test makes through it.
struct Bench {
    resources: Resources,
    environment: EnvironmentName,
}

const LISTED: &str = "allow_private = ['127.0.0.1/32']";

impl Bench {
    fn new(base_url: &str, extra: &str) -> Self {
        Self::with_listeners(base_url, extra, &[])
    }

    fn with_listeners(base_url: &str, extra: &str, own_listeners: &[SocketAddr]) -> Self {
        let text = format!(
            "engine = 'http'\nbase_url = '{base_url}'\n\
             operations = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']\n{extra}"
        );
        let config: BindingConfig = toml::from_str(&text).expect("syntax");
        let read_env = |name: &str| (name == "KEY").then(|| SECRET.to_owned());
        let binding = config.resolve(&Sources { read_env: &read_env, allow_inline: false }).expect("valid");
        let (resource, environment): (ResourceName, EnvironmentName) =
            ("api".parse().expect("name"), "dev".parse().expect("name"));
        let mut resources = Resources::new();
        let network = Network { own_listeners: own_listeners.to_vec(), resolver: None };
        resources.add(resource, environment.clone(), binding, &network).expect("first");
        Self { resources, environment }
    }

    fn of(upstream: &Upstream, extra: &str) -> Self {
        Self::new(&format!("http://{}/base/", upstream.address), &format!("{LISTED}\n{extra}"))
    }

    async fn perform(&self, request: HttpRequest) -> Performed {
        self.resources.perform(&self.environment, Permitted::Http(request)).await
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpReply, HostError> {
        match self.perform(request).await.reply? {
            HostReply::Http(reply) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    async fn get(&self, path: &str) -> Result<HttpReply, HostError> {
        self.send(request(HttpMethod::Get, path)).await
    }
}

fn request(method: HttpMethod, path: &str) -> HttpRequest {
    HttpRequest {
        resource: "api".parse().expect("name"),
        tenant: "acme".parse().expect("name"),
        method,
        path: path.parse().expect("path"),
        query: Vec::new(),
        headers: Vec::new(),
        body: None,
        deadline: Instant::now() + Duration::from_secs(20),
        egress: EgressBudget::new(1 << 30),
        now_unix_ms: 1_369_353_600_000,
        origin: None,
        hops: None,
        trace: None,
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn text(reply: &HttpReply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

fn is_egress_denied(reply: &Result<HttpReply, HostError>, part: &str) -> bool {
    matches!(reply, Err(HostError::Denied { reason, rule, .. }) if reason == "egress_denied" && rule.contains(part))
}
