use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use airlock_model::{EnvironmentName, Limit, Rows, SqlVerb};
use tokio::sync::{RwLock, RwLockReadGuard};

use super::*;
use crate::{BindingConfig, Network, Permitted, Resources, Sources, StopNotice};

mod caps;
mod refusals;
mod stopping;
mod transactions;

/// SQLite's heap is one for the process: the test that fills it must be alone.
static HEAP: RwLock<()> = RwLock::const_new(());

const SCHEMA: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, customer INTEGER NOT NULL
        REFERENCES customers(id) ON DELETE CASCADE, total REAL NOT NULL CHECK (total >= 0));
    CREATE TABLE history (what TEXT);
    CREATE TRIGGER orders_added AFTER INSERT ON orders BEGIN INSERT INTO history VALUES ('order ' || new.id); END;
    INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace');
    INSERT INTO orders (customer, total) VALUES (1, 10.5), (1, 20), (2, 7);
";

struct Bench {
    dir: tempfile::TempDir,
    resources: Resources,
    environment: EnvironmentName,
    deadline_in: Duration,
    _heap: Option<RwLockReadGuard<'static, ()>>,
}

impl Bench {
    async fn new() -> Self {
        Self::with_heap(Some(HEAP.read().await))
    }

    fn with_heap(heap: Option<RwLockReadGuard<'static, ()>>) -> Self {
        heap::claim();
        let dir = tempfile::tempdir().expect("directory");
        rusqlite::Connection::open(dir.path().join("orders.db")).expect("open").execute_batch(SCHEMA).expect("schema");
        let resources = bind(&dir, "orders.db", "['read', 'write', 'ddl']");
        let environment = "dev".parse().expect("name");
        Self { dir, resources, environment, deadline_in: Duration::from_secs(20), _heap: heap }
    }

    fn request(&self, verb: SqlVerb, class: StatementClass, statement: &str, parameters: &str) -> SqlRequest {
        SqlRequest {
            resource: "orders".parse().expect("name"),
            tenant: "acme".parse().expect("name"),
            verb,
            class,
            statement: statement.to_owned(),
            parameters: parameters.to_owned(),
            affected_max: None,
            connection_by: tokio::time::Instant::now() + self.deadline_in,
            deadline: tokio::time::Instant::now() + self.deadline_in,
            rows_max: 1_000,
            bytes_max: 1 << 20,
            stop: StopNotice::default(),
        }
    }

    async fn perform(&self, request: SqlRequest) -> Result<HostReply, HostError> {
        self.resources.perform(&self.environment, Permitted::Sql(request)).await.reply
    }

    async fn query(&self, statement: &str, parameters: &str) -> Result<Rows, HostError> {
        match self.perform(self.request(SqlVerb::Query, StatementClass::Read, statement, parameters)).await? {
            HostReply::Rows(rows) => Ok(rows),
            other => panic!("{other:?}"),
        }
    }

    async fn execute(&self, class: StatementClass, statement: &str, parameters: &str) -> Result<u64, HostError> {
        match self.perform(self.request(SqlVerb::Execute, class, statement, parameters)).await? {
            HostReply::Affected(count) => Ok(count),
            other => panic!("{other:?}"),
        }
    }

    async fn write(&self, statement: &str, parameters: &str) -> Result<u64, HostError> {
        self.execute(StatementClass::Write, statement, parameters).await
    }

    /// Every file of the directory with its content.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(self.dir.path()).expect("directory");
        let content = |entry: std::fs::DirEntry| {
            (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("file"))
        };
        entries.map(|entry| content(entry.expect("entry"))).collect()
    }
}

fn bind(dir: &tempfile::TempDir, file: &str, operations: &str) -> Resources {
    let path = dir.path().join(file);
    let text = format!("engine = 'sqlite'\npath = '{}'\noperations = {operations}", path.display());
    let config: BindingConfig = toml::from_str(&text).expect("syntax");
    let binding = config.resolve(&Sources { read_env: &|_| None, allow_inline: false }).expect("valid");
    let mut resources = Resources::new();
    resources
        .add("orders".parse().expect("name"), "dev".parse().expect("name"), binding, &Network::default())
        .expect("first");
    resources
}

#[tokio::test]
async fn rows_carry_every_type_without_loss() {
    let bench = Bench::new().await;
    let rows = bench
        .query(
            "SELECT 1, -9007199254740991, 9007199254740992, -9223372036854775808, 1.5, 2.0, 0.1, 'a\"b', x'00ff', NULL, 9e999, -9e999",
            "[]",
        )
        .await
        .expect("rows");
    let expected = "[[1,-9007199254740991,\"9007199254740992\",\"-9223372036854775808\",1.5,2.0,0.1,\"a\\\"b\",\"AP8=\",null,\
                    \"Infinity\",\"-Infinity\"]]";
    assert_eq!(rows.rows, expected);
    assert_eq!((rows.row_count, rows.truncated), (1, false));
}

#[tokio::test]
async fn columns_name_their_declared_type() {
    let bench = Bench::new().await;
    let rows = bench.query("SELECT id, total AS t, total * 2 FROM orders WHERE 0", "[]").await.expect("rows");
    let columns: Vec<_> = rows.columns.iter().map(|c| (c.name.as_str(), c.database_type.as_str())).collect();
    assert_eq!(columns, [("id", "INTEGER"), ("t", "REAL"), ("total * 2", "")]);
    assert_eq!(rows.rows, "[]");
}

#[tokio::test]
async fn parameters_are_data_whatever_they_say() {
    let bench = Bench::new().await;
    for text in
        ["O'Hara", "'; DROP TABLE orders; --", "\" OR 1=1 --", "x\\'", "\u{0}after", "%_", "1); DELETE FROM orders; --"]
    {
        let parameters = serde_json::to_string(&[text]).expect("json");
        assert_eq!(bench.write("INSERT INTO customers (name) VALUES (?)", &parameters).await, Ok(1), "{text:?}");
        let rows = bench.query("SELECT name FROM customers WHERE name = ?1", &parameters).await.expect("rows");
        let read: Vec<Vec<String>> = serde_json::from_str(&rows.rows).expect("json");
        assert_eq!(read, [[text]]);
    }
    assert_eq!(bench.query("SELECT count(*) FROM orders", "").await.expect("rows").rows, "[[3]]");
}

#[tokio::test]
async fn bound_values_keep_their_type() {
    let bench = Bench::new().await;
    let rows = bench
        .query(
            "SELECT typeof(?), typeof(?), typeof(?), typeof(?), typeof(?), hex(?)",
            r#"[null, true, 2, 2.0, "2", {"$bytes": "AP8="}]"#,
        )
        .await
        .expect("rows");
    assert_eq!(rows.rows, r#"[["null","integer","integer","real","text","00FF"]]"#);
}

#[tokio::test]
async fn writes_count_rows_and_run_triggers_and_foreign_keys() {
    let bench = Bench::new().await;
    assert_eq!(bench.write("INSERT INTO orders (customer, total) VALUES (2, 1), (2, 2)", "[]").await, Ok(2));
    assert_eq!(bench.query("SELECT count(*) FROM history", "[]").await.expect("rows").rows, "[[5]]");
    assert_eq!(bench.write("UPDATE orders SET total = total + ? WHERE customer = 2", "[1]").await, Ok(3));
    assert_eq!(bench.write("DELETE FROM customers WHERE id = 2", "[]").await, Ok(1));
    assert_eq!(bench.query("SELECT count(*) FROM orders", "[]").await.expect("rows").rows, "[[2]]");
}

#[tokio::test]
async fn schema_changes_run_under_their_own_class() {
    let bench = Bench::new().await;
    for statement in [
        "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)",
        "ALTER TABLE notes ADD COLUMN stars INTEGER NOT NULL DEFAULT 0 CHECK (stars >= 0)",
        "ALTER TABLE notes RENAME COLUMN text TO body",
        "CREATE INDEX notes_by_stars ON notes (stars)",
        "DROP INDEX notes_by_stars",
        "ALTER TABLE notes DROP COLUMN stars",
        "ALTER TABLE notes RENAME TO remarks",
        "CREATE VIEW names AS SELECT name FROM customers",
        "CREATE TABLE copied AS SELECT * FROM customers",
        "ALTER TABLE orders RENAME TO purchases",
    ] {
        assert_eq!(bench.execute(StatementClass::Ddl, statement, "[]").await, Ok(0), "{statement}");
    }
    assert_eq!(bench.write("INSERT INTO remarks (body) VALUES ('x')", "[]").await, Ok(1));
    assert_eq!(bench.query("SELECT count(*) FROM copied, names", "[]").await.expect("rows").rows, "[[4]]");
}

#[tokio::test]
async fn backend_errors_have_a_code_and_a_clean_text() {
    let bench = Bench::new().await;
    let cases = [
        ("INSERT INTO customers VALUES (1, 'x')", "SQLITE_CONSTRAINT_PRIMARYKEY", "customers.id"),
        ("INSERT INTO customers VALUES (9, 'Ada')", "SQLITE_CONSTRAINT_UNIQUE", "customers.name"),
        ("INSERT INTO customers VALUES (9, NULL)", "SQLITE_CONSTRAINT_NOTNULL", "customers.name"),
        ("INSERT INTO orders (customer, total) VALUES (1, -1)", "SQLITE_CONSTRAINT_CHECK", "total"),
        ("INSERT INTO orders (customer, total) VALUES (99, 1)", "SQLITE_CONSTRAINT_FOREIGNKEY", "FOREIGN KEY"),
        ("INSERT INTO nowhere VALUES (1)", "SQLITE_ERROR", "no such table"),
        ("INSRT INTO orders", "SQLITE_ERROR", "syntax error"),
        ("INSERT INTO customers (name) VALUES (\"misspelt\")", "SQLITE_ERROR", "misspelt"),
    ];
    for (statement, expected, part) in cases {
        match bench.write(statement, "[]").await {
            Err(HostError::Backend { code, message }) => {
                assert_eq!(code, expected, "{statement}: {message}");
                assert!(message.contains(part) && !message.contains("orders.db"), "{statement}: {message}");
            }
            other => panic!("{statement}: {other:?}"),
        }
    }
    assert_eq!(bench.write("INSERT INTO customers VALUES (3, 'Alan')", "[]").await, Ok(1));
}

#[tokio::test]
async fn a_missing_database_is_unavailable_and_stays_missing() {
    let mut bench = Bench::new().await;
    bench.resources = bind(&bench.dir, "nowhere.db", "['read', 'write']");
    for reply in [bench.query("SELECT 1", "[]").await.map(|_| 0), bench.write("DELETE FROM t", "[]").await] {
        match reply {
            Err(HostError::Unavailable(text)) => assert!(!text.contains("nowhere"), "{text}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.files().into_keys().collect::<Vec<_>>(), ["orders.db"]);
}
