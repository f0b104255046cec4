//! What the three languages bring along: conversions, collections, and the methods of texts and lists.

use std::rc::Rc;

use super::super::ir::{Expr, How, Span};
use super::{
    Engine,
    arguments::Args,
    scope::Scope,
    texts::{Builder, Made},
    value::{CellId, Fields, Hole, Items, OriginKind, Piece, Text, Value},
};

impl<'m> Engine<'m> {
    /// The value of a call of something that every program has.
    pub(super) fn built_in(&mut self, path: &str, method: &str, args: &Args<'m>) -> Option<Value<'m>> {
        let first = args.first().cloned();
        match path {
            "Number" | "parseInt" | "parseFloat" | "BigInt" | "Date.now" | "len" | "int" | "float" | "ord" | "hash"
            | "id" | "abs" | "round" | "Array.isArray" | "isinstance" | "bool" | "Boolean" | "isNaN"
            | "Number.parseInt" | "Number.parseFloat" | "Number.isInteger" | "callable" | "hasattr" => {
                Some(Value::Number)
            }
            "String"
            | "str"
            | "String.from"
            | "Object.freeze"
            | "Promise.resolve"
            | "Cow.Borrowed"
            | "Cow.from"
            | "Cow.Owned"
            | "Box.new"
            | "Box.from"
            | "Arc.new"
            | "Arc.from"
            | "Rc.new"
            | "Rc.from"
            | "Some"
            | "Ok"
            | "AssertSqlSafe"
            | "sqlx.AssertSqlSafe"
            | "std.mem.take"
            | "textwrap.dedent"
            | "dedent"
            | "inspect.cleandoc"
            | "cleandoc"
            | "promisify"
            | "util.promisify"
            | "asyncio.run"
            | "await"
            | "cast"
            | "structuredClone"
            | "Object.seal"
            | "identity"
            | "sys.intern"
            | "types.MappingProxyType"
            | "MappingProxyType"
            | "functools.partialmethod"
            | "once"
            | "memo"
            | "useCallback"
            | "trim" => {
                first.map(|value| if path == "cast" { args.plain().get(1).cloned().unwrap_or(value) } else { value })
            }
            "Array" => Some(self.new_list(Items { items: args.plain(), many: true })),
            "list" | "tuple" | "sorted" | "reversed" | "set" | "frozenset" | "Array.from" | "Array.of"
            | "HashMap.from" | "BTreeMap.from" | "HashSet.from" | "dict.fromkeys" | "Vec.from" | "IndexMap.from"
            | "BTreeSet.from" => Some(self.collection(path, args)),
            "String.new" | "String.with_capacity" | "io.StringIO" | "StringIO" => {
                Some(first.filter(|_| path.contains("IO")).unwrap_or_else(|| Value::text("")))
            }
            "Vec.new" | "Vec.with_capacity" | "collections.deque" | "deque" => Some(self.new_list(Items::default())),
            "dict" => Some(self.dict(args)),
            "Object.keys" | "Object.values" | "Object.entries" => Some(self.object_list(method, &first?, args.span)),
            "Object.assign" => Some(self.assigned(args)),
            "std.iter.repeat" | "iter.repeat" | "repeat" | "std.iter.repeat_n" | "repeat_n" | "itertools.repeat" => {
                first.map(|value| self.many_of(value))
            }
            "range" => Some(self.many_of(Value::Number)),
            "enumerate" | "zip" => Some(self.pairs(path, args)),
            "map" => Some(self.mapped(args)),
            "asyncio.to_thread"
            | "functools.partial"
            | "partial"
            | "sync_to_async"
            | "run_in_threadpool"
            | "database_sync_to_async" => {
                let function = first?;
                Some(self.call_value(&function, &Args::of(args.plain(), args.span).shifted()))
            }
            "include_str" => {
                let Some(Value::Text(name)) = &first else { return None };
                let text = self.resolve.text(self.file, name.as_constant()?);
                // Compiled in: constant, whatever it says.
                Some(text.map_or_else(|| varies(&Text::constant("select 1")), Value::text))
            }
            _ if matches!(method, "reduce" | "fold" | "reduceRight")
                && args.plain().iter().any(|value| matches!(value, Value::Closure(_))) =>
            {
                let unknown = Value::foreign(path, OriginKind::Computed, args.span);
                Some(self.fold_list(&Items { items: vec![unknown], many: true }, args))
            }
            _ if path.starts_with("Math.")
                || (matches!(method, "len" | "size") && path.contains('.') && args.given.is_empty()) =>
            {
                Some(Value::Number)
            }
            _ if matches!(method, "map" | "flatMap" | "flat_map") && matches!(first, Some(Value::Closure(_))) => {
                let unknown = Value::foreign(path, OriginKind::Computed, args.span);
                let item = if path.contains("enumerate()") {
                    self.new_list(Items { items: vec![Value::Number, unknown], many: false })
                } else {
                    unknown
                };
                let value = self.call_value(&first?, &Args::of([item, Value::Number], args.span));
                Some(self.many_of(value))
            }
            _ if method == "run_in_executor" => {
                let function = args.plain().get(1).cloned()?;
                Some(self.call_value(&function, &Args::of(args.plain().into_iter().skip(1), args.span).shifted()))
            }
            _ if path == "Promise.all" => None,
            _ => None,
        }
    }

    fn collection(&mut self, path: &str, args: &Args<'m>) -> Value<'m> {
        let Some(first) = args.first().cloned() else { return self.new_list(Items::default()) };
        let mut items = if path == "Array.of" {
            Items { items: args.plain(), many: false }
        } else {
            self.items_of(&first, args.span)
        };
        if path == "Array.from"
            && let Some(function) = args.plain().get(1)
        {
            let item =
                if matches!(first, Value::Object(_)) { Value::Absent } else { Value::one_of(items.items.clone()) };
            let value = self.call_value(&function.clone(), &Args::of([item, Value::Number], args.span));
            items = Items { items: vec![value], many: true };
        }
        if matches!(path, "sorted" | "reversed" | "set" | "frozenset") && items.items.len() > 1 {
            items.many = true;
        }
        self.new_list(items)
    }

    fn dict(&mut self, args: &Args<'m>) -> Value<'m> {
        let mut fields = Fields::default();
        for given in &args.given {
            match (given.name, &given.value) {
                (Some(name), value) => drop(fields.named.insert(name.to_owned(), value.clone())),
                (None, Value::Object(cell)) => {
                    if let Value::Fields(known) = self.store.get(*cell) {
                        fields.named.extend(known.named.clone());
                        fields.rest.clone_from(&known.rest);
                    }
                }
                (None, _) => fields.rest = Some(self.unknown(given.span)),
            }
        }
        Value::Object(self.store.new_cell(Value::Fields(Rc::new(fields))))
    }

    pub(super) fn object_list(&mut self, which: &str, object: &Value<'m>, span: Span) -> Value<'m> {
        let Value::Object(cell) = object else {
            let item = self.items_of(object, span).items.into_iter().next().unwrap_or(Value::Absent);
            let item = if which.ends_with("entries") || which == "items" {
                self.new_list(Items { items: vec![item.clone(), item], many: false })
            } else {
                item
            };
            return self.many_of(item);
        };
        let Value::Fields(fields) = self.store.get(*cell) else { return self.unknown(span) };
        let mut items = Vec::new();
        let unknown = Value::unknown(span);
        let rest = fields.rest.iter().map(|value| (unknown.clone(), value.clone()));
        let named = fields.named.iter().map(|(name, value)| (Value::text(name.as_str()), value.clone()));
        for (name, value) in named.chain(rest).collect::<Vec<_>>() {
            items.push(match which {
                "keys" => name,
                "values" => value,
                _ => self.new_list(Items { items: vec![name, value], many: false }),
            });
        }
        let many = fields.rest.is_some();
        self.new_list(Items { items, many })
    }

    fn assigned(&mut self, args: &Args<'m>) -> Value<'m> {
        let mut fields = Fields::default();
        for given in &args.given {
            match &given.value {
                Value::Object(cell) => {
                    if let Value::Fields(known) = self.store.get(*cell) {
                        fields.named.extend(known.named.clone());
                        fields.rest = fields.rest.or(known.rest.clone());
                    }
                }
                Value::Absent => {}
                other => {
                    let any = self.items_of(other, given.span).items.into_iter().next().unwrap_or(Value::Absent);
                    fields.named.values_mut().for_each(|known| *known = known.clone().or(any.clone()));
                    fields.rest = Some(any);
                }
            }
        }
        match args.first() {
            Some(Value::Object(cell)) => {
                self.store.set(*cell, Value::Fields(Rc::new(fields)));
                Value::Object(*cell)
            }
            _ => Value::Object(self.store.new_cell(Value::Fields(Rc::new(fields)))),
        }
    }

    fn pairs(&mut self, path: &str, args: &Args<'m>) -> Value<'m> {
        let mut items: Vec<Value<'m>> = if path == "enumerate" { vec![Value::Number] } else { Vec::new() };
        for given in args.plain() {
            let each = self.items_of(&given, args.span);
            items.push(Value::one_of(each.items));
        }
        let pair = self.new_list(Items { items, many: false });
        self.many_of(pair)
    }

    fn mapped(&mut self, args: &Args<'m>) -> Value<'m> {
        let (Some(function), Some(over)) = (args.plain().first().cloned(), args.plain().get(1).cloned()) else {
            return self.unknown(args.span);
        };
        let item = Value::one_of(self.items_of(&over, args.span).items);
        let value = self.call_value(&function, &Args::of([item], args.span));
        self.many_of(value)
    }

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
            for part in super::texts::brace_parts(constant) {
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

    pub(super) fn list_method(&mut self, cell: CellId, name: &str, args: &Args<'m>) -> Value<'m> {
        let items = match self.store.get(cell) {
            Value::Items(items) => items,
            _ => Rc::default(),
        };
        let item = || Value::one_of(items.items.iter().cloned());
        let first = args.first().cloned();
        match name {
            "push" | "append" | "add" | "unshift" | "push_back" | "insert" | "appendleft" | "push_front" => {
                let more = if name == "insert" { args.plain().into_iter().skip(1).collect() } else { args.plain() };
                self.push_items(cell, more);
                Value::Number
            }
            "extend" | "extend_from_slice" | "update" => {
                let more = first.map(|more| self.items_of(&more, args.span)).unwrap_or_default();
                self.push_items(cell, more.items);
                Value::Absent
            }
            "concat" | "chain" | "union" => match first {
                Some(Value::List(other)) => self.longer_list(cell, other),
                Some(other) => {
                    let more = self.items_of(&other, args.span);
                    let other = self.store.new_cell(Value::Items(Rc::new(more)));
                    self.longer_list(cell, other)
                }
                None => self.join(cell, "", args.span),
            },
            "join" | "connect" => {
                let between = match &first {
                    Some(Value::Text(text)) => text.sample(),
                    _ => String::from(","),
                };
                self.join(cell, &between, args.span)
            }
            "map" | "flatMap" | "flat_map" | "filter_map" | "forEach" | "for_each" => {
                self.map_list(&items, &first.unwrap_or(Value::Absent), args)
            }
            "reduce" | "fold" | "reduceRight" => self.fold_list(&items, args),
            "length" | "len" | "indexOf" | "includes" | "contains" | "is_empty" | "some" | "every" | "any" | "all"
            | "has" | "count" | "index" | "position" | "findIndex" | "contains_key" => Value::Number,
            "fill" => self.many_of(first.unwrap_or(Value::Absent)),
            "get" => self.map_get(&items, args),
            "pop" | "shift" | "find" | "next" | "first" | "last" | "at" | "nth" => item().or(Value::Absent),
            "keys" if !items.many => self.many_of(Value::Number),
            _ => {
                let same = items.items.len() <= 1
                    || matches!(
                        name,
                        "iter"
                            | "into_iter"
                            | "collect"
                            | "copied"
                            | "cloned"
                            | "to_vec"
                            | "as_slice"
                            | "slice"
                            | "clone"
                            | "entries"
                            | "values"
                            | "items"
                            | "unwrap"
                            | "into"
                    );
                let items = Items {
                    items: items.items.clone(),
                    many: items.many || !same || matches!(name, "slice" | "filter"),
                };
                self.new_list(items)
            }
        }
    }

    fn map_list(&mut self, items: &Items<'m>, function: &Value<'m>, args: &Args<'m>) -> Value<'m> {
        if items.many || items.items.len() > 12 {
            let value =
                self.call_value(function, &Args::of([Value::one_of(items.items.clone()), Value::Number], args.span));
            return self.many_of(value);
        }
        let each: Vec<_> = items
            .items
            .iter()
            .map(|item| self.call_value(function, &Args::of([item.clone(), Value::Number], args.span)))
            .collect();
        self.new_list(Items { items: each, many: false })
    }

    fn fold_list(&mut self, items: &Items<'m>, args: &Args<'m>) -> Value<'m> {
        let values = args.plain();
        let is_function = |value: &&Value<'m>| matches!(value, Value::Closure(_));
        let function = values.iter().find(is_function).cloned().unwrap_or(Value::Absent);
        let item = Value::one_of(items.items.clone());
        let mut total = values.iter().find(|value| !is_function(value)).cloned().unwrap_or_else(|| item.clone());
        for _ in 0..2 {
            let next = self.call_value(&function, &Args::of([total.clone(), item.clone(), Value::Number], args.span));
            total = super::scope::widen(&total, next);
        }
        total
    }

    /// `Map.get`: the second of one of the pairs.
    fn map_get(&mut self, items: &Items<'m>, args: &Args<'m>) -> Value<'m> {
        let mut found = Vec::new();
        for item in &items.items {
            match item {
                Value::List(pair) => found.push(self.list_element(*pair, Some(1), args.span)),
                other => found.push(other.clone()),
            }
        }
        found.extend(args.plain().get(1).cloned());
        Value::one_of(found)
    }

    /// Methods of plain objects and dictionaries.
    pub(super) fn object_method(&mut self, cell: CellId, name: &str, args: &Args<'m>) -> Option<Value<'m>> {
        let first = args.first();
        match name {
            "get" | "setdefault" | "pop" => {
                let found = match first {
                    Some(Value::Text(key)) if key.as_constant().is_some() => {
                        self.field(cell, key.as_constant().unwrap_or_default()).unwrap_or(Value::Absent)
                    }
                    _ => self.any_field(cell),
                };
                Some(found.or(args.plain().get(1).cloned().unwrap_or(Value::Absent)))
            }
            "keys" | "values" | "items" | "entries" => Some(self.object_list(name, &Value::Object(cell), args.span)),
            "copy" | "clone" => Some(Value::Object(cell)),
            "hasOwnProperty" | "has" | "contains_key" => Some(Value::Number),
            "update" | "set" | "insert" => {
                let value = args.plain().last().cloned().unwrap_or(Value::Absent);
                let value =
                    if name == "update" { Value::foreign("update", OriginKind::Call, args.span) } else { value };
                self.set_any_field(cell, &value);
                Some(Value::Absent)
            }
            _ => None,
        }
    }

    /// A tag that the sources define gets the pieces and the values.
    pub(super) fn own_tag(
        &mut self,
        tag: &Value<'m>,
        parts: &'m [super::super::ir::Part],
        holes: Vec<(Value<'m>, Span)>,
        span: Span,
    ) -> Value<'m> {
        let pieces = parts.iter().filter_map(|part| match part {
            super::super::ir::Part::Text(text) => Some(Value::text(text.as_str())),
            super::super::ir::Part::Hole(_) => None,
        });
        let pieces = Items { items: pieces.collect(), many: false };
        let list = self.new_list(pieces);
        let args = std::iter::once(list).chain(holes.into_iter().map(|(value, _)| value));
        self.call_value(tag, &Args::of(args.collect::<Vec<_>>(), span))
    }
}

fn varies<'m>(text: &Text) -> Value<'m> {
    Value::Text(Rc::new(Text { pieces: vec![Piece::Varies(text.sample())] }))
}

fn changed<'m, T: Into<String>>(text: &Rc<Text>, change: impl Fn(&str) -> T) -> Value<'m> {
    match text.as_constant() {
        Some(constant) => Value::text(change(constant)),
        None => Value::Text(Rc::clone(text)),
    }
}
