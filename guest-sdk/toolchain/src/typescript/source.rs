//! One source file: TypeScript in, a JavaScript syntax tree and its imports and exports out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::Parser;
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::span::{SourceType, Span};
use oxc::transformer::{TransformOptions, Transformer};

use crate::error::Problem;

/// A file without types.
pub(super) struct Parsed<'a> {
    pub(super) program: Program<'a>,
    pub(super) scoping: Scoping,
}

/// Parses `text` and removes its types. `file` is the path that problems name; its extension tells the language.
pub(super) fn parse<'a>(allocator: &'a Allocator, file: &str, text: &'a str) -> Result<Parsed<'a>, Vec<Problem>> {
    // The transformer is known to panic on some inputs, and the inputs are not ours.
    catch_unwind(AssertUnwindSafe(|| parse_unguarded(allocator, file, text))).unwrap_or_else(|_| {
        let message = "the compiler could not handle this file".to_owned();
        let fix = "simplify its syntax, and report the file".to_owned();
        Err(vec![Problem { file: file.to_owned(), line: 0, column: 0, message, fix }])
    })
}

/// The place of a byte offset, as line and column from 1.
pub(super) fn position(text: &str, offset: u32) -> (u32, u32) {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX).min(text.len());
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// A problem at `span` of `file`.
pub(super) fn problem(file: &str, text: &str, span: Span, message: String, fix: String) -> Problem {
    let (line, column) = position(text, span.start);
    Problem { file: file.to_owned(), line, column, message, fix }
}

fn parse_unguarded<'a>(allocator: &'a Allocator, file: &str, text: &'a str) -> Result<Parsed<'a>, Vec<Problem>> {
    let source_type =
        if file.ends_with(".ts") || file.ends_with(".mts") { SourceType::ts() } else { SourceType::mjs() };
    let parsed = Parser::new(allocator, text, source_type.with_module(true)).parse();
    check(file, text, parsed.diagnostics.errors())?;
    let mut program = parsed.program;
    let semantic = SemanticBuilder::new().with_check_syntax_error(true).with_enum_eval(true).with_excess_capacity(2.0);
    let semantic = semantic.build(&program);
    check(file, text, semantic.diagnostics.errors())?;
    let scoping = semantic.semantic.into_scoping();
    let options = TransformOptions::default();
    let transformed = Transformer::new(allocator, Path::new(file), &options).build_with_scoping(scoping, &mut program);
    check(file, text, transformed.diagnostics.errors())?;
    // The transformer keeps its scoping up to date only as far as it needs it: names are resolved anew.
    let scoping = SemanticBuilder::new().build(&program).semantic.into_scoping();
    Ok(Parsed { program, scoping })
}

fn check<'d>(file: &str, text: &str, errors: impl Iterator<Item = &'d OxcDiagnostic>) -> Result<(), Vec<Problem>> {
    let problems: Vec<Problem> = errors.map(|error| from_diagnostic(file, text, error)).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn from_diagnostic(file: &str, text: &str, error: &OxcDiagnostic) -> Problem {
    let offset = error.labels.first().map(oxc::diagnostics::LabeledSpan::offset);
    let (line, column) = offset.map_or((0, 0), |offset| position(text, offset));
    let message = error.message.trim_end_matches('.').to_owned();
    let fix = error.help.as_deref().unwrap_or("correct the syntax here").to_owned();
    Problem { file: file.to_owned(), line, column, message, fix }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_syntax_error_has_its_line_and_column() {
        let problems = parse(&Allocator::default(), "src/main.ts", "const ok = 1;\nconst é = 2, = 3;\n").err().unwrap();
        let first = problems.first().unwrap();
        assert_eq!((first.file.as_str(), first.line, first.column), ("src/main.ts", 2, 14), "{first}");
    }

    #[test]
    fn an_enum_becomes_javascript() {
        let allocator = Allocator::default();
        let parsed = parse(&allocator, "a.ts", "export enum Tier { Gold = 1, Silver = Gold << 1 }").unwrap();
        let text = oxc::codegen::Codegen::new().build(&parsed.program).code;
        assert!(text.contains("Tier[Tier[\"Silver\"] = 2]"), "{text}");
    }
}
