//! However a call ends, its transactions end with it, and on the server; and nobody waits for them longer than that.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use airlock_model::{HostError, HostReply, StatementClass};
use airlock_resources::{SqlRequest, TransactionMode};
use airlock_tests::postgres::statement;

use super::*;
use crate::data::trouble::proxy;

const OPEN: &str =
    "select count(*) from pg_stat_activity where usename like 'shop%' and state like 'idle in transaction%'";

fn held_open(ending: &str) -> String {
    json!({ "steps": [begin(), within(0, execute(CHANGE)), { "do": ending }] }).to_string()
}

#[tokio::test]
async fn a_call_that_is_stopped_or_traps_leaves_nothing_behind() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let before = stage.total(environment).await;
        for (ending, reason) in [("spin", "time_exhausted"), ("trap", "guest_trap")] {
            let token = everything(environment).limits("wall_time_ms = 4000");
            let ended = stage.harness.invoke_as(&token, "tx-probe", &held_open(ending)).await.expect_err("no answer");
            assert_eq!(airlock_tests::reason(&ended), reason);
            println!("{environment} {ending}: nothing open after {:?}", stage.server.wait_until_idle().await);
            assert_eq!(stage.total(environment).await, before, "{environment} {ending}");
            let after =
                stage.steps(environment, json!([execute("update orders set total = total where id = 1")])).await;
            assert_eq!(after[0], json!({ "affected": 1 }), "{environment} {ending}: no lock is left: {after}");
        }
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_transaction_with_it() {
    let stage = Stage::start("").await;
    let before = stage.total("pg").await;
    let (token, call) = (everything("pg"), held_open("spin"));
    let gone = async {
        tokio::select! {
            ended = stage.harness.invoke_as(&token, "tx-probe", &call) => panic!("{ended:?}"),
            _open = stage.server.wait_until(OPEN, 1) => {}
        }
    };
    gone.await;
    println!("nothing open after {:?}", stage.server.wait_until_idle().await);
    assert_eq!(stage.total("pg").await, before);
}

#[tokio::test]
async fn a_statement_that_runs_at_the_deadline_is_cancelled_and_rolled_back() {
    let stage = Stage::start("").await;
    let before = stage.total("pg").await;
    let token = everything("pg").limits("wall_time_ms = 4000");
    let steps = json!({ "steps": [begin(), within(0, execute(CHANGE)), within(0, execute("select pg_sleep(600)"))] });
    let ended = stage.harness.invoke_as(&token, "tx-probe", &steps.to_string()).await.expect_err("no answer");
    assert_eq!(airlock_tests::reason(&ended), "time_exhausted");
    println!("nothing open after {:?}", stage.server.wait_until_idle().await);
    assert_eq!(stage.total("pg").await, before);
}

#[tokio::test]
async fn a_call_does_not_wait_long_for_the_connection_that_it_holds_itself() {
    let stage = Stage::start("connections_max = 1").await;
    for environment in ["dev", "pg"] {
        let before = stage.total(environment).await;
        let steps =
            json!([begin(), within(0, execute(CHANGE)), execute(CHANGE), within(0, execute(CHANGE)), commit(0)]);
        let answers = stage.steps(environment, steps).await;
        let error = &answers[2]["error"];
        assert_eq!(error["kind"], "unavailable", "{environment}: {answers}");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("holds a transaction")), "{answers}");
        assert_eq!(answers[4], json!("ended"), "{environment}: {answers}");
        assert_eq!(stage.total(environment).await, before + 2.0, "{environment}");
    }
    let reading = json!([begin(), query(TOTAL)]);
    let answers = stage.steps("pg", reading).await;
    assert!(number(&answers[1]) > 0.0, "readers have connections of their own: {answers}");
}

#[tokio::test]
async fn who_waits_for_somebody_elses_transaction_waits_no_longer_than_that_lasts() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let holding = everything(environment).limits("wall_time_ms = 12000");
        let call = held_open("spin");
        let holds = stage.harness.invoke_as(&holding, "tx-probe", &call);
        let waits = async {
            if environment == "pg" {
                stage.server.wait_until(OPEN, 1).await;
            } else {
                wait_for_record(&stage, "write").await;
            }
            let soon = everything(environment).limits("wall_time_ms = 1500");
            let change = json!({ "steps": [execute(CHANGE)] }).to_string();
            let waited = stage.harness.invoke_as(&soon, "tx-probe", &change).await.expect_err("it is locked");
            assert_eq!(airlock_tests::reason(&waited), "time_exhausted", "{environment}");
            // At the latest when the other call is over.
            let patient = everything(environment).limits("wall_time_ms = 60000");
            output(&stage.harness.invoke_as(&patient, "tx-probe", &change).await.expect("its turn"))
        };
        let (held, changed) = tokio::join!(holds, waits);
        assert_eq!(airlock_tests::reason(&held.expect_err("stopped")), "time_exhausted");
        assert_eq!(changed[0], json!({ "affected": 1 }), "{environment}: {changed}");
    }
}

/// Until the trail has the outcome of an operation in a transaction that nobody has ended.
async fn wait_for_record(stage: &Stage, operation: &str) {
    loop {
        let trail = stage.harness.trail().await;
        let outcome = |event: &airlock_model::AuditEvent| {
            event.transaction.is_some() && event.rows.is_some() && event.operation.as_deref() == Some(operation)
        };
        if trail.iter().any(|record| outcome(&record.event)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn change() -> SqlRequest {
    statement(StatementClass::Write, CHANGE, &json!([]))
}

#[tokio::test]
async fn a_commit_without_an_answer_is_unknown_and_not_tried_again() {
    let server = Postgres::start();
    let (port, frozen) = proxy(SocketAddr::from(([127, 0, 0, 1], server.port()))).await;
    let client = server.client(&format!("port = {port}\nconnections_max = 1\nconnect_timeout_ms = 1000"));
    let transaction = client.begin(TransactionMode::Write).await.expect("begun");
    let (transaction, performed) = transaction.perform(change()).await;
    assert_eq!(performed.reply, Ok(HostReply::Affected(1)));
    frozen.store(true, Ordering::SeqCst);
    let soon = tokio::time::Instant::now() + Duration::from_millis(500);
    let performed = transaction.expect("it goes on").commit(soon).await;
    assert!(matches!(&performed.reply, Err(HostError::Timeout(text)) if text.contains("not known")), "{performed:?}");
    assert!(performed.is_outcome_unknown);
    frozen.store(false, Ordering::SeqCst);
    server.wait_until_idle().await;
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["10.50"]]), "the COMMIT never reached the server");
    let transaction = client.begin(TransactionMode::Write).await.expect("begun");
    let (transaction, _) = transaction.perform(change()).await;
    let performed =
        transaction.expect("it goes on").commit(tokio::time::Instant::now() + Duration::from_secs(60)).await;
    assert!(performed.reply == Ok(HostReply::Ended) && !performed.is_outcome_unknown, "{performed:?}");
}

/// What analysis took for a read and is none must not write because a transaction may.
#[tokio::test]
async fn a_read_stays_a_read_in_a_transaction_that_writes() {
    let server = Postgres::start();
    let client = server.client("");
    for disguised in [
        "insert into orders values (9, 'x', 0) returning id",
        "select add_order('x')",
        "select nextval('ticket')",
        "select set_config('transaction_read_only', 'off', false)",
    ] {
        let transaction = client.begin(TransactionMode::Write).await.expect("begun");
        let (transaction, performed) =
            transaction.perform(statement(StatementClass::Read, disguised, &json!([]))).await;
        assert!(performed.reply.is_err() && transaction.is_none(), "{disguised}: {performed:?}");
    }
    let transaction = client.begin(TransactionMode::Write).await.expect("begun");
    let (transaction, performed) = transaction.perform(statement(StatementClass::Read, TOTAL, &json!([]))).await;
    assert!(matches!(performed.reply, Ok(HostReply::Rows(_))), "{performed:?}");
    let called = statement(StatementClass::Write, "select add_order('x')", &json!([]));
    let (transaction, performed) = transaction.expect("it goes on").perform(called).await;
    assert_eq!(performed.reply, Ok(HostReply::Affected(0)), "after a read it writes again");
    let committed =
        transaction.expect("it goes on").commit(tokio::time::Instant::now() + Duration::from_secs(60)).await;
    assert_eq!(committed.reply, Ok(HostReply::Ended));
    assert_eq!(server.sql("select count(*) from orders"), "5");
    let reading = client.begin(TransactionMode::Read).await.expect("begun");
    let (_, performed) = reading.perform(change()).await;
    assert!(matches!(performed.reply, Err(HostError::Denied { .. } | HostError::Backend { .. })), "{performed:?}");
}

#[tokio::test]
async fn a_reading_transaction_sees_the_state_at_its_beginning() {
    let server = Postgres::start();
    let client = server.client("");
    let reading = client.begin(TransactionMode::Read).await.expect("begun");
    assert_eq!(client.write(CHANGE, json!([])).await, Ok(1));
    let (reading, performed) = reading.perform(statement(StatementClass::Read, TOTAL, &json!([]))).await;
    assert!(matches!(performed.reply, Ok(HostReply::Rows(rows)) if rows.rows == "[[\"10.50\"]]"));
    drop(reading);
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["11.50"]]));
}

#[tokio::test]
async fn a_result_that_is_cut_leaves_the_transaction_as_it_was() {
    let server = Postgres::start();
    let client = server.client("");
    let mut transaction = client.begin(TransactionMode::Write).await.expect("begun");
    for (text, rows_max, bytes_max, expected) in [
        ("select n from generate_series(1, 5000) n", 7, 1 << 20, 7),
        ("select n from generate_series(1, 5000) n", 250, 1 << 20, 250),
        ("select n, repeat('x', 3000) from generate_series(1, 5000) n", 5000, 10_000, 3),
        ("select repeat('x', 3000000 * (n - 1)) from generate_series(1, 4) n", 10, 10_000, 1),
    ] {
        let mut request = statement(StatementClass::Read, text, &json!([]));
        (request.rows_max, request.bytes_max) = (rows_max, bytes_max);
        let (next, performed) = transaction.perform(request).await;
        let Ok(HostReply::Rows(rows)) = performed.reply else { panic!("{text}: {performed:?}") };
        assert_eq!((rows.row_count, rows.truncated), (expected, true), "{text}");
        transaction = next.expect("it goes on");
    }
    let (transaction, performed) = transaction.perform(change()).await;
    assert_eq!(performed.reply, Ok(HostReply::Affected(1)));
    let committed =
        transaction.expect("it goes on").commit(tokio::time::Instant::now() + Duration::from_secs(60)).await;
    assert_eq!(committed.reply, Ok(HostReply::Ended));
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["11.50"]]));
}
