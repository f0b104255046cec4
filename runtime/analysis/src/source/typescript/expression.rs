use oxc::ast::ast::{
    Argument, ArrayExpressionElement, AssignmentExpression, BinaryExpression, CallExpression, ChainElement, Expression,
    LogicalExpression, MemberExpression, ObjectExpression, ObjectPropertyKind, PropertyKey, TemplateLiteral,
};
use oxc::span::GetSpan;
use oxc::syntax::operator::{AssignmentOperator, BinaryOperator, LogicalOperator, UnaryOperator};

use super::{
    super::ir::{Arg, Arm, Call, Expr, Field, How, Kind, Part, Pattern, Stmt},
    Lower,
};

impl Lower {
    pub(super) fn expression(&self, expr: &Expression<'_>) -> Expr {
        self.expr(expr.span(), self.kind(expr))
    }

    fn boxed(&self, expr: &Expression<'_>) -> Box<Expr> {
        Box::new(self.expression(expr))
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each kind of node")]
    fn kind(&self, expr: &Expression<'_>) -> Kind {
        match expr {
            Expression::StringLiteral(literal) => Kind::Text(literal.value.to_string()),
            Expression::NumericLiteral(literal) => {
                Kind::Scalar(literal.raw.map_or_else(|| literal.value.to_string(), |raw| raw.to_string()))
            }
            Expression::BigIntLiteral(literal) => Kind::Scalar(literal.value.to_string()),
            Expression::BooleanLiteral(literal) => Kind::Scalar(literal.value.to_string()),
            Expression::NullLiteral(_) => Kind::Nothing,
            Expression::RegExpLiteral(_) | Expression::ImportMeta(_) | Expression::NewTarget(_) => {
                Kind::Opaque(Vec::new())
            }
            Expression::TemplateLiteral(literal) => Kind::Template(self.parts(literal, false), How::Template),
            Expression::TaggedTemplateExpression(tagged) => {
                Kind::Tagged(self.boxed(&tagged.tag), self.parts(&tagged.quasi, true))
            }
            Expression::Identifier(name) if name.name == "undefined" => Kind::Nothing,
            Expression::Identifier(name) => Kind::Name(name.name.to_string()),
            Expression::ThisExpression(_) | Expression::Super(_) => Kind::Name(String::from("this")),
            Expression::ArrayExpression(array) => {
                Kind::List(array.elements.iter().filter_map(|e| self.element(e)).collect())
            }
            Expression::ObjectExpression(object) => Kind::Record(self.fields(object)),
            Expression::ArrowFunctionExpression(arrow) => Kind::Function(Box::new(self.arrow(arrow))),
            Expression::FunctionExpression(function) => Kind::Function(Box::new(self.function(function, false))),
            Expression::ClassExpression(class) => Kind::Class(Box::new(self.class(class, false))),
            Expression::AwaitExpression(inner) => self.kind(&inner.argument),
            Expression::ParenthesizedExpression(inner) => self.kind(&inner.expression),
            Expression::TSAsExpression(inner) => self.kind(&inner.expression),
            Expression::TSSatisfiesExpression(inner) => self.kind(&inner.expression),
            Expression::TSTypeAssertion(inner) => self.kind(&inner.expression),
            Expression::TSNonNullExpression(inner) => self.kind(&inner.expression),
            Expression::TSInstantiationExpression(inner) => self.kind(&inner.expression),
            Expression::YieldExpression(inner) => Kind::Yield(inner.argument.as_ref().map(|value| self.boxed(value))),
            Expression::ChainExpression(chain) => self.chain(&chain.expression),
            Expression::CallExpression(call) => self.call(call),
            Expression::NewExpression(new) => {
                let callee = self.expression(&new.callee);
                Kind::Call(Box::new(Call { callee, args: self.arguments(&new.arguments), is_new: true }))
            }
            Expression::ImportExpression(import) => Kind::Import(self.boxed(&import.source)),
            Expression::SequenceExpression(sequence) => {
                let mut all: Vec<Expr> = sequence.expressions.iter().map(|e| self.expression(e)).collect();
                let last = all.pop().map(Box::new);
                Kind::Block(all.into_iter().map(Stmt::Expr).collect(), last)
            }
            Expression::ConditionalExpression(either) => Kind::Branch {
                subject: Some(self.boxed(&either.test)),
                arms: vec![
                    plain_arm(self.expression(&either.consequent)),
                    plain_arm(self.expression(&either.alternate)),
                ],
                total: true,
            },
            Expression::LogicalExpression(logical) => self.logical(logical),
            Expression::BinaryExpression(binary) => self.binary(binary),
            Expression::UnaryExpression(unary) => {
                let argument = self.expression(&unary.argument);
                match unary.operator {
                    UnaryOperator::LogicalNot => test("!not", argument.span, vec![argument]),
                    UnaryOperator::Void => Kind::Nothing,
                    _ => Kind::Number(vec![argument]),
                }
            }
            Expression::UpdateExpression(update) => Kind::Assign(
                Box::new(self.simple_target(&update.argument)),
                Box::new(self.expr(update.span, Kind::Number(Vec::new()))),
            ),
            Expression::AssignmentExpression(assignment) => self.assignment(assignment),
            Expression::PrivateInExpression(inner) => Kind::Number(vec![self.expression(&inner.right)]),
            Expression::JSXElement(_) | Expression::JSXFragment(_) | Expression::V8IntrinsicExpression(_) => {
                Kind::Opaque(Vec::new())
            }
            other => match other.as_member_expression() {
                Some(member) => self.member(member),
                None => Kind::Opaque(Vec::new()),
            },
        }
    }

    pub(super) fn member(&self, member: &MemberExpression<'_>) -> Kind {
        match member {
            MemberExpression::StaticMemberExpression(member) => {
                Kind::Member(self.boxed(&member.object), member.property.name.to_string())
            }
            MemberExpression::PrivateFieldExpression(member) => {
                Kind::Member(self.boxed(&member.object), format!("#{}", member.field.name))
            }
            MemberExpression::ComputedMemberExpression(member) => {
                Kind::Index(self.boxed(&member.object), self.boxed(&member.expression))
            }
        }
    }

    fn chain(&self, chain: &ChainElement<'_>) -> Kind {
        match chain {
            ChainElement::CallExpression(call) => self.call(call),
            ChainElement::TSNonNullExpression(inner) => self.kind(&inner.expression),
            other => match other.as_member_expression() {
                Some(member) => self.member(member),
                None => Kind::Opaque(Vec::new()),
            },
        }
    }

    fn call(&self, call: &CallExpression<'_>) -> Kind {
        let callee = self.expression(&call.callee);
        let mut args = self.arguments(&call.arguments);
        if let Kind::Name(name) = &callee.kind
            && name == "require"
            && args.len() == 1
        {
            return Kind::Import(Box::new(args.swap_remove(0).value));
        }
        // `super(..)` runs the constructor of a base.
        let callee = match (&call.callee, callee.kind) {
            (Expression::Super(_), _) => Expr::new(
                callee.span,
                Kind::Member(Box::new(Expr::new(callee.span, Kind::Name(String::from("this")))), String::from("super")),
            ),
            (_, kind) => Expr::new(callee.span, kind),
        };
        Kind::Call(Box::new(Call { callee, args, is_new: false }))
    }

    fn arguments(&self, arguments: &[Argument<'_>]) -> Vec<Arg> {
        let lower = |argument: &Argument<'_>| match argument {
            Argument::SpreadElement(spread) => {
                Some(Arg { spread: true, ..Arg::plain(self.expression(&spread.argument)) })
            }
            other => other.as_expression().map(|expr| Arg::plain(self.expression(expr))),
        };
        arguments.iter().filter_map(lower).collect()
    }

    fn element(&self, element: &ArrayExpressionElement<'_>) -> Option<Arg> {
        match element {
            ArrayExpressionElement::SpreadElement(spread) => {
                Some(Arg { spread: true, ..Arg::plain(self.expression(&spread.argument)) })
            }
            ArrayExpressionElement::Elision(elision) => Some(Arg::plain(self.expr(elision.span, Kind::Nothing))),
            other => other.as_expression().map(|expr| Arg::plain(self.expression(expr))),
        }
    }

    pub(super) fn parts(&self, literal: &TemplateLiteral<'_>, tagged: bool) -> Vec<Part> {
        let mut parts = Vec::new();
        for (index, quasi) in literal.quasis.iter().enumerate() {
            let text = quasi.value.cooked.unwrap_or(quasi.value.raw);
            if !text.is_empty() || tagged {
                parts.push(Part::Text(text.to_string()));
            }
            if let Some(hole) = literal.expressions.get(index) {
                parts.push(Part::Hole(self.expression(hole)));
            }
        }
        parts
    }

    fn fields(&self, object: &ObjectExpression<'_>) -> Vec<Field> {
        let lower = |property: &ObjectPropertyKind<'_>| match property {
            ObjectPropertyKind::SpreadProperty(spread) => Field::Spread(self.expression(&spread.argument)),
            ObjectPropertyKind::ObjectProperty(property) => {
                let value = self.expression(&property.value);
                match self.key(&property.key, property.computed) {
                    Ok(name) => Field::Named(name, value),
                    Err(key) => Field::Computed(key, value),
                }
            }
        };
        object.properties.iter().map(lower).collect()
    }

    /// The name of a property, or the expression that gives it.
    pub(super) fn key(&self, key: &PropertyKey<'_>, computed: bool) -> Result<String, Expr> {
        match key {
            PropertyKey::StaticIdentifier(name) => Ok(name.name.to_string()),
            PropertyKey::PrivateIdentifier(name) => Ok(format!("#{}", name.name)),
            PropertyKey::StringLiteral(text) => Ok(text.value.to_string()),
            PropertyKey::NumericLiteral(number) if !computed => Ok(number.value.to_string()),
            other => match other.as_expression() {
                Some(expr) => Err(self.expression(expr)),
                None => Ok(String::new()),
            },
        }
    }

    fn logical(&self, logical: &LogicalExpression<'_>) -> Kind {
        let (left, right) = (self.expression(&logical.left), self.expression(&logical.right));
        let span = self.span(logical.span);
        match logical.operator {
            LogicalOperator::And => test("!and", span, vec![left, right]),
            LogicalOperator::Or | LogicalOperator::Coalesce => test("!or", span, vec![left, right]),
        }
    }

    fn binary(&self, binary: &BinaryExpression<'_>) -> Kind {
        let (left, right) = (self.expression(&binary.left), self.expression(&binary.right));
        let span = self.span(binary.span);
        match binary.operator {
            BinaryOperator::Addition => Kind::Concat(Box::new(left), Box::new(right)),
            BinaryOperator::StrictEquality | BinaryOperator::Equality => test("!equals", span, vec![left, right]),
            BinaryOperator::StrictInequality | BinaryOperator::Inequality => {
                let equals = Expr::new(span, test("!equals", span, vec![left, right]));
                test("!not", span, vec![equals])
            }
            BinaryOperator::In => test("!in", span, vec![left, right]),
            _ => Kind::Number(vec![left, right]),
        }
    }

    fn assignment(&self, assignment: &AssignmentExpression<'_>) -> Kind {
        let value = self.expression(&assignment.right);
        let target = self.assignment_target(&assignment.left);
        let span = self.span(assignment.span);
        match (assignment.operator, target) {
            (AssignmentOperator::Assign, target) => Kind::Assign(Box::new(target), Box::new(value)),
            (AssignmentOperator::Addition, target) => match target {
                Pattern::Name(name, at) => Kind::Append(Box::new(Expr::new(at, Kind::Name(name))), Box::new(value)),
                Pattern::Target(place) => Kind::Append(place, Box::new(value)),
                _ => Kind::Opaque(vec![value]),
            },
            (
                AssignmentOperator::LogicalOr | AssignmentOperator::LogicalNullish | AssignmentOperator::LogicalAnd,
                target,
            ) => {
                let before = match &target {
                    Pattern::Name(name, at) => Expr::new(*at, Kind::Name(name.clone())),
                    _ => Expr::new(span, Kind::Opaque(Vec::new())),
                };
                let either = test("!or", span, vec![before, value]);
                Kind::Assign(Box::new(target), Box::new(Expr::new(span, either)))
            }
            (_, target) => Kind::Assign(Box::new(target), Box::new(Expr::new(span, Kind::Number(vec![value])))),
        }
    }
}

pub(super) fn plain_arm(body: Expr) -> Arm {
    Arm { pattern: None, is: Vec::new(), guards: Vec::new(), body }
}

/// A test under the name that the engine knows it by.
pub(super) fn test(name: &str, span: super::super::ir::Span, args: Vec<Expr>) -> Kind {
    let callee = Expr::new(span, Kind::Name(name.to_owned()));
    Kind::Call(Box::new(Call { callee, args: args.into_iter().map(Arg::plain).collect(), is_new: false }))
}
