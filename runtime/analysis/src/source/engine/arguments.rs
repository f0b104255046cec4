//! The values of a call's arguments, with the expressions they came from.

use std::rc::Rc;

use super::super::ir::{Arg, Expr, Span};
use super::{Engine, scope::Scope, value::Value};

pub(super) struct Args<'m> {
    pub(super) given: Vec<Given<'m>>,
    pub(super) span: Span,
}

pub(super) struct Given<'m> {
    pub(super) value: Value<'m>,
    pub(super) expr: Option<&'m Expr>,
    pub(super) span: Span,
    pub(super) name: Option<&'m str>,
    pub(super) spread: bool,
    pub(super) out: bool,
}

impl<'m> Args<'m> {
    pub(super) fn of(values: impl IntoIterator<Item = Value<'m>>, span: Span) -> Self {
        let given = |value| Given { value, expr: None, span, name: None, spread: false, out: false };
        Self { given: values.into_iter().map(given).collect(), span }
    }

    /// Values by position.
    pub(super) fn plain(&self) -> Vec<Value<'m>> {
        self.given.iter().filter(|given| given.name.is_none()).map(|given| given.value.clone()).collect()
    }

    pub(super) fn first(&self) -> Option<&Value<'m>> {
        self.given.first().map(|given| &given.value)
    }

    /// The same call without its first argument.
    pub(super) fn shifted(mut self) -> Self {
        if !self.given.is_empty() {
            self.given.remove(0);
        }
        self
    }
}

impl<'m> Engine<'m> {
    pub(super) fn args(&mut self, args: &'m [Arg], span: Span, scope: &Rc<Scope>) -> Args<'m> {
        let mut given = Vec::new();
        for arg in args {
            let value = self.eval(&arg.value, scope);
            let (at, name) = (arg.value.span, arg.name.as_deref());
            if arg.spread
                && let Value::List(cell) = &value
                && let Value::Items(items) = self.store.get(*cell)
                && !items.many
            {
                for item in items.items.clone() {
                    given.push(Given { value: item, expr: None, span: at, name, spread: false, out: false });
                }
                continue;
            }
            given.push(Given { value, expr: Some(&arg.value), span: at, name, spread: arg.spread, out: arg.out });
        }
        Args { given, span }
    }
}
