//! Refuses the few texts that a database may split into other tokens than sqlparser does.
//!
//! A difference in tokens is a difference in what is judged and what is run, so none is tolerated: strings, quoted names and
//! comments must lie exactly where the database's own lexer sees them, and the rest follows the rules below.

use std::collections::BTreeSet;

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Location, Token, TokenWithSpan, Whitespace},
};

use super::{Dialect, SqlRefusal, functions, lexer, parse::unparsed};

/// What the database's lexer adds to the tokens.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    /// Operators as PostgreSQL cuts them; empty for the other dialects.
    pub(super) operators: Vec<String>,
    /// Whether sqlparser can be believed about `TABLE name`: it takes two more tokens, whatever they are.
    pub(super) has_plain_tables: bool,
}

/// Refuses tokens that the database reads differently.
pub(super) fn check(dialect: Dialect, text: &str, tokens: &[TokenWithSpan]) -> Result<Lexed, SqlRefusal> {
    if dialect == Dialect::Mysql && ["/*!", "/*M!", "/*m!"].iter().any(|open| text.contains(open)) {
        return Err(unparsed(0, 0, "comments that MySQL executes (`/*!`) are not accepted: write the text plainly"));
    }
    // They set session variables for one statement, and the parser drops some of them unseen.
    if dialect == Dialect::Mysql && text.contains("/*+") {
        return Err(unparsed(0, 0, "optimizer hints (`/*+`) are not accepted: leave them out"));
    }
    let exotic = exotic_blanks(text);
    let mut before: Option<&TokenWithSpan> = None;
    for token in tokens {
        let problem = token_problem(dialect, &exotic, token).or_else(|| neighbour_problem(dialect, before?, token));
        if let Some(message) = problem {
            return Err(unparsed(token.span.start.line, token.span.start.column, message));
        }
        if !matches!(token.token, Token::Whitespace(_)) {
            before = Some(token);
        }
    }
    let split = lexer::split(dialect, text)?;
    agree(&split.opaque, tokens)?;
    Ok(Lexed { operators: split.operators, has_plain_tables: has_plain_tables(tokens) })
}

/// Whether behind every `TABLE` stands `schema.name`, or a name and then the end.
fn has_plain_tables(tokens: &[TokenWithSpan]) -> bool {
    let mut code = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    while code.any(|token| matches!(token, Token::Word(word) if word.keyword == Keyword::TABLE)) {
        let mut behind = code.clone().skip(1);
        let qualified = behind.next() == Some(&Token::Period);
        if !qualified && code.clone().skip(1).any(|token| !matches!(token, Token::SemiColon | Token::EOF)) {
            return false;
        }
    }
    true
}

/// Both lexers must have found the same strings, quoted names and comments.
fn agree(theirs: &[lexer::Opaque], tokens: &[TokenWithSpan]) -> Result<(), SqlRefusal> {
    let mut theirs = theirs.iter();
    let ours = tokens.iter().filter(|token| is_opaque(token));
    for ours in ours.map(|token| Some(token.span)).chain([None]) {
        let next = theirs.next().copied();
        if next != ours.map(|span| (span.start, span.end)) {
            let place = next.map(|(start, _)| start).or(ours.map(|span| span.start)).unwrap_or(Location::new(0, 0));
            let message =
                "a string, quoted name or comment that can be read in two ways: write it plainly, with blanks";
            return Err(unparsed(place.line, place.column, message));
        }
    }
    Ok(())
}

fn is_opaque(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::Word(word) => word.quote_style.is_some(),
        Token::Whitespace(blank) => {
            matches!(blank, Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_))
        }
        Token::DollarQuotedString(_) | Token::DoubleQuotedString(_) => true,
        _ => is_string(token),
    }
}

fn token_problem(dialect: Dialect, exotic: &BTreeSet<(u64, u64)>, token: &TokenWithSpan) -> Option<&'static str> {
    let start = token.span.start;
    match &token.token {
        // SQLite and PostgreSQL read every character beyond ASCII as part of an identifier.
        Token::Whitespace(Whitespace::Space) if exotic.contains(&(start.line, start.column)) => {
            Some("a blank outside ASCII: use plain spaces")
        }
        // sqlparser takes whatever follows `@` into the name.
        Token::Word(word) if word.quote_style.is_none() && !is_name(&word.value) => Some("not a name"),
        // PostgreSQL ends `$1and` behind the digits.
        Token::Placeholder(name) if dialect == Dialect::Postgres => {
            let digits = name.strip_prefix('$').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
            (!digits).then_some("placeholders are `$1`, `$2` and so on, with a blank behind them")
        }
        Token::DoubleQuotedByteStringLiteral(_) => Some("`b\"..\"` can be read in two ways: put a blank between"),
        _ => None,
    }
}

/// Where blanks stand that are no blanks for every database, in sqlparser's own way of counting.
fn exotic_blanks(text: &str) -> BTreeSet<(u64, u64)> {
    let mut found = BTreeSet::new();
    let (mut line, mut column) = (1, 1);
    for character in text.chars() {
        if character == '\u{b}' || (!character.is_ascii() && character.is_whitespace()) {
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

fn is_name(word: &str) -> bool {
    let word = word.trim_start_matches(['@', '#']);
    word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$' | '.') || !c.is_ascii())
}

fn neighbour_problem(dialect: Dialect, before: &TokenWithSpan, token: &TokenWithSpan) -> Option<&'static str> {
    let touches = before.span.end == token.span.start;
    let number = matches!(before.token, Token::Number(..) | Token::HexStringLiteral(_)) && !is_string(before);
    if number && touches && matches!(&token.token, Token::Word(_) | Token::Number(..) | Token::Placeholder(_)) {
        return Some("a number and a name without a blank between them");
    }
    if dialect == Dialect::Mysql && !touches && token.token == Token::LParen && is_builtin_name(before) {
        return Some("a blank between a function's name and its parenthesis: MySQL looks for a function of yours then");
    }
    if dialect != Dialect::Postgres {
        return None;
    }
    // PostgreSQL continues a string literal after a newline, with the escapes of the first part: in
    // E'a'\n'\', ' the second part ends one quote later than it seems.
    if is_string(token) && is_string(before) && !matches!(before.token, Token::SingleQuotedString(_)) {
        return Some("a string literal directly after an escaped one: write one literal");
    }
    // U&"..." is an identifier with escapes; sqlparser reads three tokens.
    let opens = touches && matches!(&before.token, Token::Ampersand);
    let quoted = matches!(&token.token, Token::Word(word) if word.quote_style.is_some());
    (opens && quoted)
        .then_some("identifiers with Unicode escapes (`U&\"..\"`) are not accepted: write the name plainly")
}

fn is_builtin_name(token: &TokenWithSpan) -> bool {
    matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && functions::may_not_be_spaced(&word.value))
}

fn is_string(token: &TokenWithSpan) -> bool {
    match &token.token {
        Token::SingleQuotedString(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_) => true,
        // X'1f', while 0x1f is a number; neither has blanks inside.
        Token::HexStringLiteral(digits) => {
            let length = token.span.end.column.saturating_sub(token.span.start.column);
            usize::try_from(length).is_ok_and(|length| length == digits.chars().count() + 3)
        }
        _ => false,
    }
}
