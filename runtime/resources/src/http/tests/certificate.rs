//! A self-signed Ed25519 certificate, made anew for each test so that no key lies in the repository (RFC 5280, 8410).

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::*;

const SEQUENCE: u8 = 0x30;
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

pub(super) struct Certificate {
    der: Vec<u8>,
    key: Vec<u8>,
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    match u8::try_from(content.len()) {
        Ok(short @ 0..=127) => [&[tag, short], content.as_slice()].concat(),
        Ok(long) => [&[tag, 0x81, long], content.as_slice()].concat(),
        Err(_) => [&[tag, 0x82], &length[6..], content.as_slice()].concat(),
    }
}

impl Certificate {
    pub(super) fn for_host(host: &str) -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("key").as_ref().to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&key).expect("key");
        let algorithm = der(SEQUENCE, &[&ED25519]);
        let common_name = der(SEQUENCE, &[&[0x06, 0x03, 0x55, 0x04, 0x03], &der(0x0c, &[b"test"])]);
        let name = der(SEQUENCE, &[&der(0x31, &[&common_name])]);
        let validity = der(SEQUENCE, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])]);
        let public = der(0x03, &[&[0], pair.public_key().as_ref()]);
        let names = der(SEQUENCE, &[&der(0x82, &[host.as_bytes()])]);
        let extension = der(SEQUENCE, &[&[0x06, 0x03, 0x55, 0x1d, 0x11], &der(0x04, &[&names])]);
        let body = der(
            SEQUENCE,
            &[
                &der(0xa0, &[&[0x02, 0x01, 0x02]]),
                &[0x02, 0x01, 0x01],
                &algorithm,
                &name,
                &validity,
                &name,
                &der(SEQUENCE, &[&algorithm, &public]),
                &der(0xa3, &[&der(SEQUENCE, &[&extension])]),
            ],
        );
        let signature = der(0x03, &[&[0], pair.sign(&body).as_ref()]);
        Self { der: der(SEQUENCE, &[&body, &algorithm, &signature]), key }
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// Serves one response per connection over TLS, from a thread of its own, and counts the requests it could read.
    pub(super) fn serve(&self) -> (u16, Arc<AtomicUsize>) {
        self.serve_to(None)
    }

    /// What a server with this certificate is made of, which asks for one of its client's where that is given.
    pub(super) fn server(&self, shown: Option<&Self>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier(shown))
            .with_single_cert(vec![CertificateDer::from(self.der.clone())], key)
            .expect("certificate");
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }

    /// As [`Self::serve`], to those alone who show a certificate.
    fn serve_to(&self, shown: Option<&Self>) -> (u16, Arc<AtomicUsize>) {
        let config = self.server(shown, &[b"http/1.1"]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        let served = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = rustls::ServerConnection::new(Arc::clone(&config)).expect("session");
                if answer(rustls::StreamOwned::new(session, stream)).is_ok() {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        (port, served)
    }
}

fn pem(kind: &str, der: &[u8]) -> String {
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
}

fn verifier(shown: Option<&Certificate>) -> Arc<dyn ClientCertVerifier> {
    let Some(shown) = shown else { return WebPkiClientVerifier::no_client_auth() };
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(shown.der.clone())).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().expect("a verifier")
}

fn answer(mut stream: impl std::io::Read + std::io::Write) -> std::io::Result<()> {
    let mut request = [0_u8; 4096];
    let count = stream.read(&mut request)?;
    if count == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    stream.write_all(&response("connection: close\r\n", "over tls"))?;
    stream.flush()
}

#[tokio::test]
async fn a_certificate_of_the_bindings_own_authority_and_name_is_accepted_and_no_other() {
    let dir = tempfile::tempdir().expect("directory");
    let bind = |port: u16, trusted: &Certificate| {
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, trusted.pem()).expect("write");
        let extra = format!("allow_private = ['127.0.0.1', '::1']\nca_file = '{}'", path.display());
        Bench::new(&format!("https://localhost:{port}"), &extra)
    };
    let (right, other_name) = (Certificate::for_host("localhost"), Certificate::for_host("other.example"));
    let (port, served) = right.serve();
    assert_eq!(bind(port, &right).get("/").await.map(|reply| text(&reply)), Ok("over tls".to_owned()));
    assert_eq!(served.load(Ordering::SeqCst), 1);

    let unknown_authority = bind(port, &Certificate::for_host("localhost"));
    assert!(matches!(unknown_authority.get("/").await, Err(HostError::Unavailable(_))));
    let public_roots = Bench::new(&format!("https://localhost:{port}"), "allow_private = ['127.0.0.1', '::1']");
    assert!(matches!(public_roots.get("/").await, Err(HostError::Unavailable(_))));
    let (wrong_port, wrong_served) = other_name.serve();
    assert!(matches!(bind(wrong_port, &other_name).get("/").await, Err(HostError::Unavailable(_))));
    assert_eq!((served.load(Ordering::SeqCst), wrong_served.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours_and_another_origin_does_not() {
    let dir = tempfile::tempdir().expect("directory");
    let (server, ours) = (Certificate::for_host("localhost"), Certificate::for_host("airlock.test"));
    let files = [("ca.pem", server.pem()), ("cert.pem", ours.pem()), ("key.pem", ours.key_pem())];
    let path = |name: &str| dir.path().join(name).display().to_string();
    files.iter().for_each(|(name, text)| std::fs::write(path(name), text).expect("write"));
    let (port, served) = server.serve_to(Some(&ours));
    let listed = format!("allow_private = ['127.0.0.1', '::1']\nca_file = '{}'\nretries_max = 0", path("ca.pem"));
    let shown = format!(
        "client_certificate = {{ certificate = '{}', key = {{ file = '{}' }} }}",
        path("cert.pem"),
        path("key.pem")
    );
    let base = format!("https://localhost:{port}");
    let identified = Bench::new(&base, &format!("{listed}\n{shown}"));
    assert_eq!(identified.get("/").await.map(|reply| text(&reply)), Ok("over tls".to_owned()));
    assert!(Bench::new(&base, &listed).get("/").await.is_err(), "without one there is no connection");
    let elsewhere = Bench::new("https://api.test", &format!("{listed}\n{shown}\norigins = ['{base}']"));
    let url: airlock_model::WebUrl = format!("{base}/").parse().expect("URL");
    let call = HttpRequest { origin: Some(url.origin), ..request(HttpMethod::Get, "/") };
    assert!(elsewhere.send(call).await.is_err(), "it is shown to the binding's own server alone");
    assert_eq!(served.load(Ordering::SeqCst), 1);
}
