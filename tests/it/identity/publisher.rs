//! Somebody who publishes keys over HTTP, as well or as badly as a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// What it answers with.
#[derive(Clone)]
pub(super) enum Says {
    /// A key set.
    Set(String),
    /// A key set, after a time in which callers have to wait.
    Late(String),
    /// These bytes.
    Raw(Vec<u8>),
    /// Nothing, for as long as the connection stands.
    Nothing,
}

/// Listens until it is dropped.
pub(super) struct Publisher {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
    accepting: AbortHandle,
}

impl Publisher {
    pub(super) async fn start(says: Says) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (says, asked) = (Arc::new(Mutex::new(says)), Arc::<AtomicUsize>::default());
        let (shared, counter) = (Arc::clone(&says), Arc::clone(&asked));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let says = shared.lock().expect("says").clone();
                tokio::spawn(answer(stream, says, Arc::clone(&counter)));
            }
        });
        Self { address, says, asked, accepting: accepting.abort_handle() }
    }

    /// One that publishes these keys.
    pub(super) async fn of(keys: &[&SigningKey]) -> Self {
        Self::start(Says::Set(public_jwks(keys))).await
    }

    pub(super) fn say(&self, says: Says) {
        *self.says.lock().expect("says") = says;
    }

    pub(super) fn publish(&self, keys: &[&SigningKey]) {
        self.say(Says::Set(public_jwks(keys)));
    }

    pub(super) fn publish_late(&self, keys: &[&SigningKey]) {
        self.say(Says::Late(public_jwks(keys)));
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(SeqCst)
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// `[[tokens.issuer]]` for a server that trusts it.
    pub(super) fn issuer(&self, iss: &str, more: &str) -> String {
        let source = format!("{{ url = \"{}\", allow_private = [\"127.0.0.1/32\"] }}", self.url());
        format!("[[tokens.issuer]]\niss = \"{iss}\"\njwks = {source}\n{more}\n")
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

pub(super) fn ed(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa, kid).expect("a key")
}

/// One request on each connection.
async fn answer(mut stream: TcpStream, says: Says, asked: Arc<AtomicUsize>) {
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece).await {
            Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
            _ => return,
        }
    }
    assert!(head.starts_with(b"GET /keys HTTP/1.1\r\n"), "{}", String::from_utf8_lossy(&head));
    asked.fetch_add(1, SeqCst);
    let bytes = match says {
        Says::Set(text) => http("200 OK", "", &text),
        Says::Late(text) => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            http("200 OK", "", &text)
        }
        Says::Raw(bytes) => bytes,
        Says::Nothing => return std::future::pending().await,
    };
    // Whoever has read enough hangs up.
    let _ = stream.write_all(&bytes).await;
}

/// A whole response.
pub(super) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}").into_bytes()
}
