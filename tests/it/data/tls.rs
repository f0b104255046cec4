//! TLS to PostgreSQL: who is believed, and what is said to whom.

use std::time::Duration;

use airlock_model::{HostError, StatementClass};
use airlock_tests::postgres::{Client, Postgres, READ_SECRET, statement};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Asked as the superuser: the role may not look.
async fn is_secure(server: &Postgres, client: &Client) -> String {
    let process = client.rows("select pg_backend_pid()", json!([])).await;
    server.sql(&format!("select ssl from pg_stat_ssl where pid = {}", process[0][0]))
}

#[tokio::test]
async fn the_bindings_own_authority_and_name_are_believed_and_no_others() {
    let server = Postgres::start();
    let ca = format!("ca_file = \"{}\"", server.path("cert.pem").display());
    let right = server.client(&format!("host = \"localhost\"\ntls = \"verify-full\"\n{ca}"));
    assert_eq!(is_secure(&server, &right).await, "t");
    let required = server.client("tls = \"require\"");
    assert_eq!(is_secure(&server, &required).await, "t");
    let clear = server.client("");
    assert_eq!(is_secure(&server, &clear).await, "f");
    for other in [
        "host = \"localhost\"\ntls = \"verify-full\"".to_owned(),
        format!("host = \"127.0.0.1\"\ntls = \"verify-full\"\n{ca}"),
    ] {
        let refused = server.client(&other).read("select 1", json!([])).await;
        assert!(matches!(refused, Err(HostError::Unavailable(_))), "{other}: {refused:?}");
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls_too() {
    let server = Postgres::start();
    let client = server.client(&format!(
        "host = \"localhost\"\ntls = \"verify-full\"\nca_file = \"{}\"",
        server.path("cert.pem").display()
    ));
    let mut request = statement(StatementClass::Read, "select pg_sleep(600)", &json!([]));
    request.deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    let stopped = client.perform(request).await;
    assert!(matches!(stopped, Err(HostError::Timeout(_))), "{stopped:?}");
    server.wait_until_idle().await;
}

/// A server that does not speak TLS, or that wants the password itself, gets nothing.
#[tokio::test]
async fn an_impostor_is_not_told_the_password() {
    let server = Postgres::start();
    let without_tls: &[u8] = b"N";
    let asks_for_it: &[u8] = b"R\0\0\0\x08\0\0\0\x03";
    let lets_everybody_in: &[u8] = b"R\0\0\0\x08\0\0\0\0";
    let asks_for_a_hash: &[u8] = b"R\0\0\0\x0c\0\0\0\x05abcd";
    for (tls, answer) in [
        ("require", without_tls),
        ("verify-full", without_tls),
        ("disable", asks_for_it),
        ("disable", lets_everybody_in),
        ("disable", asks_for_a_hash),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut first = [0; 4096];
            let count = stream.read(&mut first).await.expect("a request");
            stream.write_all(answer).await.expect("an answer");
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest).await;
            [&first[..count], &rest].concat()
        });
        let client = server.client(&format!("port = {port}\ntls = \"{tls}\""));
        let refused = client.read("select 1", json!([])).await;
        assert!(matches!(refused, Err(HostError::Unavailable(_))), "{tls}: {refused:?}");
        let told = String::from_utf8_lossy(&told.await.expect("heard")).into_owned();
        assert!(!told.contains(READ_SECRET) && !told.contains("md5"), "{tls}: {told}");
    }
}
