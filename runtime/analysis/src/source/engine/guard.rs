//! What a test tells of a name: `["asc", "desc"].includes(direction)` leaves two texts.

use std::rc::Rc;

use super::super::ir::{Expr, Kind};
use super::{
    Engine,
    scope::{Scope, Store},
    value::{CellId, Value},
};

/// What the cells hold where the test holds, and where it does not.
#[derive(Debug, Default)]
pub(super) struct Facts<'m> {
    then: Vec<(CellId, Value<'m>)>,
    otherwise: Vec<(CellId, Value<'m>)>,
}

impl<'m> Facts<'m> {
    pub(super) fn then(&self) -> &[(CellId, Value<'m>)] {
        &self.then
    }

    pub(super) fn otherwise(&self) -> &[(CellId, Value<'m>)] {
        &self.otherwise
    }

    pub(super) fn hold(&self, store: &mut Store<'m>, facts: &[(CellId, Value<'m>)]) {
        for (cell, value) in facts {
            store.set(*cell, value.clone());
        }
    }

    fn negated(self) -> Self {
        Self { then: self.otherwise, otherwise: self.then }
    }
}

/// How a front end marks tests that the engine understands, as names of calls.
pub(super) const NOT: &str = "!not";
pub(super) const EQUALS: &str = "!equals";
pub(super) const IN: &str = "!in";
pub(super) const AND: &str = "!and";
pub(super) const OR: &str = "!or";

impl<'m> Engine<'m> {
    pub(super) fn facts(&mut self, test: &'m Expr, scope: &Rc<Scope>) -> Facts<'m> {
        let Kind::Call(call) = &test.kind else { return Facts::default() };
        let first = call.args.first().map(|arg| &arg.value);
        let second = call.args.get(1).map(|arg| &arg.value);
        match (&call.callee.kind, first, second) {
            (Kind::Name(name), Some(inner), None) if name == NOT => self.facts(inner, scope).negated(),
            (Kind::Name(name), Some(a), Some(b)) if name == AND => {
                let (a, b) = (self.facts(a, scope), self.facts(b, scope));
                let otherwise = either(&a.otherwise, &b.otherwise);
                Facts { then: a.then.into_iter().chain(b.then).collect(), otherwise }
            }
            (Kind::Name(name), Some(a), Some(b)) if name == OR => {
                let (a, b) = (self.facts(a, scope), self.facts(b, scope));
                let then = either(&a.then, &b.then);
                Facts { then, otherwise: a.otherwise.into_iter().chain(b.otherwise).collect() }
            }
            (Kind::Name(name), Some(subject), Some(list)) if name == IN => self.one_among(subject, list, scope),
            (Kind::Name(name), Some(a), Some(b)) if name == EQUALS => {
                let is_text = |expr: &Expr| matches!(expr.kind, Kind::Text(_));
                let (subject, constant) = if is_text(a) { (b, a) } else { (a, b) };
                if is_text(constant) { self.equal_to(subject, constant, scope) } else { Facts::default() }
            }
            (Kind::Member(list, method), Some(subject), _) if is_membership(method) => {
                self.one_among(strip(subject), list, scope)
            }
            _ => Facts::default(),
        }
    }

    /// `subject` is one of the constants in `list`.
    fn one_among(&mut self, subject: &'m Expr, list: &'m Expr, scope: &Rc<Scope>) -> Facts<'m> {
        let Some(cell) = self.cell_of(subject, scope) else { return Facts::default() };
        let mut allowed = Vec::new();
        for choice in self.eval(list, scope).choices().to_vec() {
            match choice {
                Value::List(list) => match self.store.get(list) {
                    Value::Items(items) => allowed.extend(items.items.iter().flat_map(|item| item.choices().to_vec())),
                    _ => return Facts::default(),
                },
                Value::Object(object) => match self.store.get(object) {
                    Value::Fields(fields) if fields.rest.is_none() => {
                        allowed.extend(fields.named.keys().map(|name| Value::text(name.as_str())));
                    }
                    _ => return Facts::default(),
                },
                _ => return Facts::default(),
            }
        }
        let is_constant = |value: &Value<'m>| matches!(value, Value::Text(text) if text.as_constant().is_some());
        if allowed.is_empty() || !allowed.iter().all(is_constant) {
            return Facts::default();
        }
        Facts { then: vec![(cell, Value::one_of(allowed))], otherwise: Vec::new() }
    }

    fn equal_to(&mut self, subject: &'m Expr, constant: &'m Expr, scope: &Rc<Scope>) -> Facts<'m> {
        let value = self.eval(constant, scope);
        match self.cell_of(strip(subject), scope) {
            Some(cell) => Facts { then: vec![(cell, value)], otherwise: Vec::new() },
            None => Facts::default(),
        }
    }

    /// The cell of a plain name. Others could hold an object, so fields are not narrowed.
    pub(super) fn cell_of(&self, subject: &Expr, scope: &Rc<Scope>) -> Option<CellId> {
        match &strip(subject).kind {
            Kind::Name(name) => scope.find(name),
            _ => None,
        }
    }
}

/// What holds where one of the two does: of the same name, either value.
fn either<'m>(a: &[(CellId, Value<'m>)], b: &[(CellId, Value<'m>)]) -> Vec<(CellId, Value<'m>)> {
    let same = |cell: CellId| b.iter().find(|(other, _)| *other == cell);
    a.iter()
        .filter_map(|(cell, value)| same(*cell).map(|(_, other)| (*cell, value.clone().or(other.clone()))))
        .collect()
}

/// `&x`, `x.as_str()`: the same text.
fn strip(expr: &Expr) -> &Expr {
    match &expr.kind {
        Kind::Call(call) if call.args.is_empty() => match &call.callee.kind {
            Kind::Member(object, name) if matches!(name.as_str(), "as_str" | "as_ref" | "clone" | "toString") => {
                strip(object)
            }
            _ => expr,
        },
        _ => expr,
    }
}

fn is_membership(method: &str) -> bool {
    matches!(method, "includes" | "has" | "contains" | "contains_key" | "hasOwnProperty" | "__contains__" | "hasOwn")
}
