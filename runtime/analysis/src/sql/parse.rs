//! Text to one statement, with every refusal that can be decided before or while parsing.

use sqlparser::{
    ast::Statement,
    dialect::{MySqlDialect, SQLiteDialect},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError},
};

use super::{Dialect, SqlRefusal, TEXT_BYTES_MAX, depth, lexical, postgres::Postgres};

/// Levels of recursive descent. Real statements stay below 20; the time of a hostile one grows with it.
const PARSE_DEPTH_MAX: usize = 50;
const MESSAGE_CHARS_MAX: usize = 300;

/// A statement, and what only the text tells of it.
pub(super) struct Parsed {
    pub(super) statement: Statement,
    pub(super) lexed: lexical::Lexed,
}

/// Parses exactly one statement; a trailing semicolon is allowed.
pub(super) fn one_statement(dialect: Dialect, text: &str) -> Result<Parsed, SqlRefusal> {
    let tokens = tokens(dialect, text)?;
    depth::check(&tokens)?;
    let lexed = lexical::check(dialect, text, &tokens)?;
    let sql = of(dialect);
    let mut parser = Parser::new(sql).with_recursion_limit(PARSE_DEPTH_MAX).with_tokens_with_locations(tokens);
    let mut first = None;
    let mut count: usize = 0;
    loop {
        let mut separated = count == 0;
        while parser.consume_token(&Token::SemiColon) {
            separated = true;
        }
        let next = parser.peek_token_ref();
        if next.token == Token::EOF {
            break;
        }
        // sqlparser itself stops silently at a stray `END` here, and would hide what follows.
        if !separated {
            let message = format!("expected the end of the statement, found: {next}");
            return Err(unparsed(next.span.start.line, next.span.start.column, &message));
        }
        let statement = statement(dialect, &mut parser).map_err(|error| refusal(&error, &parser))?;
        first.get_or_insert(statement);
        count += 1;
    }
    match (first, count) {
        (Some(statement), 1) => Ok(Parsed { statement, lexed }),
        (None, _) => Err(SqlRefusal::Empty),
        (Some(_), count) => Err(SqlRefusal::NotOneStatement { count }),
    }
}

/// `TABLE name` is a whole query, which sqlparser only takes as a part of one.
fn statement(dialect: Dialect, parser: &mut Parser<'_>) -> Result<Statement, ParserError> {
    if dialect != Dialect::Sqlite && parser.peek_keyword(Keyword::TABLE) {
        return parser.parse_query().map(Statement::Query);
    }
    parser.parse_statement()
}

/// Splits the text after the checks that need no tokens.
pub(super) fn tokens(dialect: Dialect, text: &str) -> Result<Vec<TokenWithSpan>, SqlRefusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SqlRefusal::TooLong { configured: TEXT_BYTES_MAX, found: text.len() });
    }
    if text.contains('\0') {
        return Err(SqlRefusal::NulByte);
    }
    let split = Tokenizer::new(of(dialect), text).tokenize_with_location();
    split.map_err(|TokenizerError { message, location }| unparsed(location.line, location.column, &message))
}

fn of(dialect: Dialect) -> &'static dyn sqlparser::dialect::Dialect {
    match dialect {
        Dialect::Sqlite => &SQLiteDialect {},
        Dialect::Postgres => &Postgres,
        Dialect::Mysql => &MySqlDialect {},
    }
}

fn refusal(error: &ParserError, parser: &Parser<'_>) -> SqlRefusal {
    match error {
        ParserError::RecursionLimitExceeded => SqlRefusal::TooDeep { configured: PARSE_DEPTH_MAX },
        ParserError::ParserError(message) | ParserError::TokenizerError(message) => {
            let at = parser.peek_token_ref().span.start;
            let (message, line, column) = match place(message) {
                Some((message, line, column)) => (message, line, column),
                None => (message.as_str(), at.line, at.column),
            };
            unparsed(line, column, message)
        }
    }
}

/// sqlparser writes the place at the end of its messages.
fn place(message: &str) -> Option<(&str, u64, u64)> {
    let (text, place) = message.rsplit_once(" at Line: ")?;
    let (line, column) = place.split_once(", Column: ")?;
    Some((text, line.parse().ok()?, column.parse().ok()?))
}

/// The refusal of a text that is not understood.
pub(super) fn unparsed(line: u64, column: u64, message: &str) -> SqlRefusal {
    SqlRefusal::Unparsed { line, column, message: message.chars().take(MESSAGE_CHARS_MAX).collect() }
}
