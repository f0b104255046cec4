//! Servers that are down, slow, half-open, or no servers at all: a typed error, and nothing is stuck.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use airlock_model::{HostError, StatementClass};
use airlock_resources::SqlRequest;
use airlock_tests::postgres::{Client, NAMES, Postgres, READ_SECRET, statement};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

pub(super) fn hides_everything(error: &HostError) -> bool {
    let text = format!("{error:?}");
    NAMES.iter().chain(&[READ_SECRET]).all(|name| !text.contains(name))
}

async fn refused(client: &Client) -> HostError {
    let error = client.read("select 1", json!([])).await.expect_err("no server");
    assert!(hides_everything(&error), "{error:?}");
    error
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_a_while() {
    let server = Postgres::start();
    let port = server.port();
    let client = server.client("");
    drop(server);
    for _ in 0..5 {
        let error = refused(&client).await;
        assert!(matches!(&error, HostError::Unavailable(text) if text.contains("refuses connections")), "{error:?}");
    }
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free again");
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Unavailable(text) if text.contains("tried again in")), "{error:?}");
    let tried = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(tried.is_err(), "nobody connects while the circuit is open");
}

#[tokio::test]
async fn a_connection_that_is_ended_from_outside_is_replaced() {
    let server = Postgres::start();
    let client = Arc::new(server.client("connections_max = 1"));
    client.rows("select 1", json!([])).await;
    server.wait_until_idle().await;
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'airlock'");
    while server.sql("select count(*) from pg_stat_activity where application_name = 'airlock'") != "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "an idle one");
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.read("select pg_sleep(600)", json!([])).await }
    });
    server.wait_until("select count(*) from pg_stat_activity where wait_event = 'PgSleep'", 1).await;
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'airlock'");
    let error = running.await.expect("ends").expect_err("was ended");
    assert!(matches!(error, HostError::Unavailable(_)) && hides_everything(&error), "{error:?}");
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "a busy one");
}

#[tokio::test]
async fn a_wrong_password_is_unavailable_and_says_no_more() {
    let server = Postgres::start();
    server.sql(&format!("alter role {} password 'another'", NAMES[0]));
    let error = refused(&server.client("")).await;
    assert!(matches!(error, HostError::Unavailable(_)), "{error:?}");
    server.sql(&format!("alter role {} nologin", NAMES[0]));
    assert!(matches!(refused(&server.client("")).await, HostError::Unavailable(_)));
}

#[tokio::test]
async fn an_address_needs_the_operators_word() {
    let server = Postgres::start();
    let elsewhere = server.binding("").replace("[\"127.0.0.1/32\", \"::1/128\"]", "[\"10.0.0.0/8\"]");
    let client = server.client_of(&elsewhere);
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Denied { reason, .. } if reason == "egress_denied"), "{error:?}");
}

/// What a port answers with instead of a database.
pub(super) async fn impostor(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _sent = stream.write_all(answer).await;
                // Holds the connection open.
                let _ended = stream.read_to_end(&mut Vec::new()).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn what_is_no_server_is_unavailable_and_soon() {
    let server = Postgres::start();
    let answers: [(&[u8], bool); 7] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", false),
        (b"R\xff\xff\xff\xff\0\0\0\0", false),
        (b"R\x7f\xff\xff\xff\0\0\0\0", false),
        (b"R\0\0\0\x08\0\0\0\x63", false),
        (b"E\0\0\0\x05\0", false),
        (b"", true),
    ];
    for (answer, is_silent) in answers {
        let port = impostor(answer).await;
        let client = server.client(&format!("port = {port}\nconnect_timeout_ms = 1000"));
        let error = refused(&client).await;
        let is_right =
            if is_silent { matches!(error, HostError::Timeout(_)) } else { matches!(error, HostError::Unavailable(_)) };
        assert!(is_right, "{answer:?}: {error:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a proxy of the test's own")]
async fn dial(to: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect(to).await
}

/// Passes everything on until it is frozen: then the connection is there and nothing comes.
pub(super) async fn proxy(to: SocketAddr) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let frozen = Arc::new(AtomicBool::new(false));
    let state = frozen.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let state = state.clone();
            tokio::spawn(async move {
                let Ok(server) = dial(to).await else { return };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(pass_on(from_client, to_server, state.clone()), pass_on(from_server, to_client, state));
            });
        }
    });
    (port, frozen)
}

async fn pass_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    frozen: Arc<AtomicBool>,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !frozen.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Sleeps when the transaction commits.
const SLOW_COMMIT: &str = "
    create function nap() returns trigger language plpgsql as $$ begin perform pg_sleep(600); return null; end $$;
    create constraint trigger nap after insert on orders deferrable initially deferred for each row execute function nap()";

#[tokio::test]
async fn a_change_that_may_have_been_made_says_so() {
    let server = Postgres::start();
    server.sql(SLOW_COMMIT);
    let client = server.client("connections_max = 1");
    let soon = tokio::time::Instant::now() + Duration::from_millis(1_000);
    let insert = |text| SqlRequest { deadline: soon, ..statement(StatementClass::Write, text, &json!([])) };
    let performed = client.performed(insert("insert into orders values (9, 'x', 0)")).await;
    assert!(matches!(&performed.reply, Err(HostError::Timeout(text)) if text.contains("not known")), "{performed:?}");
    assert!(performed.is_outcome_unknown);
    server.wait_until_idle().await;
    let refused =
        client.performed(statement(StatementClass::Write, "insert into nothing values (1)", &json!([]))).await;
    assert!(refused.reply.is_err() && !refused.is_outcome_unknown, "{refused:?}");
}

#[tokio::test]
async fn a_half_open_connection_costs_one_call_its_deadline_and_no_more() {
    let server = Postgres::start();
    let (port, frozen) = proxy(SocketAddr::from(([127, 0, 0, 1], server.port()))).await;
    let client = server.client(&format!("port = {port}\nconnections_max = 1\nconnect_timeout_ms = 1000"));
    client.rows("select 1", json!([])).await;
    server.wait_until_idle().await;
    frozen.store(true, Ordering::SeqCst);
    let mut request = statement(StatementClass::Read, "select 1", &json!([]));
    request.deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    let error = client.perform(request).await.expect_err("nothing comes");
    assert!(matches!(error, HostError::Timeout(_)) && hides_everything(&error), "{error:?}");
    frozen.store(false, Ordering::SeqCst);
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "a new connection");
}
