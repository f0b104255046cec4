//! All modules of a project as one JavaScript module.
//!
//! Modules share one scope: imports become the names of what they import, so a call across modules costs what a call
//! inside one costs. The engine evaluates the bundle once, when the snapshot is taken.

use std::fmt::Write as _;

use oxc::allocator::{Allocator, TakeIn};
use oxc::ast::ast::{
    BindingIdentifier, BindingPattern, ExportDefaultDeclarationKind, Expression, Statement, VariableDeclaration,
    VariableDeclarationKind, VariableDeclarator,
};
use oxc::ast::builder::AstBuilder;
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::semantic::Scoping;
use oxc::span::SPAN;

use super::graph::{self, Graph, Module, ModuleId, Target};
use super::module::Wanted;
use super::names::{self, Meaning, Names};
use super::sdk;
use crate::error::BuildError;
use crate::project::Project;

/// A program that the engine can evaluate.
pub(super) struct Bundle {
    pub(super) code: String,
    /// Path and text of every file of the project that is part of it.
    pub(super) sources: Vec<(String, String)>,
    pub(super) lines: LineTable,
}

/// Which line of the project each line of the bundle came from.
#[derive(Debug, Default)]
pub(super) struct LineTable {
    files: Vec<Option<String>>,
    /// First line of the bundle, file, line in the file; ascending.
    entries: Vec<(u32, usize, u32)>,
}

/// Bundles the project.
pub(super) fn bundle(project: &Project) -> Result<Bundle, BuildError> {
    let allocator = Allocator::default();
    let graph = graph::load(project, &allocator)?;
    let (names, meanings) = names::choose(&graph).map_err(BuildError::Source)?;
    let sources = graph.modules.iter().filter(|module| module.of_project);
    let sources = sources.map(|module| (module.name.clone(), module.text.to_owned())).collect();
    let mut printer = Printer { names: &names, code: String::new(), lines: LineTable::default() };
    printer.world_imports();
    printer.namespaces(&graph);
    let closing = closing(&graph, &names);
    for ((id, module), meanings) in graph.modules.into_iter().enumerate().zip(&meanings) {
        printer.module(&allocator, id, module, meanings);
    }
    printer.code.push_str(&closing.call(&printer.lines));
    Ok(Bundle { code: printer.code, sources, lines: printer.lines })
}

impl LineTable {
    /// The place in the project that a line of the bundle came from.
    pub(super) fn locate(&self, line: u32) -> Option<(&str, u32)> {
        let after = self.entries.partition_point(|(start, ..)| *start <= line);
        let (_, file, line) = self.entries.get(after.checked_sub(1)?)?;
        Some((self.files.get(*file)?.as_deref()?, *line))
    }
}

/// Names that the end of the bundle needs.
struct Closing {
    set_lines: Option<String>,
    handler: Option<String>,
}

fn closing(graph: &Graph<'_>, names: &Names) -> Closing {
    let named = |module: &str, export: &str| {
        let id = graph.modules.iter().position(|candidate| candidate.name == module)?;
        let meaning = names::find(graph, &Target::Module(id), &Wanted::Export(export.to_owned()))?;
        names.chosen.get(&meaning).cloned()
    };
    Closing { set_lines: named(sdk::STACK, "setLines"), handler: named(sdk::ENTRY, "handler") }
}

impl Closing {
    fn call(&self, lines: &LineTable) -> String {
        let mut text = String::new();
        if let Some(set_lines) = &self.set_lines {
            let files = serde_json::to_string(&lines.files).unwrap_or_else(|_| "[]".to_owned());
            let column =
                |part: fn(&(u32, usize, u32)) -> String| lines.entries.iter().map(part).collect::<Vec<_>>().join(",");
            let (starts, sources) = (column(|entry| entry.0.to_string()), column(|entry| entry.1.to_string()));
            let origins = column(|entry| entry.2.to_string());
            let _ = writeln!(text, "{set_lines}({files},[{starts}],[{sources}],[{origins}]);");
        }
        if let Some(handler) = &self.handler {
            let _ = writeln!(text, "export {{ {handler} as handler }};");
        }
        text
    }
}

struct Printer<'n> {
    names: &'n Names,
    code: String,
    lines: LineTable,
}

impl Printer<'_> {
    fn world_imports(&mut self) {
        for interface in &self.names.world {
            if let Some(name) = self.names.chosen.get(&Meaning::World(interface.clone())) {
                let _ = writeln!(self.code, "import {name} from \"{interface}\";");
            }
        }
    }

    /// `import * as name`: an object whose properties follow the exports.
    fn namespaces(&mut self, graph: &Graph<'_>) {
        let names = self.names;
        for id in &names.namespaces {
            let Some(name) = names.chosen.get(&Meaning::Namespace(*id)) else { continue };
            let _ = writeln!(self.code, "const {name} = Object.freeze({{ __proto__: null,");
            for (export, meaning) in names::exports(graph, *id) {
                if let Some(target) = names.chosen.get(&meaning) {
                    let key = serde_json::to_string(&export).unwrap_or_default();
                    let _ = writeln!(self.code, "get [{key}]() {{ return {target}; }},");
                }
            }
            self.code.push_str("});\n");
        }
    }

    fn module<'a>(&mut self, allocator: &'a Allocator, id: ModuleId, module: Module<'a>, meanings: &[Meaning]) {
        let names = self.names;
        let Module { name, of_project, parsed, interface, .. } = module;
        let (mut program, mut scoping) = (parsed.program, parsed.scoping);
        for (import, meaning) in interface.imports.iter().zip(meanings) {
            if let Some(chosen) = names.chosen.get(meaning) {
                rename(&mut scoping, allocator, import.symbol, chosen);
            }
        }
        for (meaning, chosen) in &names.chosen {
            if let Meaning::Symbol(owner, symbol) = meaning
                && *owner == id
            {
                rename(&mut scoping, allocator, *symbol, chosen);
            }
        }
        let unnamed = names.chosen.get(&Meaning::Unnamed(id)).map_or("unnamed", |name| allocator.alloc_str(name));
        let builder = AstBuilder::new(allocator);
        let statements = program.body.take_in(&allocator);
        program.body.extend(statements.into_iter().filter_map(|statement| plain(statement, unnamed, &builder)));
        program.directives.clear();
        let comments = CommentOptions::disabled();
        let options = CodegenOptions { source_map_path: Some("bundle".into()), comments, ..CodegenOptions::default() };
        let printed = Codegen::new().with_options(options).with_scoping(Some(scoping)).build(&program);
        let first = u32::try_from(self.code.matches('\n').count()).unwrap_or(u32::MAX);
        self.lines.files.push(of_project.then_some(name));
        let file = self.lines.files.len() - 1;
        // From the first line on, so that lines without a token do not count to the module before.
        self.lines.entries.push((first + 1, file, 1));
        if let Some(map) = printed.map.filter(|_| of_project) {
            let line = |token: u32| first + token + 1;
            let tokens = map.get_tokens();
            let mut lines: Vec<_> =
                tokens.map(|token| (line(token.get_dst_line()), file, token.get_src_line() + 1)).collect();
            // Tokens come in the order of the output: the first one of a line tells where the line begins.
            lines.dedup_by_key(|(line, ..)| *line);
            self.lines.entries.extend(lines);
        }
        self.code.push_str(&printed.code);
        if !self.code.ends_with('\n') {
            self.code.push('\n');
        }
    }
}

fn rename(scoping: &mut Scoping, allocator: &Allocator, symbol: oxc::semantic::SymbolId, name: &str) {
    if scoping.symbol_name(symbol) != name {
        scoping.set_symbol_name(symbol, allocator.alloc_str(name).into());
    }
}

/// A statement without `import` and `export`; `None` when nothing is left of it.
fn plain<'a>(statement: Statement<'a>, unnamed: &'a str, builder: &AstBuilder<'a>) -> Option<Statement<'a>> {
    match statement {
        Statement::ImportDeclaration(_)
        | Statement::ExportAllDeclaration(_)
        | Statement::ExportNamedDeclaration(_)
        | Statement::ExportFromDeclaration(_) => None,
        Statement::ExportDeclaration(export) => Some(Statement::from(export.unbox().declaration)),
        Statement::ExportDefaultDeclaration(export) => match export.unbox().declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(mut function) => {
                function.id.get_or_insert_with(|| BindingIdentifier::new(SPAN, unnamed, builder));
                Some(Statement::FunctionDeclaration(function))
            }
            ExportDefaultDeclarationKind::ClassDeclaration(mut class) => {
                class.id.get_or_insert_with(|| BindingIdentifier::new(SPAN, unnamed, builder));
                Some(Statement::ClassDeclaration(class))
            }
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => None,
            other => Some(constant(unnamed, other.into_expression(), builder)),
        },
        other => Some(other),
    }
}

/// `const name = value;`
fn constant<'a>(name: &'a str, value: Expression<'a>, builder: &AstBuilder<'a>) -> Statement<'a> {
    let id = BindingPattern::new_binding_identifier(SPAN, name, builder);
    let declarator = VariableDeclarator::new(SPAN, id, None, Some(value), false, builder);
    let declarations = oxc::allocator::Vec::from_array_in([declarator], builder);
    let kind = VariableDeclarationKind::Const;
    Statement::VariableDeclaration(VariableDeclaration::boxed(SPAN, kind, declarations, false, builder))
}
