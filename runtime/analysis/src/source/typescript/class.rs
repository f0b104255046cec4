use oxc::ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, Class as OxcClass, ClassElement, Function as OxcFunction,
    MethodDefinitionKind, TSAccessibility,
};
use oxc::span::GetSpan;

use super::{
    super::ir::{Class, Expr, Function, Kind, Pattern, Stmt},
    Lower,
};

impl Lower {
    pub(super) fn function(&self, function: &OxcFunction<'_>, exported: bool) -> Function {
        Function {
            name: function.id.as_ref().map(|id| id.name.to_string()),
            params: self.params(&function.params),
            body: function.body.as_ref().map(|body| self.statements(&body.statements)).unwrap_or_default(),
            exported,
            receiver: None,
            arrow: false,
            bodiless: function.body.is_none(),
        }
    }

    pub(super) fn arrow(&self, arrow: &ArrowFunctionExpression<'_>) -> Function {
        let body = match &arrow.body {
            ArrowFunctionBody::FunctionBody(body) => self.statements(&body.statements),
            other => other.as_expression().map(|expr| Stmt::Return(Some(self.expression(expr)))).into_iter().collect(),
        };
        let params = self.params(&arrow.params);
        Function { name: None, params, body, exported: false, receiver: None, arrow: true, bodiless: false }
    }

    pub(super) fn class(&self, class: &OxcClass<'_>, exported: bool) -> Class {
        let mut lowered = Class {
            name: class.id.as_ref().map_or_else(|| String::from("class"), |id| id.name.to_string()),
            bases: class.heritage.iter().map(|heritage| self.expression(&heritage.expression)).collect(),
            exported,
            ..Class::default()
        };
        for element in &class.body.body {
            self.class_element(element, &mut lowered);
        }
        lowered
    }

    fn class_element(&self, element: &ClassElement<'_>, class: &mut Class) {
        match element {
            ClassElement::MethodDefinition(method) => {
                let Ok(name) = self.key(&method.key, method.computed) else { return };
                if method.value.body.is_none() {
                    return;
                }
                let private = name.starts_with('#')
                    || matches!(method.accessibility, Some(TSAccessibility::Private | TSAccessibility::Protected));
                let mut function = self.function(&method.value, class.exported && !private);
                if method.kind == MethodDefinitionKind::Constructor {
                    self.parameter_properties(&method.value, &mut function);
                }
                // A getter is used like a field: its value is that of any call.
                if method.kind == MethodDefinitionKind::Get {
                    let span = self.span(method.span);
                    let body = Expr::new(span, Kind::Function(Box::new(Function { arrow: true, ..function })));
                    let call = super::super::ir::Call { callee: body, args: Vec::new(), is_new: false };
                    let field = (name, Some(Expr::new(span, Kind::Call(Box::new(call)))));
                    if method.r#static {
                        class.statics.push(field);
                    } else {
                        class.fields.push(field);
                    }
                    return;
                }
                function.name = Some(name);
                class.methods.push(function);
            }
            ClassElement::PropertyDefinition(property) => {
                let Ok(name) = self.key(&property.key, property.computed) else { return };
                let value = property.value.as_ref().map(|value| self.expression(value));
                if property.r#static { class.statics.push((name, value)) } else { class.fields.push((name, value)) }
            }
            ClassElement::AccessorProperty(property) => {
                let Ok(name) = self.key(&property.key, property.computed) else { return };
                class.fields.push((name, property.value.as_ref().map(|value| self.expression(value))));
            }
            ClassElement::StaticBlock(_) | ClassElement::TSIndexSignature(_) => {}
        }
    }

    /// `constructor(private db: Pool)` sets `this.db`.
    fn parameter_properties(&self, method: &OxcFunction<'_>, function: &mut Function) {
        let mut sets = Vec::new();
        for item in &method.params.items {
            if item.accessibility.is_none() && !item.readonly {
                continue;
            }
            let Pattern::Name(name, span) = self.pattern(&item.pattern) else { continue };
            let this = Box::new(Expr::new(span, Kind::Name(String::from("this"))));
            let place = Expr::new(self.span(item.pattern.span()), Kind::Member(this, name.clone()));
            let value = Box::new(Expr::new(span, Kind::Name(name)));
            sets.push(Stmt::Expr(Expr::new(span, Kind::Assign(Box::new(Pattern::Target(Box::new(place))), value))));
        }
        function.body.splice(0..0, sets);
    }
}
