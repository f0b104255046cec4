//! Rust, through syn.

mod expression;
mod format;
mod item;
mod macros;
mod pattern;

use std::{collections::BTreeSet, str::FromStr};

use proc_macro2::TokenStream;
use syn::{parse::Parser, spanned::Spanned};

use super::{
    SyntaxError,
    ir::{Expr, Kind, Module, Span},
};

/// Reads a file, or statements without a function around them.
///
/// # Errors
/// The first syntax error.
pub(super) fn read(file: u32, text: &str) -> Result<Module, SyntaxError> {
    let text = without_head(text);
    let tokens = TokenStream::from_str(&text)
        .map_err(|error| SyntaxError { offset: error.span().byte_range().start, message: error.to_string() })?;
    let error = match syn::parse2::<syn::File>(tokens.clone()) {
        Ok(parsed) => {
            let lower = Lower { file, text: &text, structs: structs(&parsed.items) };
            return Ok(Module { body: lower.items(&parsed.items) });
        }
        Err(error) => error,
    };
    match syn::Block::parse_within.parse2(tokens) {
        Ok(statements) => {
            let lower = Lower { file, text: &text, structs: BTreeSet::new() };
            Ok(Module { body: lower.statements(&statements) })
        }
        Err(_) => Err(SyntaxError { offset: error.span().byte_range().start, message: error.to_string() }),
    }
}

/// Blanks instead of a byte order mark and a line for the shell, so that all places stay where they are.
fn without_head(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').map_or_else(|| text.to_owned(), |rest| format!("   {rest}"));
    if text.starts_with("#!") && !text.starts_with("#![") {
        let end = text.find('\n').unwrap_or(text.len());
        let (head, rest) = text.split_at(end);
        return format!("{}{rest}", " ".repeat(head.len()));
    }
    text
}

/// Types of the file that have methods: their literals make objects of a class.
fn structs(items: &[syn::Item]) -> BTreeSet<String> {
    let of = |item: &syn::Item| match item {
        syn::Item::Impl(block) => item::type_name(&block.self_ty),
        _ => None,
    };
    items.iter().filter_map(of).collect()
}

/// Turns syn's tree into ours.
pub(super) struct Lower<'t> {
    file: u32,
    text: &'t str,
    structs: BTreeSet<String>,
}

impl Lower<'_> {
    fn span(&self, spanned: &impl Spanned) -> Span {
        let range = spanned.span().byte_range();
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: number(range.start), end: number(range.end) }
    }

    fn at(&self, spanned: &impl Spanned, kind: Kind) -> Expr {
        Expr::new(self.span(spanned), kind)
    }
}
