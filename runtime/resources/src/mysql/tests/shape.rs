//! First words.

use airlock_model::StatementClass::{Admin, Ddl, Read, Session, Write};

use super::super::shape::{changes_rows, fits};

#[test]
fn statements_begin_like_their_class() {
    for (class, text) in [
        (Read, "select 1"),
        (Read, " \n/* why */ -- not\n#\n(SELECT 1)"),
        (Read, "with x as (select 1) select * from x"),
        (Write, "insert into t values (1)"),
        (Write, "select f()"),
        (Ddl, "create table t (a int)"),
        (Ddl, "alter table t add a int"),
    ] {
        assert!(fits(class, text), "{class:?} {text}");
    }
    for (class, text) in [
        (Read, "set password = 'x'"),
        (Read, "insert into t values (1)"),
        (Read, ""),
        (Read, "/*!select*/ 1"),
        (Read, "/* not closed select"),
        (Read, "'select'"),
        (Read, "`select`"),
        (Write, "set password = 'x'"),
        (Write, "/**/set password = 'x'"),
        (Write, "--set\nselect"),
        (Write, "/*M!100000 set*/ password = 'x'"),
        (Write, "alter user x identified by 'x'"),
        (Write, "call p()"),
        (Write, "do f()"),
        (Write, "commit"),
        (Ddl, "alter user x identified by 'x'"),
        (Ddl, "alter /* a */ user x"),
        (Ddl, "create or replace user x"),
        (Ddl, "drop role x"),
        (Ddl, "insert into t values (1)"),
        (Session, "select 1"),
        (Admin, "select 1"),
    ] {
        assert!(!fits(class, text), "{class:?} {text}");
    }
    assert!(changes_rows("/**/ Delete from t") && !changes_rows("select 1"));
}
