use super::*;

const ATTEMPTS: [&str; 46] = [
    // Measured against `query_only` and `mode=ro` (readonly_measured.md).
    "PRAGMA query_only=0",
    "PRAGMA journal_mode=wal",
    "ATTACH '{dir}/other.db' AS e",
    "ATTACH ':memory:' AS e",
    "ATTACH '' AS e",
    "VACUUM INTO '{dir}/copy.db'",
    "VACUUM",
    "CREATE TEMP TABLE t (x)",
    "CREATE TEMP TABLE t AS SELECT * FROM orders",
    "CREATE TEMP VIEW v AS SELECT 1",
    "PRAGMA writable_schema=1",
    "PRAGMA locking_mode=exclusive",
    "PRAGMA temp_store_directory='{dir}'",
    // The session.
    "BEGIN",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT s",
    "RELEASE s",
    "DETACH main",
    // Pragmas, as statements and as tables.
    "PRAGMA trusted_schema=1",
    "PRAGMA foreign_keys=0",
    "PRAGMA user_version=7",
    "PRAGMA database_list",
    "pragma/**/Table_Info(orders)",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_info('orders')",
    "SELECT * FROM dbstat",
    // Functions with effects.
    "SELECT load_extension('{dir}/x.so')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT writefile('{dir}/copy.db', 'x')",
    "SELECT readfile('{dir}/orders.db')",
    "SELECT edit('x')",
    "SELECT sqlite_compileoption_used('X')",
    // Objects that are destroyed, or that hide code.
    "DROP TABLE orders",
    "drop /* */ table if exists \"orders\"",
    "CREATE TRIGGER t AFTER INSERT ON customers BEGIN DELETE FROM orders; END",
    "DROP TRIGGER orders_added",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "ANALYZE",
    // The schema as a table.
    "UPDATE sqlite_master SET sql = 'x'",
    "DELETE FROM sqlite_schema",
    "INSERT INTO sqlite_master VALUES ('table', 't', 't', 2, '')",
    "DELETE FROM sqlite_sequence",
];

async fn assert_all_refused(verb: SqlVerb, class: StatementClass) {
    let bench = Bench::new().await;
    let before = bench.files();
    for attempt in ATTEMPTS {
        let statement = attempt.replace("{dir}", &bench.dir.path().to_string_lossy());
        let reply = bench.perform(bench.request(verb, class, &statement, "[]")).await;
        assert!(reply.is_err(), "{attempt}: {reply:?}");
        assert!(!matches!(reply, Err(HostError::Unavailable(_) | HostError::Timeout(_))), "{attempt}: {reply:?}");
        assert_eq!(bench.files(), before, "{attempt}");
    }
    // The connection is as good as before.
    assert_eq!(bench.query("SELECT count(*) FROM orders", "[]").await.expect("rows").rows, "[[3]]");
    assert_eq!(bench.write("UPDATE orders SET total = 1", "[]").await, Ok(3));
}

#[tokio::test]
async fn the_read_connection_refuses_every_known_trick() {
    assert_all_refused(SqlVerb::Query, StatementClass::Read).await;
}

#[tokio::test]
async fn the_write_connection_refuses_every_known_trick() {
    assert_all_refused(SqlVerb::Execute, StatementClass::Write).await;
}

#[tokio::test]
async fn the_write_connection_refuses_every_known_trick_to_schema_changes_too() {
    assert_all_refused(SqlVerb::Execute, StatementClass::Ddl).await;
}

#[tokio::test]
async fn denials_name_what_was_denied() {
    let bench = Bench::new().await;
    for (statement, part) in [
        ("ATTACH 'x' AS e", "ATTACH"),
        ("PRAGMA query_only=0", "PRAGMA `query_only`"),
        ("SELECT load_extension('x')", "`load_extension`"),
        ("INSERT INTO orders (customer, total) VALUES (1, 1) RETURNING id", "INSERT into `orders`"),
        ("WITH x AS (SELECT 1) DELETE FROM orders RETURNING id", "DELETE from `orders`"),
        ("DROP TABLE orders", "DELETE from `sqlite_master`"),
    ] {
        match bench.query(statement, "[]").await {
            Err(HostError::Denied { reason, rule, .. }) => {
                assert_eq!(reason, "statement_refused");
                assert!(rule.contains(part), "{statement}: {rule}");
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
    assert_eq!(bench.query("SELECT count(*) FROM orders", "[]").await.expect("rows").rows, "[[3]]");
}

#[tokio::test]
async fn each_class_does_its_own_work_and_no_other() {
    let bench = Bench::new().await;
    let refused = |reply: Result<u64, HostError>| matches!(reply, Err(HostError::Denied { .. }));
    assert!(refused(bench.write("CREATE TABLE t (x)", "[]").await));
    assert_eq!(bench.execute(StatementClass::Ddl, "CREATE INDEX by_name ON customers (name)", "[]").await, Ok(0));
    assert!(refused(bench.write("DROP INDEX by_name", "[]").await));
    assert!(refused(bench.write("ALTER TABLE customers ADD COLUMN x", "[]").await));
    assert!(refused(bench.execute(StatementClass::Ddl, "DELETE FROM orders", "[]").await));
    assert!(refused(bench.execute(StatementClass::Ddl, "INSERT INTO history VALUES (1)", "[]").await));
    for class in [StatementClass::Session, StatementClass::Admin, StatementClass::Forbidden] {
        assert!(refused(bench.execute(class, "DELETE FROM orders", "[]").await));
    }
}

#[tokio::test]
async fn a_binding_without_an_operation_has_no_connection_for_it() {
    let mut bench = Bench::new().await;
    bench.resources = bind(&bench.dir, "orders.db", "['read']");
    assert!(
        matches!(bench.write("DELETE FROM orders", "[]").await, Err(HostError::Denied { reason, .. }) if reason == "not_granted")
    );
    assert!(bench.query("SELECT 1", "[]").await.is_ok());
    bench.resources = bind(&bench.dir, "orders.db", "['write']");
    assert!(matches!(bench.query("SELECT 1", "[]").await, Err(HostError::Denied { .. })));
    assert_eq!(bench.write("DELETE FROM orders WHERE id = 1", "[]").await, Ok(1));
}

#[tokio::test]
async fn exactly_one_statement_a_call() {
    let bench = Bench::new().await;
    for statement in [
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE orders",
        "SELECT 1;;; DELETE FROM orders",
        "",
        "-- nothing",
        ";",
        "SELECT 1\0; x",
    ] {
        assert!(bench.query(statement, "[]").await.is_err(), "{statement}");
    }
    assert!(bench.write("DELETE FROM orders WHERE 0; DELETE FROM orders", "[]").await.is_err());
    assert!(bench.query("SELECT 1; -- and a comment", "[]").await.is_ok());
    assert_eq!(bench.query("SELECT count(*) FROM orders", "[]").await.expect("rows").rows, "[[3]]");
}

#[tokio::test]
async fn the_wrong_verb_and_the_wrong_count_are_bad_requests() {
    let bench = Bench::new().await;
    let cases = [
        (SqlVerb::Query, StatementClass::Write, "DELETE FROM orders", "[]"),
        (SqlVerb::Execute, StatementClass::Read, "SELECT 1", "[]"),
        (SqlVerb::Execute, StatementClass::Write, "SELECT 1", "[]"),
        (SqlVerb::Execute, StatementClass::Write, "DELETE FROM orders RETURNING id", "[]"),
        (SqlVerb::Query, StatementClass::Read, "SELECT ?", "[]"),
        (SqlVerb::Query, StatementClass::Read, "SELECT ?", "[1, 2]"),
        (SqlVerb::Query, StatementClass::Read, "SELECT ?3", "[1]"),
        (SqlVerb::Query, StatementClass::Read, "SELECT 1", "{}"),
    ];
    for (verb, class, statement, parameters) in cases {
        let reply = bench.perform(bench.request(verb, class, statement, parameters)).await;
        assert!(matches!(reply, Err(HostError::BadRequest(_))), "{statement} {parameters}: {reply:?}");
    }
    assert_eq!(bench.query("SELECT count(*) FROM orders", "[]").await.expect("rows").rows, "[[3]]");
}
