//! The server over real loopback sockets, in front of a fake application.

#![expect(clippy::disallowed_methods, reason = "clients of our own server")]

mod attack;
mod control;
mod drain;
mod fake;
mod health;
mod hostile;
mod invoke;
mod json;
mod load;
mod wire;

use std::{num::NonZeroUsize, sync::Arc, time::Duration};

use airlock_proto::v1::{self, invocation_service_client::InvocationServiceClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Request, transport::Channel};

use crate::{ListenOptions, ServerHandle, TransportLimits, bind, serve};
use fake::Fake;

/// Longer than anything here takes, short enough to notice a hang.
const PATIENCE: Duration = Duration::from_secs(10);

struct House {
    server: ServerHandle,
    app: Arc<Fake>,
}

impl House {
    fn open() -> Self {
        Self::with(TransportLimits::BUILT_IN)
    }

    fn with(limits: TransportLimits) -> Self {
        let local = ([127, 0, 0, 1], 0).into();
        let workers = NonZeroUsize::new(2).unwrap();
        let bound =
            bind(&ListenOptions { data: local, control: local, metrics: Some(local), workers, limits }).unwrap();
        let app = Arc::new(Fake::default());
        Self { server: serve(bound, Arc::clone(&app)).unwrap(), app }
    }

    async fn data(&self) -> Channel {
        channel(self.server.data_addr()).await
    }

    async fn control(&self) -> Channel {
        channel(self.server.control_addr()).await
    }

    async fn client(&self) -> InvocationServiceClient<Channel> {
        InvocationServiceClient::new(self.data().await)
    }

    /// One HTTP/1.1 exchange on the data listener.
    async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        post(self.server.data_addr(), path, headers, body).await
    }

    /// The same with a good token and JSON.
    async fn json(&self, path: &str, body: &str) -> Answer {
        self.post(path, "content-type: application/json\r\nauthorization: Bearer good\r\n", body).await
    }
}

async fn channel(address: std::net::SocketAddr) -> Channel {
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

fn ask(function: &str, payload: &str) -> v1::InvokeRequest {
    v1::InvokeRequest {
        function: function.into(),
        environment: "dev".into(),
        payload: payload.as_bytes().to_vec(),
        request_id: String::new(),
        alias: String::new(),
    }
}

fn with_token<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer good".parse().unwrap());
    request
}

/// An HTTP/1.1 answer.
#[derive(Debug)]
struct Answer {
    code: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

async fn post(address: std::net::SocketAddr, path: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    exchange(address, format!("{head}{body}").as_bytes()).await
}

/// Sends bytes, reads to the end.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> Answer {
    let read = raw(address, bytes).await;
    let text = String::from_utf8_lossy(&read);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default();
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Answer { code, head: head.to_owned(), body }
}

async fn raw(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close while we still write: that is an answer too.
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("the server answers or closes");
    read
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    whole
}
