//! Methods of texts in the three languages.

use std::rc::Rc;

use super::super::ir::{Expr, How, Span};
use super::{
    Engine,
    arguments::Args,
    scope::Scope,
    texts::{Builder, Made},
    value::{Hole, Piece, Text, Value},
};

impl<'m> Engine<'m> {
    #[expect(clippy::too_many_arguments, reason = "a call in its parts")]
    pub(super) fn text_method(
        &mut self,
        text: &Rc<Text>,
        object: &'m Expr,
        name: &str,
        args: &Args<'m>,
        scope: &Rc<Scope>,
    ) -> Value<'m> {
        let same = || Value::Text(Rc::clone(text));
        let first = args.first().cloned();
        match name {
            "startsWith" | "endsWith" | "includes" | "indexOf" | "len" | "is_empty" | "contains" | "starts_with"
            | "ends_with" | "charCodeAt" | "localeCompare" | "find" | "index" | "count" | "isdigit" | "isalnum"
            | "startswith" | "endswith" | "test" | "search" | "rfind" | "lastIndexOf" | "isidentifier" | "eq" => {
                Value::Number
            }
            "push_str" | "push" | "write_str" | "write" | "insert_str" | "extend" | "write_char" | "append"
            | "writelines" => {
                let more = args.plain().last().cloned().unwrap_or(Value::Absent);
                let at = args.given.last().map_or(args.span, |given| given.span);
                let after = self.plus(&same(), object.span, &more, at, Made { how: How::Append, span: args.span });
                self.assign_to(object, after, scope);
                Value::Absent
            }
            "clear" => {
                self.assign_to(object, Value::text(""), scope);
                Value::Absent
            }
            "concat" => {
                let mut builder = Builder::new(How::Concat, args.span);
                self.put(&mut builder, &same(), object.span);
                args.given.iter().for_each(|given| self.put(&mut builder, &given.value, given.span));
                builder.finish()
            }
            "format" | "format_map" => self.format_method(text, args),
            "join" => match first {
                Some(list) => self.join_value(&list, text.as_constant().unwrap_or(","), args.span),
                None => same(),
            },
            "replace" | "replaceAll" | "replacen" | "sub" | "translate" => self.replace(text, args),
            "split" | "splitlines" | "lines" | "chars" | "split_whitespace" | "matchAll" | "match" => {
                let piece = if text.has_holes() { same() } else { varies(text) };
                self.many_of(piece)
            }
            "repeat" | "slice" | "substring" | "substr" | "charAt" | "at" | "padStart" | "padEnd" | "ljust"
            | "rjust" | "zfill" | "center" | "encode" | "as_bytes" | "into_bytes" | "normalize" | "removesuffix"
            | "removeprefix" | "strip_suffix" | "strip_prefix" | "trim_end_matches" | "trim_start_matches"
            | "trim_matches" | "get" | "pop" | "truncate" => {
                if text.has_holes() || text.pieces.is_empty() {
                    same()
                } else {
                    varies(text)
                }
            }
            "trim" | "strip" | "trimStart" | "trimEnd" | "lstrip" | "rstrip" | "trim_start" | "trim_end" => {
                changed(text, |text| text.trim().to_owned())
            }
            "toUpperCase" | "upper" | "to_uppercase" | "to_ascii_uppercase" => changed(text, str::to_uppercase),
            "toLowerCase" | "lower" | "to_lowercase" | "to_ascii_lowercase" => changed(text, str::to_lowercase),
            "map" | "and_then" | "map_or" | "then" | "catch" | "finally" => {
                let function = args.plain().last().cloned().unwrap_or(Value::Absent);
                self.call_value(&function, &Args::of([same()], args.span))
            }
            "bindparams" | "columns" => Value::Prepared,
            _ => same(),
        }
    }

    fn format_method(&mut self, text: &Rc<Text>, args: &Args<'m>) -> Value<'m> {
        let mut builder = Builder::new(How::FormatMethod, args.span);
        let plain: Vec<_> = args.given.iter().filter(|given| given.name.is_none()).collect();
        let mut next = 0;
        for piece in &text.pieces {
            let Piece::Constant(constant) = piece else {
                builder.piece(piece);
                continue;
            };
            for part in crate::source::braces::parts(constant) {
                match part {
                    Ok(constant) => builder.constant(&constant),
                    Err(field) => {
                        let name: String = field.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                        let by_name =
                            args.given.iter().find(|given| given.name == Some(name.as_str()) && !name.is_empty());
                        let at = name.parse().unwrap_or(next);
                        next += 1;
                        match by_name.or(plain.get(at).copied()) {
                            Some(given) => self.put(&mut builder, &given.value.clone(), given.span),
                            None => builder.hole(args.given.first().map_or(args.span, |given| given.span), false),
                        }
                    }
                }
            }
        }
        builder.finish()
    }

    fn replace(&mut self, text: &Rc<Text>, args: &Args<'m>) -> Value<'m> {
        let values = args.plain();
        let (from, to) = (values.first(), values.get(1));
        let constant = |value: Option<&Value<'m>>| match value {
            Some(Value::Text(text)) => text.as_constant().map(str::to_owned),
            _ => None,
        };
        if let (Some(known), Some(from), Some(to)) = (text.as_constant(), constant(from), constant(to)) {
            return Value::text(known.replace(&from, &to));
        }
        let is_plain = |value: &Value<'m>| matches!(value, Value::Text(text) if !text.has_holes());
        let Some(to) = to else { return Value::Text(Rc::clone(text)) };
        if to.choices().iter().all(is_plain) {
            return if text.has_holes() { Value::Text(Rc::clone(text)) } else { varies(text) };
        }
        let at = args.given.get(1).map_or(args.span, |given| given.span);
        let mut replaced = text.as_ref().clone();
        replaced.push(Piece::Hole(Hole { value: at, made: args.span, how: How::Replace, is_number: false }));
        Value::Text(Rc::new(replaced))
    }

    pub(super) fn join_value(&mut self, list: &Value<'m>, between: &str, span: Span) -> Value<'m> {
        let mut found = Vec::new();
        for choice in list.choices().to_vec() {
            found.push(match choice {
                Value::List(cell) => self.join(cell, between, span),
                Value::Prepared => Value::Prepared,
                Value::Text(text) if !text.has_holes() => varies(&text),
                Value::Object(cell) => {
                    let keys = self.object_list("keys", &Value::Object(cell), span);
                    self.join_value(&keys, between, span)
                }
                _ => {
                    let mut builder = Builder::new(How::Join, span);
                    builder.hole(span, false);
                    builder.finish()
                }
            });
        }
        Value::one_of(found)
    }
}

/// Made of constants, but not the constant itself.
pub(super) fn varies<'m>(text: &Text) -> Value<'m> {
    Value::Text(Rc::new(Text { pieces: vec![Piece::Varies(text.sample())] }))
}

fn changed<'m, T: Into<String>>(text: &Rc<Text>, change: impl Fn(&str) -> T) -> Value<'m> {
    match text.as_constant() {
        Some(constant) => Value::text(change(constant)),
        None => Value::Text(Rc::clone(text)),
    }
}
