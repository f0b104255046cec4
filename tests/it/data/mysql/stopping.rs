//! A statement ends on the server when its call does, and its connection is not used again.

use std::{sync::Arc, time::Duration};

use airlock_model::{HostError, StatementClass};
use airlock_tests::{
    Harness, Options,
    mariadb::{Mariadb, statement},
    tokens::TokenSpec,
};
use serde_json::json;

/// Ends by itself, some day.
const LONG: &str = "select count(*) from seq_1_to_1000000 a, seq_1_to_1000000 b where a.seq <> b.seq";

#[tokio::test]
async fn a_deadline_ends_the_statement_on_the_server() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    client.rows("select 1", json!([])).await;
    server.sql("create table waited (id int primary key)");
    for (class, text) in [
        (StatementClass::Read, "select sleep(600)"),
        (StatementClass::Read, LONG),
        (StatementClass::Read, "select seq, sleep(1) from seq_1_to_1000000"),
        (StatementClass::Write, "select sleep(600)"),
        (StatementClass::Write, "insert into waited select seq + sleep(1) from seq_1_to_1000"),
    ] {
        let mut request = statement(class, text, &json!([]));
        request.deadline = tokio::time::Instant::now() + Duration::from_millis(500);
        let stopped = client.perform(request).await.expect_err(text);
        assert!(matches!(&stopped, HostError::Timeout(_)), "{text}: {stopped:?}");
        let idle = server.wait_until_idle().await;
        println!("{text}: {stopped}; idle on the server after {idle:?}");
        assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
    }
    assert_eq!(server.sql("select count(*) from waited"), "0", "what was stopped is undone");
}

#[tokio::test]
async fn a_dropped_call_ends_the_statement_on_the_server() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let before = client.rows("select connection_id()", json!([])).await;
    for text in ["select sleep(600)", LONG] {
        let call = client.read(text, json!([]));
        let dropped = tokio::time::timeout(Duration::from_millis(500), call).await;
        assert!(dropped.is_err(), "{text}");
        println!("idle on the server {:?} after the drop", server.wait_until_idle().await);
        let after = client.rows("select connection_id()", json!([])).await;
        assert_ne!(before, after, "a cancelled connection is not used again");
    }
}

/// The server waits until somebody reads, which nobody does any more.
#[tokio::test]
async fn a_result_that_nobody_reads_is_ended_on_the_server() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let mut request = statement(StatementClass::Read, "select repeat('x', 1000) from seq_1_to_100000000", &json!([]));
    request.rows_max = 1;
    client.perform(request).await.expect("a row");
    server.wait_until_idle().await;
    let sleeping = "select count(*) from information_schema.processlist where user like 'shop%'";
    let end = tokio::time::Instant::now() + Duration::from_secs(60);
    while server.sql(sleeping) != "0" {
        assert!(tokio::time::Instant::now() < end, "the connection stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_call_that_is_over_leaves_nothing_running() {
    let server = Mariadb::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("maria", &manifest, component).await.expect("deployed");
    let call = json!({ "op": "query", "statement": LONG }).to_string();
    let soon = TokenSpec::everything().environment("maria").limits("wall_time_ms = 500");
    let ended = harness.invoke_as(&soon, "sql-probe", &call).await.expect_err("stopped");
    assert_eq!(airlock_tests::reason(&ended), "time_exhausted");
    println!("idle on the server {:?} after the call", server.wait_until_idle().await);
}

#[tokio::test]
async fn one_tenant_cannot_hold_every_connection() {
    let server = Mariadb::start();
    let client = Arc::new(server.client("connections_max = 4\nconnections_per_tenant_max = 2"));
    let greedy: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.read("select sleep(600)", json!([])).await })
        })
        .collect();
    server.wait_until_running(2).await;
    let mut other = statement(StatementClass::Read, "select 1", &json!([]));
    other.tenant = "globex".parse().expect("a name");
    assert!(client.perform(other).await.is_ok(), "another tenant is served");
    greedy.iter().for_each(tokio::task::JoinHandle::abort);
    for one in greedy {
        assert!(one.await.is_err());
    }
    server.wait_until_idle().await;
}
