//! PostgreSQL as the judge: whatever is classed a read changes nothing when an ordinary role runs it on the read path.
//!
//! `AIRLOCK_SQL_CORPUS=DIR` adds the statements of `DIR/postgresql_regress_labelled.jsonl`; `AIRLOCK_SQL_DIFFERENTIAL` says how many
//! statements the grammar makes up.

mod grammar;

use airlock_analysis::{Dialect, classify};
use airlock_model::StatementClass;
use airlock_tests::postgres::Cluster;
use grammar::Grammar;
use tokio_postgres::{Client, NoTls};

/// No statement of one's own accord: what then changes was changed by a statement under test.
const QUIET: &[&str] = &["autovacuum=off", "wal_level=minimal", "max_wal_senders=0", "checkpoint_timeout=1d"];

/// The role may change everything, so that only the class and the read-only transaction stand in the way.
const SETUP: &str = "
    create table items (id int primary key, name text, price numeric, tags text[], doc jsonb, at timestamptz default now());
    insert into items select n, 'item ' || n, n * 1.5, array['a', 'b'], '{\"a\": 1}', now() from generate_series(1, 50) n;
    create sequence counter;
    create view cheap as select * from items where price < 10;
    create function touch() returns int language sql volatile as 'insert into items (id) values (nextval(''counter'')) returning id';
    select lo_from_bytea(4711, 'abc');
    create role app login;
    grant all on all tables in schema public to app;
    grant all on all sequences in schema public to app;
    grant all on large object 4711 to app;
    vacuum freeze;
    checkpoint;";

/// Everything that a statement could leave behind, seen by the superuser.
const STATE: &str = "select md5(concat_ws('|',
    (select string_agg(c::text, ',' order by oid) from pg_class c),
    (select string_agg(p::text, ',' order by oid) from pg_proc p),
    (select string_agg(a::text, ',' order by attrelid, attnum) from pg_attribute a),
    (select string_agg(r::text, ',' order by oid) from pg_authid r),
    (select string_agg(s::text, ',') from pg_db_role_setting s),
    (select string_agg(i::text, ',' order by id) from items i),
    (select last_value::text || is_called from counter),
    (select string_agg(m::text, ',' order by oid) from pg_largeobject_metadata m),
    (select string_agg(l::text, ',' order by loid, pageno) from pg_largeobject l),
    (select string_agg(s::text, ',') from pg_replication_slots s),
    (select count(*)::text from pg_locks where locktype = 'advisory'),
    (select string_agg(x::text, ',') from pg_prepared_xacts x),
    pg_snapshot_xmax(pg_current_snapshot())::text,
    pg_current_wal_insert_lsn()::text))";

/// What a statement could leave behind in the session that ran it.
const SESSION: &str = "select md5(concat_ws('|',
    (select string_agg(name || '=' || setting, ',' order by name) from pg_settings),
    (select string_agg(name, ',') from pg_cursors where name <> ''),
    (select string_agg(l, ',') from pg_listening_channels() l),
    current_user, session_user, pg_backend_pid()))";

/// A value of each common type, so that functions do more than answer null with null.
const SAMPLES: &[(&str, &str)] = &[
    ("integer", "1"),
    ("bigint", "1::bigint"),
    ("smallint", "1::smallint"),
    ("numeric", "1.5::numeric"),
    ("real", "1.5::real"),
    ("double precision", "0.5::float8"),
    ("boolean", "true"),
    ("text", "'items'::text"),
    ("character varying", "'items'::varchar"),
    ("character", "'a'::bpchar"),
    ("\"char\"", "'a'::\"char\""),
    ("name", "'items'::name"),
    ("cstring", "'1'::cstring"),
    ("bytea", "'abc'::bytea"),
    ("oid", "4711::oid"),
    ("regclass", "'counter'::regclass"),
    ("xid", "'3'::xid"),
    ("json", "'{\"a\": 1}'::json"),
    ("jsonb", "'{\"a\": 1}'::jsonb"),
    ("xml", "'<a/>'::xml"),
    ("date", "'2024-01-01'::date"),
    ("interval", "'1 hour'::interval"),
    ("timestamp without time zone", "'2024-01-01'::timestamp"),
    ("timestamp with time zone", "'2024-01-01'::timestamptz"),
    ("tsquery", "'a'::tsquery"),
    ("tsvector", "'a'::tsvector"),
    ("text[]", "array['a']"),
    ("integer[]", "array[1]"),
    ("anyelement", "1"),
    ("anyarray", "array[1]"),
    ("\"any\"", "1"),
];

/// Statements over the tables of [`SETUP`].
const READS: &[&str] = &[
    "select * from items order by price desc limit 5",
    "table items",
    "select count(*), avg(price), string_agg(name, ',' order by id) from items group by id % 3 having count(*) > 1",
    "with recursive n(x) as (select 1 union all select x + 1 from n where x < 20) select * from n join items on id = x",
    "with gone as (select * from items) select * from gone where name like 'item 1%'",
    "select row_number() over (partition by id % 2 order by price), lag(price) over w from items window w as (order by id)",
    "select doc -> 'a', doc @> '{\"a\": 1}', tags && array['a'], doc #>> '{a}' from cheap",
    "select * from generate_series(1, 3) g, lateral (select * from items where id = g) i",
    "explain (analyze, buffers) select * from items where id = 7",
    "select xmlelement(name item, xmlattributes(id as id), name) from items",
    "select num_nulls(variadic tags), collation for (name) from items",
    "select i.name, (i).price, items.doc from items i cross join items",
    "select * from items where at > now() - interval '1 day' and name = any (array['item 1'])",
    "select relname from pg_class where relkind = 'r' and pg_table_is_visible(oid)",
    "select current_setting('search_path'), version(), txid_current_if_assigned()",
    "values (1, 'a'), (2, 'b')",
    "show search_path",
];

struct Bench {
    _server: Cluster,
    owner: Client,
    app: Client,
}

impl Bench {
    async fn start() -> Self {
        let server = Cluster::start(&[], QUIET);
        let owner = connect(&server, "postgres").await;
        for statement in SETUP.split(";\n") {
            owner.batch_execute(statement).await.expect(statement);
        }
        let app = connect(&server, "app").await;
        app.batch_execute("set statement_timeout = '10s'").await.expect("set");
        Self { _server: server, owner, app }
    }

    /// As the read path runs it; answers whether PostgreSQL did.
    async fn read(&self, statement: &str) -> bool {
        self.app.batch_execute("begin read only; select 1").await.expect("a transaction");
        let ran = self.app.query(statement, &[]).await.is_ok();
        self.app.batch_execute("rollback").await.expect("the connection still lives");
        ran
    }

    async fn state(&self) -> (String, String) {
        let digest = |row: tokio_postgres::Row| row.get::<_, String>(0);
        let state = self.owner.query_one(STATE, &[]).await.expect("the state");
        (digest(state), digest(self.app.query_one(SESSION, &[]).await.expect("the session")))
    }

    /// A call of every built-in function, by every signature.
    async fn calls(&self) -> Vec<String> {
        let signatures = "select proname, proretset, array(select format_type(t, null) from unnest(proargtypes) with ordinality a (t, n)
            order by n) from pg_proc where pronamespace = 'pg_catalog'::regnamespace and prokind <> 'p'";
        let rows = self.owner.query(signatures, &[]).await.expect("the functions");
        let sample = |kind: &String| {
            let found = SAMPLES.iter().find(|(name, _)| name == kind);
            found.map_or_else(|| format!("null::{kind}"), |(_, value)| (*value).to_owned())
        };
        let call = |row: &tokio_postgres::Row| {
            let arguments = row.get::<_, Vec<String>>(2).iter().map(sample).collect::<Vec<_>>();
            let call = format!("{}({})", row.get::<_, String>(0), arguments.join(", "));
            [format!("select {call}"), format!("select * from {call}")]
        };
        let attributes = |row: &tokio_postgres::Row| {
            let kinds: Vec<String> = row.get(2);
            let value = kinds.first().filter(|_| kinds.len() == 1).map(sample)?;
            let name = row.get::<_, String>(0);
            Some([format!("select ({value}).{name}"), format!("select x.{name} from unnest(array[{value}]) x")])
        };
        rows.iter().flat_map(|row| call(row).into_iter().chain(attributes(row).into_iter().flatten())).collect()
    }
}

async fn connect(server: &Cluster, user: &str) -> Client {
    let mut config = tokio_postgres::Config::new();
    config.host_path(server.dir()).port(server.port()).user(user).dbname("postgres");
    let (client, connection) = config.connect(NoTls).await.expect("the role may log in");
    tokio::spawn(connection);
    client
}

fn is_read(statement: &str) -> bool {
    classify(Dialect::Postgres, statement).is_ok_and(|report| report.class == StatementClass::Read)
}

#[expect(clippy::disallowed_methods, reason = "where the corpus lies is up to whoever runs the test")]
fn corpus() -> Vec<String> {
    let Ok(dir) = std::env::var("AIRLOCK_SQL_CORPUS") else { return Vec::new() };
    let path = std::path::Path::new(&dir).join("postgresql_regress_labelled.jsonl");
    let text = std::fs::read_to_string(path).expect("the statements");
    let sql = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok()?["sql"].as_str().map(str::to_owned);
    text.lines().filter_map(sql).collect()
}

/// Runs those that are classed reads, and gives how many PostgreSQL ran.
async fn change_nothing(bench: &Bench, statements: &[String]) -> usize {
    let mut ran = 0;
    let before = bench.state().await;
    for batch in statements.chunks(100) {
        for statement in batch {
            ran += usize::from(bench.read(statement).await);
        }
        assert_eq!(bench.state().await, before, "one of these changed something: {batch:#?}");
    }
    ran
}

#[tokio::test]
async fn nothing_that_is_classed_a_read_changes_a_postgresql() {
    let bench = Bench::start().await;
    let mut statements: Vec<String> = READS.iter().map(|text| (*text).to_owned()).collect();
    assert!(statements.iter().all(|statement| is_read(statement)), "the plain ones are reads");
    statements.extend(bench.calls().await);
    statements.extend(corpus());
    let all = statements.len();
    statements.retain(|statement| is_read(statement));
    let ran = change_nothing(&bench, &statements).await;
    println!("{} of {all} statements are reads; PostgreSQL ran {ran} of them, and nothing changed", statements.len());
    assert!(ran > 1_000, "only {ran} statements ran");
}

#[expect(clippy::disallowed_methods, reason = "how long it may take is up to whoever runs the test")]
fn made_up() -> usize {
    std::env::var("AIRLOCK_SQL_DIFFERENTIAL").map_or(6_000, |count| count.parse().expect("a number"))
}

/// The classifier against the server itself, on statements that nobody wrote.
#[tokio::test]
async fn nothing_that_a_grammar_makes_up_passes_for_a_read_and_changes_a_postgresql() {
    let bench = Bench::start().await;
    bench.app.batch_execute("set statement_timeout = '2s'").await.expect("set");
    let mut calls = bench.calls().await;
    // Scalar calls that mostly are reads: those that are none stand in the grammar itself.
    calls.retain(|call| {
        call.starts_with("select ") && !call.contains(" from ") && (is_read(call) || call.contains("pg_"))
    });
    let mut grammar = Grammar::new(0x5eed, &calls);
    let count = made_up();
    let mut reads: Vec<String> = (0..count).map(|_| grammar.statement()).collect();
    reads.retain(|statement| is_read(statement));
    let ran = change_nothing(&bench, &reads).await;
    println!(
        "{} of {count} made-up statements are reads; PostgreSQL ran {ran} of them, and nothing changed",
        reads.len()
    );
    assert!(ran > count / 100, "only {ran} statements ran");
}

/// The oracle can fail: these change something on the very same path.
#[tokio::test]
async fn the_oracle_sees_what_a_read_only_transaction_lets_through() {
    let bench = Bench::start().await;
    for statement in [
        "select lo_create(0)",
        "select pg_advisory_lock(1)",
        "select x.pg_advisory_lock from unnest(array[7]) x",
        "select pg_logical_emit_message(false, 'a', 'b')",
        "select txid_current()",
    ] {
        assert!(!is_read(statement), "{statement}");
        let before = bench.state().await;
        assert!(bench.read(statement).await, "{statement}");
        assert_ne!(bench.state().await, before, "{statement}");
    }
    assert!(!bench.read("select nextval('counter')").await && !bench.read("select touch()").await);
}
