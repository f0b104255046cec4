//! Expressions to values.

use std::rc::Rc;

use super::super::{
    ir::{Expr, Field, How, Kind, Part, Span},
    rules::Rule,
};
use super::{
    DEPTH_MAX, Engine, STEPS_MAX,
    scope::Scope,
    value::{Closure, Fields, Foreign, OriginKind, TagResult, Text, Value},
};

impl<'m> Engine<'m> {
    pub(super) fn eval(&mut self, expr: &'m Expr, scope: &Rc<Scope>) -> Value<'m> {
        self.steps = self.steps.saturating_add(1);
        if self.steps >= STEPS_MAX || self.depth >= DEPTH_MAX {
            self.steps = STEPS_MAX;
            return self.unknown(expr.span);
        }
        self.depth += 1;
        let value = self.eval_kind(expr, scope);
        self.depth -= 1;
        value
    }

    fn eval_kind(&mut self, expr: &'m Expr, scope: &Rc<Scope>) -> Value<'m> {
        let span = expr.span;
        match &expr.kind {
            Kind::Text(text) | Kind::Scalar(text) => Value::text(text.as_str()),
            Kind::Nothing => Value::Absent,
            Kind::Name(name) => self.name(name, span, scope),
            Kind::Member(object, name) => {
                let object = self.eval(object, scope);
                self.member(&object, name, span)
            }
            Kind::Index(object, index) => self.index(object, index, span, scope),
            Kind::Call(call) => self.call(call, span, scope),
            Kind::Template(parts, how) => self.template(parts, *how, span, scope),
            Kind::Tagged(tag, parts) => self.tagged(tag, parts, span, scope),
            Kind::Concat(left, right) => self.concat(left, right, span, scope),
            Kind::Percent(left, right) => self.percent(left, right, span, scope),
            Kind::Number(parts) => {
                parts.iter().for_each(|part| drop(self.eval(part, scope)));
                Value::Number
            }
            Kind::Assign(pattern, value) => {
                let value = self.eval(value, scope);
                self.assign(pattern, value.clone(), scope);
                value
            }
            Kind::Append(target, value) => self.append(target, value, span, scope),
            Kind::Branch { subject, arms, total } => self.branch(subject.as_deref(), arms, *total, scope),
            Kind::Function(function) => {
                let this = if function.arrow { None } else { scope.find("this").map(|cell| self.store.get(cell)) };
                self.closure(function, scope, this)
            }
            Kind::Class(class) => self.class(class, scope),
            Kind::List(args) => self.list(args, scope),
            Kind::Record(fields) => self.record(fields, scope),
            Kind::Block(body, last) => {
                let inner = Scope::block(scope);
                self.block(body, &inner);
                match last {
                    Some(last) if !self.ended => self.eval(last, &inner),
                    _ => Value::Absent,
                }
            }
            Kind::Each(pattern, iterable, body) => self.comprehension(pattern, iterable, body, scope),
            Kind::Import(from) => self.import_call(from, span, scope),
            Kind::Yield(value) => {
                let value = value.as_ref().map_or(Value::Absent, |value| self.eval(value, scope));
                if let Some(frame) = self.frames.last_mut() {
                    frame.returns.push(value);
                }
                self.unknown(span)
            }
            Kind::Opaque(parts) => {
                parts.iter().for_each(|part| drop(self.eval(part, scope)));
                self.unknown(span)
            }
        }
    }

    fn name(&mut self, name: &str, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        match scope.find(name) {
            Some(cell) => match self.store.get(cell) {
                // Something declared and not set where we look, such as a variable that another function sets.
                Value::Absent => Value::Absent,
                value => value,
            },
            None if self.is_constant_name(name) => constant_elsewhere(),
            None => Value::foreign(name, OriginKind::Name, span),
        }
    }

    /// Rust warns of anything but a constant under such a name.
    pub(super) fn is_constant_name(&self, name: &str) -> bool {
        let is_loud = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        self.language() == super::Language::Rust && name.len() > 1 && name.chars().all(is_loud)
    }

    pub(super) fn closure(
        &mut self,
        function: &'m super::Function,
        scope: &Rc<Scope>,
        this: Option<Value<'m>>,
    ) -> Value<'m> {
        let same = |known: &&Rc<Closure<'m>>| std::ptr::eq(known.function, function) && Rc::ptr_eq(&known.scope, scope);
        if let Some(known) = self.created.iter().find(same) {
            return Value::Closure(Rc::clone(known));
        }
        let closure = Rc::new(Closure { function, scope: Rc::clone(scope), file: self.file, this });
        // Of a function made again and again, the last one is run.
        match self.created.iter_mut().find(|known| std::ptr::eq(known.function, function)) {
            Some(known) => *known = Rc::clone(&closure),
            None => self.created.push(Rc::clone(&closure)),
        }
        if function.exported && self.is_entry() {
            self.exposed.insert(function);
        }
        Value::Closure(closure)
    }

    pub(super) fn member(&mut self, object: &Value<'m>, name: &str, span: Span) -> Value<'m> {
        let each = object.choices().to_vec();
        let each: Vec<_> = each.iter().map(|one| self.member_of(one, name, span)).collect();
        Value::one_of(each)
    }

    fn member_of(&mut self, object: &Value<'m>, name: &str, span: Span) -> Value<'m> {
        match object {
            Value::Foreign(foreign) if is_count(name) && !foreign.is_client => Value::Number,
            Value::Foreign(foreign) if foreign.origin.kind == OriginKind::Name && self.is_constant_name(name) => {
                constant_elsewhere()
            }
            Value::Foreign(foreign) => Value::Foreign(Rc::new(step(foreign, name, span))),
            Value::Object(cell) => self.field(*cell, name).unwrap_or(Value::Absent),
            Value::Instance(class) => self.instance_member(class, name, span),
            Value::Class(class) => self.class_member(class, name, span),
            Value::Module(file) => self.exported(*file, name, span),
            Value::List(_) if is_count(name) => Value::Number,
            Value::Text(_) if is_count(name) => Value::Number,
            // Members of Python's enums.
            Value::Text(_) if matches!(name, "value" | "name" | "text" | "sql") => object.clone(),
            Value::Prepared => Value::Prepared,
            _ => Value::foreign(format!("?.{name}"), OriginKind::Computed, span),
        }
    }

    fn index(&mut self, object: &'m Expr, index: &'m Expr, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let from = self.eval(object, scope);
        let at = self.eval(index, scope);
        let mut found = Vec::new();
        for object_choice in from.choices() {
            for at in at.choices() {
                let constant = match at {
                    Value::Text(text) => text.as_constant(),
                    _ => None,
                };
                found.push(match constant {
                    Some(name) => self.element(object_choice, name, span),
                    None => self.any_element(object_choice, span, index, at),
                });
            }
        }
        Value::one_of(found)
    }

    fn element(&mut self, object: &Value<'m>, name: &str, span: Span) -> Value<'m> {
        match object {
            Value::List(cell) => self.list_element(*cell, name.parse().ok(), span),
            Value::Text(_) => Value::unknown(span),
            other => self.member_of(other, name, span),
        }
    }

    /// What stands under a name that is not known: for constant maps, one of their values.
    fn any_element(&mut self, object: &Value<'m>, span: Span, index: &Expr, at: &Value<'m>) -> Value<'m> {
        match object {
            Value::Object(cell) => self.any_field(*cell),
            Value::List(cell) => self.list_element(*cell, None, span),
            Value::Class(class) => self.any_field(class.statics),
            Value::Foreign(foreign) => {
                if !matches!(at, Value::Number) && self.language() == super::Language::Typescript {
                    self.watch.dynamic_member(foreign, span, index.span);
                }
                Value::Foreign(Rc::new(Foreign { is_client: foreign.is_client, ..step(foreign, "[]", span) }))
            }
            _ => Value::unknown(span),
        }
    }

    fn tagged(&mut self, tag: &'m Expr, parts: &'m [Part], span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let tag_value = self.eval(tag, scope);
        let mut holes = Vec::new();
        for part in parts {
            if let Part::Hole(hole) = part {
                holes.push((self.eval(hole, scope), hole.span));
            }
        }
        let Value::Foreign(foreign) = &tag_value else {
            return self.own_tag(&tag_value, parts, holes, span);
        };
        let name = tag.last_name().unwrap_or_default();
        let last = foreign.path.rsplit('.').next().unwrap_or_default();
        if last == "raw" && foreign.path.ends_with("String.raw") {
            return self.template(parts, How::Template, span, scope);
        }
        match self.watch.tagged(foreign, name, parts, span, &holes_text(&holes)) {
            TagResult::Prepared => Value::Prepared,
            // `html`, `css`: the text as it stands, for whoever runs it as a statement.
            TagResult::Unknown => self.template(parts, How::Template, span, scope),
        }
    }

    fn record(&mut self, fields: &'m [Field], scope: &Rc<Scope>) -> Value<'m> {
        let mut made = Fields::default();
        let cell = self.store.new_cell(Value::Absent);
        for field in fields {
            match field {
                Field::Named(name, value) => {
                    let value = match &value.kind {
                        Kind::Function(method) if !method.arrow => {
                            self.closure(method, scope, Some(Value::Object(cell)))
                        }
                        _ => self.eval(value, scope),
                    };
                    made.named.insert(name.clone(), value);
                }
                Field::Computed(name, value) => {
                    let (name, value) = (self.eval(name, scope), self.eval(value, scope));
                    self.computed_field(&mut made, &name, value);
                }
                Field::Spread(from) => {
                    let value = self.eval(from, scope);
                    self.spread_fields(&mut made, &value, from.span);
                }
            }
        }
        self.store.set(cell, Value::Fields(Rc::new(made)));
        Value::Object(cell)
    }

    fn computed_field(&mut self, made: &mut Fields<'m>, name: &Value<'m>, value: Value<'m>) {
        match name {
            Value::Text(text) if text.as_constant().is_some() => {
                made.named.insert(text.as_constant().unwrap_or_default().to_owned(), value);
            }
            _ => made.rest = Some(made.rest.take().unwrap_or(Value::Absent).or(value)),
        }
    }

    fn spread_fields(&mut self, made: &mut Fields<'m>, value: &Value<'m>, span: Span) {
        let Value::Object(cell) = value else {
            // It may hold anything under any name, those already set included.
            let any = match value {
                Value::Absent => return,
                Value::Foreign(foreign) => Value::Foreign(Rc::new(step(foreign, "...", span))),
                _ => Value::unknown(span),
            };
            made.named.values_mut().for_each(|known| *known = known.clone().or(any.clone()));
            made.rest = Some(any);
            return;
        };
        if let Value::Fields(fields) = self.store.get(*cell) {
            for (name, value) in &fields.named {
                made.named.insert(name.clone(), value.clone());
            }
            if let Some(rest) = &fields.rest {
                made.named.values_mut().for_each(|known| *known = known.clone().or(rest.clone()));
                made.rest = Some(rest.clone());
            }
        }
    }

    fn import_call(&mut self, from: &'m Expr, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let from_value = self.eval(from, scope);
        let mut found = Vec::new();
        for choice in from_value.choices() {
            let constant = if let Value::Text(text) = choice { text.as_constant() } else { None };
            match constant {
                Some(name) => found.push(self.import(name, None, span)),
                None => {
                    self.watch.report(Rule::DynamicImport, span, from.span);
                    found.push(Value::unknown(span));
                }
            }
        }
        Value::one_of(found)
    }
}

/// A constant of a file that is not at hand.
fn constant_elsewhere<'m>() -> Value<'m> {
    Value::Text(Rc::new(Text { pieces: vec![super::value::Piece::Varies(String::from("constant"))] }))
}

/// Names of members that are always numbers.
fn is_count(name: &str) -> bool {
    matches!(name, "length" | "rowCount" | "rowcount" | "byteLength" | "lastrowid")
}

/// One step further along a path.
pub(super) fn step(foreign: &Foreign, name: &str, span: Span) -> Foreign {
    let mut next = Foreign::new(format!("{}.{name}", foreign.path), foreign.origin.kind, span);
    next.is_client = foreign.is_client;
    next
}

fn holes_text<'m>(holes: &[(Value<'m>, Span)]) -> Vec<(Option<Rc<Text>>, bool, Span)> {
    let of = |(value, span): &(Value<'m>, Span)| match value {
        Value::Text(text) => (Some(Rc::clone(text)), false, *span),
        Value::Prepared | Value::Number | Value::Absent => (None, true, *span),
        _ => (None, false, *span),
    };
    holes.iter().map(of).collect()
}
