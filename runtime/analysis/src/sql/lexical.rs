//! Refuses the few texts that a database may split into other tokens than sqlparser does.
//!
//! A difference in tokens is a difference in what is judged and what is run, so none is tolerated. Each rule names
//! the lexer it comes from.

use std::collections::BTreeSet;

use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Whitespace};

use super::{Dialect, SqlRefusal, parse::unparsed};

/// Refuses tokens that are known to be read differently by the database.
pub(super) fn check(dialect: Dialect, text: &str, tokens: &[TokenWithSpan]) -> Result<(), SqlRefusal> {
    let exotic = exotic_blanks(text);
    let mut before: Option<&TokenWithSpan> = None;
    for token in tokens {
        let problem = match &token.token {
            Token::Whitespace(blank) => blank_problem(dialect, blank, exotic.contains(&place(token.span.start))),
            _ => None,
        };
        let problem = problem.or_else(|| neighbour_problem(dialect, before, token));
        if let Some(message) = problem {
            return Err(unparsed(token.span.start.line, token.span.start.column, message));
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            before = Some(token);
        }
    }
    if dialect == Dialect::Mysql && ["/*!", "/*M!", "/*m!"].iter().any(|open| text.contains(open)) {
        return Err(unparsed(0, 0, "comments that MySQL executes (`/*!`) are not accepted: write the text plainly"));
    }
    Ok(())
}

fn blank_problem(dialect: Dialect, blank: &Whitespace, is_exotic: bool) -> Option<&'static str> {
    match blank {
        // SQLite and PostgreSQL read every character beyond ASCII as part of an identifier.
        Whitespace::Space if is_exotic => Some("a blank outside ASCII: use plain spaces"),
        // MySQL only takes `--` as a comment before an ASCII blank; sqlparser takes any Unicode blank.
        Whitespace::SingleLineComment { prefix, comment } if dialect == Dialect::Mysql && prefix == "--" => {
            let plain = comment.starts_with([' ', '\t', '\n', '\r']);
            (!plain).then_some("`--` starts a comment only before a plain space")
        }
        _ => None,
    }
}

fn neighbour_problem(dialect: Dialect, before: Option<&TokenWithSpan>, token: &TokenWithSpan) -> Option<&'static str> {
    if dialect != Dialect::Postgres {
        return None;
    }
    let before = before?;
    // PostgreSQL continues a string literal after a newline, with the escapes of the first part: in
    // E'a'\n'\', ' the second part ends one quote later than it seems.
    if is_string(&token.token) && is_string(&before.token) && !is_plain(&before.token) {
        return Some("a string literal directly after an escaped one: write one literal");
    }
    // U&"..." is an identifier with escapes; sqlparser reads three tokens.
    let opens = matches!(&before.token, Token::Ampersand) && before.span.end == token.span.start;
    let quoted = matches!(&token.token, Token::Word(word) if word.quote_style.is_some());
    (opens && quoted)
        .then_some("identifiers with Unicode escapes (`U&\"..\"`) are not accepted: write the name plainly")
}

fn is_plain(token: &Token) -> bool {
    matches!(token, Token::SingleQuotedString(_))
}

fn is_string(token: &Token) -> bool {
    is_plain(token)
        || matches!(
            token,
            Token::EscapedStringLiteral(_)
                | Token::UnicodeStringLiteral(_)
                | Token::NationalStringLiteral(_)
                | Token::HexStringLiteral(_)
                | Token::SingleQuotedByteStringLiteral(_)
        )
}

fn place(location: Location) -> (u64, u64) {
    (location.line, location.column)
}

/// Where blanks beyond ASCII stand, in sqlparser's own way of counting.
fn exotic_blanks(text: &str) -> BTreeSet<(u64, u64)> {
    let mut found = BTreeSet::new();
    let (mut line, mut column) = (1, 1);
    for character in text.chars() {
        if !character.is_ascii() && character.is_whitespace() {
            found.insert((line, column));
        }
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    found
}
