//! Methods of lists, maps and plain objects, and tags that the sources define.

use std::rc::Rc;

use super::super::ir::Span;
use super::{
    Engine,
    arguments::Args,
    value::{CellId, Items, OriginKind, Value},
};

impl<'m> Engine<'m> {
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

    pub(super) fn fold_list(&mut self, items: &Items<'m>, args: &Args<'m>) -> Value<'m> {
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
