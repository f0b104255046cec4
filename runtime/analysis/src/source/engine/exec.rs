//! Statements.

use std::rc::Rc;

use super::super::ir::{Import, Reach, Span, Stmt};
use super::{
    Engine,
    scope::Scope,
    value::{OriginKind, Piece, Text, Value},
};

impl<'m> Engine<'m> {
    /// Runs statements in order until one of them leaves.
    pub(super) fn block(&mut self, body: &'m [Stmt], scope: &Rc<Scope>) {
        for stmt in body {
            self.hoist(stmt, scope);
        }
        for stmt in body {
            if self.ended {
                break;
            }
            self.exec(stmt, scope);
        }
    }

    /// Functions can be called above the place where they are written.
    fn hoist(&mut self, stmt: &'m Stmt, scope: &Rc<Scope>) {
        match stmt {
            Stmt::Function(function) => {
                if let Some(name) = &function.name {
                    let value = match function.bodiless {
                        true => Value::foreign(name.as_str(), OriginKind::Name, Span::default()),
                        false => self.closure(function, scope, None),
                    };
                    self.declare(name, value, scope, Reach::Function);
                }
            }
            Stmt::Import(import) => self.import_stmt(import, scope),
            Stmt::Outer(names) => names.iter().for_each(|name| scope.mark_outer(name)),
            _ => {}
        }
    }

    fn exec(&mut self, stmt: &'m Stmt, scope: &Rc<Scope>) {
        match stmt {
            Stmt::Expr(expr) => drop(self.eval(expr, scope)),
            Stmt::Bind(pattern, value, reach) => {
                let value = value.as_ref().map_or(Value::Absent, |value| self.eval(value, scope));
                self.bind(pattern, value, scope, *reach);
            }
            Stmt::Function(_) | Stmt::Import(_) | Stmt::Outer(_) => {}
            Stmt::Class(class) => {
                let value = self.class(class, scope);
                self.declare(&class.name, value, scope, Reach::Function);
            }
            Stmt::Loop(looped) => self.run_loop(looped, scope),
            Stmt::Try { body, handlers, finally } => self.try_block(body, handlers, finally, scope),
            Stmt::Return(value) => {
                let value = value.as_ref().map_or(Value::Absent, |value| self.eval(value, scope));
                if let Some(frame) = self.frames.last_mut() {
                    frame.returns.push(value);
                }
                self.ended = true;
            }
            Stmt::Throw(value) => {
                if let Some(value) = value {
                    self.eval(value, scope);
                }
                self.ended = true;
            }
            Stmt::Export { local, exported } => self.export(local, exported, scope),
            Stmt::ReExport { from, names, span } => self.re_export(from, names.as_ref(), *span),
        }
    }

    fn import_stmt(&mut self, import: &'m Import, scope: &Rc<Scope>) {
        let is_own = ["crate", "super", "self"].iter().any(|own| import.from.starts_with(own));
        if is_own && self.resolve.module(self.file, &import.from).is_none() {
            // Of a loose file: the name is in sight anyway, or unknown.
            return;
        }
        let value = self.import(&import.from, import.name.as_deref(), import.span);
        self.declare(&import.local, value, scope, Reach::Function);
    }

    /// What an import gives: of the project its value, of others a path.
    pub(super) fn import(&mut self, from: &str, name: Option<&str>, span: Span) -> Value<'m> {
        let Some((file, inner)) = self.resolve.module(self.file, from) else {
            let path =
                name.filter(|name| *name != "default").map_or_else(|| from.to_owned(), |name| format!("{from}.{name}"));
            let path = path.replace("::", ".");
            if self.is_constant_name(path.rsplit('.').next().unwrap_or_default()) {
                return Value::Text(std::rc::Rc::new(Text { pieces: vec![Piece::Varies(String::from("constant"))] }));
            }
            return Value::foreign(path, OriginKind::Name, span);
        };
        self.module(file);
        let mut value = Value::Module(file);
        let inner = inner.unwrap_or_default();
        for name in inner.split('.').filter(|step| !step.is_empty()).chain(name) {
            value = match &value {
                Value::Module(file) => self.exported(*file, name, span),
                other => self.member(&other.clone(), name, span),
            };
        }
        value
    }

    pub(super) fn exported(&mut self, file: u32, name: &str, span: Span) -> Value<'m> {
        let Some(state) = self.modules.get(file as usize) else { return self.unknown(span) };
        match state.exports.get(name).or(state.scope.all().get(name)) {
            Some(cell) => self.store.get(*cell),
            // `from . import queries` names a module.
            None => match self.resolve.module(file, &format!(".{name}")) {
                Some((inner, None)) if inner != file => {
                    self.module(inner);
                    Value::Module(inner)
                }
                _ => Value::foreign(format!("module.{name}"), OriginKind::Name, span),
            },
        }
    }

    fn export(&mut self, local: &str, exported: &str, scope: &Rc<Scope>) {
        let Some(cell) = scope.find(local) else { return };
        let value = self.store.get(cell);
        if self.is_entry() {
            self.expose_value(&value);
        }
        if let Some(state) = self.modules.get_mut(self.file as usize) {
            state.exports.insert(exported.to_owned(), cell);
        }
    }

    fn re_export(&mut self, from: &str, names: Option<&(String, String)>, span: Span) {
        match names {
            Some((imported, exported)) => {
                let value = self.import(from, Some(imported), span);
                let cell = self.store.new_cell(value);
                if let Some(state) = self.modules.get_mut(self.file as usize) {
                    state.exports.insert(exported.clone(), cell);
                }
            }
            None => {
                let Some((file, _)) = self.resolve.module(self.file, from) else { return };
                self.module(file);
                let all = self.modules.get(file as usize).map(|state| state.exports.clone()).unwrap_or_default();
                if let Some(state) = self.modules.get_mut(self.file as usize) {
                    state.exports.extend(all);
                }
            }
        }
    }
}
