//! Results are cut cleanly, and what is not wanted is not read.

use airlock_model::{HostError, HostReply, Rows, StatementClass};
use airlock_tests::mariadb::{Client, Mariadb, statement};
use serde_json::{Value, json};

async fn capped(client: &Client, text: &str, rows_max: u64, bytes_max: u64) -> Result<Rows, HostError> {
    let mut request = statement(StatementClass::Read, text, &json!([]));
    (request.rows_max, request.bytes_max) = (rows_max, bytes_max);
    client.perform(request).await.map(|reply| match reply {
        HostReply::Rows(rows) => rows,
        other => panic!("{other:?}"),
    })
}

fn count(rows: &Rows) -> usize {
    serde_json::from_str::<Vec<Value>>(&rows.rows).expect("JSON").len()
}

#[tokio::test]
async fn rows_and_bytes_are_cut_at_the_cap_and_marked() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let numbers = "select seq from seq_1_to_1000";
    let all = capped(&client, numbers, 1_000, 1 << 20).await.expect("rows");
    assert_eq!((count(&all), all.truncated, all.row_count), (1_000, false, 1_000));
    let cut = capped(&client, numbers, 10, 1 << 20).await.expect("rows");
    assert_eq!((count(&cut), cut.truncated, cut.row_count), (10, true, 10));
    let cut = capped(&client, numbers, 1_000, 100).await.expect("rows");
    assert!(cut.truncated && cut.rows.len() <= 100 && count(&cut) > 5, "{cut:?}");
    let exact = capped(&client, "select 1 union all select 2", 2, 1 << 20).await.expect("rows");
    assert_eq!((count(&exact), exact.truncated), (2, false));
    let names = capped(&client, "select 1 as a_long_name", 1, 8).await;
    assert!(matches!(names, Err(HostError::Limit { .. })), "{names:?}");
    let none = capped(&client, "select 1 from orders where false", 1, 1 << 20).await.expect("rows");
    assert_eq!((none.rows.as_str(), none.truncated), ("[]", false));
}

/// Ten million rows and one value of 200 MB: neither may come into memory.
#[tokio::test]
async fn what_is_beyond_the_caps_is_neither_kept_nor_waited_for() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let before = resident_bytes();
    let many = "select seq, repeat('x', 100) from seq_1_to_10000000";
    let cut = capped(&client, many, 10_000, 1 << 20).await.expect("rows");
    assert!(cut.truncated && cut.rows.len() <= 1 << 20);
    server.wait_until_idle().await;
    let huge = capped(&client, "select repeat('x', 200000000)", 10, 1 << 20).await.expect("rows");
    assert_eq!((huge.rows.as_str(), huge.truncated), ("[]", true));
    server.wait_until_idle().await;
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    let large = capped(&client, "select repeat('x', 20000000)", 10, 32 << 20).await.expect("rows");
    assert_eq!((large.rows.len(), large.truncated), (20_000_006, false), "of more than one packet");
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
}

fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("statm");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("a number") * 4096
}
