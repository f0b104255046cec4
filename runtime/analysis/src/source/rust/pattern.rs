use syn::Pat;

use super::{
    super::ir::{Key, Pattern},
    Lower,
};

impl Lower<'_> {
    pub(super) fn pattern(&self, pattern: &Pat) -> Pattern {
        match pattern {
            Pat::Ident(name) if name.ident == "None" => Pattern::Ignore,
            Pat::Ident(name) => Pattern::Name(name.ident.to_string(), self.span(&name.ident)),
            Pat::Reference(inner) => self.pattern(&inner.pat),
            Pat::Paren(inner) => self.pattern(&inner.pat),
            Pat::Type(inner) => self.pattern(&inner.pat),
            Pat::Tuple(tuple) => Pattern::List(tuple.elems.iter().map(|one| self.pattern(one)).collect(), None),
            Pat::Slice(slice) => Pattern::List(slice.elems.iter().map(|one| self.pattern(one)).collect(), None),
            // `Some(x)`, `Ok(x)`, `Path(x)`: what is inside stands for the whole.
            Pat::TupleStruct(inner) if inner.elems.len() == 1 => {
                inner.elems.first().map_or(Pattern::Ignore, |one| self.pattern(one))
            }
            Pat::TupleStruct(inner) => Pattern::List(inner.elems.iter().map(|one| self.pattern(one)).collect(), None),
            Pat::Struct(inner) => {
                let fields = inner.fields.iter().map(|field| {
                    let name = match &field.member {
                        syn::Member::Named(name) => name.to_string(),
                        syn::Member::Unnamed(index) => index.index.to_string(),
                    };
                    (Key::Named(name), self.pattern(&field.pat))
                });
                Pattern::Object(fields.collect(), None)
            }
            Pat::Or(either) => either.cases.first().map_or(Pattern::Ignore, |one| self.pattern(one)),
            _ => Pattern::Ignore,
        }
    }
}
