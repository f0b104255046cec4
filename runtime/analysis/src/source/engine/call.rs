//! Calls: of the project's own functions, of what the languages bring along, and of everything else.

use std::rc::Rc;

use super::super::{
    ir::{Call, Expr, Function, Kind, Param, Reach, Span},
    sink::{Seen, SeenValue, SinkCall},
};
use super::{
    CALLS_MAX, Engine, Frame,
    arguments::Args,
    eval::step,
    guard,
    scope::Scope,
    value::{Closure, Foreign, Items, OriginKind, Piece, Text, Value},
};

impl<'m> Engine<'m> {
    pub(super) fn call(&mut self, call: &'m Call, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        if let Kind::Name(name) = &call.callee.kind
            && name.starts_with('!')
        {
            return self.test(name, call, scope);
        }
        if let Kind::Member(object, name) = &call.callee.kind {
            let receiver = self.eval(object, scope);
            let args = self.args(&call.args, span, scope);
            let value = self.call_method(&receiver, object, name, &args, scope);
            self.copy_out(call, &args, scope);
            return value;
        }
        let callee = self.eval(&call.callee, scope);
        let args = self.args(&call.args, span, scope);
        let value = if call.is_new { self.call_new(&callee, &args) } else { self.call_value(&callee, &args) };
        self.copy_out(call, &args, scope);
        value
    }

    /// A test that was marked for [`guard`]: its parts are evaluated, its value is yes or no.
    fn test(&mut self, name: &str, call: &'m Call, scope: &Rc<Scope>) -> Value<'m> {
        if name != guard::AND && name != guard::OR {
            call.args.iter().for_each(|arg| drop(self.eval(&arg.value, scope)));
            return Value::Number;
        }
        // `a && b`, `a || b`: one of the two; the second sees what the first has told.
        let [a, b] = call.args.as_slice() else { return Value::Number };
        let first = self.eval(&a.value, scope);
        let facts = self.facts(&a.value, scope);
        let mark = self.store.mark();
        facts.hold(&mut self.store, if name == guard::AND { facts.then() } else { facts.otherwise() });
        let second = self.eval(&b.value, scope);
        let writes = self.store.take_back(mark);
        self.store.merge(&[writes], false);
        // `condition && text`: where the condition does not hold, it is not put into a text in earnest.
        match (name == guard::AND, &first) {
            (true, Value::Number | Value::Foreign(_) | Value::List(_) | Value::Object(_)) => second,
            _ => first.or(second),
        }
    }

    pub(super) fn call_value(&mut self, callee: &Value<'m>, args: &Args<'m>) -> Value<'m> {
        let each: Vec<_> = callee.choices().to_vec().iter().map(|one| self.call_one(one, args)).collect();
        Value::one_of(each)
    }

    fn call_one(&mut self, callee: &Value<'m>, args: &Args<'m>) -> Value<'m> {
        match callee {
            Value::Closure(closure) => self.call_own(closure, args),
            Value::Class(class) => self.construct(class, args),
            Value::Foreign(foreign) => self.call_foreign(foreign, args),
            Value::Prepared => Value::Prepared,
            Value::Text(text) if text.as_constant().is_some() => callee.clone(),
            _ => {
                self.give_away(args, false);
                Value::foreign("call()", OriginKind::Call, args.span)
            }
        }
    }

    fn call_new(&mut self, callee: &Value<'m>, args: &Args<'m>) -> Value<'m> {
        match callee {
            Value::Foreign(foreign) if matches!(foreign.path.as_str(), "Array" | "Set" | "Map") => {
                let items = args.first().map(|first| self.items_of(first, args.span)).unwrap_or_default();
                self.new_list(items)
            }
            other => self.call_value(other, args),
        }
    }

    /// Calls a function of the project. A stub that goes by the name of a client's call is one.
    fn call_own(&mut self, closure: &Rc<Closure<'m>>, args: &Args<'m>) -> Value<'m> {
        let seen = self.watch.reached();
        let value = self.call_closure(closure, args);
        let name = closure.function.name.as_deref().unwrap_or_default();
        if self.watch.reached() == seen && super::is_query_name(name) {
            self.watch_call(&Foreign::new(name, OriginKind::Name, args.span), args, true);
        }
        value
    }

    /// Runs a function with these arguments.
    pub(super) fn call_closure(&mut self, closure: &Rc<Closure<'m>>, args: &Args<'m>) -> Value<'m> {
        let function: *const Function = closure.function;
        if self.running.len() >= CALLS_MAX || self.running.contains(&function) {
            return Value::foreign("call()", OriginKind::Call, args.span);
        }
        self.called.insert(function);
        let scope = Scope::function(&closure.scope);
        let base = self.store.len();
        if let Some(this) = &closure.this {
            self.declare("this", this.clone(), &scope, Reach::Block);
            if let Some(receiver) = &closure.function.receiver {
                self.declare(receiver, this.clone(), &scope, Reach::Block);
            }
        }
        self.bind_params(&closure.function.params, args, &scope);
        self.frames.push(Frame { base, returns: Vec::new(), tries: 0 });
        self.running.push(function);
        let file = std::mem::replace(&mut self.file, closure.file);
        let ended = std::mem::replace(&mut self.ended, false);
        self.block(&closure.function.body, &scope);
        self.ended = ended;
        self.running.pop();
        self.file = file;
        let returns = self.frames.pop().map(|frame| frame.returns).unwrap_or_default();
        self.hand_back(closure.function, args, &scope);
        Value::one_of(returns)
    }

    fn bind_params(&mut self, params: &'m [Param], args: &Args<'m>, scope: &Rc<Scope>) {
        let spread = args.given.iter().find(|given| given.spread);
        let plain: Vec<_> = args.given.iter().filter(|given| given.name.is_none() && !given.spread).collect();
        for (index, param) in params.iter().enumerate() {
            let name = if let super::super::ir::Pattern::Name(name, _) = &param.pattern { name.as_str() } else { "" };
            let by_name =
                args.given.iter().find(|given| given.name.is_some_and(|given| given == name) && !name.is_empty());
            let value = if param.rest {
                let items = plain.iter().skip(index).map(|given| given.value.clone()).collect();
                self.new_list(Items { items, many: spread.is_some() })
            } else if let Some(given) = by_name.or(plain.get(index).copied()) {
                given.value.clone()
            } else if let Some(spread) = spread {
                self.unknown(spread.span)
            } else {
                Value::Absent
            };
            self.bind(&param.pattern, value, scope, Reach::Block);
        }
    }

    /// What a function did to what it got by `&mut` is seen where it was called.
    fn hand_back(&mut self, function: &'m Function, args: &Args<'m>, scope: &Rc<Scope>) {
        for (param, given) in function.params.iter().zip(&args.given) {
            if given.out
                && let super::super::ir::Pattern::Name(name, _) = &param.pattern
                && let Some(cell) = scope.own(name)
            {
                let value = self.store.get(cell);
                self.out.push((given.span, value));
            }
        }
    }

    fn copy_out(&mut self, call: &'m Call, args: &Args<'m>, scope: &Rc<Scope>) {
        for (arg, given) in call.args.iter().zip(&args.given) {
            if !arg.out {
                continue;
            }
            let found = self.out.iter().rposition(|(span, _)| *span == given.span);
            if let Some(found) = found {
                let (_, value) = self.out.swap_remove(found);
                self.assign_to(&arg.value, value, scope);
            }
        }
    }

    /// Runs a function as someone outside of the sources would call it.
    pub(super) fn call_unknown(&mut self, closure: &Rc<Closure<'m>>, with_client: bool) {
        let mut values = Vec::new();
        for (index, param) in closure.function.params.iter().enumerate() {
            values.push(self.unknown_param(param, closure, with_client && index == 0));
        }
        let returned = self.call_closure(closure, &Args::of(values, Span::default()));
        if self.exposed.contains(&std::ptr::from_ref(closure.function)) {
            self.expose_value(&returned);
        }
    }

    fn unknown_param(&mut self, param: &'m Param, closure: &Rc<Closure<'m>>, is_client: bool) -> Value<'m> {
        use super::super::ir::Pattern;
        let (name, span) = match &param.pattern {
            Pattern::Name(name, span) => (name.as_str(), *span),
            Pattern::Default(inner, _) => match inner.as_ref() {
                Pattern::Name(name, span) => (name.as_str(), *span),
                _ => ("", Span::default()),
            },
            _ => ("", Span::default()),
        };
        let of_type = param.of_type.as_deref().unwrap_or_default();
        if of_type == "&'static str" {
            return Value::Text(Rc::new(Text { pieces: vec![Piece::Varies(String::from("constant"))] }));
        }
        if !of_type.is_empty()
            && let Some(cell) = closure.scope.find(of_type)
            && let Value::Class(class) = self.store.get(cell)
        {
            return Value::Instance(class);
        }
        let typed = super::client_words(of_type).is_sure();
        let foreign = Foreign { is_client: is_client || typed, ..Foreign::new(name, OriginKind::Parameter, span) };
        let value = Value::Foreign(Rc::new(foreign));
        if param.rest { self.many_of(value) } else { value }
    }

    /// Calls something outside of the sources.
    pub(super) fn call_foreign(&mut self, foreign: &Rc<Foreign>, args: &Args<'m>) -> Value<'m> {
        let method = foreign.path.rsplit('.').next().unwrap_or_default();
        if let Some(value) = self.built_in(&foreign.path, method, args) {
            return value;
        }
        let prepared = self.watch_call(foreign, args, false);
        let is_client = foreign.is_client || super::client_words(&foreign.path).is_sure();
        self.give_away(args, is_client);
        self.forget_out(args);
        if prepared {
            return Value::Prepared;
        }
        let mut result = Foreign::new(format!("{}()", foreign.path), OriginKind::Call, args.span);
        result.is_client = is_client && !super::is_query_name(method);
        Value::Foreign(Rc::new(result))
    }

    /// Shows a call to the watch. Returns whether what it gives is a statement with bound values.
    fn watch_call(&mut self, foreign: &Foreign, args: &Args<'m>, only_evident: bool) -> bool {
        let language = self.language();
        let texts =
            args.given.iter().map(|given| self.seen(&given.value, given.expr, given.span, given.name)).collect();
        let call =
            SinkCall { path: &foreign.path, is_client: foreign.is_client, span: args.span, args: texts, only_evident };
        self.watch.call(language, &call)
    }

    /// A value as the watch sees it.
    fn seen(&self, value: &Value<'m>, expr: Option<&'m Expr>, span: Span, keyword: Option<&str>) -> Seen {
        let values = value.choices().iter().map(|choice| self.seen_value(choice, 0)).collect();
        Seen {
            span,
            name: expr.and_then(Expr::last_name).map(str::to_owned),
            keyword: keyword.map(str::to_owned),
            values,
        }
    }

    fn seen_value(&self, value: &Value<'m>, depth: usize) -> SeenValue {
        match value {
            Value::Text(text) => SeenValue::Text(Rc::clone(text)),
            Value::Foreign(foreign) => SeenValue::Foreign(Rc::clone(foreign)),
            Value::List(cell) if depth < 3 => match self.store.get(*cell) {
                Value::Items(items) => SeenValue::Items(
                    items.items.iter().flat_map(Value::choices).map(|item| self.seen_value(item, depth + 1)).collect(),
                ),
                _ => SeenValue::Safe,
            },
            Value::Object(cell) if depth < 3 => match self.store.get(*cell) {
                Value::Fields(fields) => SeenValue::Fields(
                    fields
                        .named
                        .iter()
                        .map(|(name, value)| {
                            (name.clone(), value.choices().iter().map(|one| self.seen_value(one, depth + 1)).collect())
                        })
                        .collect(),
                ),
                _ => SeenValue::Safe,
            },
            _ => SeenValue::Safe,
        }
    }

    /// Functions given away are called with who knows what; the first parameter is a client where a client calls them.
    fn give_away(&mut self, args: &Args<'m>, with_client: bool) {
        for given in &args.given {
            for choice in given.value.choices() {
                match choice {
                    Value::Closure(closure) => {
                        let mark = self.store.mark();
                        self.call_unknown(closure, with_client);
                        let writes = self.store.take_back(mark);
                        self.store.merge(&[writes], false);
                    }
                    other => self.expose_value(other),
                }
            }
        }
    }

    /// What someone else may have changed through `&mut` is not known any more.
    fn forget_out(&mut self, args: &Args<'m>) {
        for given in args.given.iter().filter(|given| given.out) {
            if matches!(given.value, Value::Text(_)) {
                let unknown = Value::foreign("", OriginKind::Call, given.span);
                self.out.push((given.span, given.value.clone().or(unknown)));
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a call in its parts")]
    pub(super) fn call_method(
        &mut self,
        receiver: &Value<'m>,
        object: &'m Expr,
        name: &str,
        args: &Args<'m>,
        scope: &Rc<Scope>,
    ) -> Value<'m> {
        let mut found = Vec::new();
        for choice in receiver.choices().to_vec() {
            found.push(self.method_of(&choice, object, name, args, scope));
        }
        Value::one_of(found)
    }

    #[expect(clippy::too_many_arguments, reason = "a call in its parts")]
    fn method_of(
        &mut self,
        receiver: &Value<'m>,
        object: &'m Expr,
        name: &str,
        args: &Args<'m>,
        scope: &Rc<Scope>,
    ) -> Value<'m> {
        if let "call" | "bind" | "apply" = name
            && let Value::Closure(_) | Value::Foreign(_) = receiver
            && let Some(value) = self.function_method(receiver, name, args)
        {
            return value;
        }
        match receiver {
            Value::Text(text) => self.text_method(text, object, name, args, scope),
            Value::List(cell) => self.list_method(*cell, name, args),
            Value::Foreign(foreign) => {
                let next = Rc::new(step(foreign, name, args.span));
                self.call_foreign(&next, args)
            }
            Value::Prepared => {
                let next = Foreign::new(format!("prepared.{name}"), OriginKind::Call, args.span);
                self.watch_call(&next, args, false);
                self.give_away(args, false);
                Value::Prepared
            }
            Value::Absent | Value::Number => {
                self.give_away(args, false);
                Value::foreign("call()", OriginKind::Call, args.span)
            }
            Value::Object(cell) if self.field(*cell, name).is_none_or(|field| !is_callable(&field)) => {
                self.give_away(args, false);
                let unknown = || Value::foreign("call()", OriginKind::Call, args.span);
                self.object_method(*cell, name, args).unwrap_or_else(unknown)
            }
            other => {
                let callee = self.member(other, name, args.span);
                self.call_value(&callee, args)
            }
        }
    }

    /// `f.call(this, a)`, `f.apply(this, [a])`, `f.bind(this)`.
    fn function_method(&mut self, receiver: &Value<'m>, name: &str, args: &Args<'m>) -> Option<Value<'m>> {
        let rest = |args: &Args<'m>| Args::of(args.plain(), args.span).shifted();
        match name {
            "bind" => Some(receiver.clone()),
            "call" => Some(self.call_value(receiver, &rest(args))),
            _ => {
                let list = args.plain().get(1).cloned().unwrap_or(Value::Absent);
                let items = self.items_of(&list, args.span);
                Some(self.call_value(receiver, &Args::of(items.items, args.span)))
            }
        }
    }
}

fn is_callable(value: &Value<'_>) -> bool {
    value.choices().iter().any(|one| matches!(one, Value::Closure(_) | Value::Foreign(_) | Value::Class(_)))
}
