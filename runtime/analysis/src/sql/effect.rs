//! What a statement that writes does to how much, for whoever has to approve it.

use std::ops::ControlFlow;

use airlock_model::{Effect, StatementClass, StatementReport};
use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, Ident, Insert, MergeClause, MergeClauseKind, OnConflictAction, OnInsert,
    SetExpr, SqliteOnConflict, Statement, Visit as _, Visitor,
};

use super::{Dialect, SqlRefusal, parse};

/// Columns that are listed.
const COLUMNS_MAX: usize = 100;

/// What a classified statement does.
///
/// It is destructive when it changes the schema, or when an UPDATE, DELETE or MERGE in it has no condition that names a column.
/// A condition that names one and still holds for every row is not found: the preview and the row cap are for that. Its rows are
/// counted when it is one INSERT, UPDATE or DELETE and nothing else in it writes.
///
/// # Errors
/// When the text is not understood.
pub fn effect(dialect: Dialect, text: &str, report: &StatementReport) -> Result<Effect, SqlRefusal> {
    let statement = parse::one_statement(dialect, text)?.statement;
    let mut walk = Walk::default();
    let ControlFlow::Continue(()) = statement.visit(&mut walk);
    walk.columns.truncate(COLUMNS_MAX);
    let is_change = matches!(statement, Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_));
    Ok(Effect {
        class: Some(report.class),
        is_destructive: report.class != StatementClass::Write || walk.is_unbounded,
        counts_rows: is_change && walk.changes == 1 && report.because.len() == 1 && !walk.replaces,
        tables: report.tables.clone(),
        columns: walk.columns,
    })
}

#[derive(Default)]
struct Walk {
    /// Statements that write, those inside of others among them.
    changes: usize,
    is_unbounded: bool,
    /// Whether rows go that nobody counts: those in the way of one that replaces them.
    replaces: bool,
    columns: Vec<String>,
}

/// Words that are no columns although they look like some: constants, and functions without parentheses.
const NO_COLUMNS: [&str; 16] = [
    "true",
    "false",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "user",
    "utc_date",
    "utc_time",
    "utc_timestamp",
];

impl Visitor for Walk {
    type Break = std::convert::Infallible;

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<Self::Break> {
        match statement {
            Statement::Insert(insert) => {
                self.changes += 1;
                self.replaces |= insert.replace_into || insert.or == Some(SqliteOnConflict::Replace);
                self.is_unbounded |= (insert.on.is_some() || self.replaces) && takes_rows(insert);
                self.columns.extend(insert.columns.iter().map(ToString::to_string));
                self.assign(&insert.assignments);
                match &insert.on {
                    Some(OnInsert::DuplicateKeyUpdate(assignments)) => self.assign(assignments),
                    Some(OnInsert::OnConflict(conflict)) => {
                        if let OnConflictAction::DoUpdate(update) = &conflict.action {
                            self.assign(&update.assignments);
                        }
                    }
                    _ => {}
                }
            }
            Statement::Update(update) => {
                self.changes += 1;
                self.replaces |= update.or == Some(SqliteOnConflict::Replace);
                self.assign(&update.assignments);
                self.is_unbounded |= !is_bounded(update.selection.as_ref());
            }
            Statement::Delete(delete) => {
                self.changes += 1;
                self.is_unbounded |= !is_bounded(delete.selection.as_ref());
            }
            Statement::Merge(merge) => {
                self.changes += 1;
                let removes_others = |clause: &MergeClause| clause.clause_kind == MergeClauseKind::NotMatchedBySource;
                self.is_unbounded |= !is_bounded(Some(&merge.on)) || merge.clauses.iter().any(removes_others);
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl Walk {
    fn assign(&mut self, assignments: &[Assignment]) {
        for assignment in assignments {
            match &assignment.target {
                AssignmentTarget::ColumnName(name) => self.columns.push(name.to_string()),
                AssignmentTarget::Tuple(names) => self.columns.extend(names.iter().map(ToString::to_string)),
            }
        }
        self.columns.sort();
        self.columns.dedup();
    }
}

/// Whether an INSERT takes the rows of a query: as many as that has, and so changes as many where it may change what is there.
fn takes_rows(insert: &Insert) -> bool {
    insert.source.as_ref().is_some_and(|source| !matches!(*source.body, SetExpr::Values(_)))
}

/// Whether a condition names a column at all: `WHERE true` and `WHERE 1 = 1` bound nothing.
fn is_bounded(condition: Option<&Expr>) -> bool {
    struct Names(bool);
    impl Visitor for Names {
        type Break = std::convert::Infallible;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Self::Break> {
            self.0 |= match expr {
                Expr::Identifier(Ident { value, quote_style, .. }) => {
                    let is_word = NO_COLUMNS.contains(&value.to_ascii_lowercase().as_str()) || value.starts_with('@');
                    quote_style.is_some() || !is_word
                }
                Expr::CompoundIdentifier(_) => true,
                _ => false,
            };
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(false);
    if let Some(condition) = condition {
        let ControlFlow::Continue(()) = condition.visit(&mut names);
    }
    names.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify;

    fn of(dialect: Dialect, text: &str) -> Effect {
        effect(dialect, text, &classify(dialect, text).expect("classified")).expect("an effect")
    }

    #[test]
    fn what_changes_a_whole_table_is_destructive() {
        for text in [
            "update orders set total = 1",
            "update orders set total = 1 where true",
            "update orders set total = 1 where 1 = 1",
            "delete from orders",
            "delete from orders where 'a' = 'a' or 2 > 1",
            "with d as (delete from orders returning id) select * from d",
            "alter table orders add column x int",
        ] {
            assert!(of(Dialect::Postgres, text).is_destructive, "{text}");
        }
        for text in [
            "update orders set total = 1 where id = $1",
            "delete from orders o where o.id = $1",
            "insert into orders (id) values ($1)",
            "insert into orders select * from more",
        ] {
            assert!(!of(Dialect::Postgres, text).is_destructive, "{text}");
        }
    }

    #[test]
    fn only_what_is_whole_is_counted() {
        for (text, counted) in [
            ("update orders set total = 1 where id = $1", true),
            ("insert into orders (id) values ($1)", true),
            ("delete from orders where id = $1", true),
            (
                "with d as (delete from old returning id) update orders set total = 1 where id in (select id from d)",
                false,
            ),
            ("with d as (delete from old where id = 1 returning id) select * from d", false),
            ("update orders set total = app.charge(id) where id = $1", false),
            ("select app.charge(1)", false),
        ] {
            assert_eq!(of(Dialect::Postgres, text).counts_rows, counted, "{text}");
        }
    }

    #[test]
    fn columns_are_those_that_are_assigned() {
        assert_eq!(
            of(Dialect::Postgres, "update orders set total = 1, note = 'x' where id = 1").columns,
            ["note", "total"]
        );
        let insert = "insert into orders (id, total) values (1, 2) on conflict (id) do update set note = 'x'";
        assert_eq!(of(Dialect::Sqlite, insert).columns, ["id", "note", "total"]);
    }

    #[test]
    fn what_changes_a_whole_table_is_destructive_however_it_says_so() {
        for (dialect, text) in [
            (Dialect::Mysql, "delete from orders where @x is null"),
            (Dialect::Mysql, "delete from orders where utc_date is not null"),
            (Dialect::Postgres, "delete from orders where current_role is not null"),
            (Dialect::Postgres, "delete from orders where current_schema = 'public'"),
            (Dialect::Postgres, "insert into orders select * from orders on conflict (id) do update set total = 0"),
            (Dialect::Mysql, "replace into orders select * from orders"),
            (Dialect::Sqlite, "insert or replace into orders select * from orders"),
        ] {
            assert!(of(dialect, text).is_destructive, "{text}");
        }
        for (dialect, text) in [
            (Dialect::Postgres, "delete from orders where id = $1 and current_role is not null"),
            (Dialect::Postgres, "insert into orders (id) values ($1) on conflict (id) do update set total = 0"),
            (Dialect::Postgres, "insert into orders select * from others"),
            (Dialect::Postgres, "delete from orders where \"current_role\" = $1"),
        ] {
            assert!(!of(dialect, text).is_destructive, "the twin: {text}");
        }
    }

    #[test]
    fn rows_that_are_replaced_are_not_counted() {
        for text in [
            "replace into orders (id) values (1)",
            "insert or replace into orders (id) values (1)",
            "update or replace orders set id = 1 where total = 5",
        ] {
            assert!(!of(Dialect::Sqlite, text).counts_rows, "{text}");
        }
        for text in [
            "insert into orders (id) values (1)",
            "update or ignore orders set id = 1 where total = 5",
            "update orders set id = 1 where total = 5",
        ] {
            assert!(of(Dialect::Sqlite, text).counts_rows, "the twin: {text}");
        }
    }

    #[test]
    fn what_runs_something_unknown_says_what() {
        let calls = |dialect, text| classify(dialect, text).expect("classified").unknown_calls;
        for (text, called) in [
            ("update orders set total = app.charge(id) where id = $1", "app.charge"),
            ("insert into log select dblink_exec('x', 'y')", "dblink_exec"),
            ("update orders set total = 1 where id = $1 and pg_advisory_lock(1) is null", "pg_advisory_lock"),
            ("update orders set id = nextval('s') where id = $1", "nextval"),
            ("update orders set id = ('s'::regclass).nextval where id = $1", "nextval"),
            ("delete from orders where id in (select x from app.pull() as x)", "app.pull"),
            ("alter table orders add column x int default app.charge(1)", "app.charge"),
            ("delete from orders where id <<<>>> 1", "<<<>>>"),
        ] {
            assert_eq!(calls(Dialect::Postgres, text), [called], "{text}");
        }
        assert_eq!(calls(Dialect::Mysql, "update orders set total = charge(id) where id = ?"), ["charge"]);
        for (dialect, text) in [
            (Dialect::Postgres, "update orders set total = round(total, 2), note = lower(note) where id = $1"),
            (Dialect::Postgres, "insert into orders (id, at) values (gen_random_uuid(), clock_timestamp())"),
            (Dialect::Mysql, "update orders set total = round(total, 2) where id = ?"),
            (Dialect::Sqlite, "update orders set total = round(total, 2) where id = ?"),
        ] {
            assert_eq!(calls(dialect, text), [] as [&str; 0], "the twin: {text}");
        }
    }

    #[test]
    fn a_table_that_is_changed_is_named_behind_a_common_table_expression_too() {
        for text in [
            "with orders as (select 1 as id) delete from orders where id = $1",
            "with orders as (select 1 as id) update orders set total = 0 where id = $1",
            "with orders as (select 1 as id) insert into orders select * from orders",
        ] {
            assert_eq!(of(Dialect::Postgres, text).tables, ["orders"], "{text}");
        }
    }
}
