//! What to write instead: advice for every finding, and edits where the text stands in one place.

mod bind;
mod diff;
mod idiom;

use super::{
    Language, SourceFile,
    report::Fix,
    rules::Rule,
    sink::{Found, TextKind},
};
use crate::Dialect;

pub(super) use idiom::plain_placeholders;

/// What is wrong with a found text.
pub(super) fn message(found: &Found, file: &SourceFile) -> String {
    let shown = shown(file, found.related.start as usize, found.related.end as usize);
    let title = found.rule.info().title;
    match found.rule {
        Rule::SqlParameter | Rule::SqlUnknown => {
            format!("{title}: `{shown}` is sent as it is, and whoever decides what is in it decides what runs")
        }
        Rule::DynamicCode | Rule::DynamicImport | Rule::DynamicMember => {
            format!("{title}: what `{shown}` does cannot be known before it runs")
        }
        _ => format!(
            "{title}: `{shown}` becomes part of the text instead of a value, so it can change what the statement does"
        ),
    }
}

/// A piece of the file in one short line.
fn shown(file: &SourceFile, start: usize, end: usize) -> String {
    const CHARS_MAX: usize = 60;
    let text = file.text.get(start..end).unwrap_or_default();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > CHARS_MAX {
        line.chars().take(CHARS_MAX - 3).chain("...".chars()).collect()
    } else {
        line
    }
}

/// The fix of a finding.
pub(super) fn fix(found: &Found, file: &SourceFile, dialect: Option<Dialect>) -> Fix {
    let edits = found.use_of.as_ref().filter(|_| found.kind == TextKind::Sql && found.rule != Rule::SqlIdentifier);
    if let Some(edits) = edits.and_then(|used| bind::edits(used, file, dialect)) {
        return Fix { advice: String::from("bind the values as parameters"), edits };
    }
    Fix { advice: advice(found, file), edits: Vec::new() }
}

fn advice(found: &Found, file: &SourceFile) -> String {
    let shown = shown(file, found.related.start as usize, found.related.end as usize);
    let language = file.language.unwrap_or(Language::Typescript);
    match found.rule {
        Rule::SqlIdentifier => {
            format!("look `{shown}` up in a constant map, and use what it gives: `{}`", map_of(language))
        }
        Rule::GraphqlDynamic => String::from(
            "declare a variable in the document, as in `query ($id: ID!) { .. }`, and pass the value in `variables`",
        ),
        _ => String::from(found.rule.info().help),
    }
}

const fn map_of(language: Language) -> &'static str {
    match language {
        Language::Typescript => "const COLUMNS = { name: \"name\", age: \"age\" }; .. ${COLUMNS[key] ?? \"name\"}",
        Language::Python => "COLUMNS = {\"name\": \"name\", \"age\": \"age\"} .. {COLUMNS[key]}",
        Language::Rust => "match key { \"name\" => \"name\", \"age\" => \"age\", _ => return Err(..) }",
    }
}

/// Advice, and below it the change as a unified diff, which `patch` and `git apply` take.
pub(super) fn rendered(fix: &Fix, path: &str, text: &str) -> String {
    if fix.edits.is_empty() {
        return fix.advice.clone();
    }
    format!("{}\n{}", fix.advice, diff::unified(path, text, &fix.apply(text)))
}
