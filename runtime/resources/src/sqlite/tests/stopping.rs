use super::*;

const ENDLESS: &str = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
const ENDLESS_WRITE: &str = "INSERT INTO history WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                             SELECT x FROM n WHERE x < 1";

/// The least of a few, because a busy machine adds to it and nothing takes away.
async fn overshoot(bench: &mut Bench, write: bool) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        bench.deadline_in = Duration::from_millis(60);
        let started = Instant::now();
        let reply = if write {
            bench.write(ENDLESS_WRITE, "[]").await
        } else {
            bench.query(ENDLESS, "[]").await.map(|rows| rows.row_count)
        };
        assert!(matches!(reply, Err(HostError::Timeout(_))), "{reply:?}");
        least = least.min(started.elapsed().saturating_sub(bench.deadline_in));
    }
    least
}

#[tokio::test]
async fn an_endless_query_ends_at_its_deadline() {
    let mut bench = Bench::new().await;
    let late = overshoot(&mut bench, false).await;
    assert!(late < Duration::from_millis(50), "{late:?}");
}

#[tokio::test]
async fn an_endless_write_ends_at_its_deadline_and_leaves_nothing() {
    let mut bench = Bench::new().await;
    let late = overshoot(&mut bench, true).await;
    assert!(late < Duration::from_millis(50), "{late:?}");
    bench.deadline_in = Duration::from_secs(20);
    assert_eq!(bench.query("SELECT count(*) FROM history", "[]").await.expect("rows").rows, "[[3]]");
    assert_eq!(bench.write("DELETE FROM history", "[]").await, Ok(3));
}

#[tokio::test]
async fn dropped_calls_are_interrupted_and_give_their_connections_back() {
    let bench = Bench::new().await;
    {
        let running = (0..READ_CONNECTIONS).map(|_| bench.query(ENDLESS, "[]"));
        let mut running: Vec<_> = running.map(Box::pin).collect();
        for call in &mut running {
            assert!(timeout(Duration::from_millis(30), call.as_mut()).await.is_err());
        }
    }
    // Without the interrupt the four would hold every connection for the 20 s of their deadline.
    let started = Instant::now();
    assert_eq!(bench.query("SELECT 1", "[]").await.expect("rows").rows, "[[1]]");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn waiting_for_a_connection_ends_at_the_deadline() {
    let mut bench = Bench::new().await;
    bench.deadline_in = Duration::from_millis(400);
    let busy: Vec<_> =
        (0..READ_CONNECTIONS).map(|_| bench.request(SqlVerb::Query, StatementClass::Read, ENDLESS, "[]")).collect();
    let mut last = bench.request(SqlVerb::Query, StatementClass::Read, "SELECT 1", "[]");
    last.deadline = tokio::time::Instant::now() + Duration::from_millis(100);
    let mut busy: Vec<_> = busy.into_iter().map(|request| Box::pin(bench.perform(request))).collect();
    for call in &mut busy {
        assert!(timeout(Duration::from_millis(1), call.as_mut()).await.is_err());
    }
    assert!(matches!(bench.perform(last).await, Err(HostError::Timeout(text)) if text.contains("no connection")));
}

#[tokio::test]
async fn a_lock_of_another_process_is_waited_for_within_the_deadline() {
    let mut bench = Bench::new().await;
    let other = rusqlite::Connection::open(bench.dir.path().join("orders.db")).expect("open");
    other.execute_batch("BEGIN EXCLUSIVE").expect("lock");
    bench.deadline_in = Duration::from_millis(150);
    let reply = bench.write("DELETE FROM history", "[]").await;
    assert!(matches!(reply, Err(HostError::Timeout(_) | HostError::Unavailable(_))), "{reply:?}");
    other.execute_batch("ROLLBACK").expect("unlock");
    bench.deadline_in = Duration::from_secs(20);
    assert_eq!(bench.write("DELETE FROM history", "[]").await, Ok(3));
}

#[tokio::test]
async fn a_deadline_that_has_passed_runs_nothing() {
    let mut bench = Bench::new().await;
    bench.deadline_in = Duration::ZERO;
    assert!(matches!(bench.write("DELETE FROM history", "[]").await, Err(HostError::Timeout(_))));
    bench.deadline_in = Duration::from_secs(20);
    assert_eq!(bench.query("SELECT count(*) FROM history", "[]").await.expect("rows").rows, "[[3]]");
}
