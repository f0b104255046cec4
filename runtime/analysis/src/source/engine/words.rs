//! What names and texts look like.

/// Whether a path leads to something that takes statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::source) enum Words {
    No,
    Maybe,
    Sure,
}

impl Words {
    pub(in crate::source) fn is_sure(self) -> bool {
        self == Self::Sure
    }
}

const SURE: &[&str] = &[
    "db",
    "database",
    "conn",
    "connection",
    "pool",
    "cursor",
    "cur",
    "crsr",
    "tx",
    "trx",
    "txn",
    "transaction",
    "knex",
    "prisma",
    "sequelize",
    "pg",
    "pgp",
    "pgpool",
    "postgres",
    "postgresql",
    "mysql",
    "mysql2",
    "sqlite",
    "sqlite3",
    "rusqlite",
    "datasource",
    "dbh",
    "sqlx",
    "psycopg",
    "psycopg2",
    "asyncpg",
    "mariadb",
    "duckdb",
    "typeorm",
    "drizzle",
    "dbal",
    "jdbc",
    "pymysql",
    "databases",
    "dbc",
    "d1",
    "turso",
    "libsql",
    "neon",
    "kysely",
    "mssql",
    "oracledb",
    "bigquery",
    "snowflake",
    "cockroach",
];
const MAYBE: &[&str] = &[
    "client",
    "sql",
    "session",
    "engine",
    "manager",
    "repo",
    "repository",
    "orm",
    "store",
    "con",
    "c",
    "runner",
    "dao",
    "connect",
];
/// Clients of other things.
const OTHERS: &[&str] = &[
    "http",
    "https",
    "redis",
    "cache",
    "s3",
    "aws",
    "dns",
    "elastic",
    "elasticsearch",
    "search",
    "mongo",
    "mongodb",
    "kafka",
    "rest",
    "axios",
    "fetch",
    "api",
    "web",
    "mqtt",
    "smtp",
    "mail",
    "ssh",
    "docker",
    "stripe",
    "slack",
    "openai",
    "sns",
    "sqs",
    "dynamo",
    "dynamodb",
    "socket",
    "ws",
    "discord",
    "telegram",
    "lambda",
    "react",
    "dom",
    "document",
    "router",
    "window",
    "url",
    "thread",
    "worker",
    "executor",
    "command",
    "job",
    "task",
    "queue",
    "memcached",
    "ldap",
    "ftp",
    "browser",
    "page",
];

/// Words of a name: `orders_db`, `ordersDb`, `OrdersDB`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_lower) {
            words.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Judges a path by the words of its last two steps.
pub(in crate::source) fn client_words(path: &str) -> Words {
    let steps: Vec<&str> = path.rsplit('.').take(2).collect();
    let mut best = Words::No;
    for (index, step) in steps.iter().enumerate() {
        for word in words(step) {
            let word = word.as_str();
            if OTHERS.contains(&word) && index == 0 {
                return Words::No;
            }
            let plain = word.trim_end_matches(|c: char| c.is_ascii_digit());
            if SURE.contains(&word) || SURE.contains(&plain) {
                best = Words::Sure;
            } else if (MAYBE.contains(&word) || MAYBE.contains(&plain)) && best == Words::No {
                best = Words::Maybe;
            }
        }
    }
    best
}

/// Whether a bare function of this name runs a statement.
pub(in crate::source) fn is_query_name(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "query",
        "execute",
        "executemany",
        "executescript",
        "executesql",
        "runquery",
        "execquery",
        "executequery",
        "querydb",
        "dbquery",
        "runsql",
        "execsql",
        "rawquery",
        "sqlquery",
        "queryraw",
        "exec",
        "prepare",
        "fetch",
        "fetchrow",
        "fetchval",
        "fetchall",
        "queryone",
        "queryall",
        "queryrow",
        "batchexecute",
        "simplequery",
        "all",
        "get",
        "run",
        "each",
        "any",
        "one",
        "none",
        "many",
        "oneornone",
        "manyornone",
        "fetchone",
        "fetchoptional",
        "querymap",
        "executebatch",
        "rawsql",
        "querydatabase",
    ];
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.contains(&plain.as_str())
}

/// Whether a name says that it holds a statement.
pub(in crate::source) fn is_text_name(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "sql",
        "query",
        "statement",
        "stmt",
        "q",
        "dml",
        "ddl",
        "select",
        "insert",
        "update",
        "where",
        "clause",
        "soql",
        "gql",
        "raw",
    ];
    words(name).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a name says that it holds no statement.
pub(in crate::source) fn is_other_name(name: &str) -> bool {
    const WORDS: &[&str] = &[
        "request",
        "req",
        "command",
        "cmd",
        "job",
        "task",
        "ctx",
        "context",
        "options",
        "opts",
        "event",
        "handler",
        "callback",
        "cb",
        "fn",
        "func",
        "params",
        "args",
        "values",
        "bindings",
        "config",
        "conn",
        "connection",
        "pool",
        "db",
        "tx",
        "trx",
        "client",
        "executor",
        "self",
        "id",
        "ids",
        "key",
        "keys",
        "document",
        "body",
        "payload",
        "user",
        "row",
        "rows",
        "data",
        "mutation",
        "session",
        "engine",
        "transaction",
        "session",
        "variables",
        "url",
        "path",
    ];
    words(name).last().is_some_and(|word| WORDS.contains(&word.as_str()))
}

const STARTS: &[&str] = &[
    "select",
    "insert",
    "update",
    "delete",
    "with",
    "create",
    "drop",
    "alter",
    "truncate",
    "merge",
    "replace",
    "call",
    "exec",
    "execute",
    "pragma",
    "explain",
    "begin",
    "commit",
    "rollback",
    "vacuum",
    "grant",
    "revoke",
    "copy",
    "set",
    "show",
    "values",
    "use",
    "attach",
    "detach",
    "lock",
    "analyze",
    "declare",
    "do",
    "start",
    "savepoint",
    "release",
    "reset",
    "listen",
    "notify",
    "unlisten",
    "comment",
    "reindex",
    "refresh",
    "describe",
    "desc",
    "kill",
    "load",
    "table",
    "upsert",
    "end",
    "if",
    "cluster",
    "discard",
    "prepare",
];

/// Without blanks, comments and parentheses in front.
fn body(text: &str) -> &str {
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == '(' || c == ';');
    loop {
        let after = match (rest.strip_prefix("--"), rest.strip_prefix("/*")) {
            (Some(line), _) => line.split_once('\n').map_or("", |(_, after)| after),
            (None, Some(block)) => block.split_once("*/").map_or("", |(_, after)| after),
            (None, None) => return rest,
        };
        rest = after.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
    }
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphabetic() || *c == '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether the first word is one that begins a statement.
pub(in crate::source) fn starts_like_sql(text: &str) -> bool {
    STARTS.contains(&first_word(body(text)).as_str())
}

/// Whether a text is a statement, as far as words tell.
pub(in crate::source) fn looks_like_sql(text: &str) -> bool {
    let text = body(text);
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| c.is_whitespace() || "(),;*'\"`\u{fffd}".contains(c)).filter(|w| !w.is_empty()).collect();
    let has = |word: &str| words.contains(&word);
    let second = words.get(1).copied().unwrap_or_default();
    const OBJECTS: &[&str] = &[
        "table",
        "index",
        "view",
        "database",
        "schema",
        "type",
        "function",
        "user",
        "role",
        "temp",
        "temporary",
        "unique",
        "extension",
        "materialized",
        "or",
        "trigger",
        "sequence",
        "if",
        "policy",
        "procedure",
        "virtual",
        "domain",
        "column",
        "system",
        "publication",
    ];
    match words.first().copied().unwrap_or_default() {
        "select" => {
            has("from")
                || words.len() > 1 && !text.contains(['.', '!'])
                || lower.starts_with("select *")
                || text.contains('(')
        }
        "insert" => matches!(second, "into" | "or" | "ignore" | "overwrite"),
        "replace" | "merge" => second == "into",
        "update" => has("set"),
        "delete" => has("from"),
        "with" => has("as") && (has("select") || has("insert") || has("update") || has("delete")),
        "create" | "drop" | "alter" => OBJECTS.contains(&second),
        "truncate" => words.len() <= 6,
        "pragma" | "explain" | "vacuum" | "begin" | "commit" | "rollback" | "savepoint" => true,
        "grant" | "revoke" => has("on") || has("to") || has("from"),
        "copy" => has("from") || has("to"),
        "call" | "exec" | "execute" => lower.contains('(') || words.len() > 1,
        "set" => lower.contains('=') || second == "local" || second == "session" || has("to"),
        "attach" | "detach" => true,
        "values" | "show" | "use" | "lock" | "analyze" | "listen" | "notify" | "unlisten" => words.len() <= 8,
        _ => false,
    }
}

/// Whether a text is a statement whatever it is given to.
pub(in crate::source) fn surely_sql(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let has = |word: &str| lower.split(|c: char| !c.is_ascii_alphanumeric()).any(|one| one == word);
    looks_like_sql(text) && ["from", "into", "set", "values", "where", "table", "database", "join"].into_iter().any(has)
}

/// Whether a text is a part of a statement: a condition, an order.
pub(in crate::source) fn looks_like_fragment(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        " = ",
        "='",
        "= '",
        "=\u{fffd}",
        "= \u{fffd}",
        " like ",
        " in (",
        " in(",
        " and ",
        " or ",
        "<",
        ">",
        " is null",
        " between ",
        " asc",
        " desc",
        "::",
    ]
    .iter()
    .any(|sign| lower.contains(sign))
}

/// Whether a text is a GraphQL document.
pub(in crate::source) fn looks_like_graphql(text: &str) -> bool {
    let text = text.trim_start();
    let lower = text.to_ascii_lowercase();
    let opens = ["query", "mutation", "subscription", "fragment", "{"].iter().any(|start| lower.starts_with(start));
    opens && lower.contains('{') && !lower.contains("\":")
}
