//! Names and places that get a value.

use std::rc::Rc;

use super::super::ir::{Expr, Key, Kind, Pattern, Reach, Span};
use super::{
    Engine,
    scope::Scope,
    value::{Foreign, Items, OriginKind, Value},
};

impl<'m> Engine<'m> {
    /// Takes a value apart into new names.
    pub(super) fn bind(&mut self, pattern: &'m Pattern, value: Value<'m>, scope: &Rc<Scope>, reach: Reach) {
        match pattern {
            Pattern::Ignore => {}
            Pattern::Name(name, _) => self.declare(name, named(value, name), scope, reach),
            Pattern::Target(target) => self.assign_to(target, value, scope),
            Pattern::Default(inner, default) => {
                let default_value = self.eval(default, scope);
                let value = match value {
                    Value::Absent => default_value,
                    given => given.or(default_value),
                };
                self.bind(inner, value, scope, reach);
            }
            Pattern::Object(fields, rest) => self.bind_fields(fields, rest.as_deref(), &value, scope, reach),
            Pattern::List(items, rest) => self.bind_items(items, rest.as_deref(), &value, scope, reach),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a pattern in its parts, and where its names go")]
    fn bind_fields(
        &mut self,
        fields: &'m [(Key, Pattern)],
        rest: Option<&'m Pattern>,
        value: &Value<'m>,
        scope: &Rc<Scope>,
        reach: Reach,
    ) {
        for (key, pattern) in fields {
            let found = match key {
                Key::Named(name) => self.member(value, name, span_of(pattern, value)),
                Key::Computed(expr) => {
                    self.eval(expr, scope);
                    Value::unknown(expr.span)
                }
            };
            self.bind(pattern, found, scope, reach);
        }
        if let Some(rest) = rest {
            self.bind(rest, value.clone(), scope, reach);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a pattern in its parts, and where its names go")]
    fn bind_items(
        &mut self,
        items: &'m [Pattern],
        rest: Option<&'m Pattern>,
        value: &Value<'m>,
        scope: &Rc<Scope>,
        reach: Reach,
    ) {
        let span = origin(value);
        let found = self.items_of(value, span);
        for (index, pattern) in items.iter().enumerate() {
            let item = if found.many {
                Value::one_of(found.items.iter().cloned())
            } else {
                found.items.get(index).cloned().unwrap_or(Value::Absent)
            };
            self.bind(pattern, item, scope, reach);
        }
        if let Some(rest) = rest {
            let left = if found.many { found.items } else { found.items.into_iter().skip(items.len()).collect() };
            let list = self.new_list(Items { items: left, many: found.many });
            self.bind(rest, list, scope, reach);
        }
    }

    pub(super) fn declare(&mut self, name: &str, value: Value<'m>, scope: &Rc<Scope>, reach: Reach) {
        if reach == Reach::Block {
            let cell = self.store.new_cell(Value::Absent);
            self.store.set(cell, value);
            scope.define(name, cell);
            return;
        }
        let function = scope.function_scope();
        let existing = if scope.is_outer(name) { scope.find(name) } else { function.own(name) };
        match existing {
            Some(cell) => self.store.set(cell, value),
            None => {
                let cell = self.store.new_cell(Value::Absent);
                self.store.set(cell, value);
                function.define(name, cell);
            }
        }
    }

    /// `pattern = value` for names that exist.
    pub(super) fn assign(&mut self, pattern: &'m Pattern, value: Value<'m>, scope: &Rc<Scope>) {
        match pattern {
            Pattern::Name(name, _) => match scope.find(name) {
                Some(cell) => self.store.set(cell, named(value, name)),
                None => self.declare(name, named(value, name), scope, Reach::Function),
            },
            Pattern::Target(target) => self.assign_to(target, value, scope),
            Pattern::Default(inner, default) => {
                let default = self.eval(default, scope);
                self.assign(inner, value.or(default), scope);
            }
            Pattern::Object(fields, rest) => {
                for (key, pattern) in fields {
                    let found = match key {
                        Key::Named(name) => self.member(&value, name, span_of(pattern, &value)),
                        Key::Computed(expr) => Value::unknown(expr.span),
                    };
                    self.assign(pattern, found, scope);
                }
                if let Some(rest) = rest {
                    self.assign(rest, value, scope);
                }
            }
            Pattern::List(items, _) => {
                let found = self.items_of(&value, origin(&value));
                for (index, pattern) in items.iter().enumerate() {
                    let item = match found.many {
                        true => Value::one_of(found.items.iter().cloned()),
                        false => found.items.get(index).cloned().unwrap_or(Value::Absent),
                    };
                    self.assign(pattern, item, scope);
                }
            }
            Pattern::Ignore => {}
        }
    }

    /// `target = value` for a place.
    pub(super) fn assign_to(&mut self, target: &'m Expr, value: Value<'m>, scope: &Rc<Scope>) {
        match &target.kind {
            Kind::Name(name) => match scope.find(name) {
                Some(cell) => self.store.set(cell, value),
                None => self.declare(name, value, scope, Reach::Function),
            },
            Kind::Member(object, name) => {
                let object = self.eval(object, scope);
                self.set_member(&object, name, &value);
            }
            Kind::Index(object, index) => {
                let object = self.eval(object, scope);
                let index = self.eval(index, scope);
                self.set_element(&object, &index, &value);
            }
            _ => {}
        }
    }

    fn set_member(&mut self, object: &Value<'m>, name: &str, value: &Value<'m>) {
        let several = object.choices().len() > 1;
        for choice in object.choices().to_vec() {
            match choice {
                Value::Object(cell) => self.set_field(cell, name, value.clone(), several),
                Value::Instance(class) => {
                    let weak = several || class.constructed.get();
                    self.set_field(class.fields, name, value.clone(), weak);
                }
                Value::Class(class) => self.set_field(class.statics, name, value.clone(), several),
                // `module.exports.run = ..`: others can call what is given away.
                _ => self.expose_value(value),
            }
        }
    }

    fn set_element(&mut self, object: &Value<'m>, index: &Value<'m>, value: &Value<'m>) {
        for choice in object.choices().to_vec() {
            match (&choice, index) {
                (Value::List(cell), _) => self.push_items(*cell, [value.clone()]),
                (Value::Object(_) | Value::Instance(_), Value::Text(name)) if name.as_constant().is_some() => {
                    self.set_member(&choice, name.as_constant().unwrap_or_default(), value);
                }
                (Value::Object(cell), _) => self.set_any_field(*cell, value),
                (Value::Instance(class), _) => self.set_any_field(class.fields, value),
                _ => {}
            }
        }
    }

    /// Makes functions in a value count as called from outside.
    pub(super) fn expose_value(&mut self, value: &Value<'m>) {
        for choice in value.choices() {
            match choice {
                Value::Closure(closure) => {
                    self.exposed.insert(closure.function);
                }
                Value::Object(cell) => {
                    if let Value::Fields(fields) = self.store.get(*cell) {
                        for value in fields.named.values() {
                            if let Value::Closure(closure) = value {
                                self.exposed.insert(closure.function);
                            }
                        }
                    }
                }
                Value::Class(class) | Value::Instance(class) => self.expose_class(class),
                _ => {}
            }
        }
    }
}

/// What comes out of a call is known by the name it gets.
fn named<'m>(value: Value<'m>, name: &str) -> Value<'m> {
    match &value {
        Value::Foreign(foreign) if foreign.path.ends_with(')') || foreign.path.is_empty() => {
            let is_client = foreign.is_client || super::client_words(&foreign.path).is_sure();
            Value::Foreign(Rc::new(Foreign { path: name.to_owned(), is_client, origin: foreign.origin }))
        }
        Value::Foreign(foreign)
            if !foreign.is_client && super::client_words(name).is_sure() && foreign.origin.kind != OriginKind::Name =>
        {
            Value::Foreign(Rc::new(Foreign { is_client: true, ..foreign.as_ref().clone() }))
        }
        _ => value,
    }
}

fn span_of(pattern: &Pattern, value: &Value<'_>) -> Span {
    match pattern {
        Pattern::Name(_, span) => *span,
        Pattern::Default(inner, _) => span_of(inner, value),
        _ => origin(value),
    }
}

pub(super) fn origin(value: &Value<'_>) -> Span {
    match value {
        Value::Foreign(foreign) => foreign.origin.span,
        Value::OneOf(choices) => choices.iter().map(origin).max().unwrap_or_default(),
        _ => Span::default(),
    }
}
