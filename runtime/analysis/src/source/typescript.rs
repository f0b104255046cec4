//! TypeScript and JavaScript, through oxc.

mod class;
mod expression;
mod pattern;
mod statement;

use oxc::{
    allocator::Allocator,
    parser::{ParseOptions, Parser},
    span::SourceType,
};

use super::{
    SyntaxError,
    ir::{Expr, Kind, Module, Span},
};

/// Reads a file.
///
/// # Errors
/// The first syntax error.
pub(super) fn read(file: u32, name: &str, text: &str) -> Result<Module, SyntaxError> {
    let mut first = None;
    for source_type in source_types(name) {
        let allocator = Allocator::default();
        let options = ParseOptions { allow_return_outside_function: true, ..ParseOptions::default() };
        let parsed = Parser::new(&allocator, text, source_type).with_options(options).parse();
        let error = parsed.diagnostics.errors().next();
        match error {
            None if !parsed.panicked => return Ok(Lower { file }.module(&parsed.program)),
            error => {
                let offset = error.and_then(|error| error.labels.first().map(oxc::diagnostics::LabeledSpan::offset));
                let message = error.map_or_else(|| String::from("not understood"), |error| error.message.to_string());
                first.get_or_insert(SyntaxError { offset: offset.map_or(0, |offset| offset as usize), message });
            }
        }
    }
    Err(first.unwrap_or(SyntaxError { offset: 0, message: String::from("not understood") }))
}

/// How a file may be meant: its name does not always tell, and a snippet is not always a module.
fn source_types(name: &str) -> Vec<SourceType> {
    let (js, ts) = (SourceType::mjs().with_jsx(true), SourceType::ts().with_module(true));
    let ending = name.rsplit('.').next().unwrap_or_default();
    let script = SourceType::cjs().with_jsx(true);
    match ending {
        "js" | "mjs" | "cjs" | "jsx" => vec![js, script, ts],
        "tsx" => vec![SourceType::tsx(), ts],
        _ => vec![ts, SourceType::tsx(), SourceType::ts().with_script(true)],
    }
}

/// Turns oxc's tree into ours.
pub(super) struct Lower {
    file: u32,
}

impl Lower {
    fn span(&self, span: oxc::span::Span) -> Span {
        Span { file: self.file, start: span.start, end: span.end }
    }

    fn expr(&self, span: oxc::span::Span, kind: Kind) -> Expr {
        Expr::new(self.span(span), kind)
    }
}
