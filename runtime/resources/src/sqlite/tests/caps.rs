use super::*;

const NUMBERS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 50) SELECT x, 'caf\u{e9} ' || x AS t FROM n";

fn parse(rows: &Rows) -> Vec<(u64, String)> {
    serde_json::from_str(&rows.rows).expect("whole JSON")
}

#[tokio::test]
async fn the_row_cap_cuts_and_says_so() {
    let bench = Bench::new().await;
    for (rows_max, expected, truncated) in
        [(0, 0, true), (1, 1, true), (49, 49, true), (50, 50, false), (51, 50, false)]
    {
        let mut request = bench.request(SqlVerb::Query, StatementClass::Read, NUMBERS, "[]");
        request.rows_max = rows_max;
        let Ok(HostReply::Rows(rows)) = bench.perform(request).await else { panic!("rows") };
        assert_eq!((rows.row_count, rows.truncated), (expected, truncated), "{rows_max}");
        assert_eq!(parse(&rows).len() as u64, expected);
    }
}

#[tokio::test]
async fn the_byte_cap_is_never_exceeded_and_never_cuts_a_row() {
    let bench = Bench::new().await;
    let whole = bench.query(NUMBERS, "[]").await.expect("rows");
    let size = HostReply::Rows(whole.clone()).size_bytes();
    for bytes_max in (0..=size + 2).step_by(3).chain([size - 1, size]) {
        let mut request = bench.request(SqlVerb::Query, StatementClass::Read, NUMBERS, "[]");
        request.bytes_max = bytes_max;
        match bench.perform(request).await {
            Ok(HostReply::Rows(rows)) => {
                let all = parse(&whole);
                assert_eq!(parse(&rows), all.get(..rows.row_count as usize).expect("a prefix"));
                assert_eq!(rows.truncated, bytes_max < size, "{bytes_max}");
                assert!(HostReply::Rows(rows).size_bytes() <= bytes_max, "{bytes_max}");
            }
            Err(HostError::Limit { limit: Limit::ResultBytes, .. }) => assert!(bytes_max < 10, "{bytes_max}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn values_beyond_the_value_cap_are_refused() {
    let bench = Bench::new().await;
    for statement in [
        "SELECT zeroblob(1048577)",
        "SELECT printf('%2000000d', 1)",
        "SELECT replace(hex(zeroblob(9)), '0', hex(zeroblob(100000)))",
    ] {
        let reply = bench.query(statement, "[]").await;
        assert!(
            matches!(&reply, Err(HostError::Backend { code, .. }) if code == "SQLITE_TOOBIG"),
            "{statement} {reply:?}"
        );
    }
    let large = format!("[\"{}\"]", "x".repeat(1_048_577));
    assert!(bench.query("SELECT length(?)", &large).await.is_err());
}

#[tokio::test]
async fn statements_beyond_the_limits_are_refused() {
    let bench = Bench::new().await;
    let deep = format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000));
    let chained = format!("SELECT 1{}", " + 1".repeat(600));
    let long = format!("SELECT '{}'", "x".repeat(100_001));
    let compound = vec!["SELECT 1"; 200].join(" UNION ALL ");
    let pattern = format!("SELECT 'x' LIKE '{}'", "%a".repeat(200));
    let parameters = format!("SELECT {}", vec!["?"; 1_001].join(","));
    let wide = format!("SELECT {}", vec!["1"; 501].join(","));
    for statement in [deep, chained, long, compound, pattern, parameters, "SELECT ?1001".to_owned(), wide] {
        let reply = bench.query(&statement, "[]").await;
        let start: String = statement.chars().take(30).collect();
        assert!(matches!(reply, Err(HostError::Backend { .. })), "{start}: {reply:?}");
    }
    assert!(bench.query("SELECT 1", "[]").await.is_ok());
}

/// Sorts without end, and is stopped for it.
async fn assert_fills_the_memory(bench: &Bench) {
    let statement = "WITH RECURSIVE n(x) AS (SELECT randomblob(500000) UNION ALL SELECT randomblob(500000) FROM n) \
                     SELECT length(x) FROM n ORDER BY x";
    let reply = bench.query(statement, "[]").await;
    assert!(matches!(&reply, Err(HostError::Backend { code, .. }) if code == "SQLITE_NOMEM"), "{reply:?}");
}

#[tokio::test]
async fn a_statement_that_fills_the_memory_is_stopped() {
    let _alone = HEAP.write().await;
    let bench = Bench::with_heap(None);
    assert_fills_the_memory(&bench).await;
    assert!(bench.query("SELECT 1", "[]").await.is_ok());
}

#[tokio::test]
async fn whoever_fills_the_memory_is_stopped_and_nobody_else() {
    let _alone = HEAP.write().await;
    let bench = Bench::with_heap(None);
    let modest =
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT count(*) FROM n";
    let hogs = async {
        for _ in 0..5 {
            assert_fills_the_memory(&bench).await;
        }
    };
    let modest = async {
        for _ in 0..5 {
            assert_eq!(bench.query(modest, "[]").await.expect("it takes next to nothing").rows, "[[3000000]]");
        }
    };
    tokio::join!(hogs, modest);
}
