//! Python, through ruff's parser.

mod expression;
mod statement;

use ruff_python_parser::parse_module;
use ruff_text_size::{Ranged, TextRange};

use super::{
    SyntaxError,
    ir::{Expr, Kind, Module, Span},
};

/// Reads a file.
///
/// # Errors
/// The first syntax error.
pub(super) fn read(file: u32, text: &str) -> Result<Module, SyntaxError> {
    match parse_module(text) {
        Ok(parsed) => {
            let lower = Lower { file };
            Ok(Module { body: lower.statements(parsed.suite()) })
        }
        Err(error) => Err(SyntaxError { offset: error.location.start().to_usize(), message: error.error.to_string() }),
    }
}

/// Turns ruff's tree into ours.
pub(super) struct Lower {
    file: u32,
}

impl Lower {
    fn span(&self, range: TextRange) -> Span {
        Span { file: self.file, start: range.start().to_u32(), end: range.end().to_u32() }
    }

    fn at(&self, ranged: &impl Ranged, kind: Kind) -> Expr {
        Expr::new(self.span(ranged.range()), kind)
    }
}
