//! Every statement that is known to get something past a READ ONLY transaction, sent past the analysis.

use airlock_analysis::{Dialect, classify};
use airlock_model::{HostError, StatementClass};
use airlock_tests::mariadb::{Mariadb, NAMES};
use serde_json::json;

/// What must be the same afterwards: rows, sequences, counters, tables, routines, accounts with their passwords and rights, locks.
const STATE: &str = "select (select group_concat(id, customer, total order by id) from orders), \
    (select group_concat(id, note) from plain), (select next_not_cached_value from ticket), \
    (select group_concat(table_name, coalesce(auto_increment, 0), create_time) from information_schema.tables \
     where table_schema not in ('information_schema', 'performance_schema')), \
    (select count(*) from information_schema.routines), (select md5(group_concat(user, host, priv)) from mysql.global_priv), \
    (select group_concat(user, db, select_priv, drop_priv) from mysql.db), is_free_lock('a'), @@global.sql_mode, \
    @@global.general_log, @@global.read_only";

/// Sent as reads. With the part of the answer that stops each; none where it runs and leaves nothing.
const READS: [(&str, &str); 75] = [
    ("select * from orders into outfile '/tmp/airlock-outfile'", "FILE privilege"),
    ("select 'x' into dumpfile '/tmp/airlock-outfile'", "FILE privilege"),
    ("select 1 into @v", "returns columns"),
    ("select @v := 1", ""),
    ("select /*!50000 nextval(ticket) */", "only reading"),
    ("select /*M!100000 nextval(ticket) */", "only reading"),
    ("/*!50000 set password = 'x' */", "begin like"),
    ("select * from orders for update", "only reading"),
    ("select * from orders lock in share mode", ""),
    ("select sleep(0)", ""),
    ("select benchmark(1, 1)", ""),
    ("select get_lock('a', 0)", ""),
    ("select release_all_locks()", ""),
    ("select load_file('/etc/hostname')", ""),
    ("select last_insert_id(5)", ""),
    ("select add_order('eve')", "only reading"),
    ("select is_uuid('eve')", "only reading"),
    ("select `now`()", "only reading"),
    ("select now ()", "only reading"),
    ("select nextval(ticket)", "only reading"),
    ("select next value for ticket", "only reading"),
    ("select setval(ticket, 100)", "only reading"),
    ("select * from orders procedure analyse()", ""),
    ("select 1; drop table orders", "42000"),
    ("values (1, 2)", ""),
    ("table orders", "42000"),
    ("explain select * from orders", ""),
    ("explain update orders set total = 0", "42000"),
    ("analyze select * from orders", "begin like"),
    ("analyze update orders set total = 0", "begin like"),
    ("analyze table orders", "begin like"),
    ("check table orders", "begin like"),
    ("optimize table orders", "begin like"),
    ("repair table plain", "begin like"),
    ("handler orders open", "begin like"),
    ("handler orders read first", "begin like"),
    ("do sleep(0)", "begin like"),
    ("call list_orders()", "begin like"),
    ("call commit_midway()", "begin like"),
    ("prepare s from 'select 1'", "begin like"),
    ("execute immediate 'drop table orders'", "begin like"),
    ("xa start 'a'", "begin like"),
    ("set @a = 1", "begin like"),
    ("set password = password('x')", "begin like"),
    ("alter user current_user() identified by 'x'", "begin like"),
    ("set session transaction read write", "begin like"),
    ("set transaction read write", "begin like"),
    ("set sql_mode = 'ANSI_QUOTES'", "begin like"),
    ("set global general_log = 1", "begin like"),
    ("set statement max_statement_time = 0 for select 1", "begin like"),
    ("begin", "begin like"),
    ("commit", "begin like"),
    ("start transaction read write", "begin like"),
    ("begin not atomic insert into orders values (9, 'eve', 0); end", "begin like"),
    ("insert into orders values (9, 'eve', 0) returning id", "begin like"),
    ("insert into plain values (9, 'eve') returning id", "begin like"),
    ("delete from orders returning id", "begin like"),
    ("load data local infile '/etc/passwd' into table plain", "begin like"),
    ("load data infile '/etc/passwd' into table plain", "begin like"),
    ("create table t (a int)", "begin like"),
    ("create temporary table t (a int)", "begin like"),
    ("drop table orders", "begin like"),
    ("truncate orders", "begin like"),
    ("flush tables with read lock", "begin like"),
    ("lock tables orders write", "begin like"),
    ("kill 1", "begin like"),
    ("use mysql", "begin like"),
    ("shutdown", "begin like"),
    ("show create table orders", ""),
    ("show processlist", "returns columns"),
    ("show master status", "42000"),
    ("select * from mysql.global_priv", "42000"),
    ("select extractvalue('<a/>', concat('/', (select customer from orders limit 1)))", "HY000"),
    ("with w as (select nextval(ticket)) select * from w", "only reading"),
    ("select * from cheap where (select add_order('eve')) = 1", "only reading"),
];

/// As changes, on the role that writes.
const CHANGES: [&str; 36] = [
    "drop table orders",
    "drop /**/ table `orders`",
    "drop database shopbase_rq",
    "truncate orders",
    "create table t (a int)",
    "create temporary table t (a int)",
    "alter table orders add x int",
    "rename table orders to gone",
    "create user eve",
    "grant all on *.* to current_user()",
    "set password = password('x')",
    "/* a */ set password = password('x')",
    "alter user current_user() identified by 'x'",
    "set default role none",
    "call drop_orders()",
    "call commit_midway()",
    "select add_order('eve')",
    "do add_order('eve')",
    "commit",
    "begin",
    "rollback",
    "savepoint s",
    "xa start 'a'",
    "set autocommit = 0",
    "set global general_log = 1",
    "flush tables with read lock",
    "flush privileges",
    "lock tables orders write",
    "kill 1",
    "shutdown",
    "install soname 'x'",
    "analyze table orders",
    "optimize table orders",
    "load data infile '/etc/passwd' into table plain",
    "insert into orders values (9, 'eve', 0) returning id",
    "insert into mysql.plugin values ('a', 'b')",
];

fn shows(error: &HostError, wanted: &str) -> bool {
    let code = match error {
        HostError::Backend { code, .. } => code.as_str(),
        _ => "",
    };
    code == wanted || error.to_string().contains(wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_calls_itself_a_read_changes_anything() {
    let server = Mariadb::start();
    // One connection, so that what one statement leaves behind the next would find.
    let client = server.client("connections_max = 1");
    // Even where somebody lets the account call functions.
    server.sql(&format!("grant execute, insert on `shopbase\\_rq`.* to {}@'%'", NAMES[0]));
    let before = server.sql(STATE);
    for (text, wanted) in READS {
        match client.read(text, json!([])).await {
            Err(error) => assert!(!wanted.is_empty() && shows(&error, wanted), "{text}: {error:?}"),
            Ok(rows) => assert!(wanted.is_empty(), "{text}: {rows:?}"),
        }
        // The next statement waits until this one's session has been reset.
        let clean = "select @@sql_mode like '%ANSI%', @@tx_read_only, @v, @a, @@autocommit, @@time_zone";
        assert_eq!(client.rows(clean, json!([])).await, json!([[0, 1, null, null, 1, "+00:00"]]), "{text}");
        assert_eq!(server.sql(STATE), before, "{text}");
    }
    assert!(!std::path::Path::new("/tmp/airlock-outfile").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_through_the_role_that_writes_either() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let before = server.sql(STATE);
    for text in CHANGES {
        let ended = client.write(text, json!([])).await;
        assert!(ended.is_err(), "{text}: {ended:?}");
        let clean = client.write("update orders set total = total where id = 1", json!([])).await;
        assert_eq!(clean, Ok(1), "{text}: {ended:?}");
        assert_eq!(server.sql(STATE), before, "{text}: {ended:?}");
    }
}

/// What analysis lets through as a read changes nothing, and what is here for another reason is none.
#[test]
fn analysis_takes_no_bypass_for_a_read() {
    const HARMLESS: [&str; 4] =
        ["values (1, 2)", "table orders", "explain select * from orders", "select is_uuid('eve')"];
    for (text, _) in READS {
        let is_read = classify(Dialect::Mysql, text).is_ok_and(|report| report.class == StatementClass::Read);
        // On MySQL `is_uuid` is built in; on MariaDB only the transaction and the account stop a function of that name.
        assert_eq!(is_read, HARMLESS.contains(&text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_no_read_or_change_is_never_sent() {
    let server = Mariadb::start();
    let client = server.client("operations = ['read']");
    for class in [StatementClass::Write, StatementClass::Ddl, StatementClass::Session, StatementClass::Admin] {
        let refused = client.perform(airlock_tests::mariadb::statement(class, "select 1", &json!([]))).await;
        assert!(matches!(refused, Err(HostError::Denied { .. })), "{class:?}: {refused:?}");
    }
    assert_eq!(server.sql("select count(*) from information_schema.processlist where user like 'shop%'"), "0");
}
