use syn::{BinOp, Expr as RsExpr, Lit, Member, Stmt as RsStmt, UnOp};

use super::{
    super::ir::{Arg, Arm, Call, Expr, Field, Function, Kind, Loop, Param, Pattern, Reach, Span, Stmt},
    Lower,
};

impl Lower<'_> {
    pub(super) fn statements(&self, statements: &[RsStmt]) -> Vec<Stmt> {
        let mut body = Vec::new();
        let items: Vec<&syn::Item> =
            statements.iter().filter_map(|s| if let RsStmt::Item(item) = s { Some(item) } else { None }).collect();
        self.items_into(items.into_iter(), &mut body);
        statements.iter().for_each(|statement| self.statement(statement, &mut body));
        body
    }

    fn statement(&self, statement: &RsStmt, out: &mut Vec<Stmt>) {
        match statement {
            RsStmt::Local(local) => {
                let init = local.init.as_ref();
                if let Some((_, diverge)) = init.and_then(|init| init.diverge.as_ref()) {
                    let arms = vec![plain_arm(self.expression(diverge))];
                    out.push(Stmt::Expr(self.at(local, Kind::Branch { subject: None, arms, total: false })));
                }
                let value = init.map(|init| self.expression(&init.expr));
                out.push(Stmt::Bind(self.pattern(&local.pat), value, Reach::Block));
            }
            RsStmt::Item(_) => {}
            RsStmt::Expr(expr, _) => out.push(Stmt::Expr(self.expression(expr))),
            RsStmt::Macro(inner) => out.push(Stmt::Expr(self.at(&inner.mac, self.macro_call(&inner.mac)))),
        }
    }

    /// A block, whose last expression is its value.
    pub(super) fn block(&self, block: &syn::Block) -> Kind {
        let mut body = block.stmts.as_slice();
        let mut last = None;
        if let Some((RsStmt::Expr(expr, None), before)) = block.stmts.split_last() {
            body = before;
            last = Some(Box::new(self.expression(expr)));
        } else if let Some((RsStmt::Macro(inner), before)) = block.stmts.split_last()
            && inner.semi_token.is_none()
        {
            body = before;
            last = Some(Box::new(self.at(&inner.mac, self.macro_call(&inner.mac))));
        }
        Kind::Block(self.statements(body), last)
    }

    /// The body of a function, whose last expression it returns.
    pub(super) fn body(&self, block: &syn::Block) -> Vec<Stmt> {
        let span = self.span(block);
        match self.block(block) {
            Kind::Block(mut body, Some(last)) => {
                body.push(Stmt::Return(Some(*last)));
                body
            }
            Kind::Block(body, None) => body,
            kind => vec![Stmt::Expr(Expr::new(span, kind))],
        }
    }

    pub(super) fn expression(&self, expr: &RsExpr) -> Expr {
        self.at(expr, self.kind(expr))
    }

    pub(super) fn boxed(&self, expr: &RsExpr) -> Box<Expr> {
        Box::new(self.expression(expr))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of node")]
    fn kind(&self, expr: &RsExpr) -> Kind {
        match expr {
            RsExpr::Lit(literal) => literal_kind(&literal.lit),
            RsExpr::Path(path) => self.path(&path.path),
            RsExpr::Reference(inner) => self.kind(&inner.expr),
            RsExpr::Paren(inner) => self.kind(&inner.expr),
            RsExpr::Group(inner) => self.kind(&inner.expr),
            RsExpr::Await(inner) => self.kind(&inner.base),
            RsExpr::Try(inner) => self.kind(&inner.expr),
            RsExpr::Cast(inner) => self.cast(inner),
            RsExpr::Unary(unary) => match unary.op {
                UnOp::Deref(_) => self.kind(&unary.expr),
                UnOp::Not(_) => test("!not", self.span(expr), vec![self.expression(&unary.expr)]),
                _ => Kind::Number(vec![self.expression(&unary.expr)]),
            },
            RsExpr::Binary(binary) => self.binary(binary),
            RsExpr::Assign(assign) => Kind::Assign(Box::new(self.place(&assign.left)), self.boxed(&assign.right)),
            RsExpr::Call(call) => {
                let callee = self.expression(&call.func);
                Kind::Call(Box::new(Call { callee, args: self.args(call.args.iter()), is_new: false }))
            }
            RsExpr::MethodCall(call) => {
                let callee = self.at(&call.method, Kind::Member(self.boxed(&call.receiver), call.method.to_string()));
                Kind::Call(Box::new(Call { callee, args: self.args(call.args.iter()), is_new: false }))
            }
            RsExpr::Macro(inner) => self.macro_call(&inner.mac),
            RsExpr::Field(field) => match &field.member {
                Member::Named(name) => Kind::Member(self.boxed(&field.base), name.to_string()),
                Member::Unnamed(index) => {
                    let index = self.at(field, Kind::Scalar(index.index.to_string()));
                    Kind::Index(self.boxed(&field.base), Box::new(index))
                }
            },
            RsExpr::Index(index) => Kind::Index(self.boxed(&index.expr), self.boxed(&index.index)),
            RsExpr::Range(range) => {
                let ends = range.start.iter().chain(&range.end).map(|end| Arg::plain(self.expression(end)));
                let callee = self.at(expr, Kind::Name(String::from("range")));
                Kind::Call(Box::new(Call { callee, args: ends.collect(), is_new: false }))
            }
            RsExpr::Array(array) => Kind::List(self.args(array.elems.iter())),
            RsExpr::Tuple(tuple) if tuple.elems.is_empty() => Kind::Nothing,
            RsExpr::Tuple(tuple) => Kind::List(self.args(tuple.elems.iter())),
            RsExpr::Repeat(repeat) => {
                let list = self.at(expr, Kind::List(vec![Arg::plain(self.expression(&repeat.expr))]));
                let callee = self.at(expr, Kind::Member(Box::new(list), String::from("repeat")));
                Kind::Call(Box::new(Call { callee, args: Vec::new(), is_new: false }))
            }
            RsExpr::Struct(literal) => self.struct_literal(literal),
            RsExpr::If(branch) => self.branch(branch),
            RsExpr::Match(matched) => {
                let arms = matched.arms.iter().map(|arm| Arm {
                    pattern: Some(self.pattern(&arm.pat)),
                    is: constants(&arm.pat),
                    guards: arm.guard.iter().map(|(_, guard)| self.expression(guard)).collect(),
                    body: self.expression(&arm.body),
                });
                Kind::Branch { subject: Some(self.boxed(&matched.expr)), arms: arms.collect(), total: true }
            }
            RsExpr::Let(inner) => Kind::Assign(Box::new(self.pattern(&inner.pat)), self.boxed(&inner.expr)),
            RsExpr::Block(inner) => self.block(&inner.block),
            RsExpr::Unsafe(inner) => self.block(&inner.block),
            RsExpr::Async(inner) => self.block(&inner.block),
            RsExpr::Const(inner) => self.block(&inner.block),
            RsExpr::TryBlock(inner) => self.block(&inner.block),
            RsExpr::Closure(closure) => Kind::Function(Box::new(self.closure(closure))),
            RsExpr::Return(inner) => {
                Kind::Block(vec![Stmt::Return(inner.expr.as_ref().map(|value| self.expression(value)))], None)
            }
            RsExpr::Break(inner) => inner.expr.as_ref().map_or(Kind::Nothing, |value| self.kind(value)),
            RsExpr::Continue(_) | RsExpr::Infer(_) => Kind::Nothing,
            RsExpr::ForLoop(looped) => {
                let each = Some((self.pattern(&looped.pat), self.expression(&looped.expr)));
                self.looped(Loop { init: Vec::new(), each, test: None, body: self.statements(&looped.body.stmts) })
            }
            RsExpr::While(looped) => {
                let test = Some(self.expression(&looped.cond));
                self.looped(Loop { init: Vec::new(), each: None, test, body: self.statements(&looped.body.stmts) })
            }
            RsExpr::Loop(looped) => self.looped(Loop {
                init: Vec::new(),
                each: None,
                test: None,
                body: self.statements(&looped.body.stmts),
            }),
            RsExpr::Yield(inner) => Kind::Opaque(inner.expr.iter().map(|value| self.expression(value)).collect()),
            _ => Kind::Opaque(Vec::new()),
        }
    }

    fn looped(&self, looped: Loop) -> Kind {
        Kind::Block(vec![Stmt::Loop(Box::new(looped))], None)
    }

    fn cast(&self, cast: &syn::ExprCast) -> Kind {
        match super::item::type_name(&cast.ty).as_deref() {
            Some("str" | "String") | None => self.kind(&cast.expr),
            Some(_) => Kind::Number(vec![self.expression(&cast.expr)]),
        }
    }

    pub(super) fn args<'a>(&self, args: impl Iterator<Item = &'a RsExpr>) -> Vec<Arg> {
        args.map(|arg| {
            let out = matches!(arg, RsExpr::Reference(inner) if inner.mutability.is_some());
            Arg { out, ..Arg::plain(self.expression(arg)) }
        })
        .collect()
    }

    /// `a::b::c`; what begins with the crate is an import written in place.
    pub(super) fn path(&self, path: &syn::Path) -> Kind {
        let span = self.span(path);
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match names.first().map(String::as_str) {
            Some("crate" | "super") if names.len() > 1 => {
                return Kind::Import(Box::new(Expr::new(span, Kind::Text(names.join("::")))));
            }
            _ => {}
        }
        let mut names = names.into_iter();
        let first = Kind::Name(names.next().unwrap_or_default());
        names.fold(first, |kind, name| Kind::Member(Box::new(Expr::new(span, kind)), name))
    }

    fn place(&self, expr: &RsExpr) -> Pattern {
        match expr {
            RsExpr::Path(path) => match path.path.get_ident() {
                Some(name) => Pattern::Name(name.to_string(), self.span(name)),
                None => Pattern::Target(self.boxed(expr)),
            },
            RsExpr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => self.place(&unary.expr),
            RsExpr::Paren(inner) => self.place(&inner.expr),
            RsExpr::Tuple(tuple) => Pattern::List(tuple.elems.iter().map(|one| self.place(one)).collect(), None),
            RsExpr::Infer(_) => Pattern::Ignore,
            other => Pattern::Target(self.boxed(other)),
        }
    }

    fn binary(&self, binary: &syn::ExprBinary) -> Kind {
        let (left, right) = (self.boxed(&binary.left), self.boxed(&binary.right));
        let span = self.span(binary);
        match binary.op {
            BinOp::Add(_) => Kind::Concat(left, right),
            BinOp::AddAssign(_) => Kind::Append(left, right),
            BinOp::Eq(_) => test("!equals", span, vec![*left, *right]),
            BinOp::Ne(_) => test("!not", span, vec![Expr::new(span, test("!equals", span, vec![*left, *right]))]),
            BinOp::And(_) => test("!and", span, vec![*left, *right]),
            BinOp::Or(_) => test("!or", span, vec![*left, *right]),
            BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_) => {
                let number = Expr::new(span, Kind::Number(vec![*right]));
                Kind::Assign(Box::new(self.place(&binary.left)), Box::new(number))
            }
            _ => Kind::Number(vec![*left, *right]),
        }
    }

    fn branch(&self, branch: &syn::ExprIf) -> Kind {
        let body = Expr::new(self.span(&branch.then_branch), self.block(&branch.then_branch));
        let (subject, pattern) = match branch.cond.as_ref() {
            RsExpr::Let(inner) => (self.boxed(&inner.expr), Some(self.pattern(&inner.pat))),
            cond => (self.boxed(cond), None),
        };
        let mut arms = vec![Arm { pattern, is: Vec::new(), guards: Vec::new(), body }];
        arms.extend(branch.else_branch.as_ref().map(|(_, otherwise)| plain_arm(self.expression(otherwise))));
        let total = arms.len() == 2;
        Kind::Branch { subject: Some(subject), arms, total }
    }

    fn struct_literal(&self, literal: &syn::ExprStruct) -> Kind {
        let name = literal.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let field_name = |field: &syn::FieldValue| match &field.member {
            Member::Named(name) => name.to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        if literal.rest.is_none() && (name == "Self" || self.structs.contains(&name)) {
            let callee = Expr::new(self.span(&literal.path), Kind::Name(name));
            let arg = |field: &syn::FieldValue| Arg {
                name: Some(field_name(field)),
                ..Arg::plain(self.expression(&field.expr))
            };
            return Kind::Call(Box::new(Call { callee, args: literal.fields.iter().map(arg).collect(), is_new: true }));
        }
        let rest = literal.rest.iter().map(|rest| Field::Spread(self.expression(rest)));
        let fields = literal.fields.iter().map(|field| Field::Named(field_name(field), self.expression(&field.expr)));
        Kind::Record(rest.chain(fields).collect())
    }

    fn closure(&self, closure: &syn::ExprClosure) -> Function {
        let params =
            closure.inputs.iter().map(|input| Param { pattern: self.pattern(input), of_type: None, rest: false });
        let body = self.expression(&closure.body);
        Function {
            name: None,
            params: params.collect(),
            body: vec![Stmt::Return(Some(body))],
            exported: false,
            receiver: None,
            arrow: true,
            bodiless: false,
        }
    }
}

pub(super) fn literal_kind(literal: &Lit) -> Kind {
    match literal {
        Lit::Str(text) => Kind::Text(text.value()),
        Lit::ByteStr(text) => Kind::Text(String::from_utf8_lossy(&text.value()).into_owned()),
        Lit::CStr(text) => Kind::Text(text.value().to_string_lossy().into_owned()),
        Lit::Char(c) => Kind::Text(c.value().to_string()),
        Lit::Int(number) => Kind::Scalar(number.base10_digits().to_owned()),
        Lit::Float(number) => Kind::Scalar(number.base10_digits().to_owned()),
        Lit::Bool(value) => Kind::Scalar(value.value.to_string()),
        _ => Kind::Opaque(Vec::new()),
    }
}

/// The texts that a pattern stands for, if it stands for nothing else.
pub(super) fn constants(pattern: &syn::Pat) -> Vec<String> {
    match pattern {
        syn::Pat::Lit(literal) => match literal_kind(&literal.lit) {
            Kind::Text(text) => vec![text],
            _ => Vec::new(),
        },
        syn::Pat::Or(either) => {
            let each: Vec<Vec<String>> = either.cases.iter().map(constants).collect();
            if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() }
        }
        syn::Pat::Paren(inner) => constants(&inner.pat),
        syn::Pat::TupleStruct(inner) if inner.elems.len() == 1 => {
            inner.elems.first().map(constants).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

pub(super) fn plain_arm(body: Expr) -> Arm {
    Arm { pattern: None, is: Vec::new(), guards: Vec::new(), body }
}

/// A test under the name that the engine knows it by.
pub(super) fn test(name: &str, span: Span, args: Vec<Expr>) -> Kind {
    let callee = Expr::new(span, Kind::Name(name.to_owned()));
    Kind::Call(Box::new(Call { callee, args: args.into_iter().map(Arg::plain).collect(), is_new: false }))
}
