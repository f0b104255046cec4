//! Visits the whole syntax tree of a statement and gathers the verdict.

use std::ops::ControlFlow;

use airlock_model::{StatementClass, StatementReport};
use sqlparser::ast::{
    Expr, FromTable, Ident, ObjectName, ObjectNamePart, Query, Select, SetExpr, Statement, TableFactor, TableObject,
    Visit as _, Visitor,
};

use super::{
    Dialect, expression,
    functions::{Place, Rules},
    mysql,
    parse::Parsed,
    scope::Scope,
    statement,
    verdict::{Verdict, shown},
};

/// The report on a parsed statement.
pub(super) fn report(rules: Rules<'_>, parsed: &Parsed) -> StatementReport {
    let has_plain_tables = parsed.lexed.has_plain_tables;
    let mut walk =
        Walk { rules, has_plain_tables, verdict: Verdict::new(), scope: Scope::default(), function_name: None };
    for operator in &parsed.lexed.operators {
        expression::named_operator(operator, &mut walk.verdict);
    }
    let ControlFlow::Continue(()) = parsed.statement.visit(&mut walk);
    walk.verdict.into_report()
}

struct Walk<'a> {
    rules: Rules<'a>,
    has_plain_tables: bool,
    verdict: Verdict,
    scope: Scope,
    /// Address of the name of the table function being visited: the visitor will offer it as a relation, which it is not.
    function_name: Option<usize>,
}

type Flow = ControlFlow<std::convert::Infallible>;
const GO_ON: Flow = ControlFlow::Continue(());

impl Visitor for Walk<'_> {
    type Break = std::convert::Infallible;

    fn pre_visit_statement(&mut self, statement: &Statement) -> Flow {
        statement::judge(statement, &mut self.verdict);
        if self.rules.dialect == Dialect::Mysql {
            mysql::judge_statement(statement, &mut self.verdict);
        }
        // What is changed is a table, also where a common table expression has its name.
        for target in targets(statement) {
            self.relation(target);
        }
        GO_ON
    }

    fn pre_visit_query(&mut self, query: &Query) -> Flow {
        self.scope.enter(query);
        self.query(query);
        GO_ON
    }

    fn post_visit_query(&mut self, query: &Query) -> Flow {
        self.scope.leave(query);
        GO_ON
    }

    fn pre_visit_select(&mut self, select: &Select) -> Flow {
        self.select(select);
        GO_ON
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> Flow {
        self.table_factor(factor);
        GO_ON
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> Flow {
        let address = std::ptr::from_ref(relation) as usize;
        if self.function_name.take() != Some(address) && !self.scope.defines(relation) {
            self.relation(relation);
        }
        GO_ON
    }

    fn pre_visit_ident(&mut self, ident: &Ident) -> Flow {
        if ident.quote_style.is_none() && RESERVED.contains(&ident.value.to_ascii_lowercase().as_str()) {
            let reason = format!("`{}` is a reserved word: quote it where it is a name", shown(&ident.value));
            self.verdict.raise(StatementClass::Admin, reason);
        }
        if self.rules.dialect == Dialect::Mysql {
            mysql::judge_ident(ident, &mut self.verdict);
        }
        GO_ON
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> Flow {
        expression::judge(self.rules, expr, &mut self.verdict);
        GO_ON
    }
}

impl Walk<'_> {
    fn query(&mut self, query: &Query) {
        if !query.locks.is_empty() {
            self.verdict.raise(StatementClass::Write, "a locking clause takes row locks");
        }
        let foreign = query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty();
        if foreign {
            self.verdict.raise(StatementClass::Admin, "the query uses a clause of another database");
        }
        self.table_commands(&query.body);
    }

    /// `TABLE name` is the one relation that the visitor does not offer.
    fn table_commands(&mut self, body: &SetExpr) {
        let mut left_to_see = vec![body];
        while let Some(body) = left_to_see.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => left_to_see.extend([left.as_ref(), right.as_ref()]),
                SetExpr::Table(table) => {
                    if !self.has_plain_tables {
                        let reason = "behind `TABLE name` the text must end: write SELECT * FROM name";
                        self.verdict.raise(StatementClass::Admin, reason);
                    }
                    if let (Dialect::Mysql, Some(database), Some(name)) =
                        (self.rules.dialect, &table.schema_name, &table.table_name)
                    {
                        mysql::judge_table_command(database, name, &mut self.verdict);
                    }
                    let parts = [table.schema_name.as_deref(), table.table_name.as_deref()];
                    self.verdict.table(parts.into_iter().flatten().collect::<Vec<_>>().join("."));
                }
                SetExpr::Select(_)
                | SetExpr::Query(_)
                | SetExpr::Values(_)
                | SetExpr::Insert(_)
                | SetExpr::Update(_)
                | SetExpr::Delete(_)
                | SetExpr::Merge(_) => {}
            }
        }
    }

    fn select(&mut self, select: &Select) {
        if let Some(into) = &select.into {
            self.verdict.raise(StatementClass::Ddl, "SELECT INTO stores its result");
            for target in &into.targets {
                if let Expr::Identifier(_) | Expr::CompoundIdentifier(_) = target {
                    self.verdict.table(target.to_string());
                }
            }
        }
        if !select.optimizer_hints.is_empty() {
            self.verdict.raise(StatementClass::Session, "optimizer hints can change settings of the session");
        }
        let foreign = !select.lateral_views.is_empty()
            || select.prewhere.is_some()
            || !select.connect_by.is_empty()
            || !select.cluster_by.is_empty()
            || !select.distribute_by.is_empty()
            || !select.sort_by.is_empty()
            || select.value_table_mode.is_some();
        if foreign {
            self.verdict.raise(StatementClass::Admin, "the query uses a clause of another database");
        }
    }

    fn table_factor(&mut self, factor: &TableFactor) {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                self.function_name = Some(std::ptr::from_ref(name) as usize);
                self.table_function(name);
            }
            TableFactor::Function { name, .. } => self.table_function(name),
            TableFactor::Table { args: None, .. }
            | TableFactor::Derived { .. }
            | TableFactor::UNNEST { .. }
            | TableFactor::JsonTable { .. }
            | TableFactor::XmlTable { .. }
            | TableFactor::NestedJoin { .. } => {}
            TableFactor::TableFunction { .. }
            | TableFactor::OpenJsonTable { .. }
            | TableFactor::Pivot { .. }
            | TableFactor::Unpivot { .. }
            | TableFactor::UnpivotExpr { .. }
            | TableFactor::MatchRecognize { .. }
            | TableFactor::SemanticView { .. } => {
                self.verdict.raise(StatementClass::Admin, "the query reads from a construct of another database");
            }
        }
    }

    fn table_function(&mut self, name: &ObjectName) {
        if self.internal(name) {
            return;
        }
        self.rules.judge(name, Place::From, &mut self.verdict);
    }

    fn relation(&mut self, relation: &ObjectName) {
        self.internal(relation);
        if self.rules.dialect == Dialect::Mysql {
            mysql::judge_relation(relation, &mut self.verdict);
        }
        self.verdict.table(relation.to_string());
    }

    /// SQLite reaches its own settings and pages through tables: `pragma_*`, `sqlite_dbpage`, `dbstat`.
    fn internal(&mut self, relation: &ObjectName) -> bool {
        if self.rules.dialect != Dialect::Sqlite {
            return false;
        }
        let Some(ObjectNamePart::Identifier(last)) = relation.0.last() else { return false };
        let name = last.value.to_ascii_lowercase();
        let is_internal = name.starts_with("pragma_")
            || SQLITE_INTERNAL.contains(&name.as_str())
            || (name.starts_with("sqlite_") && !SQLITE_SCHEMA.contains(&name.as_str()));
        if is_internal {
            let reason = format!("`{}` reaches into SQLite itself", shown(&name));
            self.verdict.raise(StatementClass::Admin, reason);
        }
        is_internal
    }
}

/// Words that open a clause. sqlparser takes some of them for names where the database does not: it reads
/// `select into t from u`, which creates a table, as a column `into` with an alias.
const RESERVED: [&str; 22] = [
    "create",
    "except",
    "fetch",
    "for",
    "from",
    "grant",
    "group",
    "having",
    "intersect",
    "into",
    "lateral",
    "limit",
    "offset",
    "order",
    "returning",
    "select",
    "table",
    "union",
    "using",
    "where",
    "window",
    "with",
];
/// Virtual tables without the `sqlite_` prefix that expose pages, files or statements.
const SQLITE_INTERNAL: [&str; 8] =
    ["dbstat", "bytecode", "tables_used", "fts3tokenize", "fsdir", "zipfile", "completion", "csv"];
/// Tables that describe the schema: as readable as the tables they describe.
const SQLITE_SCHEMA: [&str; 7] = [
    "sqlite_schema",
    "sqlite_master",
    "sqlite_temp_schema",
    "sqlite_temp_master",
    "sqlite_sequence",
    "sqlite_stat1",
    "sqlite_stat4",
];
/// The tables that a statement changes, by the names that stand in it.
fn targets(statement: &Statement) -> Vec<&ObjectName> {
    fn named(factor: &TableFactor) -> Option<&ObjectName> {
        if let TableFactor::Table { name, args: None, .. } = factor { Some(name) } else { None }
    }
    match statement {
        Statement::Insert(insert) => match &insert.table {
            TableObject::TableName(name) => vec![name],
            _ => Vec::new(),
        },
        Statement::Update(update) => named(&update.table.relation).into_iter().collect(),
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            // With several tables in front of FROM those are meant, which may be aliases: the walk finds what they stand for.
            from.iter().filter(|_| delete.tables.is_empty()).filter_map(|one| named(&one.relation)).collect()
        }
        Statement::Merge(merge) => named(&merge.table).into_iter().collect(),
        _ => Vec::new(),
    }
}
