//! One digest for all statements that differ only in blanks, comments, case of bare words and literal values.

use airlock_model::Digest;
use sqlparser::tokenizer::Token;

use super::{Dialect, SqlRefusal, parse};

/// The digest under which audit groups a statement.
///
/// # Errors
/// When the text is too long, contains a NUL, or cannot be split into tokens.
pub fn fingerprint(dialect: Dialect, text: &str) -> Result<Digest, SqlRefusal> {
    let tokens = parse::tokens(dialect, text)?;
    let parts: Vec<String> = tokens.into_iter().filter_map(|token| normalised(token.token)).collect();
    let mut pieces: Vec<&[u8]> = vec![dialect.as_str().as_bytes()];
    pieces.extend(parts.iter().map(String::as_bytes));
    while pieces.len() > 1 && pieces.last() == Some(&b";".as_slice()) {
        pieces.pop();
    }
    Ok(Digest::of_parts(&pieces))
}

fn normalised(token: Token) -> Option<String> {
    match token {
        Token::Whitespace(_) | Token::EOF => None,
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::TripleSingleQuotedString(_)
        | Token::DollarQuotedString(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::EscapedStringLiteral(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_) => Some("?".to_owned()),
        other => Some(other.to_string()),
    }
}
