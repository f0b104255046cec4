//! Servers that are down, half-open, or no servers at all: a typed error, and nothing is stuck.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use airlock_model::{HostError, StatementClass};
use airlock_tests::mariadb::{Client, Mariadb, NAMES, statement};
use serde_json::json;

use super::super::trouble::{hides_everything, impostor, proxy};

async fn refused(client: &Client) -> HostError {
    let error = client.read("select 1", json!([])).await.expect_err("no server");
    assert!(hides_everything(&error), "{error:?}");
    error
}

#[tokio::test]
async fn a_server_that_is_down_is_left_alone_for_a_while() {
    let server = Mariadb::start();
    let client = server.client("");
    drop(server);
    for _ in 0..5 {
        let error = refused(&client).await;
        assert!(matches!(&error, HostError::Unavailable(text) if text.contains("refuses connections")), "{error:?}");
    }
    let error = refused(&client).await;
    assert!(matches!(&error, HostError::Unavailable(text) if text.contains("tried again in")), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_is_ended_from_outside_is_replaced() {
    let server = Mariadb::start();
    let client = Arc::new(server.client("connections_max = 1"));
    client.rows("select 1", json!([])).await;
    server.wait_until_idle().await;
    server.sql(&format!("kill user {}", NAMES[0]));
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "an idle one");
    let running = tokio::spawn({
        let client = client.clone();
        async move { client.read("select sleep(600)", json!([])).await }
    });
    server.wait_until_running(1).await;
    server.sql(&format!("kill user {}", NAMES[0]));
    let error = running.await.expect("ends").expect_err("was ended");
    assert!(matches!(error, HostError::Unavailable(_)) && hides_everything(&error), "{error:?}");
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "a busy one");
}

#[tokio::test]
async fn a_wrong_password_or_a_locked_account_is_unavailable_and_says_no_more() {
    let server = Mariadb::start();
    server.sql(&format!("alter user {}@'%' identified by 'another'", NAMES[0]));
    assert!(matches!(refused(&server.client("")).await, HostError::Unavailable(_)));
    server.unlock();
    server.sql(&format!("alter user {}@'%' account lock", NAMES[0]));
    assert!(matches!(refused(&server.client("")).await, HostError::Unavailable(_)));
    server.unlock();
    assert_eq!(server.client("").rows("select 1", json!([])).await, json!([[1]]));
}

#[tokio::test]
async fn an_address_needs_the_operators_word() {
    let server = Mariadb::start();
    let elsewhere = server.binding("").replace("[\"127.0.0.1/32\", \"::1/128\"]", "[\"10.0.0.0/8\"]");
    let error = refused(&Client::of(&elsewhere)).await;
    assert!(matches!(&error, HostError::Denied { reason, .. } if reason == "egress_denied"), "{error:?}");
}

#[tokio::test]
async fn what_is_no_server_is_unavailable_and_soon() {
    let server = Mariadb::start();
    let answers: [(&[u8], bool); 7] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", false),
        (b"\x01\0\0\0\x09", false),
        (b"\x05\0\0\0\x0a8.0\0", false),
        (b"\x17\0\0\0\xff\x10\x04Too many connections", false),
        (b"\x05\0\0\0\xff", true),
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

#[tokio::test]
async fn a_half_open_connection_costs_one_call_its_deadline_and_no_more() {
    let server = Mariadb::start();
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
