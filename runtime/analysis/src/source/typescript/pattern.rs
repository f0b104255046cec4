use oxc::ast::ast::{
    AssignmentTarget, AssignmentTargetMaybeDefault, AssignmentTargetProperty, BindingPattern, FormalParameters,
    SimpleAssignmentTarget, TSType, TSTypeAnnotation, TSTypeName,
};
use oxc::span::GetSpan;

use super::{
    super::ir::{Key, Param, Pattern},
    Lower,
};

impl Lower {
    pub(super) fn pattern(&self, pattern: &BindingPattern<'_>) -> Pattern {
        match pattern {
            BindingPattern::BindingIdentifier(name) => Pattern::Name(name.name.to_string(), self.span(name.span)),
            BindingPattern::ObjectPattern(object) => {
                let fields = object.properties.iter().map(|property| {
                    let key = match self.key(&property.key, property.computed) {
                        Ok(name) => Key::Named(name),
                        Err(expr) => Key::Computed(Box::new(expr)),
                    };
                    (key, self.pattern(&property.value))
                });
                let rest = object.rest.as_ref().map(|rest| Box::new(self.pattern(&rest.argument)));
                Pattern::Object(fields.collect(), rest)
            }
            BindingPattern::ArrayPattern(array) => {
                let items = array.elements.iter().map(|e| e.as_ref().map_or(Pattern::Ignore, |e| self.pattern(e)));
                Pattern::List(items.collect(), array.rest.as_ref().map(|rest| Box::new(self.pattern(&rest.argument))))
            }
            BindingPattern::AssignmentPattern(default) => {
                Pattern::Default(Box::new(self.pattern(&default.left)), Box::new(self.expression(&default.right)))
            }
        }
    }

    pub(super) fn params(&self, params: &FormalParameters<'_>) -> Vec<Param> {
        let mut lowered: Vec<Param> = Vec::new();
        for item in &params.items {
            let pattern = self.pattern(&item.pattern);
            let pattern = match &item.initializer {
                Some(default) => Pattern::Default(Box::new(pattern), Box::new(self.expression(default))),
                None => pattern,
            };
            lowered.push(Param { pattern, of_type: type_name(item.type_annotation.as_deref()), rest: false });
        }
        if let Some(rest) = &params.rest {
            lowered.push(Param { pattern: self.pattern(&rest.rest.argument), of_type: None, rest: true });
        }
        lowered
    }

    pub(super) fn assignment_target(&self, target: &AssignmentTarget<'_>) -> Pattern {
        match target {
            AssignmentTarget::ArrayAssignmentTarget(array) => {
                let items =
                    array.elements.iter().map(|e| e.as_ref().map_or(Pattern::Ignore, |e| self.maybe_default(e)));
                Pattern::List(
                    items.collect(),
                    array.rest.as_ref().map(|rest| Box::new(self.assignment_target(&rest.target))),
                )
            }
            AssignmentTarget::ObjectAssignmentTarget(object) => {
                let fields = object.properties.iter().map(|property| match property {
                    AssignmentTargetProperty::AssignmentTargetPropertyIdentifier(name) => {
                        let inner = Pattern::Name(name.binding.name.to_string(), self.span(name.binding.span));
                        let inner = match &name.init {
                            Some(default) => Pattern::Default(Box::new(inner), Box::new(self.expression(default))),
                            None => inner,
                        };
                        (Key::Named(name.binding.name.to_string()), inner)
                    }
                    AssignmentTargetProperty::AssignmentTargetPropertyProperty(property) => {
                        let key = match self.key(&property.name, property.computed) {
                            Ok(name) => Key::Named(name),
                            Err(expr) => Key::Computed(Box::new(expr)),
                        };
                        (key, self.maybe_default(&property.binding))
                    }
                });
                Pattern::Object(fields.collect(), None)
            }
            other => match other.as_simple_assignment_target() {
                Some(simple) => self.simple_target(simple),
                None => Pattern::Ignore,
            },
        }
    }

    fn maybe_default(&self, target: &AssignmentTargetMaybeDefault<'_>) -> Pattern {
        match target {
            AssignmentTargetMaybeDefault::AssignmentTargetWithDefault(default) => {
                let inner = self.assignment_target(&default.binding);
                Pattern::Default(Box::new(inner), Box::new(self.expression(&default.init)))
            }
            other => other.as_assignment_target().map_or(Pattern::Ignore, |target| self.assignment_target(target)),
        }
    }

    pub(super) fn simple_target(&self, target: &SimpleAssignmentTarget<'_>) -> Pattern {
        match target {
            SimpleAssignmentTarget::AssignmentTargetIdentifier(name) => {
                Pattern::Name(name.name.to_string(), self.span(name.span))
            }
            SimpleAssignmentTarget::TSAsExpression(inner) => {
                Pattern::Target(Box::new(self.expression(&inner.expression)))
            }
            SimpleAssignmentTarget::TSSatisfiesExpression(inner) => {
                Pattern::Target(Box::new(self.expression(&inner.expression)))
            }
            SimpleAssignmentTarget::TSNonNullExpression(inner) => {
                Pattern::Target(Box::new(self.expression(&inner.expression)))
            }
            SimpleAssignmentTarget::TSTypeAssertion(inner) => {
                Pattern::Target(Box::new(self.expression(&inner.expression)))
            }
            other => match other.as_member_expression() {
                Some(member) => Pattern::Target(Box::new(self.expr(member.span(), self.member(member)))),
                None => Pattern::Ignore,
            },
        }
    }
}

/// The last name of a type: `Pool` of `pg.Pool`.
pub(super) fn type_name(annotation: Option<&TSTypeAnnotation<'_>>) -> Option<String> {
    let TSType::TSTypeReference(reference) = &annotation?.type_annotation else { return None };
    match &reference.type_name {
        TSTypeName::IdentifierReference(name) => Some(name.name.to_string()),
        TSTypeName::QualifiedName(name) => Some(name.right.name.to_string()),
        TSTypeName::ThisExpression(_) => None,
    }
}
