//! Transactions: what they hold together, and what ends them.

use std::time::Duration;

use airlock_model::{HostError, HostReply, StatementClass};
use airlock_resources::{SqlRequest, Transaction, TransactionMode};
use airlock_tests::mariadb::{Client, Mariadb, NAMES, statement};
use serde_json::{Value, json};

const CHANGE: &str = "update orders set total = total + 1 where id = 1";
const TOTAL: &str = "select total from orders where id = 1";

async fn open(client: &Client) -> Transaction {
    client.begin(TransactionMode::Write).await.unwrap_or_else(|why| panic!("{why}"))
}

/// One more statement that has to succeed.
async fn within(open: Transaction, request: SqlRequest) -> (Transaction, HostReply) {
    let text = request.statement.clone();
    let (open, performed) = open.perform(request).await;
    (open.unwrap_or_else(|| panic!("{text}: {:?}", performed.reply)), performed.reply.expect("a reply"))
}

fn change(text: &str) -> SqlRequest {
    statement(StatementClass::Write, text, &json!([]))
}

fn read(text: &str) -> SqlRequest {
    statement(StatementClass::Read, text, &json!([]))
}

fn value(reply: &HostReply) -> Value {
    let HostReply::Rows(rows) = reply else { panic!("{reply:?}") };
    serde_json::from_str::<Value>(&rows.rows).expect("JSON")[0][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_inside_at_once_and_outside_after_the_commit() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 2");
    let (open, reply) = within(open(&client).await, change(CHANGE)).await;
    assert_eq!(reply, HostReply::Affected(1));
    let (open, reply) = within(open, change(CHANGE)).await;
    assert_eq!(reply, HostReply::Affected(1));
    let (open, inside) = within(open, read(TOTAL)).await;
    assert_eq!((value(&inside), client.rows(TOTAL, json!([])).await), (json!("12.50"), json!([["10.50"]])));
    let soon = tokio::time::Instant::now() + Duration::from_secs(60);
    assert_eq!(open.commit(soon).await.reply, Ok(HostReply::Ended));
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["12.50"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rolled_back_let_go_or_fails_leaves_nothing() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let (changed, _) = within(open(&client).await, change(CHANGE)).await;
    assert_eq!(changed.rollback().await.reply, Ok(HostReply::Ended));
    let (changed, _) = within(open(&client).await, change(CHANGE)).await;
    drop(changed);
    let (changed, _) = within(open(&client).await, change(CHANGE)).await;
    let (none, failed) = changed.perform(change("insert into orders values (1, 'x', 0)")).await;
    assert!(none.is_none() && matches!(failed.reply, Err(HostError::Backend { .. })), "{failed:?}");
    let (changed, _) = within(open(&client).await, change(CHANGE)).await;
    let mut long = change("select sleep(600)");
    long.deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    let (none, stopped) = changed.perform(long).await;
    assert!(none.is_none() && matches!(stopped.reply, Err(HostError::Timeout(_))), "{stopped:?}");
    server.wait_until_idle().await;
    assert_eq!(client.write("update orders set total = total where id = 1", json!([])).await, Ok(1), "no lock is left");
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["10.50"]]));
}

/// A transaction that may write stays one in which a read writes nothing, and one statement cannot end it.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_inside_changes_nothing_and_no_statement_ends_it() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1\noperations = [\"read\", \"write\", \"ddl\"]");
    server.sql(&format!("grant execute on `shopbase\\_rq`.* to {}@'%'", NAMES[1]));
    let (changed, _) = within(open(&client).await, change(CHANGE)).await;
    let (changed, _) = within(changed, read("select add_order('eve')")).await;
    let (changed, count) = within(changed, read("select count(*) from orders where customer = 'eve'")).await;
    assert_eq!(value(&count), json!(0), "it is undone");
    let (changed, total) = within(changed, read(TOTAL)).await;
    assert_eq!(value(&total), json!("11.50"), "what came before it is not");
    let soon = tokio::time::Instant::now() + Duration::from_secs(60);
    assert_eq!(changed.commit(soon).await.reply, Ok(HostReply::Ended));
    for (class, text) in [
        (StatementClass::Ddl, "create table t (a int)"),
        (StatementClass::Write, "commit"),
        (StatementClass::Write, "start transaction"),
        (StatementClass::Read, "commit"),
    ] {
        let (changed, _) = within(open(&client).await, change(CHANGE)).await;
        let (none, refused) = changed.perform(statement(class, text, &json!([]))).await;
        assert!(none.is_none() && refused.reply.is_err(), "{text}: {refused:?}");
    }
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["11.50"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_transaction_sees_one_state_and_writes_nothing() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 2");
    let reading = client.begin(TransactionMode::Read).await.unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(client.write(CHANGE, json!([])).await, Ok(1));
    let (reading, seen) = within(reading, read(TOTAL)).await;
    assert_eq!(value(&seen), json!("10.50"));
    let (none, refused) = reading.perform(change(CHANGE)).await;
    assert!(none.is_none() && refused.reply.is_err(), "{refused:?}");
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["11.50"]]));
}

/// Neither many rows nor a large one may end the transaction, or come into memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_cut_leaves_the_transaction_open() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let (mut changed, _) = within(open(&client).await, change(CHANGE)).await;
    for (text, rows_max, bytes_max, count, is_cut) in [
        ("select seq from seq_1_to_100000", 10, 1 << 20, 10, true),
        ("select seq from seq_1_to_250", 1_000, 1 << 20, 250, false),
        ("select seq from seq_1_to_200", 200, 1 << 20, 200, false),
        ("select seq, repeat('x', 20000000) from seq_1_to_3", 10, 1 << 10, 0, true),
        ("explain select * from orders", 10, 1 << 20, 1, false),
        ("select 1 from orders where false", 10, 1 << 20, 0, false),
    ] {
        let mut request = read(text);
        (request.rows_max, request.bytes_max) = (rows_max, bytes_max);
        let reply;
        (changed, reply) = within(changed, request).await;
        let HostReply::Rows(rows) = reply else { panic!("no rows") };
        assert_eq!((rows.row_count, rows.truncated), (count, is_cut), "{text}");
    }
    let soon = tokio::time::Instant::now() + Duration::from_secs(60);
    assert_eq!(changed.commit(soon).await.reply, Ok(HostReply::Ended));
    assert_eq!(client.rows(TOTAL, json!([])).await, json!([["11.50"]]));
}
