//! Macros: those that make texts and statements are known, the arguments of all others are evaluated.

use syn::{Expr as RsExpr, Macro, parse::Parser, punctuated::Punctuated, token::Comma};

use super::{
    super::ir::{Arg, Call, Expr, How, Kind, Part, Stmt},
    Lower,
    expression::{constants, plain_arm, test},
};

impl Lower<'_> {
    pub(super) fn macro_call(&self, called: &Macro) -> Kind {
        let name = called.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if name == "matches" {
            return self.matches(called);
        }
        let parsed = Punctuated::<RsExpr, Comma>::parse_terminated.parse2(called.tokens.clone());
        let Ok(args) = parsed else {
            return if name == "vec" { self.repeated(called) } else { self.odd_macro(called) };
        };
        let span = self.span(called);
        match name.as_str() {
            "format" | "format_args" | "formatdoc" => self.formatted(&args),
            "concat" => {
                Kind::Template(args.iter().map(|arg| Part::Hole(self.expression(arg))).collect(), How::FormatMacro)
            }
            "write" | "writeln" => self.write(&args, &name, called),
            "include_str" | "include_bytes" => self.named_call(called, "include_str", &args, 0),
            "env" | "option_env" | "stringify" | "file" | "module_path" | "line" => {
                Kind::Text(String::from("constant"))
            }
            "indoc" | "dbg" | "black_box" | "identity" | "sql_str" => {
                args.first().map_or(Kind::Nothing, |first| self.expression(first).kind)
            }
            "query" | "query_scalar" | "query_unchecked" | "query_scalar_unchecked" => self.sqlx(called, &args, 0),
            "query_as" | "query_as_unchecked" => self.sqlx(called, &args, 1),
            "query_file" | "query_file_as" | "query_file_scalar" => Kind::Opaque(Vec::new()),
            "assert" | "ensure" | "debug_assert" => self.assert(&args, span),
            "panic" | "bail" | "unreachable" | "todo" | "unimplemented" => Kind::Block(vec![Stmt::Throw(None)], None),
            "vec" | "params" | "smallvec" | "arrayvec" => Kind::List(self.args(args.iter())),
            "join" | "try_join" => Kind::List(self.args(args.iter())),
            _ => Kind::Opaque(args.iter().map(|arg| self.expression(arg)).collect()),
        }
    }

    fn formatted(&self, args: &Punctuated<RsExpr, Comma>) -> Kind {
        match self.format_parts(args) {
            Some(parts) => Kind::Template(parts, How::FormatMacro),
            // `format!(concat!(..), ..)`.
            None => Kind::Template(args.iter().map(|arg| Part::Hole(self.expression(arg))).collect(), How::FormatMacro),
        }
    }

    fn write(&self, args: &Punctuated<RsExpr, Comma>, name: &str, called: &Macro) -> Kind {
        let Some(target) = args.first() else { return Kind::Nothing };
        let rest: Punctuated<RsExpr, Comma> = args.iter().skip(1).cloned().collect();
        let mut parts = self.format_parts(&rest).unwrap_or_default();
        if name == "writeln" {
            parts.push(Part::Text(String::from("\n")));
        }
        let text = self.at(called, Kind::Template(parts, How::Append));
        Kind::Append(self.boxed(target), Box::new(text))
    }

    fn named_call(&self, called: &Macro, name: &str, args: &Punctuated<RsExpr, Comma>, skip: usize) -> Kind {
        let callee = self.at(&called.path, Kind::Name(name.to_owned()));
        Kind::Call(Box::new(Call { callee, args: self.args(args.iter().skip(skip)), is_new: false }))
    }

    /// `sqlx::query!`: the text is a literal, or the macro does not compile; several literals are one text.
    fn sqlx(&self, called: &Macro, args: &Punctuated<RsExpr, Comma>, skip: usize) -> Kind {
        let callee = self.at(&called.path, self.path(&called.path));
        Kind::Call(Box::new(Call { callee, args: self.args(args.iter().skip(skip)), is_new: false }))
    }

    /// What comes behind an assertion can rely on it.
    fn assert(&self, args: &Punctuated<RsExpr, Comma>, span: super::super::ir::Span) -> Kind {
        let Some(condition) = args.first() else { return Kind::Nothing };
        let subject = Expr::new(span, test("!not", span, vec![self.expression(condition)]));
        let throws = Expr::new(span, Kind::Block(vec![Stmt::Throw(None)], None));
        Kind::Branch { subject: Some(Box::new(subject)), arms: vec![plain_arm(throws)], total: false }
    }

    fn matches(&self, called: &Macro) -> Kind {
        let parser = |input: syn::parse::ParseStream<'_>| {
            let subject: RsExpr = input.parse()?;
            input.parse::<Comma>()?;
            let pattern = syn::Pat::parse_multi_with_leading_vert(input)?;
            input.parse::<proc_macro2::TokenStream>()?;
            Ok((subject, pattern))
        };
        let Ok((subject, pattern)) = parser.parse2(called.tokens.clone()) else { return Kind::Number(Vec::new()) };
        let span = self.span(called);
        let list = constants(&pattern).into_iter().map(|text| Arg::plain(Expr::new(span, Kind::Text(text))));
        let list = Expr::new(span, Kind::List(list.collect()));
        test("!in", span, vec![self.expression(&subject), list])
    }

    /// `vec![value; count]`.
    fn repeated(&self, called: &Macro) -> Kind {
        let Kind::Opaque(mut parts) = self.odd_macro(called) else { return Kind::Nothing };
        if parts.is_empty() {
            return Kind::Nothing;
        }
        let list = self.at(called, Kind::List(vec![Arg::plain(parts.swap_remove(0))]));
        let callee = self.at(called, Kind::Member(Box::new(list), String::from("repeat")));
        Kind::Call(Box::new(Call { callee, args: Vec::new(), is_new: false }))
    }

    /// A macro with a syntax of its own: expressions at its commas, as far as they are some.
    fn odd_macro(&self, called: &Macro) -> Kind {
        let mut found = Vec::new();
        let mut piece = proc_macro2::TokenStream::new();
        let comma = |token: &proc_macro2::TokenTree| matches!(token, proc_macro2::TokenTree::Punct(p) if matches!(p.as_char(), ',' | ';'));
        for token in called.tokens.clone() {
            if comma(&token) {
                found.extend(syn::parse2::<RsExpr>(std::mem::take(&mut piece)).ok());
            } else {
                piece.extend(std::iter::once(token));
            }
        }
        found.extend(syn::parse2::<RsExpr>(piece).ok());
        Kind::Opaque(found.iter().map(|expr| self.expression(expr)).collect())
    }
}
