//! Classes: one object stands for all of a class.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use super::super::ir::{Class, Span};
use super::{
    Engine,
    arguments::Args,
    scope::Scope,
    value::{ClassValue, Closure, Fields, OriginKind, Value},
};

const CONSTRUCTORS: [&str; 2] = ["constructor", "__init__"];

impl<'m> Engine<'m> {
    pub(super) fn class(&mut self, class: &'m Class, scope: &Rc<Scope>) -> Value<'m> {
        let bases = class.bases.iter().map(|base| self.eval(base, scope)).collect();
        let empty = || Value::Fields(Rc::new(Fields::default()));
        let (fields, statics) = (self.store.new_cell(empty()), self.store.new_cell(empty()));
        let inner = Scope::block(scope);
        let made = Rc::new(ClassValue {
            class,
            scope: Rc::clone(&inner),
            file: self.file,
            bases,
            fields,
            statics,
            methods: RefCell::new(BTreeMap::new()),
            constructed: Cell::new(false),
        });
        let value = Value::Class(Rc::clone(&made));
        for name in [class.name.as_str(), "Self"] {
            self.declare(name, value.clone(), &inner, super::super::ir::Reach::Block);
        }
        for (name, init) in &class.statics {
            let init = init.as_ref().map_or(Value::Absent, |init| self.eval(init, &inner));
            self.declare(name, init.clone(), &inner, super::super::ir::Reach::Block);
            self.set_field(statics, name, init, false);
        }
        let with_this = Scope::block(&inner);
        let this = Value::Instance(Rc::clone(&made));
        self.declare("this", this.clone(), &with_this, super::super::ir::Reach::Block);
        for (name, init) in &class.fields {
            if let Some(init) = init {
                let init = self.eval(init, &with_this);
                self.set_field(fields, name, init, false);
            }
        }
        for method in &class.methods {
            if let Some(name) = &method.name {
                made.methods.borrow_mut().insert(name.clone(), method);
            }
            self.closure(method, &inner, Some(this.clone()));
        }
        value
    }

    pub(super) fn expose_class(&mut self, class: &Rc<ClassValue<'m>>) {
        for method in &class.class.methods {
            if method.exported {
                self.exposed.insert(method);
            }
        }
    }

    fn method(&mut self, class: &Rc<ClassValue<'m>>, name: &str, this: &Value<'m>) -> Option<Value<'m>> {
        let own = class.methods.borrow().get(name).copied();
        match own {
            Some(method) => {
                let (scope, this) = (Rc::clone(&class.scope), Some(this.clone()));
                let closure = Closure { function: method, scope, file: class.file, this };
                Some(Value::Closure(Rc::new(closure)))
            }
            None => class.bases.iter().find_map(|base| match base {
                Value::Class(base) => self.method(base, name, this),
                _ => None,
            }),
        }
    }

    pub(super) fn instance_member(&mut self, class: &Rc<ClassValue<'m>>, name: &str, span: Span) -> Value<'m> {
        if let Some(value) = self.field(class.fields, name) {
            return value;
        }
        if let Some(method) = self.method(class, name, &Value::Instance(Rc::clone(class))) {
            return method;
        }
        for base in &class.bases {
            if let Value::Class(base) = base
                && let Some(value) = self.field(base.fields, name).or_else(|| self.field(base.statics, name))
            {
                return value;
            }
        }
        self.field(class.statics, name)
            .unwrap_or_else(|| Value::foreign(format!("this.{name}"), OriginKind::Name, span))
    }

    pub(super) fn class_member(&mut self, class: &Rc<ClassValue<'m>>, name: &str, span: Span) -> Value<'m> {
        if let Some(value) = self.field(class.statics, name) {
            return value;
        }
        if let Some(method) = self.method(class, name, &Value::Class(Rc::clone(class))) {
            return method;
        }
        for base in &class.bases {
            if let Value::Class(base) = base {
                return self.class_member(base, name, span);
            }
        }
        match name {
            // A constructor under the name that Rust gives it by custom, or a variant of an enum.
            _ if class.class.name.is_empty() => self.unknown(span),
            _ => Value::foreign(format!("{}.{name}", class.class.name), OriginKind::Name, span),
        }
    }

    /// `new Class(..)`, `Class(..)`.
    pub(super) fn construct(&mut self, class: &Rc<ClassValue<'m>>, args: &Args<'m>) -> Value<'m> {
        let this = Value::Instance(Rc::clone(class));
        for name in CONSTRUCTORS {
            if let Some(Value::Closure(closure)) = self.method(class, name, &this) {
                self.call_closure(&closure, args);
            }
        }
        if let Some(names) = dataclass_fields(class) {
            for (name, value) in names.iter().zip(args.plain()) {
                self.set_field(class.fields, name, value, true);
            }
        }
        for given in &args.given {
            if let Some(name) = given.name {
                self.set_field(class.fields, name, given.value.clone(), class.constructed.get());
            }
        }
        class.constructed.set(true);
        this
    }
}

/// Fields of a class without a constructor, in their order.
fn dataclass_fields(class: &ClassValue<'_>) -> Option<Vec<String>> {
    let has_constructor = class.methods.borrow().keys().any(|name| CONSTRUCTORS.contains(&name.as_str()));
    (!has_constructor && class.bases.is_empty())
        .then(|| class.class.fields.iter().map(|(name, _)| name.clone()).collect())
}
