use super::*;
use crate::TransactionMode::{self, Read, Write};

const CHANGE: &str = "UPDATE orders SET total = total + 1 WHERE id = 1";
const TOTAL: &str = "SELECT total FROM orders WHERE id = 1";

impl Bench {
    async fn begin(&self, mode: TransactionMode) -> Result<crate::Transaction, HostError> {
        self.begin_as("acme", mode, self.deadline_in).await
    }

    async fn begin_as(
        &self,
        tenant: &str,
        mode: TransactionMode,
        connection_in: Duration,
    ) -> Result<crate::Transaction, HostError> {
        let now = tokio::time::Instant::now();
        let request = BeginRequest {
            resource: "orders".parse().expect("name"),
            tenant: tenant.parse().expect("name"),
            mode,
            connection_by: now + connection_in,
            deadline: now + self.deadline_in,
        };
        self.resources.begin(&self.environment, request).await
    }

    fn change(&self) -> SqlRequest {
        self.request(SqlVerb::Execute, StatementClass::Write, CHANGE, "[]")
    }

    async fn total(&self) -> String {
        self.query(TOTAL, "[]").await.expect("rows").rows
    }
}

#[tokio::test]
async fn a_dropped_transaction_undoes_its_changes_and_gives_its_connection_back() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        let (transaction, performed) = bench.begin(Write).await.expect("begun").perform(bench.change()).await;
        assert_eq!(performed.reply, Ok(HostReply::Affected(1)));
        drop(transaction.expect("it goes on"));
    }
    // The write connection is one: this waits for all of them.
    assert_eq!(bench.write(CHANGE, "[]").await, Ok(1));
    assert_eq!(bench.total().await, "[[11.5]]");
}

#[tokio::test]
async fn no_tenant_holds_every_reading_connection() {
    let bench = Bench::new().await;
    let mut held = Vec::new();
    while let Ok(transaction) = bench.begin_as("acme", Read, Duration::from_millis(50)).await {
        held.push(transaction);
        assert!(held.len() < 6, "one is left");
    }
    assert_eq!(held.len(), 5);
    assert!(bench.begin_as("globex", Read, Duration::from_secs(30)).await.is_ok(), "for the others");
}

#[tokio::test]
async fn a_statement_whose_caller_goes_away_ends_the_transaction() {
    let bench = Bench::new().await;
    let transaction = bench.begin(Write).await.expect("begun");
    let (transaction, _) = transaction.perform(bench.change()).await;
    let endless = "INSERT INTO history WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n \
                   WHERE x < 1";
    let running =
        transaction.expect("it goes on").perform(bench.request(SqlVerb::Execute, StatementClass::Write, endless, "[]"));
    assert!(timeout(Duration::from_millis(50), running).await.is_err());
    assert_eq!(bench.write("DELETE FROM history", "[]").await, Ok(3));
    assert_eq!(bench.total().await, "[[10.5]]");
}

#[tokio::test]
async fn a_reading_transaction_sees_the_state_at_its_beginning_and_writes_nothing() {
    let bench = Bench::new().await;
    let other = rusqlite::Connection::open(bench.dir.path().join("orders.db")).expect("open");
    other.pragma_update(None, "journal_mode", "wal").expect("WAL");
    let reading = bench.begin(Read).await.expect("begun");
    assert_eq!(bench.write(CHANGE, "[]").await, Ok(1));
    let (reading, performed) = reading.perform(bench.request(SqlVerb::Query, StatementClass::Read, TOTAL, "[]")).await;
    assert!(matches!(performed.reply, Ok(HostReply::Rows(rows)) if rows.rows == "[[10.5]]"));
    let (reading, performed) = reading.expect("it goes on").perform(bench.change()).await;
    assert!(reading.is_none() && matches!(performed.reply, Err(HostError::Denied { .. })), "{performed:?}");
    assert_eq!(bench.total().await, "[[11.5]]");
}

#[tokio::test]
async fn a_read_stays_a_read_in_a_transaction_that_writes() {
    let bench = Bench::new().await;
    for disguised in ["DELETE FROM orders RETURNING id", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ATTACH ':memory:' AS e"]
    {
        let request = bench.request(SqlVerb::Query, StatementClass::Read, disguised, "[]");
        let (transaction, performed) = bench.begin(Write).await.expect("begun").perform(request).await;
        assert!(transaction.is_none() && performed.reply.is_err(), "{disguised}: {performed:?}");
        let request = bench.request(SqlVerb::Execute, StatementClass::Write, disguised, "[]");
        let (transaction, performed) = bench.begin(Write).await.expect("begun").perform(request).await;
        assert!(transaction.is_none() && performed.reply.is_err(), "{disguised}: {performed:?}");
    }
    let (transaction, _) = bench.begin(Write).await.expect("begun").perform(bench.change()).await;
    let soon = tokio::time::Instant::now() + bench.deadline_in;
    assert_eq!(transaction.expect("it goes on").commit(soon).await.reply, Ok(HostReply::Ended));
    assert_eq!(bench.query("SELECT count(*), sum(total) FROM orders", "[]").await.expect("rows").rows, "[[3,38.5]]");
}

#[tokio::test]
async fn another_writers_lock_is_unavailable_and_not_waited_for_without_end() {
    let bench = Bench::new().await;
    let other = rusqlite::Connection::open(bench.dir.path().join("orders.db")).expect("open");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock");
    let begun = bench.begin(Write).await.map(drop);
    assert!(matches!(&begun, Err(HostError::Unavailable(text)) if text.contains("another writer")), "{begun:?}");
    other.execute_batch("ROLLBACK").expect("unlock");
    assert!(bench.begin(Write).await.is_ok());
    let mut bench = bench;
    bench.resources = bind(&bench.dir, "orders.db", "['read']");
    assert!(matches!(bench.begin(Write).await.map(drop), Err(HostError::Denied { .. })), "no write connection at all");
}
