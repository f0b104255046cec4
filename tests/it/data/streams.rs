//! Results of any size, in batches: flat memory, caps, and a query that ends with whoever reads it.

use airlock_model::{AuditKind, HostError, Rows, StatementClass};
use airlock_resources::Stream;
use airlock_tests::{
    Harness, Options, output,
    postgres::{Client, Postgres, statement},
    tokens::TokenSpec,
};
use serde_json::{Value, json};

const MANY: &str = "select n, 'row ' || n as text from generate_series(1, $1::int) n";
const MANY_SQLITE: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1) select i, 'row ' || i from n";

async fn started(client: &Client, text: &str, parameters: Value) -> Stream {
    client.stream(statement(StatementClass::Read, text, &parameters), u64::MAX).await.expect("started")
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

#[tokio::test]
async fn every_row_comes_once_and_in_order() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    let pid = client.rows("select pg_backend_pid()", json!([])).await;
    let mut next = 1_u64;
    let check = |rows: &Rows| {
        for (n, text) in serde_json::from_str::<Vec<(u64, String)>>(&rows.rows).expect("rows") {
            assert_eq!((n, text), (next, format!("row {next}")));
            next += 1;
        }
    };
    let (count, largest, truncated) = read(started(&client, MANY, json!([200_000])).await, check).await;
    assert_eq!((count, truncated), (200_000, false));
    assert!(largest < (256 << 10) + 100, "{largest}");
    assert_eq!(client.rows("select pg_backend_pid()", json!([])).await, pid, "the connection is back");
    let (count, ..) = read(started(&client, "select 1 where false", json!([])).await, |_| {}).await;
    assert_eq!(count, 0);
}

/// Ten million rows, for figures: `cargo nextest run -p airlock-tests ten_million --run-ignored all --no-capture`.
#[tokio::test]
#[ignore = "takes minutes"]
async fn ten_million_rows_need_no_more_memory_than_ten_thousand() {
    let server = Postgres::start();
    let client = server.client("");
    read(started(&client, MANY, json!([10_000])).await, |_| {}).await;
    let (before, began) = (resident_kib(), std::time::Instant::now());
    let mut highest = 0;
    let (count, ..) =
        read(started(&client, MANY, json!([10_000_000])).await, |_| highest = highest.max(resident_kib())).await;
    println!("{count} rows in {:?}; resident {before} KiB before, {highest} KiB at most", began.elapsed());
    assert_eq!(count, 10_000_000);
    assert!(highest < before + 8 * 1024, "{before} -> {highest} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a figure");
    line.split_whitespace().nth(1).and_then(|figure| figure.parse().ok()).expect("a number")
}

#[tokio::test]
async fn a_stream_that_nobody_reads_waits_and_one_that_is_dropped_ends() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i, repeat('x', 100) from n";
    let stream = started(&client, endless, json!([])).await;
    let (rows, stream) = stream.next().await.expect("a batch");
    assert!(rows.row_count > 1_000 && stream.is_some(), "{}", rows.row_count);
    let mut request = statement(StatementClass::Read, "select 1", &json!([]));
    request.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(500);
    let waited = client.perform(request).await.expect_err("the stream holds the connection");
    assert!(matches!(waited, HostError::Timeout(_)), "{waited:?}");
    drop(stream);
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
    server.wait_until_idle().await;
    let mut request = statement(StatementClass::Read, "select pg_sleep(600)", &json!([]));
    request.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(500);
    let slow = client.stream(request, u64::MAX).await.expect("started");
    let late = slow.next().await.map(drop).expect_err("the deadline");
    assert!(matches!(late, HostError::Timeout(_)), "{late:?}");
    server.wait_until_idle().await;
}

#[tokio::test]
async fn rows_and_bytes_are_capped_and_a_cut_says_so() {
    let server = Postgres::start();
    let client = server.client("");
    for (rows_max, total, expected) in
        [(10, 25, (25, true)), (10, 30, (30, true)), (1_000, 31, (31, false)), (7, 90, (31, false))]
    {
        let mut request = statement(StatementClass::Read, MANY, &json!([31]));
        request.rows_max = rows_max;
        let stream = client.stream(request, total).await.expect("started");
        let mut largest = 0;
        let (count, _, truncated) = read(stream, |rows| largest = largest.max(rows.row_count)).await;
        assert_eq!((count, truncated), expected, "{rows_max} {total}");
        assert!(largest <= rows_max);
    }
    let mut request =
        statement(StatementClass::Read, "select repeat('x', 10 * n) from generate_series(1, 1000) n", &json!([]));
    request.bytes_max = 2_000;
    let (count, largest, truncated) = read(client.stream(request, u64::MAX).await.expect("started"), |_| {}).await;
    assert!(truncated && (95..200).contains(&count) && largest < 2_000, "{count} rows, {largest} bytes");
}

#[tokio::test]
async fn what_fails_in_the_middle_is_an_error_and_no_short_result() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    let stream = started(&client, "select 1000 / (50000 - n) from generate_series(1, 60000) n", json!([])).await;
    let (mut next, mut count) = (Some(stream), 0);
    let error = loop {
        match next.take().expect("no end before the error").next().await {
            Ok((rows, more)) => (count, next) = (count + rows.row_count, more),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, HostError::Backend { code, .. } if code == "22012"), "{error:?}");
    assert!((10_000..50_000).contains(&count), "{count}");
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]));
    for (class, text) in [
        (StatementClass::Write, "select 1"),
        (StatementClass::Read, "insert into orders values (9, 'x', 0) returning id"),
        (StatementClass::Read, "selec"),
    ] {
        let refused = client.stream(statement(class, text, &json!([])), u64::MAX).await;
        let refused = match refused {
            Ok(stream) => stream.next().await.map(drop),
            Err(refused) => Err(refused),
        };
        assert!(refused.is_err(), "{text}");
    }
    assert_eq!(server.sql("select count(*) from orders"), "4");
}

#[tokio::test]
async fn a_guest_reads_more_rows_than_one_result_may_have() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    for (environment, text) in [("dev", MANY_SQLITE), ("pg", MANY)] {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        let steps = |step: Value| json!({ "steps": [step] }).to_string();
        let all = steps(json!({ "do": "stream", "statement": text, "params": [200_000] }));
        let token = TokenSpec::everything().environment(environment);
        let patient = token.clone().limits("wall_time_ms = 120000");
        let answer = output(&harness.invoke_as(&patient, "tx-probe", &all).await.expect("answers"));
        let streamed = &answer[0]["streamed"];
        assert_eq!((&streamed["rows"], &streamed["truncated"]), (&json!(200_000), &json!(false)), "{answer}");
        let few = token.clone().limits("stream_rows = 1500\nresult_rows = 1000");
        let answer = output(&harness.invoke_as(&few, "tx-probe", &all).await.expect("answers"));
        let streamed = &answer[0]["streamed"];
        assert_eq!((&streamed["rows"], &streamed["truncated"]), (&json!(1_500), &json!(true)), "{answer}");
        let bytes = token.clone().limits("host_bytes = 100000");
        let answer = output(&harness.invoke_as(&bytes, "tx-probe", &all).await.expect("answers"));
        assert_eq!(answer[0]["error"]["limit"], "host_bytes", "{answer}");
        let first = steps(json!({ "do": "stream", "statement": text, "params": [200_000], "batches": 1 }));
        let answer = output(&harness.invoke_as(&token, "tx-probe", &first).await.expect("answers"));
        assert_eq!(answer[0]["streamed"]["batches"], 1, "{answer}");
        let nobody = TokenSpec::only("tx-probe", &["orders-db:write"]).environment(environment);
        let answer = output(&harness.invoke_as(&nobody, "tx-probe", &all).await.expect("answers"));
        assert_eq!(answer[0]["error"]["reason"], "not_granted", "{answer}");
        let write = steps(json!({ "do": "stream", "statement": "update orders set total = 0" }));
        let answer = output(&harness.invoke_as(&token, "tx-probe", &write).await.expect("answers"));
        assert_eq!(answer[0]["error"]["kind"], "bad_request", "{answer}");
    }
    server.wait_until_idle().await;
    let trail = harness.trail().await;
    let of_streams = |kind| {
        trail.iter().map(|record| &record.event).filter(move |event| event.kind == kind && event.rows != Some(0))
    };
    let rows: Vec<_> = of_streams(AuditKind::HostCallOutcome).filter_map(|event| event.rows).collect();
    assert!(rows.starts_with(&[200_000, 1_500]), "one outcome for each stream: {rows:?}");
    let intents = trail.iter().filter(|record| record.event.kind == AuditKind::HostCallIntent).count();
    let permitted = trail.iter().filter(|record| {
        record.event.kind == AuditKind::HostCallOutcome
            && record.event.decision == Some(airlock_model::Decision::Permit)
    });
    assert_eq!(permitted.count(), intents);
}
