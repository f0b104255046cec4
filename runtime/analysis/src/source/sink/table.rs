//! Which calls take a statement, per language.

use super::{Seen, SeenValue, SinkCall};
use crate::source::{
    Language,
    engine::{
        Words, client_words, is_query_name, is_text_name, looks_like_fragment, looks_like_graphql, looks_like_sql,
        starts_like_sql,
    },
};

/// How much a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strength {
    /// Nothing else has this name.
    Sure,
    /// A client's, if the receiver or the text says so too.
    Client,
    /// Only if the text is plainly a statement.
    Evidence,
    /// Only if the text is plainly a part of one.
    Fragment,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sink {
    pub(super) strength: Strength,
    /// How likely the receiver is a client.
    pub(super) receiver: Words,
    /// It takes several statements at once.
    pub(super) many: bool,
}

const TS_SURE: &[&str] = &[
    "$queryRawUnsafe",
    "$executeRawUnsafe",
    "queryRawUnsafe",
    "executeRawUnsafe",
    "whereRaw",
    "orWhereRaw",
    "andWhereRaw",
    "havingRaw",
    "orHavingRaw",
    "orderByRaw",
    "groupByRaw",
    "joinRaw",
    "fromRaw",
    "selectRaw",
    "executeSql",
    "executeMultiple",
    "simpleQuery",
    "queryArray",
    "queryObject",
    "soql",
];
const TS_CLIENT: &[&str] =
    &["query", "execute", "exec", "prepare", "stream", "queryAsync", "queryStream", "prepareStatement", "mutate"];
const PY_SURE: &[&str] = &[
    "executemany",
    "executescript",
    "mogrify",
    "copy_expert",
    "read_sql",
    "read_sql_query",
    "exec_driver_sql",
    "RawSQL",
    "fetchrow",
    "fetchval",
    "read_database",
    "execute_values",
    "execute_batch",
    "run_sql",
    "fetch_val",
    "execute_sql",
    "read_gbq",
    "SQL",
    "AsIs",
];
const PY_CLIENT: &[&str] = &[
    "execute",
    "fetch",
    "fetch_all",
    "fetch_one",
    "prepare",
    "query",
    "iterate",
    "run",
    "sql",
    "execute_async",
    "stream",
    "mutate",
    "query_and_wait",
    "scalar",
    "scalars",
    "from_statement",
    "exec",
    "select",
    "gql",
];
const RS_SURE: &[&str] = &[
    "sql_query",
    "batch_execute",
    "simple_query",
    "query_row",
    "execute_batch",
    "prepare_cached",
    "query_one",
    "query_opt",
    "query_typed",
    "query_scalar",
    "query_as",
    "raw_sql",
    "query_map",
    "query_and_then",
    "exec_drop",
    "query_drop",
    "query_iter",
    "query_first",
    "exec_first",
    "exec_iter",
    "exec_map",
    "query_raw",
    "execute_raw",
    "query_with",
    "query_as_with",
    "query_scalar_with",
    "query_stream",
    "prepare_typed",
    "execute_unprepared",
    "from_string",
    "from_sql_and_values",
    "raw_query",
    "query_row_and_then",
    "query_typed_raw",
    "simple_query_raw",
    "execute_typed",
    "prep",
    "cust",
    "copy_in",
    "copy_out",
];
const RS_CLIENT: &[&str] = &["query", "execute", "prepare", "exec", "fetch", "stream", "sql", "mutate"];
const EVIDENCE: &[&str] = &[
    "run",
    "all",
    "get",
    "each",
    "any",
    "one",
    "none",
    "many",
    "oneOrNone",
    "manyOrNone",
    "result",
    "sql",
    "batch",
    "values",
    "first",
    "request",
    "post",
    "stringify",
    "multi",
    "Query",
    "QueryStream",
    "Request",
    "createQuery",
    "iterate",
    "pluck",
    "raw",
    "literal",
];
const FRAGMENTS: &[&str] = &[
    "where",
    "andWhere",
    "orWhere",
    "having",
    "orderBy",
    "addOrderBy",
    "groupBy",
    "addSelect",
    "leftJoin",
    "innerJoin",
    "leftJoinAndSelect",
    "innerJoinAndSelect",
    "filter",
    "order_by",
    "extra",
    "literal_column",
];
/// What is added to a builder as it stands.
const RAW_PARTS: &[&str] = &[
    "whereRaw",
    "orWhereRaw",
    "andWhereRaw",
    "havingRaw",
    "orderByRaw",
    "groupByRaw",
    "joinRaw",
    "fromRaw",
    "selectRaw",
];
/// Calls that take several statements at once.
const MANY: &[&str] = &[
    "exec",
    "executescript",
    "batch_execute",
    "execute_batch",
    "executeMultiple",
    "simple_query",
    "raw_sql",
    "unsafe",
    "multi",
    "execute_unprepared",
    "simpleQuery",
];
/// Where texts may go without being run.
const HARMLESS: &[&str] = &[
    "log",
    "info",
    "warn",
    "warning",
    "error",
    "debug",
    "trace",
    "print",
    "println",
    "eprintln",
    "Error",
    "exception",
    "critical",
    "fatal",
    "write",
    "includes",
    "test",
    "it",
    "describe",
    "expect",
    "assert",
    "push",
    "append",
    "format",
    "fingerprint",
    "send",
    "alert",
    "set",
    "add",
    "emit",
    "TypeError",
    "ValueError",
    "RuntimeError",
    "panic",
    "span",
    "setAttribute",
    "set_attribute",
    "echo",
];

/// How a call counts.
pub(super) fn sink(language: Language, call: &SinkCall<'_>) -> Option<Sink> {
    let (receiver, method) = call.path.rsplit_once('.').unwrap_or(("", call.path));
    let words = if call.is_client { Words::Sure } else { receiver_words(receiver, method) };
    let strength = strength(language, call, (receiver, method), words)?;
    Some(Sink { strength, receiver: words, many: MANY.contains(&method) })
}

fn strength(
    language: Language,
    call: &SinkCall<'_>,
    (receiver, method): (&str, &str),
    words: Words,
) -> Option<Strength> {
    let (sure, client) = match language {
        Language::Typescript => (TS_SURE, TS_CLIENT),
        Language::Python => (PY_SURE, PY_CLIENT),
        Language::Rust => (RS_SURE, RS_CLIENT),
    };
    Some(match method {
        _ if call.only_evident => Strength::Evidence,
        // Of a statement only what adds unbound text to it: running it takes a client or values.
        _ if receiver == "prepared" => return on_prepared(language, method),
        "push" | "new"
            if language == Language::Rust
                && (receiver.ends_with("QueryBuilder") || matches!(receiver, "qb" | "query_builder")) =>
        {
            Strength::Sure
        }
        "from_string" | "from_sql_and_values" if !receiver.ends_with("Statement") => return None,
        "text" | "literal_column" if call.path.contains("sqlalchemy") || receiver == "sa" || receiver == "db" => {
            Strength::Sure
        }
        "raw" | "unsafe" | "literal"
            if words >= Words::Maybe || receiver.ends_with("Prisma") || receiver.ends_with(".objects") =>
        {
            Strength::Sure
        }
        "SQL" | "AsIs" | "fetch" | "run" | "select" | "stream" | "cursor" | "scalar" | "prepare"
            if receiver.is_empty() && method != "AsIs" && method != "SQL" =>
        {
            Strength::Evidence
        }
        "run" | "sql" | "select" | "cursor" | "scalar" | "scalars" | "stream" | "fetch"
            if words < Words::Sure && language != Language::Rust =>
        {
            Strength::Evidence
        }
        "sql" if language == Language::Rust && (receiver.is_empty() || receiver.ends_with("dsl")) => Strength::Sure,
        _ if sure.contains(&method) => Strength::Sure,
        _ if client.contains(&method) => Strength::Client,
        _ if FRAGMENTS.contains(&method) => Strength::Fragment,
        _ if EVIDENCE.contains(&method) => Strength::Evidence,
        _ if HARMLESS.contains(&method) => return None,
        _ if words.is_sure() || is_query_name(method) => Strength::Evidence,
        _ if receiver.is_empty() && is_text_name(method) => Strength::Evidence,
        _ => return None,
    })
}

fn on_prepared(language: Language, method: &str) -> Option<Strength> {
    match method {
        "push" | "sql" if language == Language::Rust => Some(Strength::Sure),
        _ if RAW_PARTS.contains(&method) => Some(Strength::Sure),
        _ if FRAGMENTS.contains(&method) => Some(Strength::Fragment),
        _ => None,
    }
}

fn receiver_words(receiver: &str, method: &str) -> Words {
    match receiver {
        "" if is_query_name(method) => Words::Maybe,
        "" => Words::No,
        _ if receiver.starts_with("@airlock/resources") || receiver.starts_with("resources.") => Words::Sure,
        _ => client_words(receiver),
    }
}

/// Whether what a call gives is a statement whose values are bound, or part of one.
pub(super) fn prepares(language: Language, path: &str) -> bool {
    let (receiver, method) = path.rsplit_once('.').unwrap_or(("", path));
    let is = |names: &[&str]| names.contains(&method);
    let words = client_words(receiver);
    if matches!(method, "prepare" | "prepare_cached" | "prepare_typed" | "prep") {
        return true;
    }
    match language {
        Language::Typescript => {
            is(&["raw", "identifier", "literal", "ref", "unsafe", "ident"])
                && (words != Words::No || receiver.ends_with("Prisma"))
                || is(&[
                    "selectFrom",
                    "insertInto",
                    "updateTable",
                    "deleteFrom",
                    "createQueryBuilder",
                    "SelectQueryBuilder",
                ])
                || is(&["select", "insert", "update", "delete", "from", "table", "into"]) && words >= Words::Maybe
                || is(&["sql"])
                || receiver == "knex" && method == "()"
        }
        Language::Python => {
            let of_alchemy = receiver.is_empty()
                || receiver.contains("sqlalchemy")
                || receiver == "sa"
                || receiver == "db"
                || receiver.contains("sqlmodel");
            is(&["SQL", "gql", "Identifier", "Literal", "Placeholder", "Composed", "bindparam", "literal_column"])
                || is(&[
                    "text",
                    "select",
                    "insert",
                    "update",
                    "delete",
                    "exists",
                    "union",
                    "union_all",
                    "and_",
                    "or_",
                    "not_",
                    "Select",
                    "Insert",
                    "Update",
                    "Delete",
                    "Table",
                    "CreateTable",
                    "DropTable",
                ]) && of_alchemy
                || is(&["from_"])
        }
        Language::Rust => {
            let of_sqlx = receiver.ends_with("sqlx") || receiver.is_empty() || receiver.contains("diesel");
            is(&[
                "query",
                "query_as",
                "query_scalar",
                "query_with",
                "query_as_with",
                "query_scalar_with",
                "raw_sql",
                "sql_query",
            ]) && of_sqlx
                || receiver.ends_with("QueryBuilder")
                || path.ends_with("dsl.sql")
                || receiver.ends_with("Query") && is(&["select", "insert", "update", "delete"])
                || receiver.ends_with("Statement") && is(&["from_string", "from_sql_and_values"])
        }
    }
}

/// Whether any alternative is plainly a statement, or part of one.
pub(super) fn is_evident(seen: &Seen, fragment: bool) -> bool {
    seen.values.iter().any(|value| evident(value, fragment))
}

fn evident(value: &SeenValue, fragment: bool) -> bool {
    match value {
        SeenValue::Text(text) => {
            let sample = text.sample();
            let part = looks_like_fragment(&sample);
            looks_like_sql(&sample)
                || (text.has_holes() && looks_like_graphql(&sample))
                || (fragment && part)
                || (text.has_holes() && starts_like_sql(&sample) && part)
        }
        SeenValue::Items(items) => items.iter().any(|item| evident(item, fragment)),
        SeenValue::Fields(fields) => {
            let named = |name: &str| {
                matches!(
                    name,
                    "text"
                        | "sql"
                        | "query"
                        | "statement"
                        | "queryText"
                        | "sqlText"
                        | "document"
                        | "mutation"
                        | "body"
                        | "data"
                )
            };
            fields.iter().any(|(name, values)| named(name) && values.iter().any(|value| evident(value, fragment)))
        }
        SeenValue::Foreign(_) | SeenValue::Safe => false,
    }
}
