//! How a call takes its parameters.

use crate::Dialect;
use crate::source::{Language, SourceFile, report::Edit, sink::Use};

/// How placeholders are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `$1`, `$2`.
    Dollar,
    /// `?`.
    Question,
    /// `%s` of Python's drivers; a percent sign in the text is doubled.
    Percent,
    /// `:p1`, `:p2`.
    Named,
}

/// How the values are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passing {
    /// `[a, b]` behind the text.
    Array,
    /// `(a, b)` behind the text.
    Tuple,
    /// `a, b` behind the text.
    Spread,
    /// `.bind(a).bind(b)` behind the call.
    Bind,
    /// `.bindparams(p1=a)` behind the call.
    BindParams,
    /// `params=(a,)` as the last argument.
    ParamsKeyword,
    /// `&[&a]` in place of `&[]`.
    References,
    /// `params![a]` in place of `[]` or `()`.
    ParamsMacro,
    /// `(a,)` in place of `()`.
    TupleInPlace,
}

pub(super) struct Idiom {
    pub(super) style: Style,
    passing: Passing,
    /// Placeholders that are there already.
    first: usize,
}

impl Idiom {
    /// The idiom of a call; `None` where only a person can tell.
    pub(super) fn of(used: &Use, file: &SourceFile, dialect: Option<Dialect>) -> Option<Self> {
        let sample = used.text.sample();
        // What is bound already would have to be put in order.
        if sample.contains('?') || sample.contains("%s") || sample.contains("%(") {
            return None;
        }
        let (style, passing) = match file.language? {
            Language::Typescript => typescript(used, &file.text, dialect)?,
            Language::Python => python(used, &file.text, dialect)?,
            Language::Rust => rust(used, &file.text)?,
        };
        let first = highest_dollar(&sample);
        (first == 0 || style == Style::Dollar).then_some(Self { style, passing, first })
    }

    pub(super) fn placeholder(&self, number: usize) -> String {
        match self.style {
            Style::Dollar => format!("${}", self.first + number),
            Style::Question => String::from("?"),
            Style::Percent => String::from("%s"),
            Style::Named => format!(":p{number}"),
        }
    }

    /// The edits that hand the values over; `None` where the call has arguments that do not fit.
    pub(super) fn parameters(&self, used: &Use, source: &str, values: &[String]) -> Option<Vec<Edit>> {
        let behind = |text: String| {
            Some(vec![Edit { start: used.argument.end as usize, end: used.argument.end as usize, text }])
        };
        let behind_call =
            |text: String| Some(vec![Edit { start: used.call.end as usize, end: used.call.end as usize, text }]);
        let list = values.join(", ");
        let tuple = if values.len() == 1 { format!("({list},)") } else { format!("({list})") };
        let next = used.others.first().map(|(span, _)| (span.start as usize, span.end as usize));
        let next_text = next.and_then(|(start, end)| source.get(start..end)).map(str::trim);
        match (self.passing, next_text) {
            (Passing::Array, None) => behind(format!(", [{list}]")),
            (Passing::Array, Some(callback)) if is_function(callback) => behind(format!(", [{list}]")),
            (Passing::Array, Some(array)) if array.starts_with('[') && array.ends_with(']') => {
                self.longer(next?, array, "", &list)
            }
            (Passing::Tuple, None) => behind(format!(", {tuple}")),
            (Passing::Spread, None) => behind(format!(", {list}")),
            (Passing::Bind, None) => behind_call(values.iter().map(|value| format!(".bind({value})")).collect()),
            (Passing::BindParams, None) => {
                let named: Vec<String> =
                    values.iter().enumerate().map(|(index, value)| format!("p{}={value}", index + 1)).collect();
                behind_call(format!(".bindparams({})", named.join(", ")))
            }
            (Passing::ParamsKeyword, Some(_))
                if used.others.iter().all(|(_, name)| name.as_deref() != Some("params")) =>
            {
                let last =
                    used.others.iter().map(|(span, _)| span.end as usize).chain([used.argument.end as usize]).max()?;
                Some(vec![Edit { start: last, end: last, text: format!(", params={tuple}") }])
            }
            (Passing::References, Some(array)) if array.starts_with("&[") && array.ends_with(']') => {
                let references: Vec<String> = values.iter().map(|value| format!("&{value}")).collect();
                self.longer(next?, array, "&", &references.join(", "))
            }
            (Passing::ParamsMacro, Some("[]" | "()" | "params![]")) => {
                Some(vec![Edit { start: next?.0, end: next?.1, text: format!("params![{list}]") }])
            }
            (Passing::TupleInPlace, Some("()")) => Some(vec![Edit { start: next?.0, end: next?.1, text: tuple }]),
            _ => None,
        }
    }

    /// A literal list with more in it.
    fn longer(&self, (start, end): (usize, usize), array: &str, prefix: &str, list: &str) -> Option<Vec<Edit>> {
        let inside = array.strip_prefix(prefix)?.strip_prefix('[')?.strip_suffix(']')?.trim().trim_end_matches(',');
        if (self.first == 0) != inside.is_empty() || inside.contains("...") {
            return None;
        }
        let joined = if inside.is_empty() { list.to_owned() } else { format!("{inside}, {list}") };
        Some(vec![Edit { start, end, text: format!("{prefix}[{joined}]") }])
    }
}

fn is_function(text: &str) -> bool {
    text.starts_with("function")
        || text.starts_with("async")
        || text.contains("=>")
        || matches!(text, "cb" | "callback" | "done" | "next")
}

fn method(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or_default()
}

fn typescript(used: &Use, file: &str, dialect: Option<Dialect>) -> Option<(Style, Passing)> {
    let path = used.path.to_ascii_lowercase();
    let takes_array = [
        "query",
        "execute",
        "unsafe",
        "stream",
        "raw",
        "whereRaw",
        "havingRaw",
        "orderByRaw",
        "one",
        "oneOrNone",
        "any",
        "none",
        "many",
        "manyOrNone",
        "all",
        "get",
        "each",
        "run",
        "executeSql",
        "queryAsync",
    ];
    let unsafe_prisma = matches!(method(&used.path), "$queryRawUnsafe" | "$executeRawUnsafe");
    if (!takes_array.contains(&method(&used.path)) && !unsafe_prisma)
        || path.contains("request()")
        || path.contains("sequelize")
        || path.starts_with("sql.raw")
        || path.contains("drizzle")
        || path.contains("prisma.raw")
        || path.contains("querystream")
    {
        return None;
    }
    let file = file.to_ascii_lowercase();
    let questions = ["mysql", "sqlite", "knex", "libsql", "turso", "env.db", "d1"]
        .iter()
        .any(|name| file.contains(name) || path.contains(name));
    let is_mysql_call = method(&used.path) == "execute" && path.contains("conn")
        || matches!(
            method(&used.path),
            "raw" | "whereRaw" | "havingRaw" | "orderByRaw" | "executeSql" | "run" | "each" | "get" | "all"
        );
    let style = match dialect {
        Some(Dialect::Postgres) => Style::Dollar,
        Some(Dialect::Mysql | Dialect::Sqlite) => Style::Question,
        None if path.contains("@airlock") => Style::Dollar,
        None if questions || is_mysql_call => Style::Question,
        None => Style::Dollar,
    };
    Some((style, if unsafe_prisma { Passing::Spread } else { Passing::Array }))
}

fn python(used: &Use, file: &str, dialect: Option<Dialect>) -> Option<(Style, Passing)> {
    let method = method(&used.path);
    if used.path.starts_with("airlock") {
        return Some((Style::Dollar, Passing::Array));
    }
    match method {
        "text" => return Some((Style::Named, Passing::BindParams)),
        "fetchrow" | "fetchval" | "fetch" => return Some((Style::Dollar, Passing::Spread)),
        "execute" if file.contains("asyncpg") => return Some((Style::Dollar, Passing::Spread)),
        "execute" | "mogrify" | "raw" | "read_sql" | "read_sql_query" => {}
        _ => return None,
    }
    let questions =
        dialect == Some(Dialect::Sqlite) || ["sqlite", "duckdb", "pyodbc"].iter().any(|name| file.contains(name));
    let style = if questions { Style::Question } else { Style::Percent };
    let passing = match method {
        "read_sql" | "read_sql_query" => Passing::ParamsKeyword,
        "raw" => Passing::Array,
        _ => Passing::Tuple,
    };
    Some((style, passing))
}

fn rust(used: &Use, file: &str) -> Option<(Style, Passing)> {
    let method = method(&used.path);
    let of_sqlx = used.path.contains("sqlx") || (file.contains("sqlx") && !used.path.contains('.'));
    match method {
        "query" | "query_as" | "query_scalar" if of_sqlx => Some((Style::Dollar, Passing::Bind)),
        "query" | "execute" | "query_stream" if used.path.starts_with("resources.") => {
            Some((Style::Dollar, Passing::TupleInPlace))
        }
        "query_row" | "execute"
            if file.contains("rusqlite") || file.contains("Connection") || method == "query_row" =>
        {
            Some((Style::Question, Passing::ParamsMacro))
        }
        "query" | "query_one" | "query_opt" | "execute" if !used.others.is_empty() => {
            Some((Style::Dollar, Passing::References))
        }
        _ => None,
    }
}

/// The highest `$n` in a text.
fn highest_dollar(text: &str) -> usize {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    text.split('$').skip(1).filter_map(number).max().unwrap_or(0)
}

/// A text with the placeholders of drivers (`%s`, `%(name)s`, `:name`, `$<name>`, `@name`) as the databases write them.
pub(in crate::source) fn plain_placeholders(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut number = highest_dollar(text);
    while let Some(at) = rest.find(['%', ':', '@', '$', '\'']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let length = placeholder_length(from, plain.chars().last());
        if length > 0 {
            number += 1;
            plain.push_str(&format!("${number}"));
            rest = from.get(length..).unwrap_or_default();
        } else {
            // Over a quoted text or the sign itself.
            let over = if from.starts_with('\'') {
                from.get(1..).and_then(|inside| inside.find('\'')).map_or(1, |end| end + 2)
            } else if from.starts_with("::") {
                2
            } else {
                1
            };
            let kept = from.get(..over).unwrap_or(from);
            plain.push_str(if kept == "%" && from.starts_with("%%") { "" } else { kept });
            rest = from.get(kept.len()..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    plain
}

fn placeholder_length(from: &str, before: Option<char>) -> usize {
    let name = |text: &str| {
        text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').map(char::len_utf8).sum::<usize>()
    };
    if from.starts_with("%s") {
        return 2;
    }
    if let Some(inside) = from.strip_prefix("%(").or(from.strip_prefix("$<")).or(from.strip_prefix("${")) {
        let end = inside.find([')', '>', '}']).unwrap_or(0);
        let closes = if from.starts_with('%') { 2 } else { 1 };
        return if end > 0 { 2 + end + closes } else { 0 };
    }
    let starts = from.strip_prefix(':').or(from.strip_prefix('@')).or(from.strip_prefix('$'));
    let Some(inside) = starts.filter(|inside| inside.starts_with(|c: char| c.is_ascii_alphabetic())) else { return 0 };
    // `a::text`, `x@y` and PostgreSQL's `$tag$` are no placeholders.
    let odd = before.is_some_and(|c| c == ':' || c == '@' || (c.is_alphanumeric() && from.starts_with('@')));
    if odd || inside.get(name(inside)..).is_some_and(|after| from.starts_with('$') && after.starts_with('$')) {
        0
    } else {
        1 + name(inside)
    }
}
