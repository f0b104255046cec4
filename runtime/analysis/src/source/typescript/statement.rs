use oxc::ast::ast::{
    Declaration, ExportDefaultDeclarationKind, ForStatementInit, ForStatementLeft, ImportDeclaration,
    ImportDeclarationSpecifier, ModuleExportName, Program, Statement, SwitchStatement, TSEnumDeclaration,
    TSEnumMemberName, TSNamespaceDeclaration, VariableDeclaration, VariableDeclarationKind,
};
use oxc::span::GetSpan;

use super::{
    super::ir::{Arm, Expr, Field, Import, Kind, Loop, Module, Pattern, Reach, Stmt},
    Lower,
    expression::plain_arm,
};

/// Statements of later cases that a case without `break` runs too, at most.
const FALL_THROUGH_MAX: usize = 200;

impl Lower {
    pub(super) fn module(&self, program: &Program<'_>) -> Module {
        Module { body: self.statements(&program.body) }
    }

    pub(super) fn statements(&self, statements: &[Statement<'_>]) -> Vec<Stmt> {
        let mut body = Vec::new();
        statements.iter().for_each(|statement| self.statement(statement, &mut body));
        body
    }

    fn one(&self, statement: &Statement<'_>) -> Vec<Stmt> {
        self.statements(std::slice::from_ref(statement))
    }

    fn block(&self, span: oxc::span::Span, body: Vec<Stmt>) -> Expr {
        self.expr(span, Kind::Block(body, None))
    }

    fn statement(&self, statement: &Statement<'_>, out: &mut Vec<Stmt>) {
        match statement {
            Statement::BlockStatement(block) => {
                out.push(Stmt::Expr(self.block(block.span, self.statements(&block.body))));
            }
            Statement::ExpressionStatement(inner) => out.push(Stmt::Expr(self.expression(&inner.expression))),
            Statement::IfStatement(branch) => {
                let mut arms = vec![plain_arm(self.block(branch.consequent.span(), self.one(&branch.consequent)))];
                if let Some(alternate) = &branch.alternate {
                    arms.push(plain_arm(self.block(alternate.span(), self.one(alternate))));
                }
                let total = arms.len() == 2;
                let subject = Some(Box::new(self.expression(&branch.test)));
                out.push(Stmt::Expr(self.expr(branch.span, Kind::Branch { subject, arms, total })));
            }
            Statement::ReturnStatement(inner) => {
                out.push(Stmt::Return(inner.argument.as_ref().map(|e| self.expression(e))));
            }
            Statement::ThrowStatement(inner) => out.push(Stmt::Throw(Some(self.expression(&inner.argument)))),
            Statement::TryStatement(attempt) => out.push(Stmt::Try {
                body: self.statements(&attempt.block.body),
                handlers: attempt
                    .handler
                    .iter()
                    .map(|handler| {
                        let pattern = handler.param.as_ref().map(|param| self.pattern(&param.pattern));
                        (pattern, self.statements(&handler.body.body))
                    })
                    .collect(),
                finally: attempt
                    .finalizer
                    .as_ref()
                    .map(|finalizer| self.statements(&finalizer.body))
                    .unwrap_or_default(),
            }),
            Statement::SwitchStatement(switch) => out.push(Stmt::Expr(self.switch(switch))),
            Statement::LabeledStatement(labeled) => out.extend(self.one(&labeled.body)),
            Statement::WithStatement(with) => {
                out.push(Stmt::Expr(self.expression(&with.object)));
                out.extend(self.one(&with.body));
            }
            Statement::WhileStatement(looped) => {
                out.push(simple_loop(Some(self.expression(&looped.test)), self.one(&looped.body)));
            }
            Statement::DoWhileStatement(looped) => {
                out.push(simple_loop(Some(self.expression(&looped.test)), self.one(&looped.body)));
            }
            Statement::ForStatement(_) | Statement::ForInStatement(_) | Statement::ForOfStatement(_) => {
                self.for_loop(statement, out);
            }
            other => match (other.as_declaration(), other.as_module_declaration()) {
                (Some(declaration), _) => self.declaration(declaration, false, out),
                (None, Some(_)) => self.module_declaration(other, out),
                (None, None) => {}
            },
        }
    }

    fn for_loop(&self, statement: &Statement<'_>, out: &mut Vec<Stmt>) {
        let (mut init, mut each, mut test) = (Vec::new(), None, None);
        let body = match statement {
            Statement::ForStatement(looped) => {
                match &looped.init {
                    Some(ForStatementInit::VariableDeclaration(variables)) => self.variables(variables, &mut init),
                    Some(other) => init.extend(other.as_expression().map(|expr| Stmt::Expr(self.expression(expr)))),
                    None => {}
                }
                test = looped.test.as_ref().map(|test| self.expression(test));
                let mut body = self.one(&looped.body);
                body.extend(looped.update.as_ref().map(|update| Stmt::Expr(self.expression(update))));
                body
            }
            Statement::ForOfStatement(looped) => {
                each = Some((self.for_left(&looped.left), self.expression(&looped.right)));
                self.one(&looped.body)
            }
            Statement::ForInStatement(looped) => {
                // The names of a constant object are constant.
                let object = self.expression(&looped.right);
                let span = object.span;
                let callee = Expr::new(
                    span,
                    Kind::Member(Box::new(Expr::new(span, Kind::Name(String::from("Object")))), String::from("keys")),
                );
                let call =
                    super::super::ir::Call { callee, args: vec![super::super::ir::Arg::plain(object)], is_new: false };
                each = Some((self.for_left(&looped.left), Expr::new(span, Kind::Call(Box::new(call)))));
                self.one(&looped.body)
            }
            _ => return,
        };
        out.push(Stmt::Loop(Box::new(Loop { init, each, test, body })));
    }

    fn for_left(&self, left: &ForStatementLeft<'_>) -> Pattern {
        match left {
            ForStatementLeft::VariableDeclaration(variables) => {
                variables.declarations.first().map_or(Pattern::Ignore, |first| self.pattern(&first.id))
            }
            other => other.as_assignment_target().map_or(Pattern::Ignore, |target| self.assignment_target(target)),
        }
    }

    fn switch(&self, switch: &SwitchStatement<'_>) -> Expr {
        let mut arms = Vec::new();
        for index in 0..switch.cases.len() {
            let mut body = Vec::new();
            for case in switch.cases.iter().skip(index) {
                let stops = case.consequent.iter().any(|statement| matches!(statement, Statement::BreakStatement(_)));
                let kept =
                    case.consequent.iter().take_while(|statement| !matches!(statement, Statement::BreakStatement(_)));
                kept.for_each(|statement| self.statement(statement, &mut body));
                if stops || leaves(&case.consequent) || body.len() > FALL_THROUGH_MAX {
                    break;
                }
            }
            let guards = switch.cases.get(index).and_then(|case| case.test.as_ref()).map(|test| self.expression(test));
            let body = self.block(switch.span, body);
            let is = match &guards {
                Some(Expr { kind: Kind::Text(text), .. }) => vec![text.clone()],
                _ => Vec::new(),
            };
            arms.push(Arm { pattern: None, is, guards: guards.into_iter().collect(), body });
        }
        let total = switch.cases.iter().any(|case| case.test.is_none());
        self.expr(
            switch.span,
            Kind::Branch { subject: Some(Box::new(self.expression(&switch.discriminant))), arms, total },
        )
    }

    fn declaration(&self, declaration: &Declaration<'_>, exported: bool, out: &mut Vec<Stmt>) {
        let mut names = Vec::new();
        match declaration {
            Declaration::VariableDeclaration(variables) => {
                self.variables(variables, out);
                if exported {
                    variables.declarations.iter().for_each(|one| bound_names(&self.pattern(&one.id), &mut names));
                }
            }
            Declaration::FunctionDeclaration(function) => {
                names.extend(function.id.as_ref().map(|id| id.name.to_string()));
                out.push(Stmt::Function(self.function(function, exported)));
            }
            Declaration::ClassDeclaration(class) if !class.declare => {
                names.extend(class.id.as_ref().map(|id| id.name.to_string()));
                out.push(Stmt::Class(self.class(class, exported)));
            }
            Declaration::TSEnumDeclaration(declared) => {
                names.push(declared.id.name.to_string());
                out.push(self.enumeration(declared));
            }
            Declaration::TSNamespaceDeclaration(space) => self.namespace(space, out),
            _ => {}
        }
        if exported {
            out.extend(names.into_iter().map(|name| Stmt::Export { local: name.clone(), exported: name }));
        }
    }

    fn namespace(&self, space: &TSNamespaceDeclaration<'_>, out: &mut Vec<Stmt>) {
        let span = self.span(space.span);
        let oxc::ast::ast::TSNamespaceDeclarationBody::TSModuleBlock(block) = &space.body else { return };
        let mut body = Vec::new();
        let mut names = Vec::new();
        for stmt in self.statements(&block.body) {
            match stmt {
                Stmt::Export { local, .. } => names.push(local),
                stmt => body.push(stmt),
            }
        }
        let field = |name: String| Field::Named(name.clone(), Expr::new(span, Kind::Name(name)));
        let record = Expr::new(span, Kind::Record(names.into_iter().map(field).collect()));
        let value = Expr::new(span, Kind::Block(body, Some(Box::new(record))));
        out.push(Stmt::Bind(Pattern::Name(space.id.name.to_string(), span), Some(value), Reach::Function));
    }

    fn enumeration(&self, declared: &TSEnumDeclaration<'_>) -> Stmt {
        let span = self.span(declared.span);
        let mut fields = Vec::new();
        for member in &declared.body.members {
            let name = match &member.id {
                TSEnumMemberName::Identifier(name) => name.name.to_string(),
                TSEnumMemberName::String(text) | TSEnumMemberName::ComputedString(text) => text.value.to_string(),
                TSEnumMemberName::ComputedTemplateString(_) => continue,
            };
            let value = member
                .initializer
                .as_ref()
                .map_or_else(|| Expr::new(span, Kind::Scalar(String::from("0"))), |init| self.expression(init));
            fields.push(Field::Named(name, value));
        }
        let name = Pattern::Name(declared.id.name.to_string(), self.span(declared.id.span));
        Stmt::Bind(name, Some(Expr::new(span, Kind::Record(fields))), Reach::Block)
    }

    fn variables(&self, variables: &VariableDeclaration<'_>, out: &mut Vec<Stmt>) {
        let reach = if variables.kind == VariableDeclarationKind::Var { Reach::Function } else { Reach::Block };
        for one in &variables.declarations {
            let pattern = self.pattern(&one.id);
            let value = match (&one.init, variables.declare, &pattern) {
                (Some(init), _, _) => Some(self.expression(init)),
                // `declare const db: Pool`: it comes from elsewhere, under this name.
                (None, true, Pattern::Name(name, span)) => Some(Expr::new(*span, Kind::Name(name.clone()))),
                (None, _, _) => None,
            };
            if variables.declare {
                continue;
            }
            out.push(Stmt::Bind(pattern, value, reach));
        }
    }

    fn module_declaration(&self, statement: &Statement<'_>, out: &mut Vec<Stmt>) {
        match statement {
            Statement::ImportDeclaration(import) => self.imports(import, out),
            Statement::ExportDeclaration(export) => self.declaration(&export.declaration, true, out),
            Statement::ExportNamedDeclaration(export) => {
                out.extend(
                    export
                        .specifiers
                        .iter()
                        .map(|one| Stmt::Export { local: name(&one.local), exported: name(&one.exported) }),
                );
            }
            Statement::ExportFromDeclaration(export) => {
                let from = export.source.value.to_string();
                out.extend(export.specifiers.iter().map(|one| Stmt::ReExport {
                    from: from.clone(),
                    names: Some((name(&one.local), name(&one.exported))),
                    span: self.span(export.span),
                }));
            }
            Statement::ExportAllDeclaration(export) => {
                let from = export.source.value.to_string();
                out.push(Stmt::ReExport { from, names: None, span: self.span(export.span) });
            }
            Statement::ExportDefaultDeclaration(export) => self.export_default(&export.declaration, out),
            _ => {}
        }
    }

    fn export_default(&self, declaration: &ExportDefaultDeclarationKind<'_>, out: &mut Vec<Stmt>) {
        const NAME: &str = "*default";
        match declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                let mut function = self.function(function, true);
                let local = function.name.get_or_insert_with(|| NAME.to_owned()).clone();
                out.push(Stmt::Function(function));
                out.push(Stmt::Export { local, exported: String::from("default") });
            }
            ExportDefaultDeclarationKind::ClassDeclaration(class) => {
                let class = self.class(class, true);
                let local = class.name.clone();
                out.push(Stmt::Class(class));
                out.push(Stmt::Export { local, exported: String::from("default") });
            }
            other => {
                let Some(expr) = other.as_expression() else { return };
                let value = self.expression(expr);
                out.push(Stmt::Bind(Pattern::Name(NAME.to_owned(), value.span), Some(value), Reach::Block));
                out.push(Stmt::Export { local: NAME.to_owned(), exported: String::from("default") });
            }
        }
    }

    fn imports(&self, import: &ImportDeclaration<'_>, out: &mut Vec<Stmt>) {
        let from = import.source.value.to_string();
        for specifier in import.specifiers.iter().flatten() {
            let (imported, local, span) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(one) => (Some(name(&one.imported)), &one.local, one.span),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
                    (Some(String::from("default")), &one.local, one.span)
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => (None, &one.local, one.span),
            };
            let local = local.name.to_string();
            out.push(Stmt::Import(Import { from: from.clone(), name: imported, local, span: self.span(span) }));
        }
    }
}

fn simple_loop(test: Option<Expr>, body: Vec<Stmt>) -> Stmt {
    Stmt::Loop(Box::new(Loop { init: Vec::new(), each: None, test, body }))
}

/// Whether statements end by leaving the function.
fn leaves(statements: &[Statement<'_>]) -> bool {
    match statements.last() {
        Some(Statement::ReturnStatement(_) | Statement::ThrowStatement(_) | Statement::ContinueStatement(_)) => true,
        Some(Statement::BlockStatement(block)) => {
            leaves(&block.body) || matches!(block.body.last(), Some(Statement::BreakStatement(_)))
        }
        _ => false,
    }
}

fn name(name: &ModuleExportName<'_>) -> String {
    match name {
        ModuleExportName::IdentifierName(name) => name.name.to_string(),
        ModuleExportName::IdentifierReference(name) => name.name.to_string(),
        ModuleExportName::StringLiteral(text) => text.value.to_string(),
    }
}

fn bound_names(pattern: &Pattern, out: &mut Vec<String>) {
    match pattern {
        Pattern::Name(name, _) => out.push(name.clone()),
        Pattern::Default(inner, _) => bound_names(inner, out),
        Pattern::Object(fields, rest) => {
            fields.iter().for_each(|(_, inner)| bound_names(inner, out));
            rest.iter().for_each(|inner| bound_names(inner, out));
        }
        Pattern::List(items, rest) => items.iter().chain(rest.as_deref()).for_each(|inner| bound_names(inner, out)),
        Pattern::Ignore | Pattern::Target(_) => {}
    }
}
