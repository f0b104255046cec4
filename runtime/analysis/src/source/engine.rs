//! Runs the sources of a project over values that are partly unknown, and watches what reaches a client.
//!
//! Every branch is taken, loops run until what they build is known, calls of the project's own functions are followed. What
//! others may call is run again with unknown parameters. So a text is constant exactly when every path makes it of constants.

mod arguments;
mod builtin;
mod call;
mod class;
mod control;
mod eval;
mod exec;
mod guard;
mod list_methods;
mod lists;
mod pattern;
mod scope;
mod text_methods;
mod texts;
mod value;
mod words;

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
};

use super::{
    Language,
    ir::{Function, Module, Span},
    sink::Watch,
};
use scope::{Scope, Store};
use value::{CellId, Closure, Value};
pub(super) use value::{Foreign, Hole, OriginKind, Piece, TagResult, Text};
pub(super) use words::{
    Words, client_words, is_other_name, is_query_name, is_text_name, looks_like_fragment, looks_like_graphql,
    looks_like_sql, starts_like_sql, surely_sql,
};

/// Expressions evaluated before a project counts as too large to judge.
const STEPS_MAX: u32 = 1_500_000;
/// Calls of the project's own functions within each other.
const CALLS_MAX: usize = 12;
const DEPTH_MAX: u32 = 5_000;
const ROUNDS_MAX: usize = 3;

/// A file in the form the engine takes.
pub(super) struct Unit {
    pub(super) language: Language,
    pub(super) module: Module,
    /// What it exports can be called from outside of the project.
    pub(super) is_entry: bool,
}

/// Finds the file that a specifier means.
pub(super) trait Resolve {
    /// The file that `from` means in `file`, and the name in it that is meant besides.
    fn module(&self, file: u32, from: &str) -> Option<(u32, Option<String>)>;
    /// The text of another file.
    fn text(&self, file: u32, path: &str) -> Option<String>;
}

struct ModuleState {
    scope: Rc<Scope>,
    exports: BTreeMap<String, CellId>,
    began: bool,
}

/// What is kept per running function.
struct Frame<'m> {
    /// Cells from here on are its own.
    base: CellId,
    returns: Vec<Value<'m>>,
    tries: u32,
}

pub(super) struct Engine<'m> {
    units: &'m [Unit],
    resolve: &'m dyn Resolve,
    watch: &'m mut Watch,
    store: Store<'m>,
    modules: Vec<ModuleState>,
    frames: Vec<Frame<'m>>,
    running: Vec<*const Function>,
    created: Vec<Rc<Closure<'m>>>,
    /// Called from the sources.
    called: HashSet<*const Function>,
    exposed: HashSet<*const Function>,
    file: u32,
    /// What calls left in the places they got by `&mut`.
    out: Vec<(Span, Value<'m>)>,
    ended: bool,
    steps: u32,
    depth: u32,
}

/// Runs every file of a project. Returns whether all of it could be judged.
pub(super) fn run(units: &[Unit], resolve: &dyn Resolve, watch: &mut Watch) -> bool {
    let modules = units.iter().map(|_| ModuleState { scope: Scope::module(), exports: BTreeMap::new(), began: false });
    let mut engine = Engine {
        units,
        resolve,
        watch,
        store: Store::default(),
        modules: modules.collect(),
        frames: vec![Frame { base: 0, returns: Vec::new(), tries: 0 }],
        running: Vec::new(),
        created: Vec::new(),
        called: HashSet::new(),
        exposed: HashSet::new(),
        file: 0,
        out: Vec::new(),
        ended: false,
        steps: 0,
        depth: 0,
    };
    for file in 0..units.len() {
        engine.module(u32::try_from(file).unwrap_or(u32::MAX));
    }
    // Who calls whom shows when everything has run once.
    engine.watch.mute(true);
    engine.run_uncalled();
    engine.watch.mute(false);
    for _ in 0..ROUNDS_MAX {
        if !engine.run_uncalled() {
            break;
        }
    }
    engine.steps < STEPS_MAX
}

impl<'m> Engine<'m> {
    fn language(&self) -> Language {
        self.units.get(self.file as usize).map_or(Language::Typescript, |unit| unit.language)
    }

    fn is_entry(&self) -> bool {
        self.units.get(self.file as usize).is_none_or(|unit| unit.is_entry)
    }

    /// Runs the top level of a file once.
    fn module(&mut self, file: u32) {
        let index = file as usize;
        let units = self.units;
        let (Some(unit), Some(state)) = (units.get(index), self.modules.get_mut(index)) else { return };
        if std::mem::replace(&mut state.began, true) {
            return;
        }
        let scope = Rc::clone(&state.scope);
        let outer = std::mem::replace(&mut self.file, file);
        self.frames.push(Frame { base: 0, returns: Vec::new(), tries: 1 });
        self.block(&unit.module.body, &scope);
        self.frames.pop();
        self.ended = false;
        if unit.language != Language::Typescript
            && let Some(state) = self.modules.get_mut(index)
        {
            state.exports.extend(scope.all());
        }
        self.file = outer;
    }

    /// Runs with unknown parameters what nobody in the sources calls. Returns whether there was any, or state has changed.
    fn run_uncalled(&mut self) -> bool {
        let (before, cells) = (self.store.mark(), self.store.len());
        let known = self.created.len();
        let mut index = 0;
        while let Some(closure) = self.created.get(index).map(Rc::clone) {
            index += 1;
            let function: *const Function = closure.function;
            if self.exposed.contains(&function) || !self.called.contains(&function) {
                self.expose(&closure);
            }
        }
        let changed = self.store.before(before);
        let changed = changed.iter().any(|(cell, old)| *cell < cells && self.store.get(*cell) != *old);
        changed || self.created.len() != known
    }

    /// Runs a function as a caller outside of the sources would. Its writes may or may not happen.
    fn expose(&mut self, closure: &Rc<Closure<'m>>) {
        let function: *const Function = closure.function;
        let was_called = self.called.contains(&function);
        let mark = self.store.mark();
        self.call_unknown(closure, false);
        if !was_called {
            self.called.remove(&function);
        }
        let writes = self.store.take_back(mark);
        self.store.merge(&[writes], false);
    }

    fn unknown(&self, span: Span) -> Value<'m> {
        Value::unknown(span)
    }
}
