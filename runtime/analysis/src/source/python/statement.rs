use ruff_python_ast::{
    ExceptHandler, Expr as PyExpr, Operator, Pattern as PyPattern, Stmt as PyStmt, StmtClassDef, StmtFunctionDef,
    StmtIf, StmtImportFrom, StmtMatch,
};
use ruff_text_size::Ranged;

use super::{
    super::ir::{Arg, Arm, Call, Class, Expr, Function, Import, Kind, Loop, Pattern, Reach, Stmt},
    Lower,
    expression::plain_arm,
};

impl Lower {
    pub(super) fn statements(&self, statements: &[PyStmt]) -> Vec<Stmt> {
        let mut body = Vec::new();
        statements.iter().for_each(|statement| self.statement(statement, &mut body));
        body
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of node")]
    fn statement(&self, statement: &PyStmt, out: &mut Vec<Stmt>) {
        match statement {
            PyStmt::Expr(inner) => out.push(Stmt::Expr(self.expression(&inner.value))),
            PyStmt::Assign(assign) => self.assign(&assign.targets, &assign.value, out),
            PyStmt::AnnAssign(assign) => {
                let value = assign.value.as_ref().map(|value| self.expression(value));
                if value.is_some() {
                    out.push(Stmt::Bind(self.target(&assign.target), value, Reach::Function));
                }
            }
            PyStmt::AugAssign(assign) => {
                let (target, value) = (self.boxed(&assign.target), self.boxed(&assign.value));
                let kind = match assign.op {
                    Operator::Add => Kind::Append(target, value),
                    Operator::Mod => {
                        let percent = self.at(assign, Kind::Percent(target, value));
                        Kind::Assign(Box::new(self.target(&assign.target)), Box::new(percent))
                    }
                    _ => Kind::Assign(
                        Box::new(self.target(&assign.target)),
                        Box::new(self.at(assign, Kind::Number(vec![*value]))),
                    ),
                };
                out.push(Stmt::Expr(self.at(assign, kind)));
            }
            PyStmt::Return(inner) => out.push(Stmt::Return(inner.value.as_ref().map(|value| self.expression(value)))),
            PyStmt::Raise(inner) => out.push(Stmt::Throw(inner.exc.as_ref().map(|value| self.expression(value)))),
            PyStmt::If(branch) => out.push(Stmt::Expr(self.branch(branch))),
            PyStmt::For(looped) => {
                let each = Some((self.target(&looped.target), self.expression(&looped.iter)));
                out.push(Stmt::Loop(Box::new(Loop {
                    init: Vec::new(),
                    each,
                    test: None,
                    body: self.statements(&looped.body),
                })));
                out.extend(self.statements(&looped.orelse));
            }
            PyStmt::While(looped) => {
                let test = Some(self.expression(&looped.test));
                out.push(Stmt::Loop(Box::new(Loop {
                    init: Vec::new(),
                    each: None,
                    test,
                    body: self.statements(&looped.body),
                })));
                out.extend(self.statements(&looped.orelse));
            }
            PyStmt::With(with) => {
                for item in &with.items {
                    let value = self.expression(&item.context_expr);
                    out.push(match &item.optional_vars {
                        Some(target) => Stmt::Bind(self.target(target), Some(value), Reach::Function),
                        None => Stmt::Expr(value),
                    });
                }
                out.extend(self.statements(&with.body));
            }
            PyStmt::Try(attempt) => {
                let mut body = self.statements(&attempt.body);
                body.extend(self.statements(&attempt.orelse));
                let handlers = attempt.handlers.iter().map(|ExceptHandler::ExceptHandler(handler)| {
                    let name =
                        handler.name.as_ref().map(|name| Pattern::Name(name.to_string(), self.span(name.range())));
                    (name, self.statements(&handler.body))
                });
                out.push(Stmt::Try {
                    body,
                    handlers: handlers.collect(),
                    finally: self.statements(&attempt.finalbody),
                });
            }
            PyStmt::Match(matched) => out.push(Stmt::Expr(self.matched(matched))),
            PyStmt::FunctionDef(function) => self.definition(function, out),
            PyStmt::ClassDef(class) => out.push(Stmt::Class(self.class(class))),
            PyStmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.to_string();
                    let (from, local) = match &alias.asname {
                        Some(local) => (name, local.to_string()),
                        None => {
                            let first = name.split('.').next().unwrap_or_default().to_owned();
                            (first.clone(), first)
                        }
                    };
                    out.push(Stmt::Import(Import { from, name: None, local, span: self.span(alias.range()) }));
                }
            }
            PyStmt::ImportFrom(import) => self.import_from(import, out),
            PyStmt::Global(names) => out.push(Stmt::Outer(names.names.iter().map(ToString::to_string).collect())),
            PyStmt::Nonlocal(names) => out.push(Stmt::Outer(names.names.iter().map(ToString::to_string).collect())),
            PyStmt::Assert(inner) => {
                // What comes behind it can rely on it.
                let test = self.expression(&inner.test);
                let not = Expr::new(test.span, super::expression::test("!not", test.span, vec![test]));
                let throws = Expr::new(not.span, Kind::Block(vec![Stmt::Throw(None)], None));
                out.push(Stmt::Expr(self.at(inner, either(not, throws, None))));
            }
            PyStmt::Delete(_)
            | PyStmt::TypeAlias(_)
            | PyStmt::Pass(_)
            | PyStmt::Break(_)
            | PyStmt::Continue(_)
            | PyStmt::IpyEscapeCommand(_) => {}
        }
    }

    fn assign(&self, targets: &[PyExpr], value: &PyExpr, out: &mut Vec<Stmt>) {
        let value = self.expression(value);
        let span = value.span;
        match targets {
            [target] => out.push(Stmt::Bind(self.target(target), Some(value), Reach::Function)),
            many => {
                const ALL: &str = "*value";
                out.push(Stmt::Bind(Pattern::Name(ALL.to_owned(), span), Some(value), Reach::Function));
                let value = || Some(Expr::new(span, Kind::Name(ALL.to_owned())));
                out.extend(many.iter().map(|target| Stmt::Bind(self.target(target), value(), Reach::Function)));
            }
        }
    }

    fn body(&self, at: &impl Ranged, statements: &[PyStmt]) -> Expr {
        self.at(at, Kind::Block(self.statements(statements), None))
    }

    fn branch(&self, branch: &StmtIf) -> Expr {
        let mut rest: Option<Expr> = None;
        for clause in branch.elif_else_clauses.iter().rev() {
            let body = self.body(clause, &clause.body);
            rest = Some(match &clause.test {
                None => body,
                Some(test) => self.at(clause, either(self.expression(test), body, rest)),
            });
        }
        self.at(branch, either(self.expression(&branch.test), self.body(branch, &branch.body), rest))
    }

    fn matched(&self, matched: &StmtMatch) -> Expr {
        let arms = matched.cases.iter().map(|case| Arm {
            pattern: Some(self.case(&case.pattern)),
            is: self.constants(&case.pattern),
            guards: case.guard.iter().map(|guard| self.expression(guard)).collect(),
            body: self.body(case, &case.body),
        });
        let total = matched.cases.iter().any(|case| case.guard.is_none() && case.pattern.is_irrefutable());
        self.at(matched, Kind::Branch { subject: Some(self.boxed(&matched.subject)), arms: arms.collect(), total })
    }

    fn case(&self, pattern: &PyPattern) -> Pattern {
        match pattern {
            PyPattern::MatchAs(inner) => match (&inner.name, &inner.pattern) {
                (Some(name), _) => Pattern::Name(name.to_string(), self.span(name.range())),
                (None, Some(pattern)) => self.case(pattern),
                (None, None) => Pattern::Ignore,
            },
            PyPattern::MatchSequence(inner) => {
                Pattern::List(inner.patterns.iter().map(|one| self.case(one)).collect(), None)
            }
            PyPattern::MatchStar(inner) => inner
                .name
                .as_ref()
                .map_or(Pattern::Ignore, |name| Pattern::Name(name.to_string(), self.span(name.range()))),
            PyPattern::MatchMapping(inner) => {
                Pattern::List(inner.patterns.iter().map(|one| self.case(one)).collect(), None)
            }
            PyPattern::MatchClass(inner) => {
                Pattern::List(inner.arguments.patterns.iter().map(|one| self.case(one)).collect(), None)
            }
            PyPattern::MatchValue(_) | PyPattern::MatchSingleton(_) | PyPattern::MatchOr(_) => Pattern::Ignore,
        }
    }

    /// The texts that a pattern stands for, if it stands for nothing else.
    fn constants(&self, pattern: &PyPattern) -> Vec<String> {
        match pattern {
            PyPattern::MatchValue(value) => match self.expression(&value.value).kind {
                Kind::Text(text) => vec![text],
                _ => Vec::new(),
            },
            PyPattern::MatchOr(either) => {
                let each: Vec<Vec<String>> = either.patterns.iter().map(|one| self.constants(one)).collect();
                if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
            }
            _ => Vec::new(),
        }
    }

    fn function(&self, function: &StmtFunctionDef) -> Function {
        Function {
            name: Some(function.name.to_string()),
            params: self.params(&function.parameters),
            body: self.statements(&function.body),
            exported: !function.decorator_list.is_empty(),
            receiver: None,
            arrow: false,
            bodiless: false,
        }
    }

    fn definition(&self, function: &StmtFunctionDef, out: &mut Vec<Stmt>) {
        // Whoever decorates may call.
        for decorator in &function.decorator_list {
            out.push(Stmt::Expr(self.expression(&decorator.expression)));
        }
        out.push(Stmt::Function(self.function(function)));
    }

    fn class(&self, class: &StmtClassDef) -> Class {
        let arguments = class.arguments.as_deref();
        let bases = arguments.map(|arguments| arguments.args.iter().map(|base| self.expression(base)).collect());
        let mut lowered = Class {
            name: class.name.to_string(),
            bases: bases.unwrap_or_default(),
            exported: false,
            ..Class::default()
        };
        for statement in &class.body {
            match statement {
                PyStmt::FunctionDef(function) => self.method(function, &mut lowered),
                PyStmt::Assign(assign) => {
                    if let [PyExpr::Name(name)] = assign.targets.as_slice() {
                        lowered.statics.push((name.id.to_string(), Some(self.expression(&assign.value))));
                    }
                }
                PyStmt::AnnAssign(assign) => {
                    if let PyExpr::Name(name) = assign.target.as_ref() {
                        match &assign.value {
                            Some(value) => lowered.statics.push((name.id.to_string(), Some(self.expression(value)))),
                            None => lowered.fields.push((name.id.to_string(), None)),
                        }
                    }
                }
                _ => {}
            }
        }
        lowered
    }

    fn method(&self, function: &StmtFunctionDef, class: &mut Class) {
        let decorated = |name: &str| {
            function.decorator_list.iter().any(|d| matches!(&d.expression, PyExpr::Name(n) if n.id.as_str() == name))
        };
        let mut lowered = self.function(function);
        let is_static = decorated("staticmethod");
        let is_property = decorated("property") || decorated("cached_property");
        lowered.exported &= !is_static && !is_property && !decorated("classmethod");
        if !is_static && !lowered.params.is_empty() {
            let receiver = lowered.params.remove(0);
            if let Pattern::Name(name, _) = receiver.pattern {
                lowered.receiver = Some(name);
            }
        }
        if is_property {
            // Used like a field: its value is that of any call.
            let span = self.span(function.range());
            let receiver = lowered.receiver.take().unwrap_or_default();
            let this = Stmt::Bind(
                Pattern::Name(receiver, span),
                Some(Expr::new(span, Kind::Name(String::from("this")))),
                Reach::Block,
            );
            lowered.body.insert(0, this);
            lowered.arrow = true;
            let callee = Expr::new(span, Kind::Function(Box::new(lowered)));
            let call = Call { callee, args: Vec::<Arg>::new(), is_new: false };
            class.fields.push((function.name.to_string(), Some(Expr::new(span, Kind::Call(Box::new(call))))));
            return;
        }
        class.methods.push(lowered);
    }

    fn import_from(&self, import: &StmtImportFrom, out: &mut Vec<Stmt>) {
        let dots = ".".repeat(import.level as usize);
        let from = format!("{dots}{}", import.module.as_ref().map(ToString::to_string).unwrap_or_default());
        for alias in &import.names {
            let name = alias.name.to_string();
            let local = alias.asname.as_ref().map_or_else(|| name.clone(), ToString::to_string);
            let span = self.span(alias.range());
            if name == "*" {
                out.push(Stmt::ReExport { from: from.clone(), names: None, span });
            } else if import.module.is_none() {
                // `from . import queries` means a module first.
                out.push(Stmt::Import(Import { from: format!("{from}{name}"), name: None, local, span }));
            } else {
                out.push(Stmt::Import(Import { from: from.clone(), name: Some(name), local, span }));
            }
        }
    }
}

fn either(test: Expr, then: Expr, otherwise: Option<Expr>) -> Kind {
    let total = otherwise.is_some();
    let arms = std::iter::once(then).chain(otherwise).map(plain_arm).collect();
    Kind::Branch { subject: Some(Box::new(test)), arms, total }
}
