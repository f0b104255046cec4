//! The first words of a statement: a wall behind analysis for what no privilege stops.
//!
//! Every account may change its own password (`SET PASSWORD`, `ALTER USER`), and a password that is not the binding's any more
//! locks us out. So only statements that begin like one of their class are sent.

use airlock_model::StatementClass;

const READS: [&str; 8] = ["SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC"];
const CHANGES: [&str; 4] = ["INSERT", "UPDATE", "DELETE", "REPLACE"];
const CHANGES_SCHEMA: [&str; 4] = ["CREATE", "ALTER", "DROP", "RENAME"];
/// What stands behind the first word when it is about accounts.
const ACCOUNTS: [&str; 2] = ["USER", "ROLE"];

/// Whether a statement begins like one of its class.
pub(super) fn fits(class: StatementClass, statement: &str) -> bool {
    let mut words = words(statement);
    let first = words.next().unwrap_or_default();
    let is_in = |list: &[&str], word: &str| list.iter().any(|listed| word.eq_ignore_ascii_case(listed));
    match class {
        StatementClass::Read => is_in(&READS, first),
        // A function that changes something is called with SELECT.
        StatementClass::Write => is_in(&CHANGES, first) || is_in(&READS, first),
        StatementClass::Ddl => is_in(&CHANGES_SCHEMA, first) && !words.take(3).any(|word| is_in(&ACCOUNTS, word)),
        StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => false,
    }
}

/// Whether a statement changes rows by itself, and not by calling a function.
pub(super) fn changes_rows(statement: &str) -> bool {
    words(statement).next().is_some_and(|first| CHANGES.iter().any(|word| first.eq_ignore_ascii_case(word)))
}

/// Words, without blanks, comments and parentheses before them. What else stands there is no word, nor is anything behind it.
fn words(statement: &str) -> impl Iterator<Item = &str> {
    let mut rest = statement;
    std::iter::from_fn(move || {
        rest = skipped(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}

fn skipped(text: &str) -> &str {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '(');
        let line = ["-- ", "--\t", "--\n", "#"].iter().any(|open| rest.starts_with(open));
        let behind = if line {
            rest.split_once('\n').map(|(_, behind)| behind)
        } else if rest.starts_with("/*") && !["/*!", "/*M!", "/*m!"].iter().any(|open| rest.starts_with(open)) {
            rest.split_once("*/").map(|(_, behind)| behind)
        } else {
            return rest;
        };
        match behind {
            Some(behind) => rest = behind,
            None => return "",
        }
    }
}
