use ruff_python_ast::{
    Arguments, CmpOp, Comprehension, Expr as PyExpr, ExprBinOp, ExprCall, ExprCompare, FStringPart,
    InterpolatedStringElement, Number, Operator, Parameters,
};
use ruff_text_size::Ranged;

use super::{
    super::ir::{Arg, Arm, Call, Expr, Field, Function, How, Kind, Param, Part, Pattern, Span, Stmt},
    Lower,
};

impl Lower {
    pub(super) fn expression(&self, expr: &PyExpr) -> Expr {
        self.at(expr, self.kind(expr))
    }

    pub(super) fn boxed(&self, expr: &PyExpr) -> Box<Expr> {
        Box::new(self.expression(expr))
    }

    fn all(&self, exprs: &[PyExpr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.expression(expr)).collect()
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of node")]
    fn kind(&self, expr: &PyExpr) -> Kind {
        match expr {
            PyExpr::StringLiteral(literal) => Kind::Text(literal.value.to_str().to_owned()),
            PyExpr::BytesLiteral(literal) => {
                Kind::Text(String::from_utf8_lossy(&literal.value.bytes().collect::<Vec<u8>>()).into_owned())
            }
            PyExpr::NumberLiteral(number) => Kind::Scalar(match &number.value {
                Number::Int(int) => int.to_string(),
                Number::Float(float) => float.to_string(),
                Number::Complex { .. } => String::from("0j"),
            }),
            PyExpr::BooleanLiteral(literal) => Kind::Scalar(String::from(if literal.value { "True" } else { "False" })),
            PyExpr::NoneLiteral(_) | PyExpr::EllipsisLiteral(_) => Kind::Nothing,
            PyExpr::FString(string) => Kind::Template(self.f_string(string.value.iter()), How::FString),
            // A template string is taken apart by whoever gets it: its values stay values.
            PyExpr::TString(string) => {
                let parts = string.value.elements().map(|element| self.element(element)).collect();
                let tag = Expr::new(self.span(string.range()), Kind::Name(String::from("sql")));
                Kind::Tagged(Box::new(tag), parts)
            }
            PyExpr::Name(name) => Kind::Name(name.id.to_string()),
            PyExpr::Attribute(attribute) => Kind::Member(self.boxed(&attribute.value), attribute.attr.to_string()),
            PyExpr::Subscript(subscript) => match subscript.slice.as_ref() {
                PyExpr::Slice(_) => self.method_call(expr, &subscript.value, "slice", Vec::new()),
                slice => Kind::Index(self.boxed(&subscript.value), self.boxed(slice)),
            },
            PyExpr::Call(call) => self.call(call),
            PyExpr::BinOp(op) => self.binary(op),
            PyExpr::BoolOp(op) => self.boolean(op),
            PyExpr::UnaryOp(op) => {
                let operand = self.expression(&op.operand);
                match op.op {
                    ruff_python_ast::UnaryOp::Not => test("!not", operand.span, vec![operand]),
                    _ => Kind::Number(vec![operand]),
                }
            }
            PyExpr::Compare(compare) => self.compare(compare),
            PyExpr::Named(named) => Kind::Assign(Box::new(self.target(&named.target)), self.boxed(&named.value)),
            PyExpr::If(either) => Kind::Branch {
                subject: Some(self.boxed(&either.test)),
                arms: vec![plain_arm(self.expression(&either.body)), plain_arm(self.expression(&either.orelse))],
                total: true,
            },
            PyExpr::Lambda(lambda) => Kind::Function(Box::new(Function {
                name: None,
                params: lambda.parameters.as_ref().map(|parameters| self.params(parameters)).unwrap_or_default(),
                body: vec![Stmt::Return(Some(self.expression(&lambda.body)))],
                exported: false,
                receiver: None,
                arrow: true,
                bodiless: false,
            })),
            PyExpr::Await(inner) => self.kind(&inner.value),
            PyExpr::Yield(inner) => Kind::Yield(inner.value.as_ref().map(|value| self.boxed(value))),
            PyExpr::YieldFrom(inner) => Kind::Yield(Some(self.boxed(&inner.value))),
            PyExpr::Starred(inner) => self.kind(&inner.value),
            PyExpr::List(list) => self.list(&list.elts),
            PyExpr::Tuple(tuple) => self.list(&tuple.elts),
            PyExpr::Set(set) => self.list(&set.elts),
            PyExpr::Dict(dict) => Kind::Record(
                dict.items
                    .iter()
                    .map(|item| match &item.key {
                        Some(key) => match self.expression(key) {
                            Expr { kind: Kind::Text(name), .. } => Field::Named(name, self.expression(&item.value)),
                            key => Field::Computed(key, self.expression(&item.value)),
                        },
                        None => Field::Spread(self.expression(&item.value)),
                    })
                    .collect(),
            ),
            PyExpr::ListComp(comp) => self.comprehension(&comp.elt, &comp.generators),
            PyExpr::SetComp(comp) => self.comprehension(&comp.elt, &comp.generators),
            PyExpr::Generator(comp) => self.comprehension(&comp.elt, &comp.generators),
            PyExpr::DictComp(comp) => self.comprehension(&comp.value, &comp.generators),
            PyExpr::Slice(_) | PyExpr::IpyEscapeCommand(_) => Kind::Opaque(Vec::new()),
        }
    }

    fn list(&self, items: &[PyExpr]) -> Kind {
        Kind::List(items.iter().map(|item| self.arg(item)).collect())
    }

    fn arg(&self, item: &PyExpr) -> Arg {
        match item {
            PyExpr::Starred(starred) => Arg { spread: true, ..Arg::plain(self.expression(&starred.value)) },
            item => Arg::plain(self.expression(item)),
        }
    }

    fn f_string<'a>(&self, parts: impl Iterator<Item = &'a FStringPart>) -> Vec<Part> {
        let mut lowered = Vec::new();
        for part in parts {
            match part {
                FStringPart::Literal(literal) => lowered.push(Part::Text(literal.as_str().to_owned())),
                FStringPart::FString(string) => {
                    lowered.extend(string.elements.iter().map(|element| self.element(element)));
                }
            }
        }
        lowered
    }

    fn element(&self, element: &InterpolatedStringElement) -> Part {
        match element {
            InterpolatedStringElement::Literal(literal) => Part::Text(literal.value.to_string()),
            InterpolatedStringElement::Interpolation(hole) => Part::Hole(self.expression(&hole.expression)),
        }
    }

    fn method_call(&self, whole: &impl Ranged, object: &PyExpr, name: &str, args: Vec<Arg>) -> Kind {
        let callee = self.at(whole, Kind::Member(self.boxed(object), name.to_owned()));
        Kind::Call(Box::new(Call { callee, args, is_new: false }))
    }

    fn call(&self, call: &ExprCall) -> Kind {
        let args = self.arguments(&call.arguments);
        Kind::Call(Box::new(Call { callee: self.expression(&call.func), args, is_new: false }))
    }

    fn arguments(&self, arguments: &Arguments) -> Vec<Arg> {
        let mut args: Vec<Arg> = arguments.args.iter().map(|arg| self.arg(arg)).collect();
        for keyword in &arguments.keywords {
            let value = self.expression(&keyword.value);
            args.push(match &keyword.arg {
                Some(name) => Arg { name: Some(name.to_string()), ..Arg::plain(value) },
                None => Arg { spread: true, ..Arg::plain(value) },
            });
        }
        args
    }

    fn binary(&self, op: &ExprBinOp) -> Kind {
        let is_sequence = |expr: &PyExpr| matches!(expr, PyExpr::StringLiteral(_) | PyExpr::List(_) | PyExpr::Tuple(_));
        match op.op {
            Operator::Add => Kind::Concat(self.boxed(&op.left), self.boxed(&op.right)),
            Operator::Mod => Kind::Percent(self.boxed(&op.left), self.boxed(&op.right)),
            Operator::Mult if is_sequence(&op.left) => {
                self.method_call(op, &op.left, "repeat", vec![Arg::plain(self.expression(&op.right))])
            }
            Operator::Mult if is_sequence(&op.right) => {
                self.method_call(op, &op.right, "repeat", vec![Arg::plain(self.expression(&op.left))])
            }
            Operator::BitOr | Operator::Div => {
                Kind::Opaque(vec![self.expression(&op.left), self.expression(&op.right)])
            }
            _ => Kind::Number(vec![self.expression(&op.left), self.expression(&op.right)]),
        }
    }

    fn boolean(&self, op: &ruff_python_ast::ExprBoolOp) -> Kind {
        let name = match op.op {
            ruff_python_ast::BoolOp::And => "!and",
            ruff_python_ast::BoolOp::Or => "!or",
        };
        let span = self.span(op.range());
        let mut values = self.all(&op.values).into_iter();
        let Some(first) = values.next() else { return Kind::Nothing };
        values.fold(first, |left, right| Expr::new(span, test(name, span, vec![left, right]))).kind
    }

    fn compare(&self, compare: &ExprCompare) -> Kind {
        let left = self.expression(&compare.left);
        let span = self.span(compare.range());
        let mut right = self.all(&compare.comparators);
        if right.len() != 1 {
            right.push(left);
            return Kind::Number(right);
        }
        let args = std::iter::once(left).chain(right).collect();
        match compare.ops.first() {
            Some(CmpOp::Eq | CmpOp::Is) => test("!equals", span, args),
            Some(CmpOp::In) => test("!in", span, args),
            Some(CmpOp::NotEq) => test("!not", span, vec![Expr::new(span, test("!equals", span, args))]),
            Some(CmpOp::NotIn) => test("!not", span, vec![Expr::new(span, test("!in", span, args))]),
            _ => Kind::Number(args),
        }
    }

    /// One loop per `for`, the innermost of which makes the values.
    fn comprehension(&self, element: &PyExpr, generators: &[Comprehension]) -> Kind {
        let mut body = self.expression(element);
        for generator in generators.iter().rev() {
            let span = body.span;
            let pattern = Box::new(self.target(&generator.target));
            for filter in &generator.ifs {
                let subject = Some(self.boxed(filter));
                body = Expr::new(span, Kind::Branch { subject, arms: vec![plain_arm(body)], total: false });
            }
            body = Expr::new(span, Kind::Each(pattern, self.boxed(&generator.iter), Box::new(body)));
        }
        body.kind
    }

    pub(super) fn target(&self, target: &PyExpr) -> Pattern {
        match target {
            PyExpr::Name(name) => Pattern::Name(name.id.to_string(), self.span(name.range())),
            PyExpr::Tuple(tuple) => self.targets(&tuple.elts),
            PyExpr::List(list) => self.targets(&list.elts),
            PyExpr::Starred(starred) => self.target(&starred.value),
            other => Pattern::Target(self.boxed(other)),
        }
    }

    fn targets(&self, targets: &[PyExpr]) -> Pattern {
        Pattern::List(targets.iter().map(|target| self.target(target)).collect(), None)
    }

    pub(super) fn params(&self, parameters: &Parameters) -> Vec<Param> {
        let name = |parameter: &ruff_python_ast::Parameter| {
            Pattern::Name(parameter.name.to_string(), self.span(parameter.name.range()))
        };
        let of_type = |parameter: &ruff_python_ast::Parameter| parameter.annotation.as_deref().and_then(type_name);
        let plain = |one: &ruff_python_ast::ParameterWithDefault| {
            let pattern = match &one.default {
                Some(default) => Pattern::Default(Box::new(name(&one.parameter)), self.boxed(default)),
                None => name(&one.parameter),
            };
            Param { pattern, of_type: of_type(&one.parameter), rest: false }
        };
        let mut params: Vec<Param> = parameters.posonlyargs.iter().chain(&parameters.args).map(plain).collect();
        if let Some(rest) = &parameters.vararg {
            params.push(Param { pattern: name(rest), of_type: None, rest: true });
        }
        params.extend(parameters.kwonlyargs.iter().map(plain));
        if let Some(rest) = &parameters.kwarg {
            params.push(Param { pattern: name(rest), of_type: None, rest: false });
        }
        params
    }
}

/// The last name of a type: `Cursor` of `sqlite3.Cursor`.
fn type_name(annotation: &PyExpr) -> Option<String> {
    match annotation {
        PyExpr::Name(name) => Some(name.id.to_string()),
        PyExpr::Attribute(attribute) => Some(attribute.attr.to_string()),
        PyExpr::StringLiteral(literal) => {
            Some(literal.value.to_str().rsplit('.').next().unwrap_or_default().to_owned())
        }
        _ => None,
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
