//! All modules of a program, in the order in which they are evaluated.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use airlock_model::ResourceKind;
use oxc::allocator::Allocator;
use oxc::span::Span;
use oxc_resolver::{ResolveOptions, Resolver};

use super::module::{Interface, dynamic_parts};
use super::sdk;
use super::source::{self, Parsed};
use crate::error::{BuildError, Problem};
use crate::project::Project;

/// Index of a module in [`Graph::modules`].
pub(super) type ModuleId = usize;

/// Modules, in order of evaluation.
pub(super) struct Graph<'a> {
    pub(super) modules: Vec<Module<'a>>,
}

/// One parsed module.
pub(super) struct Module<'a> {
    /// Path inside the project, or the specifier of an SDK module.
    pub(super) name: String,
    /// True for files of the project, whose lines mean something to its author.
    pub(super) of_project: bool,
    pub(super) text: &'a str,
    pub(super) parsed: Parsed<'a>,
    pub(super) interface: Interface,
    /// One per request of the interface.
    pub(super) targets: Vec<Target>,
}

/// What a request leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Module(ModuleId),
    /// An interface of the world, by its full name.
    World(String),
}

/// Where a module comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin {
    Sdk(&'static str),
    Resources,
    File(PathBuf),
}

/// Reads every module that the project's entry file reaches.
pub(super) fn load<'a>(project: &Project, allocator: &'a Allocator) -> Result<Graph<'a>, BuildError> {
    let root = project.dir.canonicalize();
    let root = root.map_err(|source| BuildError::Read { file: project.dir.display().to_string(), source })?;
    let resolver = Resolver::new(ResolveOptions {
        extensions: [".ts", ".mts", ".js", ".mjs"].map(String::from).to_vec(),
        extension_alias: vec![
            (".js".into(), vec![".ts".into(), ".js".into()]),
            (".mjs".into(), vec![".mts".into(), ".mjs".into()]),
        ],
        ..ResolveOptions::default()
    });
    let graph = Graph { modules: Vec::new() };
    let mut loader = Loader {
        project,
        root,
        resolver,
        allocator,
        graph,
        ids: HashMap::new(),
        order: Vec::new(),
        problems: Vec::new(),
    };
    loader.visit(&Origin::Sdk(sdk::ENTRY))?;
    if loader.problems.is_empty() { Ok(loader.into_graph()) } else { Err(BuildError::Source(loader.problems)) }
}

struct Loader<'a, 'p> {
    project: &'p Project,
    root: PathBuf,
    resolver: Resolver,
    allocator: &'a Allocator,
    /// In order of discovery; `order` says when each is evaluated.
    graph: Graph<'a>,
    ids: HashMap<Origin, ModuleId>,
    order: Vec<ModuleId>,
    problems: Vec<Problem>,
}

impl<'a> Loader<'a, '_> {
    /// Depth first: what a module imports is evaluated before it. A cycle ends at the module that began it.
    fn visit(&mut self, origin: &Origin) -> Result<ModuleId, BuildError> {
        if let Some(&id) = self.ids.get(origin) {
            return Ok(id);
        }
        let Some(module) = self.read(origin)? else { return Ok(ModuleId::MAX) };
        let id = self.graph.modules.len();
        self.ids.insert(origin.clone(), id);
        let requests = module.interface.requests.clone();
        self.graph.modules.push(module);
        let mut targets = Vec::with_capacity(requests.len());
        for request in requests {
            let target = match self.resolve(origin, id, &request.specifier, request.span)? {
                Some(Resolved::Origin(origin)) => Target::Module(self.visit(&origin)?),
                Some(Resolved::World(interface)) => Target::World(interface),
                None => Target::Module(ModuleId::MAX),
            };
            targets.push(target);
        }
        if let Some(module) = self.graph.modules.get_mut(id) {
            module.targets = targets;
        }
        self.order.push(id);
        Ok(id)
    }

    fn read(&mut self, origin: &Origin) -> Result<Option<Module<'a>>, BuildError> {
        let (name, text) = match origin {
            Origin::Sdk(name) => ((*name).to_owned(), sdk::module(name).unwrap_or_default().to_owned()),
            Origin::Resources => (sdk::RESOURCES.to_owned(), sdk::resources_module(&self.project.resources)),
            Origin::File(path) => {
                let name = self.relative(path);
                let text = fs::read_to_string(path);
                let text = text.map_err(|source| BuildError::Read { file: name.clone(), source })?;
                (name, text)
            }
        };
        let of_project = matches!(origin, Origin::File(_));
        let text: &'a str = self.allocator.alloc_str(&text);
        let parsed = match source::parse(self.allocator, &name, text) {
            Ok(parsed) => parsed,
            Err(problems) => {
                self.problems.extend(problems);
                return Ok(None);
            }
        };
        let interface = Interface::read(&parsed.program, &parsed.scoping);
        for (what, span) in dynamic_parts(&parsed.program) {
            let fix = "write an `import` at the top of the file instead".to_owned();
            self.problems.push(source::problem(
                &name,
                text,
                span,
                format!("{what} is not available in a function"),
                fix,
            ));
        }
        for (missing, span) in &interface.unknown {
            let fix = "declare it, or write `export type` when it is a type".to_owned();
            self.problems.push(source::problem(
                &name,
                text,
                *span,
                format!("`{missing}` is exported but not declared"),
                fix,
            ));
        }
        Ok(Some(Module { name, of_project, text, parsed, interface, targets: Vec::new() }))
    }

    fn resolve(
        &mut self,
        importer: &Origin,
        id: ModuleId,
        specifier: &str,
        span: Span,
    ) -> Result<Option<Resolved>, BuildError> {
        match importer {
            Origin::Sdk(_) if specifier == sdk::PROJECT_ENTRY => Ok(Some(Resolved::Origin(self.entry()?))),
            // Only `fetch` asks for them, and only HTTP APIs are of use to it.
            Origin::Sdk(_) if specifier == sdk::RESOURCES => Ok(Some(Resolved::Origin(self.for_fetch()))),
            Origin::Sdk(_) | Origin::Resources => Ok(Some(internal(specifier))),
            Origin::File(_) if specifier == sdk::RESOURCES => Ok(Some(Resolved::Origin(Origin::Resources))),
            Origin::File(path) => {
                if let Some(module) = sdk::public(specifier) {
                    return Ok(Some(Resolved::Origin(Origin::Sdk(module))));
                }
                match self.resolve_file(path, specifier) {
                    Ok(path) => Ok(Some(Resolved::Origin(Origin::File(path)))),
                    Err((message, fix)) => {
                        if let Some(module) = self.graph.modules.get(id) {
                            self.problems.push(source::problem(&module.name, module.text, span, message, fix));
                        }
                        Ok(None)
                    }
                }
            }
        }
    }

    fn for_fetch(&self) -> Origin {
        let has_api = self.project.resources.iter().any(|resource| resource.kind == ResourceKind::Http);
        if has_api { Origin::Resources } else { Origin::Sdk(sdk::NOTHING) }
    }

    fn entry(&self) -> Result<Origin, BuildError> {
        let path = self.root.join(&self.project.entry);
        let file = self.project.entry.display().to_string();
        let path = path.canonicalize().map_err(|source| BuildError::Read { file: file.clone(), source })?;
        if path.starts_with(&self.root) {
            return Ok(Origin::File(path));
        }
        let message = format!("the entry file `{file}` lies outside of the project");
        let fix = "move it into the project and correct `entry` in function.toml".to_owned();
        let problem = Problem { file: crate::project::MANIFEST.to_owned(), line: 0, column: 0, message, fix };
        Err(BuildError::Source(vec![problem]))
    }

    fn resolve_file(&self, importer: &Path, specifier: &str) -> Result<PathBuf, (String, String)> {
        if !specifier.starts_with("./") && !specifier.starts_with("../") {
            let fix = format!(
                "functions import their own files, as in \"./{specifier}.ts\", and {}: copy what you need into the project",
                sdk::public_names()
            );
            return Err((format!("`{specifier}` is a package, and packages are not resolved"), fix));
        }
        let directory = importer.parent().unwrap_or(&self.root);
        let found = self.resolver.resolve(directory, specifier).ok().map(oxc_resolver::Resolution::into_path_buf);
        let found = found.and_then(|path| path.canonicalize().ok());
        let Some(path) = found else {
            let fix = "correct the path; `.ts` and `.js` files are found with and without their extension".to_owned();
            return Err((format!("`{specifier}` does not exist"), fix));
        };
        if !path.starts_with(&self.root) {
            return Err((format!("`{specifier}` lies outside of the project"), "copy it into the project".to_owned()));
        }
        let supported = ["ts", "mts", "js", "mjs"];
        if !path.extension().is_some_and(|extension| supported.iter().any(|one| extension == *one)) {
            let fix = "import `.ts` or `.js` files; put data into a `.ts` file that exports it".to_owned();
            return Err((format!("`{specifier}` is not a TypeScript or JavaScript file"), fix));
        }
        Ok(path)
    }

    fn relative(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
        parts.join("/")
    }

    /// Renumbers the modules by their order of evaluation.
    fn into_graph(self) -> Graph<'a> {
        let mut position = vec![ModuleId::MAX; self.graph.modules.len()];
        for (new, &old) in self.order.iter().enumerate() {
            if let Some(slot) = position.get_mut(old) {
                *slot = new;
            }
        }
        let renumber = |target: Target| match target {
            Target::Module(old) => Target::Module(position.get(old).copied().unwrap_or(ModuleId::MAX)),
            Target::World(interface) => Target::World(interface),
        };
        let mut modules: Vec<(ModuleId, Module<'a>)> = Vec::with_capacity(self.graph.modules.len());
        for (old, mut module) in self.graph.modules.into_iter().enumerate() {
            module.targets = module.targets.into_iter().map(renumber).collect();
            modules.push((position.get(old).copied().unwrap_or(ModuleId::MAX), module));
        }
        modules.sort_by_key(|(new, _)| *new);
        Graph { modules: modules.into_iter().map(|(_, module)| module).collect() }
    }
}

enum Resolved {
    Origin(Origin),
    World(String),
}

/// SDK modules import each other and the interfaces of the world, nothing else.
fn internal(specifier: &str) -> Resolved {
    match sdk::name_of(specifier) {
        Some(name) => Resolved::Origin(Origin::Sdk(name)),
        None => Resolved::World(specifier.to_owned()),
    }
}
