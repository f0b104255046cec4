//! Every statement that is known to get something past a READ ONLY transaction, sent past the analysis as a read.

use airlock_model::{HostError, StatementClass};
use airlock_tests::postgres::{Client, Postgres, statement};
use serde_json::json;

/// What must be the same afterwards: rows, sequences, large objects, locks, slots, settings of the role, tables.
const STATE: &str = "select (select string_agg(o::text, ',' order by id) from orders o), \
    (select last_value || is_called::text from ticket), (select count(*) from pg_largeobject_metadata), \
    (select count(*) from pg_locks where locktype = 'advisory'), (select count(*) from pg_replication_slots), \
    (select string_agg(setconfig::text, ',') from pg_db_role_setting), \
    (select count(*) from pg_class where relnamespace <> 11), (select count(*) from pg_proc)";

/// With the SQLSTATE or the part of the message that stops it; none where it runs and leaves nothing.
const STATEMENTS: [(&str, &str); 48] = [
    ("set transaction read write", "returns columns"),
    ("set session characteristics as transaction read write", "returns columns"),
    ("select set_config('default_transaction_read_only', 'off', false)", ""),
    ("select set_config('transaction_read_only', 'off', false)", "25001"),
    ("select lo_create(0)", "42501"),
    ("select lo_creat(-1)", "42501"),
    ("select lo_from_bytea(0, 'x')", "42501"),
    ("select lo_import('/etc/hostname')", "42501"),
    ("select lo_unlink(1)", "42501"),
    ("select pg_logical_emit_message(false, 'a', 'b')", "42501"),
    ("select pg_logical_emit_message(true, 'a', 'b')", "42501"),
    ("notify ch, 'x'", "returns columns"),
    ("listen ch", "returns columns"),
    ("select pg_notify('ch', 'x')", "42501"),
    ("select pg_advisory_lock(1)", "42501"),
    ("select pg_advisory_lock(1, 2)", "42501"),
    ("select pg_try_advisory_lock_shared(1)", "42501"),
    ("select pg_advisory_xact_lock(1)", "42501"),
    ("select pg_terminate_backend(pg_backend_pid())", "42501"),
    ("select pg_terminate_backend(pid) from pg_stat_activity", "42501"),
    ("select pg_cancel_backend(pg_backend_pid())", "42501"),
    ("select txid_current()", "42501"),
    ("select pg_current_xact_id()", "42501"),
    ("select pg_export_snapshot()", "42501"),
    ("select * from pg_read_file('/etc/hostname') f", "42501"),
    ("select pg_ls_dir('/')", "42501"),
    ("select pg_reload_conf()", "42501"),
    ("select pg_switch_wal()", "42501"),
    ("select pg_create_physical_replication_slot('s')", "42501"),
    ("select pg_stat_reset()", "42501"),
    ("select nextval('ticket')", "42501"),
    ("select add_order('eve')", "read"),
    ("insert into orders values (9, 'eve', 0) returning id", "read"),
    ("with w as (delete from orders returning id) select * from w", "read"),
    ("explain analyze update orders set total = 0", "read"),
    ("select * from orders for update", "read"),
    ("create temp table t (a int)", "returns columns"),
    ("create table t as select 1", "returns columns"),
    ("select 1 into t", "returns columns"),
    ("do $$ begin insert into orders values (9, 'eve', 0); end $$", "returns columns"),
    ("call commit_midway()", "returns columns"),
    ("declare c cursor for select 1", "returns columns"),
    ("prepare p as select 1", "returns columns"),
    ("commit", "returns columns"),
    ("rollback", "returns columns"),
    ("copy orders to stdout", "returns columns"),
    ("lock table orders in access exclusive mode", "returns columns"),
    ("commit; insert into orders values (9, 'eve', 0); begin", "42601"),
];

fn shows(error: &HostError, wanted: &str) -> bool {
    let code = match error {
        HostError::Backend { code, .. } => code.as_str(),
        _ => "",
    };
    code == wanted || error.to_string().contains(wanted)
}

#[tokio::test]
async fn nothing_that_calls_itself_a_read_changes_anything() {
    let server = Postgres::start();
    // One connection, so that what one statement leaves behind the next would find.
    let client = server.client("connections_max = 1");
    let before = server.sql(STATE);
    for (text, wanted) in STATEMENTS {
        match client.read(text, json!([])).await {
            Err(error) => assert!(!wanted.is_empty() && shows(&error, wanted), "{text}: {error:?}"),
            Ok(rows) => assert!(wanted.is_empty(), "{text}: {rows:?}"),
        }
        server.wait_until_idle().await;
        assert_eq!(server.sql(STATE), before, "{text}");
        assert_eq!(client.rows("show default_transaction_read_only", json!([])).await, json!([["on"]]), "{text}");
    }
}

/// The same through `execute`, where statements without columns run: only rollback, roles and READ ONLY are left.
#[tokio::test]
async fn nothing_without_columns_gets_through_the_role_either() {
    let server = Postgres::start();
    let client = server.client("connections_max = 1");
    let before = server.sql(STATE);
    let statements = [
        "drop table orders",
        "truncate orders",
        "create table t (a int)",
        "create temp table t (a int)",
        "alter table orders add column x int",
        "select drop_orders()",
        "do $$ begin execute 'drop table orders'; end $$",
        "call commit_midway()",
        "grant all on orders to public",
        "alter role shop_writer_rq superuser",
        "create role mine",
        "copy orders to program 'id > /tmp/x'",
        "copy orders to '/tmp/x'",
        "commit",
        "rollback",
        "begin",
        "savepoint s",
        "set role shop_owner",
        "set session authorization postgres",
        "reindex table orders",
        "vacuum orders",
        "checkpoint",
        "load 'auto_explain'",
        "alter system set work_mem = '1GB'",
        "create extension dblink",
        "listen ch",
        "set search_path = pg_temp",
        "set default_transaction_read_only = on",
        "prepare p as select 1",
    ];
    for text in statements {
        let ended = client.write(text, json!([])).await;
        server.wait_until_idle().await;
        assert_eq!(server.sql(STATE), before, "{text}: {ended:?}");
        let clean = client.write("update orders set total = total where id = 1", json!([])).await;
        assert_eq!(clean, Ok(1), "{text}: {ended:?}");
    }
    assert_eq!(server.sql("select count(*) from pg_stat_activity where application_name = 'airlock' and wait_event is null and state = 'active'"), "0");
}

#[tokio::test]
async fn a_class_that_is_no_read_or_change_is_never_sent() {
    let server = Postgres::start();
    let client: Client = server.client("operations = ['read']");
    for class in [StatementClass::Write, StatementClass::Ddl, StatementClass::Session, StatementClass::Admin] {
        let refused = client.perform(statement(class, "select 1", &json!([]))).await;
        assert!(matches!(refused, Err(HostError::Denied { .. })), "{class:?}: {refused:?}");
    }
    assert_eq!(server.sql("select count(*) from pg_stat_activity where application_name = 'airlock'"), "0");
}
