//! What a module takes from others and what it gives them, read from its syntax tree.

use std::collections::BTreeMap;

use oxc::ast::ast::{
    BindingIdentifier, BindingPattern, Declaration, ExportDefaultDeclarationKind, ExportFromDeclaration,
    ImportDeclaration, ImportDeclarationSpecifier, ModuleExportName, Program, Statement, StringLiteral,
};
use oxc::ast_visit::{Visit, walk};
use oxc::semantic::{Scoping, SymbolId};
use oxc::span::Span;

/// What an import asks of another module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One export; `default` is an export like the others.
    Export(String),
    /// An object with all exports.
    Namespace,
}

/// A name that another module gives to this one.
pub(super) struct Import {
    pub(super) symbol: SymbolId,
    pub(super) request: usize,
    pub(super) wanted: Wanted,
    pub(super) span: Span,
}

/// What an exported name stands for.
#[derive(Clone, Debug)]
pub(super) enum Export {
    /// A declaration of this module, or one of its imports.
    Symbol(SymbolId),
    /// `export default` of something without a name.
    Unnamed,
    /// `export .. from`: index of the request.
    From(usize, Wanted, Span),
}

/// A module specifier as written.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) specifier: String,
    pub(super) span: Span,
}

/// Imports and exports of one module.
#[derive(Default)]
pub(super) struct Interface {
    pub(super) requests: Vec<Request>,
    pub(super) imports: Vec<Import>,
    pub(super) exports: BTreeMap<String, Export>,
    /// Requests of `export * from`.
    pub(super) stars: Vec<usize>,
    /// Names exported twice cannot occur: the parser refuses them. `export { missing }` can.
    pub(super) unknown: Vec<(String, Span)>,
}

impl Interface {
    pub(super) fn read(program: &Program<'_>, scoping: &Scoping) -> Self {
        let mut interface = Self::default();
        for statement in &program.body {
            interface.read_statement(statement, scoping);
        }
        interface
    }

    fn read_statement(&mut self, statement: &Statement<'_>, scoping: &Scoping) {
        match statement {
            Statement::ImportDeclaration(import) => self.read_import(import),
            Statement::ExportDeclaration(export) => self.read_declaration(&export.declaration),
            Statement::ExportNamedDeclaration(export) => {
                for specifier in &export.specifiers {
                    let symbol = match &specifier.local {
                        ModuleExportName::IdentifierReference(local) => {
                            local.reference_id.get().and_then(|reference| scoping.get_reference(reference).symbol_id())
                        }
                        ModuleExportName::IdentifierName(_) | ModuleExportName::StringLiteral(_) => None,
                    };
                    match symbol {
                        Some(symbol) => self.insert(name(&specifier.exported), Export::Symbol(symbol)),
                        None => self.unknown.push((name(&specifier.local), specifier.span)),
                    }
                }
            }
            Statement::ExportFromDeclaration(export) => self.read_export_from(export),
            Statement::ExportAllDeclaration(export) => {
                let request = self.request(&export.source);
                match &export.exported {
                    Some(exported) => {
                        self.insert(name(exported), Export::From(request, Wanted::Namespace, export.span));
                    }
                    None => self.stars.push(request),
                }
            }
            Statement::ExportDefaultDeclaration(export) => self.read_default(&export.declaration),
            _ => {}
        }
    }

    fn read_import(&mut self, import: &ImportDeclaration<'_>) {
        let request = self.request(&import.source);
        for specifier in import.specifiers.iter().flatten() {
            let (local, wanted) = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(one) => (&one.local, Wanted::Export(name(&one.imported))),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(one) => {
                    (&one.local, Wanted::Export("default".into()))
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(one) => (&one.local, Wanted::Namespace),
            };
            if let Some(symbol) = local.symbol_id.get() {
                self.imports.push(Import { symbol, request, wanted, span: local.span });
            }
        }
    }

    fn read_export_from(&mut self, export: &ExportFromDeclaration<'_>) {
        let request = self.request(&export.source);
        for specifier in &export.specifiers {
            let wanted = Wanted::Export(name(&specifier.local));
            self.insert(name(&specifier.exported), Export::From(request, wanted, specifier.span));
        }
    }

    fn read_declaration(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::VariableDeclaration(variables) => {
                for declarator in &variables.declarations {
                    for identifier in bound(&declarator.id) {
                        self.export_binding(identifier);
                    }
                }
            }
            Declaration::FunctionDeclaration(function) => function.id.iter().for_each(|id| self.export_binding(id)),
            Declaration::ClassDeclaration(class) => class.id.iter().for_each(|id| self.export_binding(id)),
            // Types: the transformer has removed what a program cannot see.
            _ => {}
        }
    }

    fn read_default(&mut self, declaration: &ExportDefaultDeclarationKind<'_>) {
        let named = match declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(function) => function.id.as_ref(),
            ExportDefaultDeclarationKind::ClassDeclaration(class) => class.id.as_ref(),
            _ => None,
        };
        let symbol = named.and_then(|id| id.symbol_id.get());
        self.insert("default".into(), symbol.map_or(Export::Unnamed, Export::Symbol));
    }

    fn export_binding(&mut self, identifier: &BindingIdentifier<'_>) {
        if let Some(symbol) = identifier.symbol_id.get() {
            self.insert(identifier.name.to_string(), Export::Symbol(symbol));
        }
    }

    fn insert(&mut self, name: String, export: Export) {
        self.exports.insert(name, export);
    }

    fn request(&mut self, source: &StringLiteral<'_>) -> usize {
        if let Some(index) = self.requests.iter().position(|request| request.specifier == source.value.as_str()) {
            return index;
        }
        self.requests.push(Request { specifier: source.value.to_string(), span: source.span });
        self.requests.len() - 1
    }
}

fn name(name: &ModuleExportName<'_>) -> String {
    name.name().to_string()
}

/// Every name that a pattern such as `{ a, b: [c] }` binds.
fn bound<'p, 'a>(pattern: &'p BindingPattern<'a>) -> Vec<&'p BindingIdentifier<'a>> {
    pattern.get_binding_identifiers().into_iter().collect()
}

/// The places of `import(..)` and of `import.meta`, which a bundle cannot have.
pub(super) fn dynamic_parts(program: &Program<'_>) -> Vec<(&'static str, Span)> {
    #[derive(Default)]
    struct Finder(Vec<(&'static str, Span)>);
    impl<'a> Visit<'a> for Finder {
        fn visit_import_expression(&mut self, it: &oxc::ast::ast::ImportExpression<'a>) {
            self.0.push(("`import(..)`", it.span));
            walk::walk_import_expression(self, it);
        }

        fn visit_import_meta(&mut self, it: &oxc::ast::ast::ImportMeta) {
            self.0.push(("`import.meta`", it.span));
        }
    }
    let mut finder = Finder::default();
    finder.visit_program(program);
    finder.0
}
