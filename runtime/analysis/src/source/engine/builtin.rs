//! What the three languages bring along: conversions and collections.

use std::rc::Rc;

use super::super::ir::Span;
use super::{
    Engine,
    arguments::Args,
    text_methods::varies,
    value::{Fields, Items, OriginKind, Text, Value},
};

impl<'m> Engine<'m> {
    /// The value of a call of something that every program has.
    #[expect(clippy::too_many_lines, reason = "one arm for each name that is known")]
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
}
