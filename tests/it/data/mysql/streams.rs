//! Results of any size, in batches: caps, and a query that ends with whoever reads it.

use airlock_model::{Rows, StatementClass};
use airlock_resources::Stream;
use airlock_tests::mariadb::{Client, Mariadb, statement};
use serde_json::json;

async fn started(client: &Client, text: &str, rows_total_max: u64) -> Stream {
    client.stream(statement(StatementClass::Read, text, &json!([])), rows_total_max).await.expect("started")
}

/// Takes every batch: how many rows there were, the largest text, and whether the end was a cut.
async fn read(mut stream: Stream, mut each: impl FnMut(&Rows)) -> (u64, usize, bool) {
    let (mut count, mut largest, mut truncated) = (0, 0, false);
    loop {
        let (rows, more) = stream.next().await.expect("a batch");
        each(&rows);
        count += rows.row_count;
        largest = largest.max(rows.rows.len());
        truncated |= rows.truncated;
        let Some(more) = more else { return (count, largest, truncated) };
        stream = more;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_comes_once_and_in_order() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let thread = client.rows("select connection_id()", json!([])).await;
    let mut next = 1_u64;
    let check = |rows: &Rows| {
        for (n, text) in serde_json::from_str::<Vec<(u64, String)>>(&rows.rows).expect("rows") {
            assert_eq!((n, text), (next, format!("row {next}")));
            next += 1;
        }
    };
    let many = "select seq, concat('row ', seq) from seq_1_to_200000";
    let (count, largest, truncated) = read(started(&client, many, u64::MAX).await, check).await;
    assert_eq!((count, truncated), (200_000, false));
    assert!(largest < (256 << 10) + 100, "{largest}");
    assert_eq!(client.rows("select connection_id()", json!([])).await, thread, "the connection is back");
    for (total, count, is_cut) in [(5, 5, true), (10, 10, false), (20_000, 10, false)] {
        let ended = read(started(&client, "select seq from seq_1_to_10", total).await, |_| {}).await;
        assert_eq!((ended.0, ended.2), (count, is_cut), "{total}");
    }
    let none = read(started(&client, "select 1 from orders where false", u64::MAX).await, |_| {}).await;
    assert_eq!(none.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_dropped_ends_on_the_server() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let stream = started(&client, "select seq, repeat('x', 1000) from seq_1_to_100000000", u64::MAX).await;
    let (rows, stream) = stream.next().await.expect("a batch");
    assert!(rows.row_count > 100 && stream.is_some());
    drop(stream);
    server.wait_until_idle().await;
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
}
