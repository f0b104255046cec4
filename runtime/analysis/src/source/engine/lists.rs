//! Lists and objects, which live in cells because others may hold them too.

use std::rc::Rc;

use super::super::ir::{Arg, Expr, Pattern, Span};
use super::{
    Engine,
    scope::{Scope, many},
    value::{CellId, Fields, Foreign, Items, Value},
};

const ITEMS_MAX: usize = 256;

impl<'m> Engine<'m> {
    pub(super) fn list(&mut self, args: &'m [Arg], scope: &Rc<Scope>) -> Value<'m> {
        let mut made = Items::default();
        for arg in args {
            let value = self.eval(&arg.value, scope);
            if !arg.spread {
                made.items.push(value);
                continue;
            }
            let more = self.items_of(&value, arg.value.span);
            made.many |= more.many;
            made.items.extend(more.items);
        }
        made.items.truncate(ITEMS_MAX);
        self.new_list(made)
    }

    pub(super) fn new_list(&mut self, items: Items<'m>) -> Value<'m> {
        Value::List(self.store.new_cell(Value::Items(Rc::new(items))))
    }

    /// A list of unknown length of what `value` may be.
    pub(super) fn many_of(&mut self, value: Value<'m>) -> Value<'m> {
        self.new_list(Items { items: vec![value], many: true })
    }

    /// What one gets by going through a value.
    pub(super) fn items_of(&mut self, value: &Value<'m>, span: Span) -> Items<'m> {
        let unknown = |value: Value<'m>| Items { items: vec![value], many: true };
        match value {
            Value::List(cell) => match self.store.get(*cell) {
                Value::Items(items) => items.as_ref().clone(),
                _ => unknown(Value::unknown(span)),
            },
            Value::Foreign(foreign) => {
                unknown(Value::Foreign(Rc::new(Foreign { is_client: false, ..super::eval::step(foreign, "[]", span) })))
            }
            Value::OneOf(choices) => {
                let each: Vec<_> = choices.iter().flat_map(|choice| self.items_of(choice, span).items).collect();
                many(&each)
            }
            Value::Absent => Items::default(),
            Value::Number => unknown(Value::Number),
            _ => unknown(Value::unknown(span)),
        }
    }

    pub(super) fn list_element(&mut self, cell: CellId, at: Option<usize>, span: Span) -> Value<'m> {
        let Value::Items(items) = self.store.get(cell) else { return self.unknown(span) };
        match at {
            Some(at) if !items.many => items.items.get(at).cloned().unwrap_or(Value::Absent),
            _ => Value::one_of(items.items.iter().cloned()),
        }
    }

    pub(super) fn longer_list(&mut self, a: CellId, b: CellId) -> Value<'m> {
        let (Value::Items(a), Value::Items(b)) = (self.store.get(a), self.store.get(b)) else { return Value::Absent };
        let mut items: Vec<_> = a.items.iter().chain(&b.items).cloned().collect();
        items.truncate(ITEMS_MAX);
        self.new_list(Items { items, many: a.many || b.many })
    }

    pub(super) fn push_items(&mut self, cell: CellId, more: impl IntoIterator<Item = Value<'m>>) {
        let Value::Items(items) = self.store.get(cell) else { return };
        let mut items = items.as_ref().clone();
        for value in more {
            if items.items.len() < ITEMS_MAX && !(items.many && items.items.contains(&value)) {
                items.items.push(value);
            }
        }
        self.store.set(cell, Value::Items(Rc::new(items)));
    }

    /// A field, or what a field of any name may hold.
    pub(super) fn field(&self, cell: CellId, name: &str) -> Option<Value<'m>> {
        let Value::Fields(fields) = self.store.get(cell) else { return None };
        fields.named.get(name).cloned().or_else(|| fields.rest.clone())
    }

    pub(super) fn any_field(&self, cell: CellId) -> Value<'m> {
        let Value::Fields(fields) = self.store.get(cell) else { return Value::Absent };
        Value::one_of(fields.named.values().chain(&fields.rest).cloned())
    }

    pub(super) fn set_field(&mut self, cell: CellId, name: &str, value: Value<'m>, weak: bool) {
        let Value::Fields(fields) = self.store.get(cell) else { return };
        let mut fields = fields.as_ref().clone();
        let old = fields.named.remove(name).unwrap_or(Value::Absent);
        let value = if weak { old.or(value) } else { value };
        fields.named.insert(name.to_owned(), value);
        self.store.set(cell, Value::Fields(Rc::new(fields)));
    }

    /// Sets a field whose name is not known.
    pub(super) fn set_any_field(&mut self, cell: CellId, value: &Value<'m>) {
        let Value::Fields(fields) = self.store.get(cell) else { return };
        let mut fields: Fields<'m> = fields.as_ref().clone();
        fields.named.values_mut().for_each(|known| *known = known.clone().or(value.clone()));
        fields.rest = Some(fields.rest.take().unwrap_or(Value::Absent).or(value.clone()));
        self.store.set(cell, Value::Fields(Rc::new(fields)));
    }

    pub(super) fn comprehension(
        &mut self,
        pattern: &'m Pattern,
        iterable: &'m Expr,
        body: &'m Expr,
        scope: &Rc<Scope>,
    ) -> Value<'m> {
        let from = self.eval(iterable, scope);
        let items = self.items_of(&from, iterable.span);
        let mut made = Items { items: Vec::new(), many: items.many };
        let each = if items.many { vec![Value::one_of(items.items)] } else { items.items };
        for item in each {
            let inner = Scope::block(scope);
            self.bind(pattern, item, &inner, super::super::ir::Reach::Block);
            let value = self.eval(body, &inner);
            // A comprehension in a comprehension gives one flat list.
            made.items.push(value);
        }
        // Filters are not evaluated: any item may be missing.
        made.many = true;
        self.new_list(made)
    }
}
