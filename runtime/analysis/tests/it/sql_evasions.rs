//! Ways to talk a statement out of its class, one row each. Every row was a way past some database, proxy or parser.

use airlock_analysis::{
    Dialect::{self, Mysql, Postgres, Sqlite},
    ReadFunctionError, ReadFunctions, classify, classify_with,
};
use airlock_model::StatementClass::{self, Admin, Forbidden, Read, Session, Write};

const EVERY: &[Dialect] = &Dialect::ALL;

fn class(dialect: Dialect, text: &str) -> Option<StatementClass> {
    classify(dialect, text).ok().map(|report| report.class)
}

/// Of this class, or not understood at all.
fn at_worst(dialects: &[Dialect], wanted: StatementClass, texts: &[&str]) {
    for dialect in dialects {
        for text in texts {
            let found = class(*dialect, text);
            assert!(found.is_none() || found == Some(wanted), "{dialect}: {text:?} is {found:?}");
        }
    }
}

fn exactly(dialects: &[Dialect], wanted: Option<StatementClass>, texts: &[&str]) {
    for dialect in dialects {
        for text in texts {
            assert_eq!(class(*dialect, text), wanted, "{dialect}: {text:?}");
        }
    }
}

/// What a guest may never do; a class that can run (read, write, ddl) would be one too many.
fn never_runs(dialects: &[Dialect], texts: &[&str]) {
    for dialect in dialects {
        for text in texts {
            let found = class(*dialect, text);
            let runs = matches!(found, Some(Read | Write | StatementClass::Ddl));
            assert!(!runs, "{dialect}: {text:?} is {found:?}");
        }
    }
}

fn never_reads(dialects: &[Dialect], texts: &[&str]) {
    for dialect in dialects {
        for text in texts {
            assert_ne!(class(*dialect, text), Some(Read), "{dialect}: {text:?}");
        }
    }
}

#[test]
fn destruction_is_forbidden_however_it_is_spelt() {
    exactly(
        EVERY,
        Some(Forbidden),
        &[
            "drop table t",
            "DROP\tTABLE\r\nt",
            "\n\n  drop table if exists t",
            "drop /* a */ table -- b\n t",
            "/* a */ drop table t;;",
            "drop table \"t\"",
            "drop table s.t",
        ],
    );
    exactly(&[Sqlite, Mysql], Some(Forbidden), &["drop table `t`"]);
    exactly(&[Mysql], Some(Forbidden), &["drop temporary table t"]);
    exactly(
        &[Postgres, Mysql],
        Some(Forbidden),
        &["drop database d", "drop schema s", "truncate t", "truncate table s.t"],
    );
    exactly(
        &[Postgres],
        Some(Forbidden),
        &[
            "drop schema s cascade",
            "drop table a, b, \"C d\" restrict",
            "truncate only t restart identity cascade",
            "truncate table \"T\", u",
            "drop/*/**/*/table t",
            "drop materialized view v cascade",
        ],
    );
    exactly(&[Sqlite], Some(Forbidden), &["drop table [t]"]);
    at_worst(EVERY, Forbidden, &["drop table", "drop table t u", "drop\u{a0}table t", "drop table t; select 1"]);
    never_runs(
        &[Postgres],
        &[
            "drop owned by app",
            "drop owned by current_user cascade",
            "drop table U&\"\\0074\"",
            "drop table U&\"!0074\" uescape '!'",
            "drop foreign table t",
            "drop tablespace t",
            "drop extension e cascade",
            "reassign owned by a to b",
            "do $$ begin drop table t; end $$",
            "do language plpgsql 'begin drop table t; end'",
            "execute p",
            "call destroy()",
            "prepare p as delete from t",
        ],
    );
    exactly(EVERY, None, &["select 1; drop table t", "select 1;drop table t;", "commit; drop table t; begin"]);
}

#[test]
fn writes_hide_in_queries() {
    exactly(
        &[Postgres],
        Some(Write),
        &[
            "with a as (insert into t values (1) returning *) select 1",
            "with a as (update t set b = 1 returning *) select * from a",
            "with a as materialized (delete from t returning *) table a",
            "select * from (with a as (delete from t returning *) select * from a) b",
            "select (with a as (delete from t returning *) select count(*) from a)",
            "select 1 where exists (with a as (delete from t returning *) select 1 from a)",
            "explain analyze delete from t",
            "explain (analyze true) delete from t",
            "explain (verbose, analyze) with a as (delete from t returning *) select * from a",
            "select * from t for update",
            "select * from t for share of t skip locked",
            "(select * from t for update) union all select 1",
        ],
    );
    exactly(&[Postgres], Some(StatementClass::Ddl), &["select * into t from u", "select 1 as a into temp t"]);
    never_reads(
        &[Postgres],
        &[
            "select 1 into unlogged table t",
            "select * from t for no key update nowait",
            "select * from t for key share",
            "explain analyze create table t as select 1",
            "explain execute p",
            "create table t as select 1",
            "copy t to stdout",
            "copy (select 1) to program 'id'",
            "copy (delete from t returning *) to stdout",
            "refresh materialized view v",
            "import foreign schema a from server b into c",
            "load 'library'",
        ],
    );
}

/// sqlparser takes two tokens behind `TABLE name`, whatever they are.
#[test]
fn a_table_command_swallows_nothing() {
    for dialect in [Postgres, Mysql] {
        exactly(&[dialect], Some(Read), &["table t", "table s.t;", "select 1 union table t", "table s.t order by 1"]);
        exactly(&[dialect], Some(Write), &["table s.t for update"]);
        never_runs(
            &[dialect],
            &[
                "table t ; commit",
                "table t for update",
                "table t into x",
                "select 1 union table t for update",
                "select 1 union table t ; commit",
                "with a as (table t for update) select 1",
                "select * from (table t) x",
            ],
        );
    }
}

#[test]
fn postgresql_sessions_are_never_touched() {
    never_runs(
        &[Postgres],
        &[
            "set transaction read write",
            "set session authorization postgres",
            "set role postgres",
            "set search_path = evil",
            "set time zone 'utc'",
            "set local work_mem = '1GB'",
            "reset all",
            "reset role",
            "begin",
            "begin read write",
            "start transaction",
            "commit",
            "commit and chain",
            "end",
            "rollback",
            "abort",
            "savepoint a",
            "release savepoint a",
            "rollback to savepoint a",
            "prepare transaction 'a'",
            "commit prepared 'a'",
            "prepare p as select 1",
            "deallocate all",
            "declare c cursor with hold for select 1",
            "fetch all from c",
            "move 1 from c",
            "close all",
            "listen c",
            "unlisten *",
            "notify c, 'x'",
            "discard all",
            "lock table t in exclusive mode",
            "lock t",
            "checkpoint",
            "vacuum",
            "analyze",
            "cluster t",
            "reindex table t",
            "security label on table t is 'x'",
            "\\! id",
            "\\copy t to 'x'",
            "select 1 \\g | id",
        ],
    );
}

#[test]
fn mysql_sessions_are_never_touched() {
    never_runs(
        &[Mysql],
        &[
            "set @a = 1",
            "set global general_log = 1",
            "set names gbk",
            "lock tables t write",
            "unlock tables",
            "flush tables",
            "kill 1",
            "shutdown",
            "handler t open",
            "load data infile '/etc/passwd' into table t",
            "do sleep(1)",
            "prepare p from 'drop table t'",
            "execute p",
            "change master to master_host = 'a'",
            "install plugin p soname 'x'",
        ],
    );
}

#[test]
fn sqlite_sessions_are_never_touched() {
    never_runs(
        &[Sqlite],
        &[
            "attach 'x' as y",
            "attach database ':memory:' as y",
            "detach y",
            "pragma writable_schema(1)",
            "pragma main.journal_mode = wal",
            "vacuum",
            "vacuum into 'x'",
            "begin immediate",
            "end",
            "savepoint a",
            "reindex",
            "analyze",
        ],
    );
}

/// Calls that act, or reach where a read must not.
const EFFECTS: &[&str] = &[
    "nextval('s')",
    "setval('s', 1)",
    "set_config('a', 'b', false)",
    "pg_advisory_lock(1)",
    "pg_try_advisory_xact_lock(1)",
    "pg_notify('c', 'x')",
    "pg_sleep(1)",
    "pg_sleep_for('1 hour')",
    "pg_read_file('/etc/passwd')",
    "pg_read_binary_file('x')",
    "pg_ls_dir('.')",
    "pg_stat_file('x')",
    "lo_create(0)",
    "lo_import('/etc/passwd')",
    "lo_export(1, '/tmp/x')",
    "lo_get(1)",
    "lo_open(1, 131072)",
    "lowrite(1, 'x')",
    "query_to_xml('delete from t', true, true, '')",
    "query_to_xml_and_xmlschema('select 1', true, true, '')",
    "cursor_to_xml('c', 1, true, true, '')",
    "table_to_xml('secrets', true, true, '')",
    "schema_to_xml('public', true, true, '')",
    "database_to_xml(true, true, '')",
    "ts_stat('delete from t')",
    "ts_rewrite('a'::tsquery, 'select 1')",
    "txid_current()",
    "pg_current_xact_id()",
    "pg_export_snapshot()",
    "pg_logical_emit_message(false, 'a', 'b')",
    "pg_logical_slot_get_changes('s', null, null)",
    "pg_create_logical_replication_slot('s', 'p')",
    "pg_drop_replication_slot('s')",
    "pg_terminate_backend(1)",
    "pg_cancel_backend(1)",
    "pg_reload_conf()",
    "pg_rotate_logfile()",
    "pg_switch_wal()",
    "pg_stat_reset()",
    "pg_import_system_collations('public')",
    "binary_upgrade_set_next_pg_type_oid(1)",
    "fmgr_c_validator(1)",
    "dblink('host=a', 'select 1')",
    "dblink_exec('delete from t')",
    "inet_server_addr()",
    "random()",
    "setseed(0.5)",
];

/// Everywhere that an expression or a table function can stand, and every way to write its name.
fn everywhere(call: &str) -> Vec<String> {
    let name = call.split('(').next().expect("a name");
    let quoted = call.replacen(name, &format!("\"{name}\""), 1);
    vec![
        format!("select {call}"),
        format!("select pg_catalog.{call}"),
        format!("select PG_CATALOG . {}", call.to_uppercase()),
        format!("select {quoted}"),
        format!("select \"pg_catalog\".{quoted}"),
        format!("select {}", call.replacen('(', "/**/ (", 1)),
        format!("select * from {call}"),
        format!("select * from {call} as f(a)"),
        format!("select * from rows from ({call}) with ordinality"),
        format!("select * from t, lateral {call} x"),
        format!("select case when a then {call} end from t"),
        format!("select a from t where {call} is not null"),
        format!("select a from t order by {call}"),
        format!("select a from t group by {call}"),
        format!("select a from t group by grouping sets ((a), ({call}))"),
        format!("select sum(a) over (partition by {call}) from t"),
        format!("select sum(a) over (w rows {call} preceding) from t window w as (order by a)"),
        format!("select sum(a) over w from t window w as (order by {call})"),
        format!("select string_agg(a, b order by {call}) from t"),
        format!("select percentile_cont(0.5) within group (order by {call}) from t"),
        format!("select a[{call}], array[{call}], row({call}), ({call}).x from t"),
        format!("select * from t limit {call}"),
        format!("select * from t offset {call}"),
        format!("select * from t fetch first ({call}) rows only"),
        format!("select distinct on ({call}) a from t"),
        format!("select * from t join u on {call} = 1"),
        format!("select * from t tablesample bernoulli ({call})"),
        format!("values ({call})"),
        format!("with a as (select {call}) select 1"),
        format!("explain analyze select {call}"),
        format!("select xmlelement(name a, xmlattributes({call} as b))"),
        format!("select xmlforest({call} as b)"),
        format!("select xmlroot(x, version {call})"),
        format!("select xmlserialize(content {call} as text)"),
        format!("select xmlexists({call} passing x)"),
        format!("select xmlexists('a' passing by ref {call})"),
        format!("select num_nulls(variadic {call})"),
        format!("select collation for ({call})"),
        format!("select row(1) *= row({call})"),
        format!("select a from json_table({call}, '$' columns (a int path '$'))"),
        format!("select extract(year from {call})"),
        format!("select substring(a from {call} for 2), overlay(a placing {call} from 1) from t"),
        format!("select trim(both {call} from a), position({call} in a) from t"),
        format!("select {call} at time zone 'utc', cast({call} as text), {call}::text collate \"C\""),
        format!("select a from t where a between {call} and 2 or a in ({call}) or a like {call} escape {call}"),
        format!("select a from t where a = any (select {call}) or a is distinct from {call}"),
    ]
}

#[test]
fn postgresql_functions_with_effects_are_no_reads() {
    for text in EFFECTS.iter().flat_map(|call| everywhere(call)) {
        never_reads(&[Postgres], &[&text]);
    }
}

/// Each was run on PostgreSQL 15.18, and took effect.
#[test]
fn postgresql_calls_functions_without_parentheses() {
    never_reads(
        &[Postgres],
        &[
            "select x.nextval from regclass('s') x",
            "select \"x\".\"nextval\" from regclass('s') as \"x\"",
            "select x.lo_create from generate_series(99999, 99999) x",
            "select x.pg_advisory_lock from unnest(array[7]) as x",
            "select 1 from regclass('s') x order by x.nextval",
            "select ('s'::regclass).nextval",
            "select (x).nextval from regclass('s') x",
        ],
    );
    // Functions that need no argument, or two, cannot be called so: these are columns.
    exactly(&[Postgres], Some(Read), &["select h.random, h.setval, h.version, (h).pg_notify from h"]);
}

#[test]
fn user_defined_names_are_unknown() {
    never_reads(
        &[Postgres],
        &[
            "select public.lower('A')",
            "select \"Lower\"('A')",
            "select \"coalesce\"(1)",
            "select pg_catalog.\"coalesce\"(1)",
            "select pg_temp.lower('A')",
            "select a.b.lower('A')",
            "select 1 operator(public.+) 2",
            "select 1 +@ 2",
            "select 1 =@ 2",
            "select @#@ 2",
            "select * from app.lower('A')",
            "select l\u{43e}wer('A')",
        ],
    );
    exactly(
        &[Postgres],
        Some(Read),
        &["select pg_catalog.lower('A'), \"lower\"('A'), 1 operator(pg_catalog.+) 2, @ -1"],
    );
}

#[test]
fn what_lexers_could_read_in_two_ways_is_refused() {
    exactly(
        EVERY,
        None,
        &[
            "select 1\0",
            "select 'a",
            "select \"a",
            "select /* a",
            "select\u{2003}1",
            "select\u{b}1",
            "select x'0g'",
            "select x'\\', nextval('s'), '",
        ],
    );
    exactly(&[Postgres, Sqlite], None, &["select 1a from t", "select 1 from t where a = 1or b = 2"]);
    exactly(
        &[Postgres],
        None,
        &[
            "select $1and 2",
            "select $a",
            "select $1$ a $1$",
            "select $$ a",
            "select $a$ b $A$",
            "select $\u{e9}$ a $e$",
            "select /* /* */ 1",
            "select 'a\\'",
            "select n'a\\', b'",
            "select 'a\\'' || nextval($$s$$) || '",
            "select u&'a\\', 'b'",
            "select U&\"a\"",
            "select u & \"a\", u&\"b\"",
            "select E'a' \n 'b\\'' || nextval($$s$$) --'",
            "select b\"a\"",
            "select 1e'a\\'b'",
            "select 1 @/* ' */ || nextval('s') -- '",
            "select b'01\\', nextval($$s$$), '",
        ],
    );
    exactly(
        &[Mysql],
        None,
        &[
            "select /*!50000 sleep(1) */ 1",
            "select 1 /*! from t */",
            "select /*M!100 sleep(1) */ 1",
            "select 1 --",
            "select 1 --\u{1}sleep(1)",
            "select 'a\\' or sleep(1) -- '",
            "select \"a\\\" or sleep(1) -- \"",
            "select n'a\\' or sleep(1) -- '",
            "select 1 @;delete from t",
            "select @(select sleep(1))",
        ],
    );
    exactly(
        &[Sqlite],
        None,
        &[
            "select [a]], load_extension('x')]",
            "select $a('), load_extension('x') --')",
            "select $a::b('x')",
            "select 1 /* /* */ */",
            "select n'a'",
        ],
    );
    // Their deny twins: the same constructs where every lexer agrees.
    exactly(
        EVERY,
        Some(Read),
        &["select 1 -- a\n", "select 'a''b', \"c\" from t", "select x'0f' /* a */", "select 1 - -1"],
    );
    exactly(
        &[Postgres],
        Some(Read),
        &[
            "select $1 + $2, $$a$$, $a$ $b$ $a$, E'\\'', U&'\\0061', 'a\\b', n'a', b'01', /* /* */ */ 1",
            "select 'a' -- b\n 'c'",
            "select a$$b$$ from t",
            "select 1 <> -1, 1<-1, a->>'b', a @> b, 2*-1 from t",
        ],
    );
    exactly(
        &[Mysql],
        Some(Read),
        &["select 1 # ' or sleep(1)", "select 1 -- ' or sleep(1)", "select `a``b`, 'a\\n' from t"],
    );
    exactly(&[Sqlite], Some(Read), &["select [a b], `c`, \"d\", ?1, :a, @b, $c from t"]);
}

#[test]
fn mysql_has_more_ways_out() {
    never_reads(
        &[Mysql],
        &[
            "select a into outfile '/tmp/x' from t",
            "select a from t into outfile '/tmp/x' fields terminated by ','",
            "select a from t into dumpfile '/tmp/x'",
            "select load_file('/etc/passwd')",
            "select @a := 1",
            "select @a := @a + 1 from t",
            "select a into @b from t",
            "select sleep(1)",
            "select benchmark(1, 1)",
            "select get_lock('a', 1)",
            "select release_all_locks()",
            "select master_pos_wait('a', 1)",
            "select last_insert_id(1)",
            "select extractvalue(1, concat(0x7e, version()))",
            "select /*+ set_var(sql_mode = '') */ 1",
            "select * from t procedure analyse()",
            "select * from t lock in share mode",
            "select * from t for share",
            "table t for update",
            "explain analyze delete from t",
        ],
    );
}

#[test]
fn sqlite_reaches_itself_through_tables_and_functions() {
    never_reads(
        &[Sqlite],
        &[
            "select * from pragma_table_info('t')",
            "select * from pragma_journal_mode('wal')",
            "select * from main.pragma_user_version",
            "select name from t join pragma_function_list using (name)",
            "select load_extension('x')",
            "select writefile('a', 'b')",
            "select readfile('a')",
            "select edit('a')",
            "select fts3_tokenizer('a')",
            "select * from sqlite_dbpage",
            "select * from dbstat('main')",
            "delete from t returning a",
            "insert into t values (1) returning a",
            "update t set a = 1 returning a",
            "replace into t values (1)",
            "with a as (select 1) delete from t",
            "insert into t select 1 on conflict do update set a = 1",
        ],
    );
}

#[test]
fn transactions_do_not_leave_in_chains() {
    for dialect in EVERY {
        for text in ["commit; delete from t; begin", "select 1; commit", "begin; select 1", "select 1;;;commit"] {
            assert_eq!(class(*dialect, text), None, "{dialect}: {text}");
        }
        assert_eq!(class(*dialect, "commit"), Some(Session));
    }
}

#[test]
fn operators_of_a_database_list_functions_that_read() {
    let judge = |listed: &ReadFunctions, text: &str| {
        classify_with(Postgres, text, listed).map(|report| report.class).expect("parsed")
    };
    let listed = ReadFunctions::new(Postgres, ["total", "app.balance", "app.Odd", "random"]).expect("names");
    for text in [
        "select total(1), app.balance(2), APP.Balance(2), app.\"Odd\"(1)",
        "select random(), pg_catalog.lower('A')",
        "select * from app.balance(1)",
    ] {
        assert_eq!(judge(&listed, text), Read, "{text}");
        assert_ne!(judge(&ReadFunctions::NONE, text), Read, "{text}");
    }
    for text in [
        "select app.total(1)",
        "select balance(1)",
        "select public.balance(1)",
        "select app.odd(1)",
        "select \"Total\"(1)",
        "select other.random()",
        "select total(nextval('s'))",
    ] {
        assert_eq!(judge(&listed, text), Write, "{text}");
    }
    for name in ["nextval", "pg_catalog.pg_sleep", "pg_read_file", "table_to_xml", "txid_current", "lo_create"] {
        let refused = ReadFunctions::new(Postgres, [name]);
        assert_eq!(refused, Err(ReadFunctionError::Acts { name: name.to_owned() }));
    }
    for name in ["", ".", "a.", ".b", "a.b.c", "a b", "f()", "\"f\"", "f;", "a\0", &"x".repeat(64)] {
        assert_eq!(ReadFunctions::new(Postgres, [name]), Err(ReadFunctionError::Name { name: name.to_owned() }));
    }
    let mysql = ReadFunctions::new(Mysql, ["Total"]).expect("a name");
    assert_eq!(classify_with(Mysql, "select TOTAL(1)", &mysql).map(|report| report.class), Ok(Read));
}

#[test]
fn mysql_calls_other_functions_by_a_builtin_name() {
    // Run on MariaDB 10.11 with stored functions of these names: all three ran the stored one.
    never_reads(
        &[Mysql],
        &["select `now`()", "select now ()", "select count /* x */ (*) from t", "select `if`(1, 2, 3)"],
    );
    never_reads(&[Mysql], &["select substring ('a', 1)", "select trim\n('a')", "select `substring`('a', 1)"]);
    exactly(
        &[Mysql],
        Some(Read),
        &["select now(), count(*), trim(both 'x' from 'y') from t where a in (1) and (b = 2)"],
    );
}

#[test]
fn mysql_tells_nothing_of_itself() {
    exactly(
        &[Mysql],
        Some(Admin),
        &[
            "show grants",
            "show tables",
            "show create view v",
            "show create table t",
            "show warnings",
            "show status",
            "select @@hostname",
            "select 1 from t where @@global.datadir like 'a%'",
            "select current_user",
            "select CURRENT_ROLE from t",
            "select * from information_schema.processlist",
            "select * from `Information_Schema`.`USER_PRIVILEGES`",
            "select * from information_schema.global_variables",
            "select (select host from mysql.user limit 1)",
            "select * from performance_schema.threads",
            "with x as (select * from sys.session) select * from x",
            "table mysql.user",
        ],
    );
    never_reads(&[Mysql], &["select user()", "select database()", "select session_user()", "select schema()"]);
    exactly(
        &[Mysql],
        Some(Read),
        &[
            "select * from information_schema.tables",
            "select column_name from INFORMATION_SCHEMA.`columns` where table_name = ?",
            "select `current_user`, `@@hostname` from t",
            "show columns from t",
            "describe t",
        ],
    );
}
