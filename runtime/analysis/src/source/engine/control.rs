//! Branches, loops and `try`: every way through them.

use std::rc::Rc;

use super::super::ir::{Arm, Expr, Loop, Pattern, Reach, Stmt};
use super::{
    Engine,
    guard::Facts,
    scope::{Scope, widen},
    value::Value,
};

/// Rounds of a loop after which what it builds has shown itself.
const LOOP_ROUNDS: usize = 3;
/// What stands for all cells: while something may throw, every write can be seen by the handler.
const ALL_CELLS: usize = usize::MAX;

impl<'m> Engine<'m> {
    pub(super) fn branch(
        &mut self,
        subject: Option<&'m Expr>,
        arms: &'m [Arm],
        total: bool,
        scope: &Rc<Scope>,
    ) -> Value<'m> {
        let tested = subject.map_or(Value::Absent, |subject| self.eval(subject, scope));
        let facts = subject.map_or_else(Facts::default, |subject| self.facts(subject, scope));
        let (mut writes, mut values) = (Vec::new(), Vec::new());
        let mut goes_on = !total;
        for (index, arm) in arms.iter().enumerate() {
            let mark = self.store.mark();
            // The arms of `if` are what happens when the test holds and when it does not.
            facts.hold(&mut self.store, if index == 0 { facts.then() } else { facts.otherwise() });
            if !arm.is.is_empty()
                && let Some(cell) = subject.and_then(|subject| self.cell_of(subject, scope))
            {
                self.store.set(cell, Value::one_of(arm.is.iter().map(|text| Value::text(text.as_str()))));
            }
            let value = self.arm(arm, &tested, scope);
            let ended = std::mem::replace(&mut self.ended, false);
            let mut written = self.store.take_back(mark);
            if ended {
                let base = self.kept_base();
                written.retain(|cell, _| *cell < base);
                if !written.is_empty() {
                    writes.push(written);
                }
            } else {
                goes_on = true;
                writes.push(written);
                values.push(value);
            }
        }
        let is_complete = total && values.len() == arms.len();
        self.store.merge(&writes, is_complete || (total && goes_on));
        self.ended = !goes_on;
        if arms.len() == 1 && !total && values.is_empty() {
            facts.hold(&mut self.store, facts.otherwise());
        }
        Value::one_of(values)
    }

    /// Cells older than this keep what an arm wrote although it left the function.
    fn kept_base(&self) -> usize {
        self.frames.last().map_or(0, |frame| if frame.tries > 0 { ALL_CELLS } else { frame.base })
    }

    fn arm(&mut self, arm: &'m Arm, tested: &Value<'m>, scope: &Rc<Scope>) -> Value<'m> {
        let inner = Scope::block(scope);
        if let Some(pattern) = &arm.pattern {
            self.bind(pattern, tested.clone(), &inner, Reach::Block);
        }
        for guard in &arm.guards {
            self.eval(guard, &inner);
        }
        self.eval(&arm.body, &inner)
    }

    pub(super) fn run_loop(&mut self, looped: &'m Loop, scope: &Rc<Scope>) {
        let outer = Scope::block(scope);
        self.block(&looped.init, &outer);
        let source = looped.each.as_ref().map(|(pattern, iterable)| {
            let value = self.eval(iterable, &outer);
            (pattern, self.items_of(&value, iterable.span))
        });
        if let Some((pattern, items)) = &source
            && !items.many
            && items.items.len() <= 8
            && items.items.iter().all(|item| !matches!(item, Value::Foreign(_)))
        {
            // A short list of constants: round by round.
            for item in items.items.clone() {
                self.round(looped, Some((pattern, item)), &outer);
            }
            return;
        }
        let item = source.map(|(pattern, items)| (pattern, Value::one_of(items.items)));
        for _ in 0..LOOP_ROUNDS {
            let mark = self.store.mark();
            self.round(looped, item.clone(), &outer);
            let before = self.store.before(mark);
            let written = self.store.take_back(mark);
            let mut changed = false;
            for (cell, new) in written {
                let old = before.get(&cell).cloned().unwrap_or(Value::Absent);
                let wide = widen(&old, new);
                changed |= wide != old;
                self.store.set(cell, wide);
            }
            if !changed {
                break;
            }
        }
    }

    fn round(&mut self, looped: &'m Loop, item: Option<(&'m Pattern, Value<'m>)>, scope: &Rc<Scope>) {
        let inner = Scope::block(scope);
        if let Some((pattern, item)) = item {
            self.bind(pattern, item, &inner, Reach::Block);
        }
        if let Some(test) = &looped.test {
            self.eval(test, &inner);
        }
        self.block(&looped.body, &inner);
        self.ended = false;
    }

    pub(super) fn try_block(
        &mut self,
        body: &'m [Stmt],
        handlers: &'m [(Option<Pattern>, Vec<Stmt>)],
        finally: &'m [Stmt],
        scope: &Rc<Scope>,
    ) {
        if let Some(frame) = self.frames.last_mut() {
            frame.tries += 1;
        }
        let mark = self.store.mark();
        self.block(body, &Scope::block(scope));
        let body_ended = std::mem::replace(&mut self.ended, false);
        if let Some(frame) = self.frames.last_mut() {
            frame.tries -= 1;
        }
        if !handlers.is_empty() {
            let written = self.store.take_back(mark);
            self.store.merge(std::slice::from_ref(&written), false);
            let mut branches = vec![written];
            let mut goes_on = !body_ended;
            for (pattern, handler) in handlers {
                let mark = self.store.mark();
                let inner = Scope::block(scope);
                if let Some(pattern) = pattern {
                    let error =
                        Value::foreign("error", super::value::OriginKind::Call, super::super::ir::Span::default());
                    self.bind(pattern, error, &inner, Reach::Block);
                }
                self.block(handler, &inner);
                let ended = std::mem::replace(&mut self.ended, false);
                let written = self.store.take_back(mark);
                goes_on |= !ended;
                branches.push(written);
            }
            self.store.merge(&branches, false);
            self.ended = !goes_on;
        } else {
            self.ended = body_ended;
        }
        let ended = std::mem::replace(&mut self.ended, false);
        self.block(finally, &Scope::block(scope));
        self.ended |= ended;
    }
}
