//! `format!` and what else takes its templates.

use syn::{Expr as RsExpr, Lit, LitStr, punctuated::Punctuated, token::Comma};

use super::{
    super::{
        braces,
        ir::{Expr, Kind, Part, Span},
    },
    Lower,
};

impl Lower<'_> {
    /// The parts of `format!(template, arguments)`; `None` where the template is not a literal.
    pub(super) fn format_parts(&self, args: &Punctuated<RsExpr, Comma>) -> Option<Vec<Part>> {
        let mut args = args.iter();
        let template = match args.next()? {
            RsExpr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => text,
                _ => return None,
            },
            _ => return None,
        };
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for arg in args {
            match arg {
                RsExpr::Assign(assign) => match assign.left.as_ref() {
                    RsExpr::Path(path) => named.push((
                        path.path.get_ident().map(ToString::to_string).unwrap_or_default(),
                        assign.right.as_ref(),
                    )),
                    _ => plain.push(arg),
                },
                arg => plain.push(arg),
            }
        }
        let mut parts = Vec::new();
        let mut next = 0;
        let places = self.places(template);
        for (index, piece) in braces::parts(&template.value()).into_iter().enumerate() {
            match piece {
                Ok(text) => parts.push(Part::Text(text)),
                Err(field) => {
                    let name = field.split(':').next().unwrap_or_default().trim().to_owned();
                    let hole = match name.parse::<usize>() {
                        Ok(at) => plain.get(at).copied(),
                        Err(_) if name.is_empty() => {
                            next += 1;
                            plain.get(next - 1).copied()
                        }
                        Err(_) => named.iter().find(|(known, _)| *known == name).map(|(_, value)| *value),
                    };
                    let place = places.get(index / 2).copied().unwrap_or_else(|| self.span(template));
                    parts.push(Part::Hole(match hole {
                        Some(value) => self.expression(value),
                        None => Expr::new(place, Kind::Name(name)),
                    }));
                }
            }
        }
        Some(parts)
    }

    /// Where the names in the braces of a template stand in the file.
    fn places(&self, template: &LitStr) -> Vec<Span> {
        let span = self.span(template);
        let range = template.span().byte_range();
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let mut places = Vec::new();
        let mut rest = raw.char_indices().peekable();
        while let Some((at, c)) = rest.next() {
            if c != '{' && c != '}' {
                continue;
            }
            if rest.peek().is_some_and(|(_, after)| *after == c) {
                rest.next();
                continue;
            }
            if c == '{' {
                let inside = raw.get(at + 1..).unwrap_or_default();
                let length = inside.find(['}', ':']).unwrap_or(0);
                let number = |at: usize| u32::try_from(range.start + at).unwrap_or(u32::MAX);
                places.push(Span { file: span.file, start: number(at + 1), end: number(at + 1 + length) });
            }
        }
        places
    }
}
