use airlock_analysis::{
    Dialect::{self, Mysql, Postgres, Sqlite},
    SqlRefusal, classify, fingerprint,
};
use airlock_model::StatementClass::{self, Admin, Ddl, Forbidden, Read, Session, Write};

fn class(dialect: Dialect, text: &str) -> StatementClass {
    classify(dialect, text).unwrap_or_else(|refusal| panic!("{dialect}: {text}: {refusal}")).class
}

fn all(dialects: &[Dialect], wanted: StatementClass, texts: &[&str]) {
    for dialect in dialects {
        for text in texts {
            assert_eq!(class(*dialect, text), wanted, "{dialect}: {text}");
        }
    }
}

fn refused(dialect: Dialect, text: &str) {
    let verdict = classify(dialect, text);
    assert!(matches!(verdict, Err(SqlRefusal::Unparsed { .. })), "{dialect}: {text}: {verdict:?}");
}

const EVERY: &[Dialect] = &Dialect::ALL;

#[test]
fn plain_reads_are_reads() {
    all(
        EVERY,
        Read,
        &[
            "select 1",
            "SELECT a, b FROM t WHERE a = 1 ORDER BY b LIMIT 10",
            "select count(*), max(a) from t group by b having count(*) > 1",
            "with x as (select a from t) select * from x join u on x.a = u.a",
            "select a from t union all select b from u",
            "select * from (select a from t) s where exists (select 1 from u)",
            "select upper(name), coalesce(a, 0) from t /* delete from t */ -- drop table t",
            "select 'drop table t; delete from t'",
            "explain select * from t",
            "values (1, 2)",
            "select 1;",
        ],
    );
    all(
        &[Postgres],
        Read,
        &[
            "select pg_catalog.lower('A'), now(), 'a' || b, a @> b, c ~* 'x', '{}'::jsonb -> 'a' from t",
            "select row_number() over (partition by a order by b) from t",
            "select * from generate_series(1, 10) g, lateral unnest(array[1, 2]) u",
            "explain (analyze, buffers) select 1",
            "select a from t union table orders",
        ],
    );
    all(
        &[Sqlite],
        Read,
        &[
            "select * from json_each('[1]')",
            "select name from sqlite_schema",
            "select a from t where b glob 'x*' and c match 'y'",
            "select \"drop table t\" from [delete]",
            "explain query plan select 1",
        ],
    );
}

#[test]
fn changes_of_rows_are_writes() {
    all(
        EVERY,
        Write,
        &[
            "insert into t values (1)",
            "insert into t select * from u",
            "update t set a = 1 where b = 2",
            "delete from t where a = 1",
            "explain delete from t where a = 1",
        ],
    );
    all(&[Sqlite, Mysql], Write, &["replace into t values (1)"]);
    all(&[Sqlite], Write, &["insert or replace into t values (1) returning a"]);
    all(
        &[Postgres],
        Write,
        &[
            "with gone as (delete from t returning *) select * from gone",
            "with a as (with b as (insert into t values (1) returning a) select * from b) select * from a",
            "select * from t for update",
            "select * from (select * from t for share) s",
            "merge into t using u on t.a = u.a when matched then delete",
            "explain (analyze) update t set a = 1",
            "explain analyze insert into t values (1)",
        ],
    );
    all(&[Mysql], Write, &["select * from t for update"]);
}

#[test]
fn functions_that_are_not_known_to_read_write() {
    all(EVERY, Write, &["select frobnicate(1)", "select * from t where a = other.lower('x')", "select abs(frob(1))"]);
    all(
        &[Postgres],
        Write,
        &[
            "select nextval('s')",
            "select NextVal('s')",
            "select \"nextval\"('s')",
            "select pg_catalog.setval('s', 1)",
            "select * from pg_ls_dir('.')",
            "select lo_create(0)",
            "select set_config('a', 'b', false)",
            "select pg_advisory_lock(1)",
            "select pg_sleep(10)",
            "select query_to_xml('delete from t', true, true, '')",
            "select table_to_xml('secrets', true, true, '')",
            "select txid_current()",
            "select \"LOWER\"('A')",
            "values (nextval('s'))",
            "select 1 limit nextval('s')",
            "select count(*) filter (where nextval('s') > 1) from t",
            "select sum(a) over (order by nextval('s')) from t",
            "select * from t tablesample system (nextval('s'))",
            "select a ||| b from t",
            "select a operator(public.+) b from t",
        ],
    );
    all(
        &[Sqlite],
        Write,
        &[
            "select load_extension('x')",
            "select writefile('a', 'b')",
            "select readfile('a')",
            "select edit('a')",
            "select fts3_tokenizer('a')",
            "select * from frob('a')",
        ],
    );
    all(
        &[Mysql],
        Write,
        &["select sleep(10)", "select get_lock('a', 1)", "select load_file('/etc/passwd')", "select benchmark(1, 1)"],
    );
}

/// Both were run on PostgreSQL 15.18: they advance the sequence.
#[test]
fn postgresql_calls_functions_through_attributes() {
    all(
        &[Postgres],
        Write,
        &["select ('s'::regclass).nextval", "select (x.a).nextval from (select 's'::regclass as a) x"],
    );
    all(&[Postgres], Read, &["select (a).b, (x.c).d[1].e from t x"]);
}

#[test]
fn schema_changes_are_ddl() {
    all(
        EVERY,
        Ddl,
        &[
            "create table t (a int)",
            "create table t as select 1 as a",
            "create index i on t (a)",
            "create view v as select 1 as a",
            "alter table t add column b int",
            "drop view v",
        ],
    );
    all(&[Sqlite, Postgres], Ddl, &["drop index i"]);
    all(&[Postgres], Admin, &["select into t from u"]);
    all(&[Postgres], Ddl, &["select * into t from u", "comment on table t is 'x'", "drop sequence s"]);
    all(&[Sqlite], Ddl, &["create virtual table f using fts5(a)"]);
}

#[test]
fn destruction_is_forbidden_in_every_spelling() {
    all(EVERY, Forbidden, &["drop table t", "DROP TABLE IF EXISTS \"t\"", "dRoP/**/tAbLe t"].map(|text| text));
    all(&[Mysql], Forbidden, &["create or replace table t (a int)"]);
    all(&[Postgres, Mysql], Forbidden, &["truncate table t", "drop schema s", "drop database d"]);
    all(&[Postgres], Forbidden, &["truncate t", "drop view v cascade", "drop table a, b cascade"]);
}

#[test]
fn session_and_administration_are_told_apart_from_work() {
    all(EVERY, Session, &["begin", "commit", "rollback", "savepoint a"]);
    all(
        &[Postgres],
        Session,
        &[
            "set transaction read write",
            "set session characteristics as transaction read write",
            "set local role postgres",
            "listen c",
            "notify c, 'x'",
            "declare c cursor for select 1",
            "prepare p as select 1",
            "discard all",
        ],
    );
    all(&[Sqlite], Session, &["pragma query_only = 0", "pragma user_version"]);
    all(&[Mysql], Session, &["select @a := 1", "use other", "lock tables t write"]);
    all(
        &[Sqlite],
        Admin,
        &[
            "attach 'x.db' as x",
            "vacuum",
            "select * from pragma_table_info('t')",
            "select * from \"PRAGMA_database_list\"",
            "select * from main.pragma_user_version",
            "select * from sqlite_dbpage",
            "select * from dbstat",
            "create virtual table x using csv(a)",
        ],
    );
    all(
        &[Postgres],
        Admin,
        &[
            "grant select on t to a",
            "copy t to '/tmp/x'",
            "call p()",
            "execute p",
            "create role a",
            "create function f() returns int language sql as 'select 1'",
            "vacuum t",
            "analyze t",
        ],
    );
}

#[test]
fn what_cannot_be_parsed_is_refused_with_its_place() {
    let Err(SqlRefusal::Unparsed { line, column, message }) = classify(Postgres, "select a\nfrom t wher b") else {
        panic!("accepted")
    };
    assert_eq!((line, column), (2, 13), "{message}");
    for text in ["vacuum into 'copy.db'", "reindex", "detach x", "selekt 1", "select 'open", "select /* open"] {
        assert!(class_or_refusal(Sqlite, text) != Ok(Read), "{text}");
    }
    for text in ["do $$ begin end $$", "drop owned by a", "select 1 end; delete from t"] {
        assert!(class_or_refusal(Postgres, text) != Ok(Read), "{text}");
    }
}

fn class_or_refusal(dialect: Dialect, text: &str) -> Result<StatementClass, SqlRefusal> {
    classify(dialect, text).map(|report| report.class)
}

#[test]
fn mysql_ways_out_of_a_select_are_never_reads() {
    for text in [
        "select a from t into outfile '/tmp/x'",
        "select a into outfile '/tmp/x' from t",
        "select a into dumpfile '/tmp/x' from t",
        "select a into @v from t",
        "select a from t into @v",
        "select a from t for update skip locked",
        "select a from t lock in share mode",
        "select /*+ set_var(sql_mode = '') */ a from t",
        "select /*!50000 sleep(1) */",
        "select a from t where b = 'it\\'s' and sleep(1) -- '",
        "table t into outfile '/tmp/x'",
        "handler t open",
        "do sleep(1)",
        "set @a = 1",
        "load data infile 'x' into table t",
        "select last_insert_id(5)",
        "select sys.ps_kill(1)",
    ] {
        assert!(class_or_refusal(Mysql, text) != Ok(Read), "{text}");
    }
}

#[test]
fn exactly_one_statement_is_taken() {
    for dialect in Dialect::ALL {
        for text in ["", " \n\t", ";", "-- nothing\n", "/* nothing */;;"] {
            assert_eq!(classify(dialect, text), Err(SqlRefusal::Empty), "{text:?}");
        }
        assert_eq!(classify(dialect, "select 1; delete from t"), Err(SqlRefusal::NotOneStatement { count: 2 }));
        assert_eq!(classify(dialect, "select 1;;select 2;"), Err(SqlRefusal::NotOneStatement { count: 2 }));
        assert_eq!(classify(dialect, "select 1\0; delete from t"), Err(SqlRefusal::NulByte));
    }
    // sqlparser alone would stop here without a word.
    refused(Postgres, "select 1 where a end; delete from t");
}

#[test]
fn comments_end_where_the_database_ends_them() {
    all(&[Postgres], Write, &["select 1 --\r+ nextval('s')", "select a from t --\r for update"]);
    all(&[Sqlite, Mysql], Read, &["select 1 --  \r+ frob('s')"]);
    assert_eq!(
        classify(Sqlite, "select 1 /* /* */ ; delete from t /* */"),
        Err(SqlRefusal::NotOneStatement { count: 2 })
    );
    all(&[Postgres], Read, &["select 1 /* /* */ ; delete from t */"]);
    refused(Mysql, "select 1 /*! + sleep(10) */");
    for verb in ["select /*+ SET_VAR(sql_mode='') */ 1", "update /*+ SET_VAR(foreign_key_checks=0) */ t set a = 1"] {
        refused(Mysql, verb);
    }
    refused(Mysql, "select 1 --\u{a0}+ sleep(10)");
}

#[test]
fn strings_end_where_the_database_ends_them() {
    // PostgreSQL continues the escaped string on the next line, so nextval stands outside any string and runs.
    refused(Postgres, "select E'a'\n'\\', ' + nextval($$s$$)--'");
    refused(Postgres, "select 1 from U&\"\\0074\"");
    refused(Postgres, "select U&\"a\"");
    all(&[Postgres], Read, &["select 'a\\b', 'a\\\\', 'b'", "select $$ ' $$, $x$ $$ $x$", "select E'it\\'s'"]);
    all(&[Mysql], Read, &["select 'it''s', \"a\"\"b\", 'a\\nb', 'a\\\\'"]);
    all(&[Sqlite], Read, &["select 'a\\', 'b'"]);
    // These end elsewhere when a setting of the session is the other one.
    refused(Postgres, "select 'a\\', 'b'");
    refused(Mysql, "select 'it\\'s'");
    refused(Mysql, "select \"a\\\"b\"");
    // sqlparser alone would take these comments into the operator before them.
    all(&[Postgres], Write, &["select 1 <-- '\n nextval($$s$$) -- '"]);
    refused(Postgres, "select 1 @-- '\n nextval($$s$$) -- '");
    refused(Postgres, "select 1 ||/* '*/ nextval($$s$$) -- '");
}

#[test]
fn blanks_outside_ascii_are_refused_where_they_separate() {
    for dialect in Dialect::ALL {
        refused(dialect, "select\u{a0}1");
        all(&[dialect], Read, &["select '\u{a0}'"]);
    }
}

#[test]
fn tables_are_named_as_written_without_expressions_of_the_same_statement() {
    let tables = |text: &str| classify(Postgres, text).expect("parsed").tables;
    assert_eq!(tables("select * from b, a, public.\"Odd\", a"), ["a", "b", "public.\"Odd\""]);
    assert_eq!(tables("with x as (select * from t) select * from x, X"), ["t"]);
    assert_eq!(tables("with x as (select * from x) select * from x"), ["x"], "the inner x is a table");
    assert_eq!(tables("with recursive x as (select 1 union select * from x) select * from x"), [""; 0]);
    assert_eq!(tables("select * from x where exists (with x as (select 1) select * from x)"), ["x"]);
    assert_eq!(tables("select * from (with x as (select 1) select * from x) s, x"), ["x"]);
    assert_eq!(tables("with x as (select 1) select * from public.x"), ["public.x"]);
    assert_eq!(tables("insert into t select * from u where a in (select b from v)"), ["t", "u", "v"]);
    assert_eq!(tables("update t set a = u.a from u"), ["t", "u"]);
    assert_eq!(tables("delete from t using u where t.a = u.a"), ["t", "u"]);
    assert_eq!(tables("drop table a, b"), ["a", "b"]);
    assert_eq!(tables("select * from a union table s.t"), ["a", "s.t"]);
    assert_eq!(tables("select * from generate_series(1, 2)"), [""; 0]);
}

#[test]
fn every_class_but_read_says_why() {
    let report = classify(Postgres, "select frob(1), nextval('s') from t for update").expect("parsed");
    assert_eq!(report.class, Write);
    assert_eq!(
        report.because,
        [
            "a locking clause takes row locks",
            "function `frob` is not known to be read-only",
            "function `nextval` is not known to be read-only",
        ]
    );
    assert!(classify(Postgres, "select 1").expect("parsed").because.is_empty());
}

#[test]
fn fingerprints_ignore_blanks_comments_case_and_values_and_nothing_else() {
    let print = |text: &str| fingerprint(Postgres, text).expect("tokens");
    let one = print("select a from t where b = 1 and c = 'x'");
    assert_eq!(one, print("SELECT a\n FROM t -- note\n WHERE b = 25 AND c = $1;"));
    assert_ne!(one, print("select a from u where b = 1 and c = 'x'"));
    assert_ne!(one, print("select a from \"T\" where b = 1 and c = 'x'"));
    assert_ne!(one, fingerprint(Mysql, "select a from t where b = 1 and c = 'x'").expect("tokens"));
    assert_eq!(fingerprint(Postgres, "a\0"), Err(SqlRefusal::NulByte));
}
