//! Functions by effect: committed lists of what is known to be read-only, everything else writes.
//!
//! The PostgreSQL list is taken from a running server (`scripts/postgres-functions`), with what its volatility does not tell
//! on top; the SQLite and MySQL lists are written from the manuals.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use airlock_model::StatementClass;
use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::{
    Dialect,
    read_functions::{Called, ReadFunctions},
    verdict::{Verdict, shown},
};

type Names = LazyLock<HashSet<&'static str>>;

static SQLITE: Names = LazyLock::new(|| names(include_str!("data/sqlite_functions.txt")));
static SQLITE_TABLES: Names = LazyLock::new(|| names(include_str!("data/sqlite_table_functions.txt")));
static MYSQL: Names = LazyLock::new(|| names(include_str!("data/mysql_functions.txt")));
static MYSQL_SPACED: Names = LazyLock::new(|| words(include_str!("data/mysql_spaced.txt")));
static POSTGRES: LazyLock<HashMap<&'static str, Effect>> = LazyLock::new(postgres);
static POSTGRES_UNARY: Names =
    LazyLock::new(|| server().filter(|[_, _, unary]| *unary == "1").map(|[name, ..]| name).collect());
static POSTGRES_SYNTAX: Names = LazyLock::new(|| names(include_str!("data/postgres_syntax.txt")));
static POSTGRES_OPERATORS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("data/postgres_15_operators.txt").lines().filter(|line| !line.starts_with("-- ")).collect()
});

/// One name per line; `#` starts a comment.
fn names(text: &'static str) -> HashSet<&'static str> {
    lines(text).collect()
}

/// Several names per line.
fn words(text: &'static str) -> HashSet<&'static str> {
    lines(text).flat_map(str::split_ascii_whitespace).collect()
}

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What a built-in function of PostgreSQL does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Only reads.
    Reads,
    /// Volatile, but leaves nothing behind.
    Listable,
    /// Has an effect, or is not to be called.
    Acts,
}

/// The server's own list: name, worst volatility, and whether one argument is enough for a call.
fn server() -> impl Iterator<Item = [&'static str; 3]> {
    let columns = |line: &'static str| line.splitn(3, '\t').collect::<Vec<_>>().try_into().ok();
    lines(include_str!("data/postgres_15_functions.tsv")).filter_map(columns)
}

/// The server's own list, then what is denied and listed by hand: the later wins.
fn postgres() -> HashMap<&'static str, Effect> {
    let by_volatility = |[name, volatility, _]: [&'static str; 3]| {
        (name, if matches!(volatility, "i" | "s") { Effect::Reads } else { Effect::Acts })
    };
    let denied = lines(include_str!("data/postgres_denied.txt")).map(|name| (name, Effect::Acts));
    let listable = lines(include_str!("data/postgres_listable.txt")).map(|name| (name, Effect::Listable));
    server().map(by_volatility).chain(denied).chain(listable).collect()
}

/// Where a function is called. SQLite keeps table-valued functions apart from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Expression,
    From,
}

/// Which functions count as reads: the dialect's own, and those that the operator lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) dialect: Dialect,
    pub(super) listed: &'a ReadFunctions,
}

impl Rules<'_> {
    /// Raises the verdict unless the function is known to be read-only.
    pub(super) fn judge(self, name: &ObjectName, place: Place, verdict: &mut Verdict) {
        if self.dialect == Dialect::Postgres && is_syntax(name) {
            return;
        }
        let called = self.called(name);
        let is_known = called
            .as_ref()
            .is_some_and(|called| is_builtin_read(self.dialect, place, called) || self.listed.contains(called));
        if !is_known {
            if !called.is_some_and(|called| self.leaves_nothing(&called)) {
                verdict.runs_unknown(&name.to_string());
            }
            let reason = format!("function `{}` is not known to be read-only", shown(&name.to_string()));
            verdict.raise(StatementClass::Write, reason);
        }
    }

    /// Whether it is built in, and no read for another reason than an effect: `random()`, `clock_timestamp()`.
    fn leaves_nothing(self, called: &Called) -> bool {
        let is_listable = |name| POSTGRES.get(name) == Some(&Effect::Listable);
        self.dialect == Dialect::Postgres && called.builtin(self.dialect).is_some_and(is_listable)
    }

    /// Raises the verdict where a field, `(value).name` or `alias.name`, calls a function: PostgreSQL reads
    /// `('s'::regclass).nextval` as `nextval('s')`.
    ///
    /// Only built-in functions can be told from columns here; for others the role of the connection is the wall.
    pub(super) fn field(self, field: &Ident, verdict: &mut Verdict) {
        if self.dialect != Dialect::Postgres {
            return;
        }
        let name = folded(self.dialect, field);
        match POSTGRES.get(name.as_str()) {
            Some(effect @ (Effect::Acts | Effect::Listable)) if POSTGRES_UNARY.contains(name.as_str()) => {
                if *effect == Effect::Acts {
                    verdict.runs_unknown(&field.value);
                }
                let reason = format!("`.{}` can call the function of that name", shown(&field.value));
                verdict.raise(StatementClass::Write, reason);
            }
            _ => {}
        }
    }

    /// The name as it is looked up; none when it has more than two parts or is computed.
    fn called(self, name: &ObjectName) -> Option<Called> {
        let ident = |part: &ObjectNamePart| match part {
            ObjectNamePart::Identifier(ident) => Some(folded(self.dialect, ident)),
            ObjectNamePart::Function(_) => None,
        };
        // A quoted name can be that of a function which somebody has written, although a built-in one is called the same.
        if self.dialect == Dialect::Mysql && name.0.iter().any(is_quoted) {
            return None;
        }
        match name.0.as_slice() {
            [only] => Some(Called::new(None, ident(only)?)),
            [schema, last] => Some(Called::new(Some(ident(schema)?), ident(last)?)),
            _ => None,
        }
    }
}

fn is_quoted(part: &ObjectNamePart) -> bool {
    matches!(part, ObjectNamePart::Identifier(ident) if ident.quote_style.is_some())
}

/// Whether MySQL takes a blank before the parenthesis for a call of a function that somebody has written.
pub(super) fn may_not_be_spaced(name: &str) -> bool {
    MYSQL_SPACED.contains(name.to_ascii_lowercase().as_str())
}

/// Words that PostgreSQL reserves for its own syntax: no function can have such a name unless it is quoted.
fn is_syntax(name: &ObjectName) -> bool {
    let [ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return false };
    ident.quote_style.is_none() && POSTGRES_SYNTAX.contains(ident.value.to_ascii_lowercase().as_str())
}

fn is_builtin_read(dialect: Dialect, place: Place, called: &Called) -> bool {
    let Some(name) = called.builtin(dialect) else { return false };
    match (dialect, place) {
        (Dialect::Sqlite, Place::Expression) => SQLITE.contains(name),
        (Dialect::Sqlite, Place::From) => SQLITE_TABLES.contains(name),
        (Dialect::Postgres, _) => POSTGRES.get(name) == Some(&Effect::Reads),
        (Dialect::Mysql, _) => MYSQL.contains(name),
    }
}

/// Whether no operator may call this a read: a built-in function that acts. Unknown in dialects whose lists only hold reads.
pub(super) fn is_never_a_read(dialect: Dialect, called: &Called) -> bool {
    let acts = |name| POSTGRES.get(name) == Some(&Effect::Acts);
    dialect == Dialect::Postgres && called.builtin(dialect).is_some_and(acts)
}

/// Whether a PostgreSQL operator is built in; every built-in operator is free of effects.
pub(super) fn is_builtin_operator(operator: &str) -> bool {
    POSTGRES_OPERATORS.contains(operator)
}

/// PostgreSQL keeps the case of quoted names; SQLite and MySQL never tell functions apart by case.
fn folded(dialect: Dialect, ident: &Ident) -> String {
    if dialect == Dialect::Postgres && ident.quote_style.is_some() {
        return ident.value.clone();
    }
    ident.value.to_ascii_lowercase()
}
