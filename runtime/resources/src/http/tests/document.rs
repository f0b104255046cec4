//! Documents for the host itself: what is taken, and what is not.

use super::{certificate::Certificate, *};
use crate::{DocumentClient, DocumentConfig, DocumentError};

fn config(url: &str) -> DocumentConfig {
    DocumentConfig { url: url.to_owned(), allow_private: vec!["127.0.0.1/32".to_owned()], ..DocumentConfig::default() }
}

async fn fetched(config: &DocumentConfig) -> Result<String, DocumentError> {
    DocumentClient::new(config, &Network::default()).expect("valid").fetch().await
}

async fn from(answer: Vec<u8>) -> (Upstream, Result<String, DocumentError>) {
    let upstream = Upstream::start(move |_| answer.clone()).await;
    let result = fetched(&config(&format!("http://{}/keys?v=1", upstream.address))).await;
    (upstream, result)
}

#[tokio::test]
async fn a_document_is_asked_for_plainly_and_taken_whole() {
    let (upstream, result) = from(ok("{\"keys\":[]}")).await;
    assert_eq!(result.expect("a document"), "{\"keys\":[]}");
    let seen = upstream.seen().join("").to_ascii_lowercase();
    assert!(seen.starts_with("get /keys?v=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("accept-encoding: identity") && !seen.contains("authorization"), "{seen}");
    assert_eq!(upstream.seen().len(), 1);
    let (_, largest) = from(ok(&"x".repeat(64 << 10))).await;
    assert_eq!(largest.expect("as much as fits").len(), 64 << 10);
}

#[tokio::test]
async fn whatever_is_no_plain_answer_is_an_error() {
    let elsewhere = Upstream::start(|_| ok("elsewhere")).await;
    let moved = |code: &str| {
        format!("HTTP/1.1 {code} Moved\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", elsewhere.address)
    };
    for code in ["301", "302", "303", "307", "308"] {
        let (_, result) = from(moved(code).into_bytes()).await;
        assert!(matches!(result, Err(DocumentError::Status(status)) if status.to_string() == code), "{code}");
    }
    assert_eq!(elsewhere.connections(), 0, "nobody went there");
    let (_, result) = from(b"HTTP/1.1 500 Oh\r\ncontent-length: 2\r\n\r\n{}".to_vec()).await;
    assert!(matches!(result, Err(DocumentError::Status(500))));
    let (_, result) = from(b"HTTP/1.1 204 None\r\n\r\n".to_vec()).await;
    assert!(matches!(result, Err(DocumentError::Status(204))));
    let (_, result) = from(ok(&"x".repeat((64 << 10) + 1))).await;
    assert!(matches!(result, Err(DocumentError::Body)));
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &[b'x'; 1 << 20]].concat();
    let (_, result) = from(endless).await;
    assert!(matches!(result, Err(DocumentError::Body)));
    let (_, result) = from(response("content-encoding: gzip\r\n", "{}")).await;
    assert!(matches!(result, Err(DocumentError::Encoding)));
    let (_, result) = from(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec()).await;
    assert!(matches!(result, Err(DocumentError::Text)));
    let (_, result) = from(b"nothing that is HTTP".to_vec()).await;
    assert!(matches!(result, Err(DocumentError::Request(_))));
}

#[tokio::test]
async fn addresses_are_judged_like_those_of_functions() {
    let upstream = Upstream::start(|_| ok("{}")).await;
    let url = format!("http://{}/", upstream.address);
    let unlisted = DocumentConfig { allow_private: Vec::new(), allow_plaintext: true, ..config(&url) };
    let why = fetched(&unlisted).await.expect_err("loopback is not listed").to_string();
    assert!(why.contains("not allowed"), "{why}");
    let network = Network { own_listeners: vec![upstream.address], resolver: None };
    let own = DocumentClient::new(&config(&url), &network).expect("valid").fetch().await;
    assert!(own.is_err_and(|why| why.to_string().contains("OwnListener")));
    assert_eq!(upstream.connections(), 0);
    assert!(fetched(&config(&url)).await.is_ok());
}

#[tokio::test]
async fn a_certificate_of_the_named_authority_is_accepted_and_no_other() {
    let dir = tempfile::tempdir().expect("directory");
    let (right, stranger) = (Certificate::for_host("localhost"), Certificate::for_host("localhost"));
    let (port, served) = right.serve();
    let trusting = |certificate: Option<&Certificate>| {
        let ca_file = certificate.map(|certificate| {
            let path = dir.path().join("ca.pem");
            std::fs::write(&path, certificate.pem()).expect("write");
            path
        });
        let allow_private = vec!["127.0.0.1".to_owned(), "::1".to_owned()];
        DocumentConfig { ca_file, allow_private, ..config(&format!("https://localhost:{port}/keys")) }
    };
    assert_eq!(fetched(&trusting(Some(&right))).await.expect("over TLS"), "over tls");
    assert!(matches!(fetched(&trusting(Some(&stranger))).await, Err(DocumentError::Request(_))));
    assert!(matches!(fetched(&trusting(None)).await, Err(DocumentError::Request(_))), "not a public authority");
    assert_eq!(served.load(Ordering::SeqCst), 1);
}
