//! A statement ends on the server when its call does, and its connection is not used again.

use std::time::Duration;

use airlock_model::{AuditKind, HostError, StatementClass};
use airlock_tests::{
    Harness, Options,
    postgres::{Postgres, statement},
    tokens::TokenSpec,
};
use serde_json::json;

const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

#[tokio::test]
async fn a_deadline_ends_the_statement_on_the_server() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    client.rows("select 1", json!([])).await;
    for (class, text) in [
        (StatementClass::Read, "select pg_sleep(600)"),
        (StatementClass::Read, ENDLESS),
        (StatementClass::Write, "select pg_sleep(600)"),
    ] {
        let mut request = statement(class, text, &json!([]));
        request.deadline = tokio::time::Instant::now() + Duration::from_millis(300);
        let stopped = client.perform(request).await.expect_err(text);
        assert!(matches!(&stopped, HostError::Timeout(_)), "{stopped:?}");
        let idle = server.wait_until_running(0).await;
        println!("{text}: {stopped}; idle on the server after {idle:?}");
        assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
    }
}

#[tokio::test]
async fn a_dropped_call_ends_the_statement_on_the_server() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    let before = client.rows("select pg_backend_pid()", json!([])).await;
    let call = client.read("select pg_sleep(600)", json!([]));
    let dropped = tokio::time::timeout(Duration::from_millis(300), call).await;
    assert!(dropped.is_err());
    println!("idle on the server {:?} after the drop", server.wait_until_running(0).await);
    let after = client.rows("select pg_backend_pid()", json!([])).await;
    assert_ne!(before, after, "a cancelled connection is not used again");
}

#[tokio::test]
async fn a_call_that_is_over_leaves_nothing_running() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");
    let call = json!({ "op": "query", "statement": ENDLESS }).to_string();
    let soon = TokenSpec::everything().environment("pg").limits("wall_time_ms = 500");
    let ended = harness.invoke_as(&soon, "sql-probe", &call).await.expect_err("stopped");
    assert_eq!(airlock_tests::reason(&ended), "time_exhausted");
    println!("idle on the server {:?} after the call", server.wait_until_running(0).await);
    // The trail hears of it from the database itself.
    loop {
        let trail = harness.trail().await;
        let stopped = trail.iter().find(|record| record.event.kind == AuditKind::StatementStopped);
        if let Some(record) = stopped {
            assert_eq!(record.event.message.as_deref(), Some("cancelled, server confirmed"));
            assert_eq!(record.event.resource.as_deref(), Some("orders-db"));
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn one_tenant_cannot_hold_every_connection() {
    let server = Postgres::start();
    let client = std::sync::Arc::new(server.client("connections_max = 4\nconnections_per_tenant_max = 2"));
    let greedy: Vec<_> = (0..8)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.read("select pg_sleep(600)", json!([])).await })
        })
        .collect();
    server.wait_until_running(2).await;
    let mut other = statement(StatementClass::Read, "select 1", &json!([]));
    other.tenant = "globex".parse().expect("a name");
    assert!(client.perform(other).await.is_ok(), "another tenant is served");
    let mut own = statement(StatementClass::Read, "select 1", &json!([]));
    own.deadline = tokio::time::Instant::now() + Duration::from_millis(200);
    let waited = client.perform(own).await.expect_err("its share is taken");
    assert!(matches!(&waited, HostError::Timeout(text) if text.contains("became free")), "{waited:?}");
    greedy.iter().for_each(tokio::task::JoinHandle::abort);
    for one in greedy {
        assert!(one.await.is_err());
    }
    server.wait_until_running(0).await;
}
