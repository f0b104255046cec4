//! Arrays between PostgreSQL's text (`{1,NULL,"a b"}`) and JSON.

use std::io;

use super::{scalar, types::Kind};

/// Dimensions that PostgreSQL knows (`MAXDIM`).
pub(super) const DIMENSIONS_MAX: usize = 6;

/// Writes an array as nested JSON arrays. One whose indices do not begin at 1 is a string, because its text says so and
/// JSON cannot.
///
/// # Errors
/// When the text is no array.
pub(super) fn write(text: &str, kind: Kind, out: &mut Vec<u8>) -> io::Result<()> {
    if text.starts_with('[') {
        return scalar::write_string(text, out);
    }
    let (mut rest, mut depth, mut before) = (text, 0_usize, Before::Nothing);
    loop {
        let next = *rest.as_bytes().first().ok_or_else(malformed)?;
        (rest, before) = match (next, before) {
            (b'{', Before::Nothing | Before::Open | Before::Comma) if depth < DIMENSIONS_MAX => {
                depth += 1;
                out.push(b'[');
                (after(rest), Before::Open)
            }
            (b'}', Before::Open | Before::Value) => {
                depth -= 1;
                out.push(b']');
                (after(rest), Before::Value)
            }
            (b',', Before::Value) => {
                out.push(b',');
                (after(rest), Before::Comma)
            }
            (b'{' | b'}' | b',', _) | (_, Before::Nothing | Before::Value) => return Err(malformed()),
            (b'"', Before::Open | Before::Comma) => (quoted(after(rest), kind, out)?, Before::Value),
            (_, Before::Open | Before::Comma) => (bare(rest, kind, out)?, Before::Value),
        };
        if depth == 0 {
            return if rest.is_empty() { Ok(()) } else { Err(malformed()) };
        }
    }
}

/// What stands before the next character.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    Open,
    Comma,
    Value,
}

/// Without the first character, which is ASCII.
fn after(text: &str) -> &str {
    text.get(1..).unwrap_or_default()
}

fn quoted<'a>(text: &'a str, kind: Kind, out: &mut Vec<u8>) -> io::Result<&'a str> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => {
                scalar::write(&value, kind, out)?;
                return text.get(at + 1..).ok_or_else(malformed);
            }
            '\\' => value.push(characters.next().ok_or_else(malformed)?.1),
            other => value.push(other),
        }
    }
    Err(malformed())
}

fn bare<'a>(text: &'a str, kind: Kind, out: &mut Vec<u8>) -> io::Result<&'a str> {
    let end = text.find([',', '}']).ok_or_else(malformed)?;
    let (value, rest) = text.split_at(end);
    if value == "NULL" {
        out.extend_from_slice(b"null");
    } else {
        scalar::write(value, kind, out)?;
    }
    Ok(rest)
}

/// Adds one element to an array's text.
pub(super) fn push_element(array: &mut String, value: Option<&str>) {
    let Some(value) = value else {
        array.push_str("NULL");
        return;
    };
    array.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            array.push('\\');
        }
        array.push(character);
    }
    array.push('"');
}

fn malformed() -> io::Error {
    super::wire::garbage("an array that is none")
}
