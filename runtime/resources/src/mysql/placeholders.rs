//! `$1`, `$2` and so on, as the other databases take them and the SDKs write them, for a server that only knows `?`.
//!
//! Only a `$`, digits and nothing else of a name, outside of strings, quoted names and comments, becomes a `?`. Whatever is found,
//! nothing but that one character comes into the text.

use std::borrow::Cow;

use super::{explain::bad, fault::Fault, parameters::Bound};

/// Bytes of all values together, each as often as the statement names it.
const VALUES_BYTES_MAX: usize = 16 << 20;

/// The statement with `?`, and the values in the order of the `?`.
///
/// # Errors
/// When a number has no value, a value no number, both kinds are in one statement, or a few large values would become many.
pub(super) fn bind(statement: &str, values: Vec<Bound>) -> Result<(Cow<'_, str>, Vec<Bound>), Fault> {
    let found = Found::read(statement);
    let Some(greatest) = found.numbers.iter().copied().max() else { return Ok((Cow::Borrowed(statement), values)) };
    if found.has_question_marks {
        return Err(bad("the statement has both `?` and `$1`: use one kind of placeholder"));
    }
    if greatest != values.len() {
        let given = values.len();
        return Err(bad(&format!("the statement has {greatest} parameters and {given} values were given")));
    }
    let value = |number: &usize| {
        let value = number.checked_sub(1).and_then(|index| values.get(index));
        value.ok_or_else(|| bad("placeholders begin with `$1`"))
    };
    let named = found.numbers.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    // Before any is copied: a short text can name one value thousands of times.
    let bytes = named.iter().map(|value| value.size_bytes()).fold(0, usize::saturating_add);
    if bytes > VALUES_BYTES_MAX {
        return Err(bad(&format!(
            "the statement names values of {bytes} bytes in all, and may name {VALUES_BYTES_MAX}: name a large value once"
        )));
    }
    Ok((Cow::Owned(found.text), named.into_iter().cloned().collect()))
}

#[derive(Default)]
struct Found {
    text: String,
    numbers: Vec<usize>,
    has_question_marks: bool,
}

impl Found {
    fn read(statement: &str) -> Self {
        let (mut found, mut rest) = (Self::default(), statement);
        while let Some(first) = rest.chars().next() {
            let (piece, behind) = rest.split_at(length(rest, first));
            match piece.strip_prefix('$').map(str::parse) {
                Some(Ok(number)) => {
                    found.numbers.push(number);
                    found.text.push('?');
                }
                _ => found.text.push_str(piece),
            }
            found.has_question_marks |= piece == "?";
            rest = behind;
        }
        found
    }
}

/// Bytes of what stands at the beginning: a string, a quoted name, a comment, a word, or one character.
fn length(text: &str, first: char) -> usize {
    let is_comment = text.starts_with('#')
        || text.strip_prefix("--").is_some_and(|behind| behind.is_empty() || behind.starts_with(|c: char| c <= ' '));
    match first {
        '\'' | '"' | '`' => quoted(text, first),
        _ if is_comment => text.find('\n').unwrap_or(text.len()),
        '/' if text.starts_with("/*") => {
            text.get(2..).and_then(|inside| inside.find("*/")).map_or(text.len(), |end| end + 4)
        }
        c if is_part(c) => text.find(|c| !is_part(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    }
}

fn quoted(text: &str, close: char) -> usize {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        // A doubled quote ends one string and begins another, which comes to the same.
        if character == close {
            return at + 1;
        }
        if character == '\\' && close != '`' {
            characters.next();
        }
    }
    text.len()
}

fn is_part(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}
